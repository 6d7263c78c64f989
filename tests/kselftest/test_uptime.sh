#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A flow half in hardware, half on the CPU, while the low half of jiffies wraps: there the core compares 32 with 64 bits, and an old
# time from the NIC would end a live flow early (B9). The test kernel wraps 20 s after boot, others 300 s.
. "$(dirname "$0")/lib.sh"

JIFFIES=$KDIR/source/include/linux/jiffies.h
require_file "$JIFFIES"

begin
router sysctl -qw net.netfilter.nf_flowtable_udp_timeout=10
wrap=$(sed -nE 's/.*INITIAL_JIFFIES.*-([0-9]+)\*HZ.*/\1/p' "$JIFFIES")
check "it is known when jiffies wrap" test "${wrap:-0}" -gt 0
while [ "$(cut -d. -f1 /proc/uptime)" -lt $((${wrap:-300} + 5)) ]; do sleep 1; done
ruleset forward
# The NIC reports an old time of the last packet; the CPU knows a newer one.
echo lastused_stale >"$NIC/lie"
check "in hardware" open_flow udp $SERVER4 44000
adds=$(hw_counter offload_adds)
# In the last third of its timeout a flow passes the CPU once if the NIC has never reported the use of a rule.
for _ in 1 2 3 4 5; do
	sleep 1
	rules_are 2 || break
done
check "an old time from the NIC does not end the flow early" rules_are 2
check_is "nor is it learned anew" "$(hw_counter offload_adds)" "$adds"
# A time in the future is not the time of a packet either.
echo lastused_future >"$NIC/lie"
check "a time in the future does not keep an idle flow for ever" busywait 25 rules_are 0
check "and it ends" busywait 15 eval 'flows_are OFFLOAD udp 0 && flows_are HW_OFFLOAD udp 0'
close_flow
