#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A busy flow in hardware never times out, an idle one does: also with a driver that reports the last use of a rule but no packets,
# packets but no last use, or nothing at all.
. "$(dirname "$0")/lib.sh"

# busy PROTOCOL: results: a message a second, for longer than the timeout, and the CPU sees none of them.
busy() {
	local proto=$1 seen dels
	defer no_ruleset
	ruleset forward
	exchange "$proto" $SERVER4 -b 43000 -n 20 -i 1000 >/tmp/busy &
	check "$proto: in hardware" busywait 5 rules_are 2
	sleep 1
	seen=$(cpu "$proto") dels=$(hw_counter offload_dels)
	sleep 9
	check "$proto: a busy flow stays in hardware" rules_are 2
	check_is "$proto: no packet of it reached the CPU" "$(($(cpu "$proto") - seen))" 0
	check_is "$proto: no rule of it was replaced" "$(($(hw_counter offload_dels) - dels))" 0
	wait $!
	check_is "$proto: nothing is lost" "$(cat /tmp/busy)" "rounds=20 bytes=2000 lost=0"
	router conntrack -F >/dev/null 2>&1
	busywait 6 rules_are 0
}

busy_udp() { busy udp; }
busy_tcp() { busy tcp; }

idle_flow() {
	defer no_ruleset
	ruleset forward
	check "an idle flow" open_flow udp $SERVER4 43100
	check "times out" busywait 9 rules_are 0
	close_flow
}

# Packets on the slow path: those of a flow that has ended and is learned again.
slow() { router nft -j list counter inet slow seen | jq '.nftables[] | select(.counter) | .counter.packets'; }
# lying LIE: results: a driver that does not report everything.
lying() {
	local lie=$1 before seen
	defer nic_set lie none
	defer no_ruleset
	defer router nft 'table inet slow; delete table inet slow'
	busywait 5 module_free && modprobe -r nft_offload && modprobe nft_offload
	echo "$lie" >"$NIC/lie"
	ruleset forward
	router nft 'table inet slow { counter seen {}; chain forward { type filter hook forward priority -9; meta l4proto udp counter name "seen"; }; }'
	exchange udp $SERVER4 -b 43200 -n 60 -i 300 >/tmp/busy &
	check "$lie: in hardware" busywait 5 rules_are 2
	sleep 1
	before=$(slow) seen=$(cpu udp)
	sleep 7
	check_is "$lie: a busy flow does not end" "$(slow)" "$before"
	# If the driver reports nothing, a packet passes every three seconds, and those on their way until the rule is back.
	case $lie in
	no_counters | no_lastused) check_is "$lie: the CPU sees nothing of it" "$(cpu udp)" "$seen" ;;
	*) check_between "$lie: the CPU sees little of it" $(($(cpu udp) - seen)) 1 40 ;;
	esac
	check "$lie: it is in hardware" busywait 2 rules_are 2
	wait $!
	check_is "$lie: nothing is lost" "$(cat /tmp/busy)" "rounds=60 bytes=6000 lost=0"
	check "$lie: once idle, its rules go" busywait 15 rules_are 0
	check "$lie: and it ends" busywait 10 eval 'flows_are OFFLOAD udp 0 && flows_are HW_OFFLOAD udp 0'
}

no_counters() { lying no_counters; }
no_lastused() { lying no_lastused; }
no_use() { lying no_use; }
stats_error() { lying stats_error; }

begin
router sysctl -qw net.netfilter.nf_flowtable_udp_timeout=4 net.netfilter.nf_flowtable_tcp_timeout=4
tests_run busy_udp busy_tcp idle_flow no_counters no_lastused no_use stats_error
