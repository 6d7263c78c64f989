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
# shellcheck source=tests/drivers/common/ppe.sh
. "$HERE/../common/ppe.sh"
PROFILE=mtk

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
