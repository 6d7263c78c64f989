#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# GRE between two hosts behind the router goes through the NIC, and its conntrack entry does not expire: the core does not know GRE
# where it keeps conntrack entries alive (nf_flow_table_extend_ct_timeout).
. "$(dirname "$0")/lib.sh"

begin
gre_hosts
gre_ruleset

connection() { router conntrack -L -p gre -o id 2>/dev/null | grep -o 'id=.*'; }
ping_through() { client ping -q -c "$1" -i 0.02 -W 2 "${@:2}" 192.168.77.2; }

check "the tunnel works" busywait 5 ping_through 3
check "both directions are in hardware" busywait 5 rules_are 2
before=$(hw_packets)
check "no packet is lost" ping_through 100
check_between "the NIC forwards them" "$(($(hw_packets) - before))" 195 210
check "the connection is [HW_OFFLOAD]" flows_are HW_OFFLOAD gre 1

# A packet to the router itself takes the slow path, where conntrack gives GRE three minutes; the garbage collection sees that
# every second.
id=$(connection)
adds=$(hw_counter offload_adds)
client ping -q -c 1 -W 1 -t 1 192.168.77.2 >/dev/null
sleep 3
check_is "the connection is kept" "$(connection)" "$id"
check "and is still in hardware" rules_are 2
check_is "by the rules that it had" "$(hw_counter offload_adds)" "$adds"
before=$(hw_packets)
ping_through 20 >/dev/null
check_between "the NIC still forwards it" "$(($(hw_packets) - before))" 39 45
no_ruleset
check "no rule is left" busywait 5 rules_are 0
for ns in client server; do ip -n $ns link del tun; done
