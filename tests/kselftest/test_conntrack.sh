#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The counters of conntrack equal the packets sent, wherever they were forwarded, also if a flow is ended early.
. "$(dirname "$0")/lib.sh"

# The flows have 50 messages of 300 bytes: 328 bytes of IPv4, 348 of IPv6, each way.
counters() { # PROTOCOL PORT: packets and bytes of both directions
	router conntrack -L -p "$1" --orig-port-src "$2" 2>/dev/null | grep -oE '(packets|bytes)=[0-9]+' | cut -d= -f2 | tr '\n' ' '
}

idle_flow() {
	local before
	defer no_ruleset
	ruleset forward
	before=$(hw_packets)
	client "$TRAFFIC" client udp $SERVER4 5001 -b 47000 -n 50 -s 300 -i 20 >/dev/null
	check "most of it went through the NIC" test $(($(hw_packets) - before)) -ge 80
	check "the idle flow ends" busywait 10 rules_are 0
	check_is "IPv4: packets and bytes, both ways" "$(counters udp 47000)" "50 16400 50 16400 "
}

ruleset_deleted() {
	defer no_ruleset
	ruleset forward
	client "$TRAFFIC" client udp $SERVER6 5001 -b 47001 -n 50 -s 300 -i 20 >/dev/null
	# Ended by hand, after packets that no periodic query has counted.
	router nft delete table inet router
	check_is "IPv6, the ruleset deleted: packets and bytes, both ways" "$(counters udp 47001)" "50 17400 50 17400 "
}

# wan_up: undoes port_down, which takes the IPv6 addresses of the port with it.
wan_up() {
	ip -n router -b - <<-END
		link set wan up
		addr add $WAN6/64 dev wan nodad
		addr add $OUTSIDE6/64 dev wan nodad
	END
	busywait 5 client ping -q -c 1 -W 1 $SERVER4 && busywait 5 client ping -q -c 1 -W 1 $SERVER6
}

port_down() {
	defer wan_up
	defer no_ruleset
	ruleset snat
	client "$TRAFFIC" client udp $SERVER4 5001 -b 47002 -n 50 -s 300 -i 20 >/dev/null
	ip -n router link set wan down
	check "the port goes down" busywait 5 rules_are 0
	check_is "translated, the port down: packets and bytes, both ways" "$(counters udp 47002)" "50 16400 50 16400 "
}

begin
router sysctl -qw net.netfilter.nf_flowtable_udp_timeout=5 net.netfilter.nf_conntrack_udp_timeout_stream=60
tests_run idle_flow ruleset_deleted port_down
