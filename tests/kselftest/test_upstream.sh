#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The kernel's own selftests of flowtables with our type in place of its own: nft_flowtable.sh, in software, and nft_offload.sh, with
# the kernel's own netdevsim. They run unmodified, except for the taint of an out-of-tree module.
. "$(dirname "$0")/lib.sh"

COPY=/tmp/selftests/net

# upstream SCRIPT: runs it and prints its output. Sets PASSED, FAILED and SKIPPED to its results.
upstream() {
	local status
	(cd $COPY/netfilter && timeout 300 bash "./$1") >/tmp/said 2>&1
	status=$?
	diag "$(</tmp/said)"
	PASSED=$(grep -c '^PASS' /tmp/said) FAILED=$(grep -cE '^(FAIL|ERROR)' /tmp/said)
	# The test kernel has no egress hook.
	SKIPPED=$(grep '^SKIP' /tmp/said | grep -v netdev:egress | paste -sd ';')
	echo "# status $status"
	[ $status = 0 ] || { [ $status = 4 ] && [ -n "$SKIPPED" ]; }
}

SOURCE=$KDIR/source/tools/testing/selftests/net
require_file "$SOURCE" "$KDIR/drivers/net/netdevsim/netdevsim.ko"
mkdir -p $COPY
cp -r "$SOURCE/lib.sh" "$SOURCE/lib" "$SOURCE/netfilter" $COPY/
# 4096 is the taint of an out-of-tree module.
# shellcheck disable=SC2016 # for the script
sed -i 's|^read -r t < /proc/sys/kernel/tainted|&; t=$((t \& ~4096))|' $COPY/netfilter/nft_offload.sh
check_is "taint: twice" "$(grep -c '~4096' $COPY/netfilter/nft_offload.sh)" 2
! grep -q '^netdevsim ' /proc/modules || rmmod netdevsim
check "the kernel's netdevsim" insmod "$KDIR/drivers/net/netdevsim/netdevsim.ko"
check "our module" modprobe nft_offload

check "nft_offload.sh" upstream nft_offload.sh
check_is "flowtable and ruleset" "$PASSED $FAILED" "2 0"
check "nft_flowtable.sh" upstream nft_flowtable.sh
check_between "it has passed most" "$PASSED" 15 100
check_is "and failed nothing" "$FAILED" 0
check_is "nor left anything out" "$SKIPPED" ""
check "our module was used" eval '! grep -q "^nf_flow_table_inet " /proc/modules'
check "no reference is left" busywait 10 module_free
rmmod netdevsim
check "the module unloads" busywait 5 rmmod nft_offload
