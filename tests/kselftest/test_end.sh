#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# FIN and RST end the offload of a TCP connection.
. "$(dirname "$0")/lib.sh"

begin
ruleset forward
for address in $SERVER4 $SERVER6; do
	for what in FIN RST; do
		how=hold
		[ $what = FIN ] || how=hold-rst
		check "tcp to $address is in hardware" open_flow tcp "$address" 42000 $how
		seen=$(cpu tcp)
		close_flow
		check "$what takes the rules out" busywait 5 rules_are 0
		check_between "$what reaches the CPU" "$(($(cpu tcp) - seen))" 1 8
		check "$what: the flow is not offloaded any more" busywait 5 flows_are HW_OFFLOAD tcp 0
		router conntrack -F >/dev/null 2>&1
	done
done
