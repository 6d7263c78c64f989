#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Flows go through nft_offload into the kernel's own driver for MediaTek SoCs. What it writes into the flow table is read in
# two ways: foe.py says what each entry does, which has to be what the file expected says, and engine.c forwards frames by it,
# which have to be those of the slow path.
#
#   test_mtk.sh SOC...
#
# Environment variables:
#   NFT_OFFLOAD_ACCEPT      if set, what the entries do is printed as "new: LINE" instead of compared
DRIVER_MODULE=nfto_mtk
HERE=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/drivers/lib.sh
. "$HERE/../lib.sh"

# The MACs of ports.c, always the same.
names() {
	NAMES=("$(mac client eth)=client" "$(mac server eth)=server" "$(mac router lan)=lan" "$(mac router wan)=wan"
		"$BRIDGE_MAC=bridge")
}

# decoded: what the entries that have been bound do.
decoded() {
	"$HERE/foe.py" "$SOC${USER_PORT:+/$USER_PORT}" "${NAMES[@]}" <"$NIC/bound"
}

# One protocol at a time: TCP and UDP of the same ports share a bucket of the flow table, see the case bucket.
try_ruleset() {
	local ruleset=$1 name="$SOC, $BED$TOPOLOGY, $1" ONLY
	echo 1 >"$NIC/clear"
	echo 1 >"$NIC/clear_bound"
	families mtk "$TOPOLOGY" "$ruleset"
	for ONLY in tcp udp; do
		[ -z "$WHY" ] || mark
		slow_once "$ruleset"
		check "$name, $ONLY: nothing is lost" play "$ruleset" offload "$FAMILIES"
		check "$name, $ONLY: ${FAMILIES:-nothing} in the engine" in_engine "$FAMILIES"
		check "$name, $ONLY: engine and slow path give the same frames" same_as_slow "$ruleset"
		[ -z "$WHY" ] || check_is "$name, $ONLY: one log line gives the reason" "$(said "${REASON[$WHY]}")" 1
		busywait 5 nothing_left
		check "$name, $ONLY: nothing is left" nothing_left
	done
	compare "$name: the entries" "$BED$TOPOLOGY $ruleset" "$(decoded)"
	check_is "$name: the driver refuses nothing" "$(refusals)" ""
	[ -z "$FAMILIES" ] || agree "$name" $((4 * ${#FAMILIES}))
}

# agree NAME LEAST: the profile of the simulated NIC and the driver agree on all rules, of which there are enough.
agree() {
	check_is "$1: the driver and the profile of the simulated NIC agree" "$(<"$NIC/disagreements")" ""
	check "$1: on at least $2 rules" [ "$(<"$NIC/compared")" -ge "$2" ]
}

# The CPU forwards the frame of each direction that binds the entry; over UDP it may be one of the opening.
in_engine() {
	each_connection "${1:-0} == 46 || ${1:-0} == family
		? rules == 2 && carried >= sent - 2 && carried <= sent
		: rules == 0" &&
		each_connection 'sent > 0 && slow == 0'
}

try_topology() {
	local ruleset TOPOLOGY=$1
	shift
	check "$SOC, $TOPOLOGY: the devices of the router are set up" topology "$TOPOLOGY"
	for ruleset; do try_ruleset "$ruleset"; done
}

all_cases() {
	try_topology plain forward snat dnat snat_dnat masquerade
	try_topology vlan_wan forward
	try_topology vlan_lan forward
	try_topology vlan_both forward snat_dnat masquerade
	try_topology qinq forward snat_dnat
	try_topology pppoe forward masquerade
	try_topology vlan_pppoe forward masquerade
	try_topology bridge forward
	try_topology bridge_vlan_trunk forward
	try_topology bridge_vlan_access forward
	try_topology ad forward
	try_topology adq forward
}

# Each field of an entry.
some_cases() {
	try_topology plain forward
	try_topology vlan_both snat_dnat
	try_topology qinq forward
	try_topology vlan_pppoe masquerade
}

# The port lan or wan is one of a DSA switch behind the first port of the SoC.
switch_up() {
	USER_PORT=$1 BED="switch at $1, " CONDUIT=eth0
	case $1 in
	lan) LAN_WIRE=eth0_wire ;;
	wan) WAN_WIRE=eth0_wire ;;
	esac
	driver_up "soc=$SOC" "dsa=$1"
	names
}
switch_down() {
	driver_down
	LAN_WIRE=lan_wire WAN_WIRE=wan_wire USER_PORT='' BED='' CONDUIT=
}

switch_cases() {
	switch_up lan
	try_topology plain snat_dnat
	try_topology vlan_both forward
	try_topology bridge forward
	switch_down
	switch_up wan
	try_topology qinq forward
	try_topology vlan_pppoe masquerade
	try_topology pppoe forward
	sizes 1500
	switch_down
}

# sizes LARGEST: packets that are larger than the MTU of a PPPoE session, 1492 bytes: up to which size the engine sends them.
# The CPU drops a larger one, as the session cannot carry it.
sizes() {
	local ONLY=udp
	MTU=$1
	check "$SOC, ${BED}pppoe: the engine sends packets of $MTU bytes (see docs/translation.md)" play forward offload 46
	MTU=$((MTU + 1))
	check "$SOC, ${BED}pppoe: and none of $MTU bytes" failing play forward offload 46
}
failing() { ! "$@"; }

# --- refusals --------------------------------------------------------------------------------------------------------

# reasons: what nft-offload why says of the flows of the last play.
reasons() {
	jq -r '.flow | "\(.family) \(.state) \(.reason.name) \(.errno)"' /tmp/wire.why | sort -u
}

# refused TEXT PROFILE RULESET DRIVER TOOL: rules as another profile makes them: what the driver says, and what the tool.
refused() {
	local WHY=all ONLY=udp name="$SOC, $1, profile $2"
	echo 1 >"$NIC/clear"
	echo 1 >"$NIC/clear_bound"
	check "$name: the module uses this profile" use_profile "$2"
	check "$name: nothing is lost" play "$3" offload
	check_is "$name: the driver" "$(refusals)" "$4"
	check_is "$name: the tool" "$(reasons)" "$5"
	check "$name: nothing is left" nothing_left
	agree "$name" 1
}
use_profile() { busywait 5 rmmod nft_offload && modprobe nft_offload "profile=lan:$1,wan:$1"; }

# The profiles of other drivers say what this one cannot do, which the profile mtk says of it.
refusal_cases() {
	local flags='Unsupported match on control.flags 0x1' software4='ipv4 software driver-refused 95'
	local software6='ipv6 software driver-refused 95' hardware4='ipv4 in-hardware null null'
	topology plain
	refused "fragments in the match" tc forward "replace lan -95 $flags" "$software4"$'\n'"$software6"
	refused "fragments in the match" mlx5 forward "replace lan -95 $flags" "$software4"$'\n'"$software6"
	refused "translated addresses of IPv6" default snat_dnat "replace lan -95" "$hardware4"$'\n'"$software6"
	topology ad
	refused "an 802.1ad tag" default forward "replace lan -95" "$software4"$'\n'"$software6"
	topology plain
	ethtool -K lan hw-tc-offload off
	refused "hw-tc-offload off" mtk forward "replace lan -95" "$software4"$'\n'"$software6"
	ethtool -K lan hw-tc-offload on
	use_profile mtk
}

# --- known mistakes of the driver ------------------------------------------------------------------------------------

# TCP and UDP flows of the same addresses and ports are in one bucket, in which the entry of the flow that is bound last
# makes __mtk_ppe_check_skb() forget where those of the others are. They stay bound when their flows are gone.
bucket() {
	local left
	topology plain
	check "$SOC, two flows in a bucket: nothing is lost" play forward offload 46
	busywait 5 nothing_left
	left=$(nothing_left)
	check_is "$SOC, two flows in a bucket: what stays (a mistake of the driver, see README.md)" "$left" \
		"rules 0 queued 0 bound 4"
}

expedite_rcu
modprobe nft_offload
for SOC in "$@"; do
	driver_up "soc=$SOC"
	names
	diag "driver: $(<"$NIC/soc")"
	case $SOC in
	mt7622)
		all_cases
		topology pppoe && sizes 1496
		refusal_cases
		bucket
		;;
	*) some_cases ;;
	esac
	driver_down
	case $SOC in
	mt7622 | mt7986) switch_cases ;;
	esac
done
