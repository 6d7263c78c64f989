#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# nft -c binds and unbinds the devices for real; nothing of it is left. The same for a transaction that fails.
. "$(dirname "$0")/lib.sh"

# ended: ends the flows and the ruleset.
ended() {
	no_ruleset
	busywait 5 rules_are 0
}

dry_run() {
	check "nft -c" router nft -c -f "$RULESETS/forward.nft"
	check "leaves the module free" busywait 3 module_free
	check_is "and no ruleset" "$(router nft list tables inet)" ""
}

failed_transaction() {
	{ cat "$RULESETS/forward.nft"; echo 'add rule inet router nonsuch accept'; } >/tmp/broken.nft
	check "a transaction that fails" bash -c '! nsenter --net=/run/netns/router nft -f /tmp/broken.nft 2>/dev/null'
	check "leaves the module free" busywait 3 module_free
}

dry_run_and_reload_with_flows() {
	defer ended
	ruleset forward
	check "a flow in hardware" open_flow udp $SERVER4 46000
	check "nft -c of the same ruleset with flows in hardware" router nft -c -f "$RULESETS/forward.nft"
	check "leaves the rules" rules_are 2
	check "a reload in one transaction" router nft -f /tmp/reload.nft
	check "takes the old rules out" busywait 5 rules_are 0
	close_flow
	check "and flows go into hardware again" open_flow udp $SERVER4 46001
	close_flow
}

reload_with_traffic() {
	defer ended
	ruleset forward
	# The new flow of the connection is in hardware before the old one has ended, and stays marked.
	exchange udp $SERVER4 -b 46002 -n 40 -i 200 >/tmp/reload.out &
	check "a connection with traffic is in hardware" busywait 5 rules_are 2
	check "a reload under it" router nft -f /tmp/reload.nft
	check "it goes into hardware again" busywait 5 rules_are 2
	sleep 5
	check "and is [HW_OFFLOAD]" flows_are HW_OFFLOAD udp 1
	wait $!
	check_is "nothing is lost" "$(cat /tmp/reload.out)" "rounds=40 bytes=4000 lost=0"
}

device_leaves_and_joins() {
	local binds device
	defer ended
	ruleset forward
	# A device that is deleted and added in one transaction joins before it leaves.
	check "a flow in hardware" open_flow udp $SERVER4 46003
	binds=$(grep '^binds' "$NIC/stats")
	device='hook ingress priority filter; devices = { wan };'
	printf '%s flowtable inet router ft { %s }\n' delete "$device" add "$device flags offload; counter;" >/tmp/swap.nft
	check "a dry run of a device that leaves and joins" router nft -c -f /tmp/swap.nft
	check "leaves the rules" rules_are 2
	check "a device that leaves and joins" router nft -f /tmp/swap.nft
	check "keeps the rules" rules_are 2
	check_is "and its binding" "$(grep '^binds' "$NIC/stats")" "$binds"
	close_flow
	router nft delete flowtable inet router ft "{ $device }"
	check "when it leaves for good its rules go" rules_are 0
}

begin
{ echo 'delete table inet router'; cat "$RULESETS/forward.nft"; } >/tmp/reload.nft
tests_run dry_run failed_transaction dry_run_and_reload_with_flows reload_with_traffic device_leaves_and_joins
