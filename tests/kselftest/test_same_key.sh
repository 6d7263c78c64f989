#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Two customers with the same addresses behind two VLANs, separated by conntrack zones, in a NIC that matches neither VLAN nor ingress
# device: a rule for one would catch the packets of the other. Both keep their packets, and get the reason why they stay in software.
. "$(dirname "$0")/lib.sh"
. "$SELFTEST/customers.sh"

# talk CUSTOMER PORT COUNT: writes the result of the client to /tmp/talk.CUSTOMER.
talk() {
	nsenter --net=/run/netns/"$1" -- "$TRAFFIC" client "${4:-udp}" $SERVER4 5001 -b "$2" -n "$3" -i 20 >"/tmp/talk.$1" 2>&1 &
	TALK=$!
}
reasons_are() { [ "$(reasons "$1")" = "$2" ]; }

# two_zones PROFILE STATE REASON: results: two flows in different zones; the module has this profile afterwards.
two_zones() {
	local profile=$1 state=$2 reason=$3 protocol port one
	defer no_ruleset
	busywait 5 module_free && modprobe -r nft_offload && echo "$profile" >"$NIC/profile" &&
		modprobe nft_offload "profile=lan:$profile,wan:$profile"
	check "$profile: the module" [ "$(ask again)" = '"ready"' ]
	for protocol in udp tcp; do
		zones 1 2
		port=47001
		talk a $port 150 $protocol
		one=$TALK
		sleep 0.5
		talk b $port 150 $protocol
		check "$profile, $protocol: both say where they are" busywait 4 reasons_are $port "1 $state $reason; 2 $state $reason"
		wait $one
		check_is "$profile, $protocol: one loses nothing" "$?" 0
		wait $TALK
		check_is "$profile, $protocol: the other loses nothing" "$?" 0
		no_ruleset
	done
	busywait 5 rules_are 0
}

# one_zone PROFILE: results: one of the flows is in the default zone.
one_zone() {
	local profile=$1 other
	defer no_ruleset
	zones 0 2
	talk b 47002 300
	other=$TALK
	check "$profile: a flow in a zone" busywait 4 reasons_are 47002 "2 software 39"
	talk a 47002 1000
	check "$profile: a flow in no zone stays out" busywait 4 reasons_are 47002 "0 software 39; 2 software 39"
	check_is "$profile: no rules" "$(rules)" 0
	wait $other
	check_is "$profile: the flow in a zone loses nothing" "$?" 0
	router conntrack -D -p udp --orig-port-src 47002 --orig-zone 2 >/dev/null 2>&1
	check "$profile: the flow in no zone goes in once it is alone" busywait 15 reasons_are 47002 "0 in-hardware null"
	wait $TALK
	check_is "$profile: it has lost nothing" "$?" 0
	talk a 47003 50
	check "$profile: others are in hardware" busywait 4 reasons_are 47003 "0 in-hardware null"
	wait $TALK
	no_ruleset
	check "$profile: no rule is left" busywait 5 rules_are 0
}

mtk() {
	two_zones mtk software 39
	one_zone mtk
}
airoha() {
	two_zones airoha software 39
	one_zone airoha
}
tc() { two_zones tc in-hardware null; }

begin
check "a client of the generic netlink family" netlink_up
check "two customers with one address" customers a b
tests_run mtk airoha tc
no_customers a b
check "no reference is left" busywait 5 module_free
