#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# FIN and RST end the offload of a TCP connection.
. "$(dirname "$0")/lib.sh"

# ends WHAT ADDRESS HOLD: results: WHAT ends the offload of a connection to ADDRESS.
ends() {
	local what=$1 address=$2 seen
	defer no_ruleset
	ruleset forward
	check "tcp to $address is in hardware" open_flow tcp "$address" 42000 "$3"
	seen=$(cpu tcp)
	close_flow
	check "$what takes the rules out" busywait 5 rules_are 0
	check_between "$what reaches the CPU" "$(($(cpu tcp) - seen))" 1 8
	check "$what: the flow is not offloaded any more" busywait 5 flows_are HW_OFFLOAD tcp 0
	router conntrack -F >/dev/null 2>&1
}

fin_over_ipv4() { ends FIN $SERVER4 hold; }
rst_over_ipv4() { ends RST $SERVER4 hold-rst; }
fin_over_ipv6() { ends FIN $SERVER6 hold; }
rst_over_ipv6() { ends RST $SERVER6 hold-rst; }

begin
tests_run fin_over_ipv4 rst_over_ipv4 fin_over_ipv6 rst_over_ipv6
