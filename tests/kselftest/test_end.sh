#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# FIN and RST end the offload of a TCP connection.
. "$(dirname "$0")/lib.sh"

begin
ruleset forward
for address in $SERVER4 $SERVER6; do
	for how in hold rst-hold; do
		check "tcp to $address is in hardware" open_flow tcp $address 42000
		seen=$(cpu tcp)
		case $how in
		hold) close_flow; what=FIN ;;
		*)
			# The client is killed with unread data: its kernel sends RST.
			ip netns exec client ss -K dport = 5001 >/dev/null 2>&1 || pkill -9 -f 'client tcp.*-b 42000'
			close_flow
			what=RST
			;;
		esac
		check "$what takes the rules out" busywait 5 rules_are 0
		check_between "$what reaches the CPU" "$(($(cpu tcp) - seen))" 1 8
		check "$what: the flow is not offloaded any more" busywait 5 flows_are HW_OFFLOAD tcp 0
		router conntrack -F >/dev/null 2>&1
	done
done
