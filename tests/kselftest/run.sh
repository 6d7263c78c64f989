#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Runs kselftests inside the VM, one after the other, and looks at the kernel log after each.
#
#   run.sh TEST...     names without test_ and .sh
#
# Prints TAP, a line "=== NAME" in front of each test.
set -u
cd "$(dirname "$0")" || exit 1

# What must not be in the kernel log. The module's taint is not among it.
BAD='WARNING:|BUG:|Oops|UBSAN:|KASAN:|kmemleak:|INFO: (possible|task|rcu|trying)|possible (recursive|circular)|suspicious RCU|inconsistent lock|unregister_netdevice: waiting|ref_tracker:|refcount_t:|Call Trace|general protection|soft lockup|workqueue lockup|panic|list_(add|del) corruption|DEBUG_LOCKS|scheduling while atomic|sleeping function'

failed=0
for test in "$@"; do
	echo "=== $test"
	mark="nft-offload-test $test $$"
	echo "$mark" >/dev/kmsg
	start=$SECONDS
	timeout -k 5 "${NFT_OFFLOAD_TEST_TIMEOUT:-240}" bash "./test_$test.sh" || failed=1
	# A script that the timeout has killed has not tidied up.
	echo "# $((SECONDS - start)) s"
	log=$(dmesg | sed -n "/$mark/,\$p")
	if bad=$(grep -nE "$BAD" <<<"$log"); then
		echo "not ok 0 $test: the kernel log is clean"
		head -n 5 <<<"$bad" | sed 's/^/# /'
		line=$(head -n 1 <<<"$bad" | cut -d: -f1)
		sed -n "$((line > 3 ? line - 3 : 1)),$((line + 60))p" <<<"$log" | sed 's/^/#   /'
		failed=1
	else
		echo "ok 0 $test: the kernel log is clean"
	fi
done
exit $failed
