# SPDX-License-Identifier: GPL-2.0
# Shared by the tests of how a device is bound. Sources lib.sh.
#
#   flowtable ──► nft_offload ──► TC_SETUP_FT of the device ─────────┐
#                        └──────► the driver of its ports, indirect ─┼──► the simulated NIC, if bind_as allows it
#                        └──────► TC_SETUP_BLOCK of the device ──────┘
#
#   door NAME                       sets bind_as: how the driver of the NIC can be bound. An indirect driver registers
#                                   with this write, and unregisters with the next one
#   nic_stat NAME                   prints a counter of the NIC
#   devices FILTER                  prints the list of devices through jq, over netlink
#   bound DEVICE                    prints how the device is bound, or several ways if its flowtables differ
#   bound_is DEVICE HOW, both_bound HOW    conditions: the device, or lan and wan, are bound this way in all flowtables
#   allow DEVICE 0|1 FILTER         sets whether the tc block of the device may be used; prints the device through jq
#   mark                            said counts from here
#   said TEXT, said_is TEXT N       the number of log lines of the module with this text
#   in_hardware NAME PORT           results: a flow from this source port gets into hardware, its packets do not reach the CPU
#                                   of the router, and none is lost
#   gone NAME                       results: the ruleset is removed, and no rule or binding is left in the driver
# shellcheck shell=bash
# shellcheck source-path=SCRIPTDIR
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

door() { echo "$1" >"$NIC/bind_as"; }

nic_stat() { awk -v name="$1" '$1 == name { print $2 }' "$NIC/stats"; }

devices() { get "$1" dump device-get; }

bound() { devices "[.[] | select(.name == \"$1\") | .bound] | unique | join(\",\")"; }
bound_is() { [ "$(bound "$1")" = "$2" ]; }
both_bound() { bound_is lan "$1" && bound_is wan "$1"; }

allow() {
	get "$3" "do" device-set "{\"ifindex\": $(devices ".[] | select(.name == \"$1\") | .ifindex"), \"block\": $2}"
}

mark() {
	MARK="nft-offload-ladder $RANDOM$RANDOM"
	echo "$MARK" >/dev/kmsg
}
said() { dmesg | sed -n "/$MARK/,\$p" | grep -c "nft_offload: .*$1"; }
said_is() { [ "$(said "$1")" -eq "$2" ]; }

in_hardware() {
	local before
	check "$1: a flow is in hardware" open_flow udp $SERVER4 "$2"
	before=$(hw_packets)
	check_is "$1: nothing is lost" "$(exchange udp $SERVER4 -b $(($2 + 500)) -n 60 -i 10)" "rounds=60 bytes=6000 lost=0"
	check "$1: the NIC has forwarded most of it" test $(($(hw_packets) - before)) -ge 60
	close_flow
}

gone() {
	no_ruleset
	check "$1: no rule is left" busywait 5 rules_are 0
	check_is "$1: none was orphaned" "$(cat "$NIC/orphans")" 0
	check_is "$1: as many unbinds as binds" "$(nic_stat unbinds)" "$(nic_stat binds)"
}
