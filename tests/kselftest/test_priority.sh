#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The priority and drop bits of a tag. A flow belongs to a VLAN, not to a priority: tagged packets take the fast path whatever these
# bits are, on both tags. Packets leave with the priority that the egress VLAN device sets.
. "$(dirname "$0")/lib.sh"
. "$SELFTEST/wire.sh"

# prioritised TOPOLOGY CLIENT_HEADERS SERVER_HEADERS [PROFILE...]: results.
prioritised() {
	local profile profiles=("${@:4}")
	[ $# -gt 3 ] || profiles=("${PROFILES[@]}")
	check "$1: the router's devices" topology "$1"
	CLIENT_HEADERS=$2 SERVER_HEADERS=$3
	check "$1, priorities: nothing is lost on the slow path" play forward slow
	check "$1, priorities: the slow path is the slow path" slow_path
	check "$1, priorities: nothing is lost on the software path" play forward software
	check "$1, priorities: the software path is a fast path" fast_path
	check "$1, priorities: software path as slow path" same software-forward slow-forward
	for profile in "${profiles[@]}"; do
		check "$1, $profile: the module uses this profile" use_profile "$profile"
		families "$profile" "$1" forward
		check "$1, priorities, $profile: nothing is lost" play forward offload "$FAMILIES"
		case $profile:$1 in
		# This NIC can only write the VLAN of a tag, not the priority that the egress needs.
		mlx5:vlan_both) check "$1, priorities, $profile: the NIC leaves them to the CPU" each_connection 'carried == 0' ;;
		*) check "$1, priorities, $profile: ${FAMILIES:-nothing} in the NIC" in_nic "$FAMILIES" ;;
		esac
		check "$1, priorities, $profile: nothing on the slow path" fast_path
		check "$1, priorities, $profile: as slow path" same offload-forward slow-forward
	done
}

# remarked: a condition: the frames that reached the server have the priority 5.
remarked() {
	local case
	for case in tcp.4 tcp.6 udp.4 udp.6; do
		grep '^server' "/tmp/wire.$1-forward.$case" | grep -vE '^server .{24}8100a014' && return 1
	done
	return 0
}

# The tag that the egress VLAN device adds. The software flowtable always writes priority 0, so the slow path is the reference, for
# the frames that went through the NIC only: the bodies. mlx5 can add such a tag to a frame without one.
# egress_map TOPOLOGY PROFILE: results.
egress_map() {
	local topology=$1 profile=$2 name
	name="egress-qos-map, $topology, $profile"
	check "$name: the router's devices" topology "$topology"
	ip -n router link set wan.20 type vlan egress-qos-map 0:5 1:5 2:5 4:5 6:5
	check "$name: nothing is lost on the slow path" play forward slow
	check "$name: the slow path sets the priority" remarked slow
	check "$name: the module uses this profile" use_profile "$profile"
	check "$name: nothing is lost" play forward offload 46
	check "$name: 46 in the NIC" in_nic 46
	check "$name: the body as on the slow path" same offload-forward slow-forward body
}

tags_on_both_sides() { prioritised vlan_both 8021q:10:5:1 8021q:20:3; }
outer_tag() { prioritised qinq - 8021q:100:6/8021q:200; }
inner_tag() { prioritised qinq - 8021q:100/8021q:200:4:1; }
service_tag() { prioritised adq - 8021ad:100:2:1/8021q:200:7; }
bridge_trunk() { prioritised bridge_vlan_trunk 8021q:10:1:1 -; }
egress_map_adds_a_tag() { egress_map vlan_wan tc; }
egress_map_replaces_a_tag() { egress_map vlan_both tc; }
egress_map_of_mlx5() { egress_map vlan_wan mlx5; }

wire_up
tests_run tags_on_both_sides outer_tag inner_tag service_tag bridge_trunk egress_map_adds_a_tag \
	egress_map_replaces_a_tag egress_map_of_mlx5
