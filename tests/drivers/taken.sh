# SPDX-License-Identifier: GPL-2.0
# Shared by the tests of drivers that take rules which the hardware must not have: nothing of the test forwards frames. Sourced
# after lib.sh. The test has "decoded", which prints what the driver has written.
#
#   in_topology NAME FUNCTION RULESET...
#   try_taken RULESET       the driver takes all rules: what it has written is compared
#   try_refused RULESET     the driver takes none, or not both of a flow: what it refuses is compared
#   try_unbound RULESET     the driver is not given rules, as its callback requires RTNL
#   with_rules HOW OPTION... loads the modules, so that the driver is asked for its block; "unlocked=1" says that its callback
#                           does not require RTNL
# shellcheck shell=bash

MODE=''

clear_all() {
	echo 1 >"$NIC/clear"
	echo 1 >"$NIC/clear_messages"
}

try_taken() {
	local name="$MODE, $TOPOLOGY, $1"
	clear_all
	check "$name: nothing is lost" play "$1" offload 46
	check "$name: the driver has the rules" each_connection 'rules == 2 && carried == 0 && slow == 0'
	busywait 5 nothing_left
	check "$name: nothing is left" nothing_left
	compare "$name: what is written" "$MODE, $TOPOLOGY $1" "$(decoded)"
	check_is "$name: the driver refuses nothing" "$(refusals)" ""
}

try_refused() {
	local name="$MODE, $TOPOLOGY, $1"
	clear_all
	check "$name: nothing is lost" play "$1" offload
	check "$name: the driver has no rules" each_connection 'rules == 0'
	busywait 5 nothing_left
	check "$name: nothing is left" nothing_left
	compare "$name: the refusals" "$MODE, $TOPOLOGY $1" "$(refusals)"
}

try_unbound() {
	local name="$MODE, $TOPOLOGY, $1"
	clear_all
	check "$name: nothing is lost" play "$1" offload
	check_is "$name: the driver gets no command" "$(<"$NIC/commands")" ""
	ruleset "$1" offload
	check_is "$name: why" "$(cli --json devices | jq -r '[.. | .extack? // empty] | unique | join("; ")')" \
		"the driver's tc block callback requires RTNL (no unlocked_driver_cb)"
	no_tables
}

in_topology() {
	local TOPOLOGY=$1 function=$2 ruleset
	shift 2
	check "$MODE, $TOPOLOGY: the devices of the router are set up" topology "$TOPOLOGY"
	for ruleset; do "$function" "$ruleset"; done
}

with_rules() {
	MODE=$1
	modprobe nft_offload profile=lan:tc,wan:tc block=lan,wan
	driver_up "${@:2}"
}
