#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A bond of two ports of the NIC as a device of a flowtable: bound at the driver of its ports.
. "$(dirname "$0")/ladder.sh"

# The wires of client and server end at one port of each bond: lan is in bond0, wan in bond1.
bond_up() { # BOND PORT ADDRESS4 ADDRESS6
	ip -n router link add "$1" type bond mode active-backup miimon 100 || return 1
	ip -n router link set "$2" down
	ip -n router addr flush dev "$2"
	ip -n router link set "$2" master "$1" || return 1
	ip -n router link set "$1" up
	ip -n router link set "$2" up
	ip -n router addr add "$3/24" dev "$1"
	ip -n router addr add "$4/64" dev "$1" nodad
}

forward() { sed 's/{ lan, wan }/{ bond0, bond1 }/' "$RULESETS/forward.nft" | router nft -f -; }
bonds_bound() { bound_is bond0 "$1" && bound_is bond1 "$1"; }

driver_of_the_ports() {
	defer door ft
	defer no_ruleset
	door ft
	forward
	check "a driver that takes flowtables of its own ports only: in software" bonds_bound software
	check_is "traffic flows" "$(exchange udp $SERVER4 -b 54001 -n 20 -i 10)" "rounds=20 bytes=2000 lost=0"
	check_is "not in hardware" "$(rules)" 0
	door indirect-ft
	check "the driver takes the bonds of its ports now" busywait 30 bonds_bound indirect
	in_hardware "a bond" 54002
	gone "a bond"
}

port_leaves_and_joins() {
	defer door ft
	defer no_ruleset
	door indirect-ft
	forward
	check "both bonds are bound" bonds_bound indirect
	check "a flow is in hardware" open_flow udp $SERVER4 54003
	ip -n router link set wan nomaster
	check "a bond without a port of the NIC is in software" busywait 10 bound_is bond1 software
	check "none of its flows is in hardware" busywait 5 rules_are 0
	check "the other bond is still bound" bound_is bond0 indirect
	close_flow
	ip -n router link set wan down
	ip -n router link set wan master bond1
	ip -n router link set wan up
	check "the port comes back: the bond is bound" busywait 10 bound_is bond1 indirect
	busywait 10 client ping -q -c 1 -W 1 $SERVER4
	in_hardware "the port comes back" 54004
	gone "the port comes back"
}

bond_is_deleted() {
	defer door ft
	defer no_ruleset
	door indirect-ft
	forward
	check "a flow is in hardware once more" open_flow udp $SERVER4 54005
	ip -n router link del bond1
	check "the bond is deleted: no rule is left" busywait 5 rules_are 0
	close_flow
	gone "the bond is deleted"
	bond_up bond1 wan $WAN4 $WAN6
	busywait 10 client ping -q -c 1 -W 1 $SERVER4
}

begin
router sysctl -qw net.netfilter.nf_flowtable_udp_timeout=120
check "a client of the generic netlink family" netlink_up
check "a bond of each port" eval "bond_up bond0 lan $LAN4 $LAN6 && bond_up bond1 wan $WAN4 $WAN6"
busywait 10 client ping -q -c 1 -W 1 $SERVER4
tests_run driver_of_the_ports port_leaves_and_joins bond_is_deleted
exec 20>&- 21<&-
check "no reference is left" busywait 5 module_free
check "the module unloads" busywait 5 rmmod nft_offload
