#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A kernel that clears NF_FLOW_HW after an error of a type sends no DESTROY, and frees flows that have a record here: the module
# notices, reports it once and takes no more flows. Runs in the kernel of uml.sh. TAP.
set -u
# shellcheck source=tests/bench/lib.sh
. "$TOP/tests/bench/lib.sh"

said() { dmesg | grep -c 'NF_FLOW_HW was cleared'; }

echo "TAP version 13"
prepare
devices 2
load ours
ruleset 2
bench add 10 v4udp
check "ten flows are in hardware" is "$(ask rules)" 20
bench clear_hw
check "it is logged once" is "$(said)" 1
bench add 10 v4udp
check "no flow goes into hardware any more" is "$(ask rules)" 20
bench clear_hw
check "nor is it said again" is "$(said)" 1
nft delete table inet bench
bench forget
unload ours

# Each load checks again whether the kernel keeps this promise.
load ours
ruleset 2
bench add 10 v4udp
check "it starts anew when it is loaded" is "$(ask rules)" 40
bench remove
check "a DESTROY shows that the kernel sends them" is "$(ask rules)" 20
bench add 10 v4udp
bench clear_hw
check "which is not doubted again" is "$(said)" 1
nft delete table inet bench
check "and all rules are out again" is "$(ask rules)" 20
bench forget
unload ours
echo "1..$COUNT"
