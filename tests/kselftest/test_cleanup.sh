#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Whatever removes a flowtable or a device leaves no rule in the NIC and no reference.
. "$(dirname "$0")/lib.sh"

# in_hardware NAME: a result: four rules are in the NIC.
in_hardware() {
	local p=$((45000 + RANDOM % 1000))
	check "$1: tcp and udp are in hardware" eval "open_flow tcp $SERVER4 $p && close_flow; busywait 5 rules_are 0; open_flow udp $SERVER4 $p && exchange udp $SERVER6 -n 4 -i 20 >/dev/null && busywait 5 rules_are 4"
}
# gone NAME: results: no rule is left.
gone() {
	check "$1: the NIC holds no rule" busywait 5 rules_are 0
	check_is "$1: none was orphaned" "$(cat "$NIC/orphans")" 0
	check "$1: conntrack agrees" busywait 3 flows_are HW_OFFLOAD udp 0
	close_flow
	router conntrack -F >/dev/null 2>&1
}

delete_table() {
	ruleset forward
	in_hardware "nft delete table"
	router nft delete table inet router
	# Before nft returns: a rule that is left is wrong from then on.
	check_is "nft delete table: at once" "$(rules)" 0
	gone "nft delete table"
	check "nft delete table: the module is free" busywait 3 module_free
}

flush_ruleset() {
	ruleset forward
	in_hardware "nft flush ruleset"
	router nft flush ruleset
	check_is "nft flush ruleset: at once" "$(rules)" 0
	gone "nft flush ruleset"
	check "nft flush ruleset: the module is free" busywait 3 module_free
	router nft -f "$RULESETS/cpu.nft"
}

device_leaves_flowtable() {
	ruleset forward
	in_hardware "a device leaves the flowtable"
	router nft delete flowtable inet router ft '{ hook ingress priority filter; devices = { wan }; }'
	check_is "a device leaves the flowtable: at once" "$(rules)" 0
	gone "a device leaves the flowtable"
	check "traffic goes on without it" exchange tcp $SERVER4 -n 5
	check_is "but not in hardware" "$(rules)" 0
	no_ruleset
}

link_down() {
	ruleset forward
	in_hardware "ip link set down"
	ip -n router link set wan down
	gone "ip link set down"
	ip -n router link set wan up
	ip -n router addr add $WAN6/64 dev wan nodad 2>/dev/null
	ip -n router addr add $OUTSIDE6/64 dev wan nodad 2>/dev/null
	busywait 5 client ping -q -c 1 -W 1 $SERVER4
	busywait 5 client ping -q -c 1 -W 1 $SERVER6
	no_ruleset
}

port_deleted() {
	# One port is removed, as in a hot unplug.
	ruleset forward
	in_hardware "a port is deleted"
	echo 1 >/sys/bus/netdevsim/devices/netdevsim2/del_port
	gone "a port is deleted"
	no_ruleset
	bed_down
	begin
}

destroys_failed() { [ "$(<"$NIC/fail_next")" -le 998 ]; }

rule_kept_by_driver() {
	# A rule on lan leads to wan, and the driver has not destroyed it when its flow ended: it is removed with wan.
	ruleset forward
	in_hardware "what the driver kept"
	echo destroy >"$NIC/fail_cmd"
	echo -5 >"$NIC/fail_errno"
	echo 1000 >"$NIC/fail_next"
	router conntrack -D -p udp >/dev/null 2>&1
	check "what the driver kept: it destroys no rule" busywait 5 destroys_failed
	kept=$(rules)
	echo 0 >"$NIC/fail_next"
	echo 1 >/sys/bus/netdevsim/devices/netdevsim2/del_port
	check "what the driver kept: there was something" test "$kept" -gt 0
	gone "what the driver kept"
	no_ruleset
	bed_down
	begin
}

software_device_deleted() {
	# A device in software is removed: the NIC has nothing of it, and nothing holds it.
	ip -n router link add dummy0 type dummy
	sed 's/lan, wan/lan, wan, dummy0/' "$RULESETS/forward.nft" | router nft -f -
	check "ip link del of a device in software" ip -n router link del dummy0
	check "leaves the ruleset" router nft list flowtable inet router ft
	no_ruleset
}

nic_removed() {
	# The whole NIC is removed from the bus, as when its driver is unbound.
	ruleset forward
	in_hardware "the device is deleted"
	echo 2 >/sys/bus/netdevsim/del_device & # returns when the last reference is dropped
	del=$!
	check "the device is deleted: nothing holds it" busywait 10 eval "! kill -0 $del"
	check "the device is deleted: the ruleset stays" router nft list flowtable inet router ft
	close_flow
	router nft delete table inet router
	check "the device is deleted: the module is free" busywait 3 module_free
	bed_down
}

no_rule() { [ ! -e "$NIC/count" ] || rules_are 0; }

namespace_exits() {
	begin
	ruleset forward
	in_hardware "the network namespace exits"
	# The namespace ends with its name and its processes; its NIC moves to the initial namespace or is removed.
	ip netns del router
	check "the network namespace exits: the NIC holds no rule" busywait 10 no_rule
	check "the network namespace exits: the module is free" busywait 10 module_free
	check "the network namespace exits: rmmod" rmmod nft_offload
}

begin
tests_run delete_table flush_ruleset device_leaves_flowtable link_down port_deleted rule_kept_by_driver \
	software_device_deleted nic_removed namespace_exits
