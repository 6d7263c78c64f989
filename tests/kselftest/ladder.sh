# SPDX-License-Identifier: GPL-2.0
# Shared by the tests of how a device is bound: the simulated NIC's doors, and what generic netlink says.
# shellcheck shell=bash
# shellcheck source-path=SCRIPTDIR
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# door NAME: how the driver of the NIC can be bound; an indirect one loads with this, and unloads with the next.
door() { echo "$1" >"$NIC/bind_as"; }

nic_stat() { awk -v name="$1" '$1 == name { print $2 }' "$NIC/stats"; }

# devices JQ: what jq makes of the devices, each as an object, in one line.
devices() { get "$1" dump device-get; }

# bound DEVICE: how it is bound. bound_is DEVICE HOW: whether all flowtables have it so.
bound() { devices "[.[] | select(.name == \"$1\") | .bound] | unique | join(\",\")"; }
bound_is() { [ "$(bound "$1")" = "$2" ]; }
both_bound() { bound_is lan "$1" && bound_is wan "$1"; }

mark() {
	MARK="nft-offload-ladder $RANDOM$RANDOM"
	echo "$MARK" >/dev/kmsg
}
# said TEXT: lines of the module with it since mark.
said() { dmesg | sed -n "/$MARK/,\$p" | grep -c "nft_offload: .*$1"; }
said_is() { [ "$(said "$1")" -eq "$2" ]; }

# in_hardware WHAT PORT [PROTOCOL]: a flow gets there, nothing is lost, and the CPU sees none of the later packets.
in_hardware() {
	local before
	check "$1: a flow is in hardware" open_flow udp $SERVER4 "$2"
	before=$(hw_packets)
	check_is "$1: nothing is lost" "$(exchange udp $SERVER4 -b $(($2 + 500)) -n 60 -i 10)" "rounds=60 bytes=6000 lost=0"
	check "$1: the NIC has forwarded most of it" test $(($(hw_packets) - before)) -ge 60
	close_flow
}

# gone WHAT: the ruleset goes, and no rule or binding is left at the driver.
gone() {
	no_ruleset
	check "$1: no rule is left" busywait 5 rules_are 0
	check_is "$1: none was orphaned" "$(cat "$NIC/orphans")" 0
	check_is "$1: as many unbinds as binds" "$(nic_stat unbinds)" "$(nic_stat binds)"
}
