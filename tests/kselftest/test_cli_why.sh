#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# nft-offload why, for reasons that depend on time, errors and other flows; and together the tests cli, cli_doctor, cli_steer, refused
# and wire_* provoke every reason, except those that nothing here can provoke.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/cli.sh"

inject() { # COMMAND COUNT ERRNO
	echo "$1" >"$NIC/fail_cmd"
	echo "$3" >"$NIC/fail_errno"
	echo "$2" >"$NIC/fail_next"
}
why() { cli --json why "$CLIENT4:$1" $SERVER4:5001 | jq -r '"\(.reason.name) (\(.reason.number)), \(.advice | length > 0)"'; }
# why_is CASE PORT NAME: results: the reason and an advice, both also in the text.
why_says() { [ "$(why "$1")" = "$2, true" ]; }
why_is() {
	check "why: $1" busywait "${4:-3}" why_says "$2" "$3"
	check "why: $1, in words" ends 0 "Why         $3" why "$CLIENT4:$2" $SERVER4:5001
}

device_not_bound() {
	defer no_ruleset
	defer inject any 0 0
	inject bind 1000 -95
	ruleset forward
	exchange udp $SERVER4 -b 48001 -n 10 -i 20 >/dev/null
	why_is "a device that is not bound" 48001 "no-binding (1)"
}

no_memory_in_the_driver() {
	defer no_ruleset
	defer inject any 0 0
	ruleset forward
	inject replace 1000 -12
	exchange udp $SERVER4 -b 48048 -n 10 -i 20 >/dev/null
	why_is "the driver has no memory" 48048 "driver-refused (32)"
}

lost_rule() {
	# The core queries a rule after a tenth of this time.
	defer router sysctl -qw net.netfilter.nf_flowtable_udp_timeout=120
	defer no_ruleset
	defer close_flow
	defer inject any 0 0
	router sysctl -qw net.netfilter.nf_flowtable_udp_timeout=6
	ruleset forward
	check "a flow" open_flow udp $SERVER4 48049
	inject stats 1 -2
	why_is "a rule that got lost" 48049 "rule-lost (49)" 8
}

silent_driver() {
	defer router sysctl -qw net.netfilter.nf_flowtable_udp_timeout=120
	defer no_ruleset
	defer nic_set lie none
	defer close_flow
	router sysctl -qw net.netfilter.nf_flowtable_udp_timeout=6
	reload
	echo no_use >"$NIC/lie"
	ruleset forward
	check "a flow" open_flow udp $SERVER4 48057
	why_is "a driver that reports no use" 48057 "unreported (57)" 10
}

limit_and_eviction() {
	# No room for one, room made by the other.
	defer reload
	defer no_ruleset
	reload limit=lan:1
	ruleset forward
	exchange udp $SERVER4 -b 48052 -n 5 -i 20 >/dev/null
	check "a flow that falls silent" busywait 5 flow_is 48052 in-hardware null
	talk_on -b 48051 -n 3000 -i 20
	why_is "the limit" 48051 "limit (51)" 5
	why_is "it made room for a busier one" 48052 "evicted (52)" 30
	hush $!
}

every_reason_is_listed() {
	local here cli refused wire multicast same_key stale reload nowhere
	# Which reasons are provoked where.
	here="no-binding rule-lost limit evicted unreported"
	cli="driver-refused admission full operator device-off"
	refused="xfrm not-ethernet tunnel-device oversize service-tag layer-order retag nat4 nat6 gre"
	wire="pppoe source-mac"
	multicast="to-many"
	same_key="same-key"
	stale="route-changed neighbour-changed path-changed mtu-changed"
	reload="reload"
	# core-tunnel: such flows have no record, and the log says so (refused). The others: the core never offers such a flow, or the
	# moment is too short.
	nowhere="not-tried protocol encapsulation unresolved transmit too-many-actions no-egress core-tunnel lwtunnel gre-nat tunnel no-memory"
	# shellcheck disable=SC2086 # lists
	check_is "each reason is in one of these lists" "$(get 'map(.name) | sort | join(" ")' dump reason-get)" \
		"$(printf '%s\n' $here $cli $refused $wire $multicast $same_key $stale $reload $nowhere | sort | tr '\n' ' ' | sed 's/ $//')"
}

begin
check "the netlink family answers" netlink_up
router sysctl -qw net.netfilter.nf_flowtable_udp_timeout=120
tests_run device_not_bound no_memory_in_the_driver lost_rule silent_driver limit_and_eviction \
	every_reason_is_listed
