#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# TCP and UDP over IPv4 and IPv6 are forwarded by the NIC: the CPU of the router sees the beginning and the end of a connection
# only.
. "$(dirname "$0")/lib.sh"

# forwards PROTOCOL ADDRESS: results.
forwards() {
	local proto=$1 address=$2 hw warm seen
	defer no_ruleset
	ruleset forward
	port=$((port + 1))
	check "$proto to $address gets two rules" open_flow "$proto" "$address" $port
	check "$proto to $address is [HW_OFFLOAD]" busywait 3 flows_are HW_OFFLOAD "$proto" 1
	check_is "$proto to $address: one rule at each port, that of its ingress" \
		"$(router ethtool -S lan | grep -o 'offload_rules: .*') $(router ethtool -S wan | grep -o 'offload_rules: .*')" \
		"offload_rules: 1 offload_rules: 1"
	close_flow
	busywait 10 rules_are 0 || router conntrack -F >/dev/null 2>&1
	# 200 messages of 1000 bytes and their echoes.
	hw=$(hw_packets) warm=$(cpu "$proto")
	check_is "$proto to $address: nothing is lost" \
		"$(exchange "$proto" "$address" -b $((port + 1000)) -n 200 -s 1000 -i 2)" "rounds=200 bytes=200000 lost=0"
	seen=$(($(cpu "$proto") - warm)) hw=$(($(hw_packets) - hw))
	check_between "$proto to $address: the CPU sees the beginning and the end of 200 rounds" "$seen" 2 60
	check_between "$proto to $address: the NIC forwards the rest" "$hw" 340 700
	router conntrack -F >/dev/null 2>&1
	busywait 10 rules_are 0
}

tcp_over_ipv4() { forwards tcp $SERVER4; }
tcp_over_ipv6() { forwards tcp $SERVER6; }
udp_over_ipv4() { forwards udp $SERVER4; }
udp_over_ipv6() { forwards udp $SERVER6; }

begin
port=40000
tests_run tcp_over_ipv4 tcp_over_ipv6 udp_over_ipv4 udp_over_ipv6
