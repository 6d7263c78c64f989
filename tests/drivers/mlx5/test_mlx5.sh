#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Flows go through nft_offload into the kernel's own driver for ConnectX cards. flow.py says what each rule does that it hands to
# its flow steering, which has to be what the file expected says.
#
# Environment variables:
#   NFT_OFFLOAD_ACCEPT      if set, what the rules do is printed as "new: LINE" instead of compared
DRIVER_MODULE=nfto_mlx5
HERE=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/drivers/lib.sh
. "$HERE/../lib.sh"
# shellcheck source=tests/drivers/taken.sh
. "$HERE/../taken.sh"
MODE='' UPLINK=''

# decoded: what the rules do that the flow steering has got.
decoded() {
	# shellcheck disable=SC2086 # an argument or none
	"$HERE/flow.py" "$(mac client eth)=client" "$(mac server eth)=server" "$(mac router lan)=lan" \
		"$(mac router wan)=wan" "$BRIDGE_MAC=bridge" $UPLINK <"$NIC/messages"
}

# with_card HOW "OPTION..." "OPTION...": loads nft_offload and the driver, each with options.
with_card() {
	MODE=$1
	# shellcheck disable=SC2086 # lists
	modprobe nft_offload $2 && driver_up $3
}

# try_not_translated RULESET: the driver is not given rules, as the profile cannot express them.
try_not_translated() {
	local name="$MODE, $TOPOLOGY, $1"
	clear_all
	check "$name: nothing is lost" play "$1" offload
	check_is "$name: the driver gets no command" "$(<"$NIC/commands")" ""
}

# try_every: all kinds of flows.
try_every() {
	in_topology plain try_taken forward snat dnat snat_dnat masquerade
	in_topology vlan_wan try_taken forward snat_dnat
	in_topology vlan_lan try_taken forward
	in_topology vlan_both try_taken forward snat_dnat
	in_topology bridge try_taken forward
	in_topology qinq try_taken forward snat_dnat
	in_topology ad try_taken forward
	in_topology adq try_taken forward
}

# try_gre: GRE between client and server. It has no ports.
try_gre() {
	clear_all
	check "$MODE, GRE: the devices of the router are set up" topology plain
	gre_hosts
	gre_ruleset
	check "$MODE, GRE: the tunnel works" busywait 5 client ping -q -c 3 -i 0.02 -W 2 192.168.77.2
	check "$MODE, GRE: the driver has the rules" busywait 5 rules_are 2
	compare "$MODE, GRE: what is written" "$MODE, GRE" "$(decoded)"
	no_ruleset
	check "$MODE, GRE: nothing is left" busywait 5 nothing_left
	ip -n client link del tun
	ip -n server link del tun
}

expedite_rcu

# Both have flowtables, whose rules packets do not reach.
with_card "flowtables" "" ""
in_topology plain try_taken forward
# A filter of tc of another priority connects them, for as long as the switch stays in its mode.
tc qdisc add dev lan clsact
check "$MODE: tc has a filter in hardware" tc filter add dev lan ingress prio 2 protocol ip flower skip_sw dst_ip 192.0.2.1 \
	action mirred egress redirect dev wan
tc qdisc del dev lan clsact
MODE="flowtables, after a filter of tc"
in_topology plain try_taken forward
driver_down

with_card "blocks" "block=lan,wan" ""
try_every
in_topology pppoe try_not_translated forward
in_topology vlan_pppoe try_not_translated forward
try_gre
driver_down

# wan is the uplink, which has no flowtable; the card pushes no tags onto frames from there.
UPLINK=uplink
with_card "uplink" "block=lan,wan" "uplink=1"
in_topology plain try_taken forward snat_dnat
in_topology vlan_both try_taken forward
in_topology qinq try_taken forward
driver_down
with_card "uplink, a table of its own for tags" "block=lan,wan" "uplink=1 push_on_rx=0"
in_topology vlan_lan try_taken forward
driver_down
UPLINK=''

with_card "no second tag" "block=lan,wan" "second_vid=0"
in_topology vlan_both try_taken forward
in_topology qinq try_refused forward
driver_down

with_card "tc off" "block=lan,wan" ""
router ethtool -K lan hw-tc-offload off
in_topology plain try_refused forward
driver_down
