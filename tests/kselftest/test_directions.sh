#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Both directions of a flow are in hardware, or none; with directions=any also one alone. Whatever the refusal of the second rule is.
. "$(dirname "$0")/lib.sh"

directions() { get 'map([.state, .original.state, .reply.state, .reason])' dump flow-get "{\"port\": $1}"; }
directions_are() { [ "$(directions "$1")" = "$2" ]; }
flag() { router conntrack -L -p udp 2>/dev/null | grep -c HW_OFFLOAD; }
flow_is_gone() { [ "$(ask dump flow-get "{\"port\": $1}")" = "[]" ]; }
talk() { exchange udp $SERVER4 -b "$1" -n "${2:-10}" -i 20; }

no_room_for_the_second() {
	defer no_ruleset
	reload limit=wan:0
	ruleset forward
	talk 54001 >/dev/null
	check_is "wan accepts no rule: neither direction is in hardware" "$(directions 54001)" '[["software","software","software",51]]'
	check_is "nothing of the first stays" "$(rules) $(device lan '[.rules, .adds > 0, .adds == .deletes]')" "0 [0,true,true]"
	check_is "conntrack does not say that it is" "$(flag)" 0
}

second_refused() {
	# With each errno that drivers return.
	local errno adds
	defer no_ruleset
	defer nic_set fail_next 0
	reload
	ruleset forward
	echo replace >"$NIC/fail_cmd"
	# 28 is the last: a driver that was full is left alone for a while.
	for errno in 2 12 17 95 28; do
		adds=$(device lan '[.adds, .deletes]')
		echo "-$errno" >"$NIC/fail_errno"
		echo 1 >"$NIC/fail_skip"
		echo 1 >"$NIC/fail_next"
		talk 54100 2 >/dev/null
		check_is "errno $errno for the second: neither is in" "$(rules) $(directions 54100 | jq -c '.[0][:3]')" '0 ["software","software","software"]'
		check_is "errno $errno: the record has it" "$(get 'map(.errno)' dump flow-get '{"port": 54100}')" "[$errno]"
		check_is "errno $errno: the first was in and out" "$(device lan '[.adds, .deletes]')" "$(jq -c 'map(. + 1)' <<<"$adds")"
		router conntrack -D -p udp --sport 54100 >/dev/null 2>&1
		check "errno $errno: the record goes with the flow" busywait 5 flow_is_gone 54100
	done
}

one_direction() {
	local seen
	defer no_ruleset
	reload limit=wan:0 directions=any
	ruleset forward
	talk 54002 >/dev/null
	check "directions=any: the rule of lan is in hardware, the other has a reason" \
		busywait 3 directions_are 54002 '[["one-direction","in-hardware","software",51]]'
	check_is "one rule" "$(rules)" 1
	check_is "conntrack does not say that the flow is in hardware" "$(flag)" 0
	seen=$(cpu udp)
	check_is "nothing is lost" "$(talk 54002 50)" "rounds=50 bytes=5000 lost=0"
	check_between "the CPU sees one direction only" $(($(cpu udp) - seen)) 50 52
	check_is "packets of the other direction are no misses" "$(device lan '."hardware-misses"')" 0
	check_is "the totals say so" "$(get '[."flows-one-direction", ."flows-in-hardware"]' "do" stats-get)" "[1,0]"
	check_is "filter: one-direction" "$(get length dump flow-get '{"state": "one-direction"}')" 1
	check "it ends as others do" bash -c "ip netns exec router conntrack -D -p udp --sport 54002 >/dev/null 2>&1"
	check "and nothing is left" busywait 5 rules_are 0
}

other_direction_follows() {
	defer no_ruleset
	defer nic_set capacity 65536
	reload directions=any
	echo 1 >"$NIC/capacity"
	ruleset forward
	talk 54003 >/dev/null
	check "one fits, one does not" busywait 3 directions_are 54003 '[["one-direction","in-hardware","software",50]]'
	echo 65536 >"$NIC/capacity"
	talk_on -b 54003 -n 300 -i 100
	check "once there is room, the other follows" busywait 25 directions_are 54003 '[["in-hardware","in-hardware","in-hardware",null]]'
	check_is "the first one has stayed as it was" "$(device lan '[.rules, .adds]') $(device wan '[.rules, .adds]')" "[1,1] [1,1]"
	check "conntrack reports that it is in hardware" flows_are HW_OFFLOAD udp 1
	hush $!
}

wrong_parameter() {
	defer ask again
	defer modprobe nft_offload
	busywait 5 module_free && modprobe -r nft_offload
	check "a wrong word is refused" bash -c "! modprobe nft_offload directions=one 2>/dev/null"
	check "and the log names the mistake" bash -c "dmesg | grep -q 'parameter directions: invalid value \"one\": expected both or any'"
}

begin
check "the netlink family answers" netlink_up
router sysctl -qw net.netfilter.nf_flowtable_udp_timeout=120
tests_run no_room_for_the_second second_refused one_direction other_direction_follows wrong_parameter
