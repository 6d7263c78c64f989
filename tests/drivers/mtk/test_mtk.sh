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

# decoded: what the entries that have been bound do.
decoded() {
	"$HERE/foe.py" "$SOC" "$(mac client eth)=client" "$(mac server eth)=server" "$(mac router lan)=lan" \
		"$(mac router wan)=wan" "$BRIDGE_MAC=bridge" <"$NIC/bound"
}

# expected CASE: the lines of a case.
expected() { awk -v section="[$1]" '/^\[/ { on = $0 == section; next } on && NF && !/^#/' "$HERE/expected"; }

# One protocol at a time: TCP and UDP of the same ports share a bucket of the flow table, see the case bucket.
try_ruleset() {
	local ruleset=$1 name="$SOC, $TOPOLOGY, $1" ONLY
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
	if [ -n "${NFT_OFFLOAD_ACCEPT:-}" ]; then
		printf 'new: %s\n' "[$TOPOLOGY $ruleset]" "$(decoded)"
	else
		check_is "$name: the entries" "$(decoded)" "$(expected "$TOPOLOGY $ruleset")"
	fi
	check_is "$name: the driver refuses nothing" "$(refusals)" ""
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
	try_topology qinq forward snat_dnat masquerade
	try_topology pppoe forward snat_dnat masquerade
	try_topology vlan_pppoe forward snat_dnat masquerade
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

expedite_rcu
modprobe nft_offload
for SOC in "$@"; do
	driver_up "soc=$SOC"
	diag "driver: $(<"$NIC/soc")"
	case $SOC in
	mt7622 | mt7986) all_cases ;;
	*) some_cases ;;
	esac
	driver_down
done
