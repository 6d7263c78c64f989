#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A flow that is busy in hardware never times out, an idle one does.
. "$(dirname "$0")/lib.sh"

begin
router sysctl -qw net.netfilter.nf_flowtable_udp_timeout=4 net.netfilter.nf_flowtable_tcp_timeout=4
ruleset forward
for proto in udp tcp; do
	# A message a second for 12 s, three times the timeout; the CPU sees none of them.
	exchange $proto $SERVER4 -b 43000 -n 12 -i 1000 >/tmp/busy &
	check "$proto: in hardware" busywait 5 rules_are 2
	sleep 1
	seen=$(cpu $proto) dels=$(hw_counter offload_dels)
	sleep 9
	check "$proto: a busy flow stays in hardware" rules_are 2
	check_is "$proto: no packet of it reached the CPU" "$(($(cpu $proto) - seen))" 0
	check_is "$proto: no rule of it was replaced" "$(($(hw_counter offload_dels) - dels))" 0
	wait $!
	check_is "$proto: nothing is lost" "$(cat /tmp/busy)" "rounds=12 bytes=1200 lost=0"
	router conntrack -F >/dev/null 2>&1
	busywait 6 rules_are 0
done
check "an idle flow" open_flow udp $SERVER4 43100
check "times out" busywait 9 rules_are 0
close_flow
