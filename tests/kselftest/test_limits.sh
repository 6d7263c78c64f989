#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The capacity of a device: a limit set by the user, and a full table. And unsupported=reject, which rejects a ruleset as the in-tree
# type does.
. "$(dirname "$0")/lib.sh"

says() { dmesg | sed -n "/$MARK/,\$p" | grep -qF "$1"; }
mark() {
	MARK="nft-offload-limits $RANDOM$RANDOM"
	echo "$MARK" >/dev/kmsg
}
talk() { exchange udp $SERVER4 -b "$1" -n "${2:-20}" -i 20; }
# A refused flow is tried again when the core refreshes it: with a packet at least a second after the last attempt.
talk_on() { talk "$1" 150; }

# load [PARAMETER]: reloads the module.
load() { busywait 5 module_free && modprobe -r nft_offload && modprobe nft_offload "$@"; }

limit_of_the_user() {
	defer no_ruleset
	load limit=lan:2
	ruleset forward
	mark
	for port in 51001 51002 51003; do talk $port >/dev/null; done
	check_is "lan holds two rules, wan those of the same flows" "$(rules)" 4
	check "the log says why the third flow is in software" says "reached its rule limit"
	check "its packets arrive" talk 51003
	router conntrack -D -p udp --sport 51001 >/dev/null 2>&1
	check "one flow ends" busywait 5 rules_are 2
	talk_on 51003 >/dev/null
	check "the third takes its place" busywait 5 rules_are 4
}

full_table() {
	defer no_ruleset
	defer nic_set capacity 65536
	load
	ruleset forward
	echo 2 >"$NIC/capacity"
	mark
	talk 51011 >/dev/null
	check_is "a flow fills the table" "$(rules)" 2
	check "another one's packets arrive" talk 51012
	check_is "it stays in software" "$(rules)" 2
	check "the log says that the table is full" says "table is full"
	router conntrack -D -p udp --sport 51011 >/dev/null 2>&1
	check "the first one ends" busywait 5 rules_are 0
	talk_on 51012 >/dev/null
	check "the other takes its place" busywait 5 rules_are 2
}

unsupported_reject() {
	defer ip -n router link del dummy0
	defer no_ruleset
	load unsupported=reject
	ip -n router link add dummy0 type dummy
	check "unsupported=reject: a device without offload fails the ruleset" \
		bash -c "! sed 's/{ lan, wan }/{ lan, wan, dummy0 }/' '$RULESETS/forward.nft' | nsenter --net=/run/netns/router nft -f - 2>/dev/null"
	check_is "nothing of it stays" "$(router nft list tables | grep -c 'inet router')" 0
	check "the devices that were bound are free again" ruleset forward
	check "and take rules" open_flow udp $SERVER4 51020
	close_flow
}

wrong_parameters() {
	local wrong
	defer modprobe nft_offload
	busywait 5 module_free && modprobe -r nft_offload
	for wrong in "limit=lan:many invalid.value..many.*a.rule.count" "limit=lan invalid.entry..lan.*DEVICE:RULES" \
		"unsupported=no invalid.value..no.*software.or.reject"; do
		mark
		check "${wrong% *} is refused" bash -c "! modprobe nft_offload ${wrong% *} 2>/dev/null"
		check "and the log names the mistake" bash -c "dmesg | sed -n '/$MARK/,\$p' | grep -q '${wrong#* }'"
	done
}

begin
tests_run limit_of_the_user full_table unsupported_reject wrong_parameters
