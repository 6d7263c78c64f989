# SPDX-License-Identifier: GPL-2.0
# Shared by the tests of drivers of packet processing engines (PPE), which bind an entry of their flow table (FOE) when a frame
# of a flow has reached the CPU. Sourced after lib.sh. A test sets PROFILE, the name of the driver's profile, and SOC, the
# parameter soc of its module; it defines "decoded", which prints what the entries do that have been bound.
#
#   all_cases, some_cases               results: all topologies and rulesets; those that have each field of an entry
#   switch_cases                        results: the same with a DSA switch in front of a port
#   refusal_cases                       results: what the driver refuses
#   try_topology TOPOLOGY RULESET...    results: each ruleset in this topology
#   switch_up lan|wan, switch_down      the driver with a DSA switch in front of a port
#   sizes LARGEST                       results: up to which size the engine sends packets
#   refused TEXT PROFILE RULESET DRIVER TOOL      results: see below
# shellcheck shell=bash disable=SC2034 # some variables are for lib.sh

USER_PORT=''

# The MACs of ports.c, always the same.
names() {
	NAMES=("$(mac client eth)=client" "$(mac server eth)=server" "$(mac router lan)=lan" "$(mac router wan)=wan"
		"$BRIDGE_MAC=bridge")
}

# try_ruleset RULESET: all that has to hold of a ruleset. One protocol at a time: TCP and UDP of the same ports share a bucket of
# the flow table.
try_ruleset() {
	local ruleset=$1 name="$SOC, $BED$TOPOLOGY, $1" ONLY
	echo 1 >"$NIC/clear"
	echo 1 >"$NIC/clear_bound"
	families "$PROFILE" "$TOPOLOGY" "$ruleset"
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

# --- cases ----------------------------------------------------------------------------------------------------------

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

# The profiles of other drivers say what this one cannot do, which its own profile says of it.
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
	refused "hw-tc-offload off" "$PROFILE" forward "replace lan -95" "$software4"$'\n'"$software6"
	ethtool -K lan hw-tc-offload on
	use_profile "$PROFILE"
}
