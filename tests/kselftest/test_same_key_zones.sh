#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Customers with the same addresses in conntrack zones, behind a NIC that matches neither VLAN nor ingress device: no flow of the
# default zone gets a rule while one in a zone exists, also after another one in a zone has ended, or while one waits for admission.
. "$(dirname "$0")/lib.sh"
. "$SELFTEST/customers.sh"
# talk CUSTOMER PORT COUNT: writes the result of the client to /tmp/talk.CUSTOMER.
talk() { nsenter --net=/run/netns/"$1" -- "$TRAFFIC" client udp $SERVER4 5001 -b "$2" -n "$3" -i 20 -w 200 >"/tmp/talk.$1" 2>&1 & TALK=$!; }

# load [PARAMETER]: reloads the module with a profile that matches neither.
load() {
	busywait 5 module_free && modprobe -r nft_offload && echo mtk >"$NIC/profile" && modprobe nft_offload "profile=lan:mtk,wan:mtk" "$@"
	ask again >/dev/null
}

one_in_a_zone_ends() {
	local a b c
	defer no_ruleset
	load
	# Zones 1 and 2; the flow in 2 ends; then the default zone.
	zones 1 2
	talk a 47001 1500; a=$TALK
	sleep 8.5
	talk b 47001 50; b=$TALK
	wait $b
	diag "b: $(cat /tmp/talk.b): $(reasons 47001)"
	router conntrack -D -p udp --orig-port-src 47001 --orig-zone 2 >/dev/null 2>&1
	busywait 4 eval '! reasons 47001 | grep -q "2 software"'
	talk c 47001 400; c=$TALK
	sleep 2
	diag "b gone: $(reasons 47001)"
	wait $a; wait $c
	diag "a: $(cat /tmp/talk.a) c: $(cat /tmp/talk.c)"
	check_is "a loses nothing" "$(grep -o 'lost=.*' /tmp/talk.a)" lost=0
}

one_waits_for_admission() {
	local a b
	defer no_ruleset
	load admit=100
	zones 0 2
	nsenter --net=/run/netns/b -- "$TRAFFIC" client udp $SERVER4 5001 -b 47003 -n 40 -i 250 -w 200 >/tmp/talk.b 2>&1 & b=$!
	sleep 1
	talk a 47003 300; a=$TALK
	sleep 5
	diag "admission: $(reasons 47003)"
	wait $a; wait $b
	check_is "admission: b loses nothing" "$(grep -o 'lost=.*' /tmp/talk.b)" lost=0
}

begin
check "a client of the generic netlink family" netlink_up
ip -n router addr add 10.0.2.102/24 dev wan
customers a b c
tests_run one_in_a_zone_ends one_waits_for_admission
no_customers a b c
