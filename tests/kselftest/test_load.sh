#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The module loads, is used, refuses to unload while it is used, and unloads at once when it is not.
. "$(dirname "$0")/lib.sh"

loads_and_unloads() {
	check "loads" modprobe nft_offload
	check "unloads" rmmod nft_offload
	check "loads again" modprobe nft_offload
}

stays_while_it_is_used() {
	defer no_ruleset
	modprobe nft_offload
	bed_up || not_ok "the test bed is up"
	ruleset forward
	check_is "a flowtable holds a reference" "$(module_refs)" 1
	check "rmmod while in use is refused" bash -c '! rmmod nft_offload 2>/dev/null'
	open_flow udp $SERVER4 40000 || not_ok "a flow is in hardware"
	check "rmmod with flows in hardware is refused" bash -c '! rmmod nft_offload 2>/dev/null'
	check "rules stay after the refused rmmod" rules_are 2
	close_flow
	no_ruleset
	# nf_tables destroys a flowtable from a work item, after nft has returned.
	check "the reference goes with the ruleset" busywait 3 module_free
	check "rmmod after use" rmmod nft_offload
	check_is "the NIC holds no rule" "$(rules)" 0
}

tests_run loads_and_unloads stays_while_it_is_used
