#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A kernel that clears NF_FLOW_HW after a type's error sends no DESTROY, and frees flows that have a record here: the module
# notices, says so once and takes no more flows. Runs in the kernel of uml.sh. TAP.
set -u
# shellcheck source=tests/bench/lib.sh
. "$TOP/tests/bench/lib.sh"

COUNT=0
is() { # is DESCRIPTION GOT WANTED
	COUNT=$((COUNT + 1))
	if [ "$2" = "$3" ]; then
		echo "ok $COUNT $1"
	else
		echo "not ok $COUNT $1"
		echo "# is: $2, should be: $3"
	fi
}
said() { dmesg | grep -c 'NF_FLOW_HW was cleared'; }

echo "TAP version 13"
prepare
bench devices 2
load ours
ruleset 2
bench add 10 v4udp
is "ten flows are in hardware" "$(ask rules)" 20
bench clear_hw
is "it is said once" "$(said)" 1
bench add 10 v4udp
is "no flow goes into hardware any more" "$(ask rules)" 20
bench clear_hw
is "nor is it said again" "$(said)" 1
nft delete table inet bench
bench forget
unload ours

# The promise that this kernel keeps is looked at anew with each load.
load ours
ruleset 2
bench add 10 v4udp
is "it starts anew when it is loaded" "$(ask rules)" 40
bench remove
is "a DESTROY shows that the kernel sends them" "$(ask rules)" 20
bench add 10 v4udp
bench clear_hw
is "which is not doubted again" "$(said)" 1
nft delete table inet bench
is "and all rules are out again" "$(ask rules)" 20
bench forget
unload ours
echo "1..$COUNT"
