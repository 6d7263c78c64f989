#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Flows go through nft_offload into the kernel's own driver for Netronome NICs. What it sends to the firmware is read in two ways:
# flow.py says what each rule does, which has to be what the file expected says, and firmware.c forwards frames by it, which have
# to be those of the slow path.
#
#   test_nfp.sh FEATURES...
#
# Environment variables:
#   NFT_OFFLOAD_ACCEPT      if set, what the rules do is printed as "new: LINE" instead of compared
DRIVER_MODULE=nfto_nfp
HERE=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/drivers/lib.sh
. "$HERE/../lib.sh"
MODE=''

# decoded: what the rules do that the firmware has got.
decoded() {
	"$HERE/flow.py" "$(mac client eth)=client" "$(mac server eth)=server" "$(mac router lan)=lan" \
		"$(mac router wan)=wan" "$BRIDGE_MAC=bridge" <"$NIC/messages"
}

clear_all() {
	echo 1 >"$NIC/clear"
	echo 1 >"$NIC/clear_messages"
}

# in_firmware FAMILIES: a condition: the firmware has forwarded frames of these families, and no others. About a third of the
# frames of a body have the hop limit of the rules.
in_firmware() {
	each_connection "rules == 2 && ($1 == 46 || $1 == family ? carried >= 4 && carried <= sent : carried == 0)" &&
		each_connection 'sent > 0 && slow == 0'
}

# try_rules RULESET [FAMILIES]: the driver takes the rules, and those of FAMILIES forward frames.
try_rules() {
	local name="$MODE, $TOPOLOGY, $1" families=${2:-46} ONLY
	clear_all
	for ONLY in tcp udp; do
		slow_once "$1"
		check "$name, $ONLY: nothing is lost" play "$1" offload 46
		check "$name, $ONLY: $families in the firmware" in_firmware "$families"
		check "$name, $ONLY: firmware and slow path give the same frames" same_as_slow "$1"
		busywait 5 nothing_left
		check "$name, $ONLY: nothing is left" nothing_left
	done
	compare "$name: the rules" "$MODE, $TOPOLOGY $1" "$(decoded)"
	check_is "$name: the driver refuses nothing" "$(refusals)" ""
}

# try_refused RULESET: the driver takes none.
try_refused() {
	local name="$MODE, $TOPOLOGY, $1"
	clear_all
	check "$name: nothing is lost" play "$1" offload
	check "$name: nothing is left" nothing_left
	compare "$name: the refusals" "$MODE, $TOPOLOGY $1" "$(refusals)"
}

# in_topology NAME FUNCTION "RULESET [FAMILIES]"...
in_topology() {
	local TOPOLOGY=$1 function=$2 ruleset
	shift 2
	check "$MODE, $TOPOLOGY: the devices of the router are set up" topology "$TOPOLOGY"
	# shellcheck disable=SC2086 # a ruleset and its families
	for ruleset; do $function $ruleset; done
}

expedite_rcu

# The driver spoils the rule with both addresses and the ports of IPv6, see README.md.
BOTH="snat_dnat 4"

MODE="no profile"
modprobe nft_offload
driver_up
in_topology plain try_refused forward
driver_down

# with_rules HOW OPTION...
with_rules() {
	MODE=$1
	modprobe nft_offload profile=lan:tc,wan:tc block=lan,wan
	driver_up "${@:2}"
}

for FEATURES in "$@"; do
	with_rules "features $FEATURES, as tc" "features=$FEATURES"
	in_topology plain try_refused forward snat_dnat
	in_topology vlan_both try_refused forward
	driver_down

	with_rules "features $FEATURES, hop limit" "features=$FEATURES" hop_limit=64
	if ((FEATURES)); then
		in_topology plain try_rules forward snat dnat "$BOTH" masquerade
		in_topology vlan_wan try_rules forward
		in_topology vlan_lan try_rules forward
		in_topology vlan_both try_rules forward "$BOTH"
		in_topology bridge try_rules forward
		in_topology qinq try_rules forward
		in_topology ad try_rules forward
		in_topology adq try_rules forward
	else
		in_topology plain try_rules forward
		in_topology vlan_both try_rules forward
		in_topology qinq try_refused forward
		in_topology ad try_rules forward
	fi
	driver_down
done

with_rules "ports apart" hop_limit=64 form=split
in_topology plain try_rules snat_dnat
in_topology vlan_both try_rules snat_dnat
driver_down

with_rules "checksums as they are" hop_limit=64 form=csum
in_topology plain try_refused forward
driver_down

with_rules "no decrement" hop_limit=64 form=keep
in_topology plain try_refused forward
driver_down

with_rules "tc off" hop_limit=64
router ethtool -K lan hw-tc-offload off
in_topology plain try_refused forward
driver_down

with_rules "room for three" hop_limit=64 contexts=3
in_topology plain try_refused forward
driver_down

# All contexts have been in use: the driver has no room to note that the last one is free, see README.md.
with_rules "room for four" hop_limit=64 contexts=4
ONLY=tcp
clear_all
check "$MODE: the devices of the router are set up" topology plain
check "$MODE: nothing is lost" play forward offload 46
busywait 5 rules_are 0
check_is "$MODE: what is left" "$(<"$NIC/left")" "rules 0 queued 0 bound 1"
compare "$MODE: the refusals" "$MODE" "$(refusals)"
driver_down
