#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The log reports a lasting state once: not a transaction that nf_tables repeats for each module that it loads, not a dry run, not a
# transaction that fails; many devices in a few lines; a device without a driver by its kind.
. "$(dirname "$0")/ladder.sh"

# flowtable DEVICE...: loads a ruleset with these devices.
flowtable() {
	local devices=$*
	echo "table inet router { flowtable ft { hook ingress priority filter; devices = { ${devices// /, } }; flags offload; }; }"
}
# settled: waits until the log lines are written.
settled() { sleep 3; }

transactions() {
	# nf_tables repeats the transaction for each of these that it loads.
	for module in nft_flow_offload nft_offload; do
		! grep -q "^$module " /proc/modules || check "$module goes" busywait 5 rmmod $module
	done
	modprobe nft_offload
	mark
	flowtable dummy0 dummy1 >/tmp/ruleset
	echo 'table inet router { chain f { type filter hook forward priority 0; ct state established flow add @ft; }; }' >>/tmp/ruleset
	check "a ruleset that needs modules" router nft -f /tmp/ruleset
	settled
	check_is "each device is named once" "$(said 'dummy[01]: a device of kind "dummy" accepts no rules')" 2
	check_is "and nothing else is logged" "$(said '')" 2
	no_ruleset

	mark
	for i in {1..20}; do router nft -c -f /tmp/ruleset; done
	{
		cat /tmp/ruleset
		echo 'delete table inet nothing'
	} >/tmp/fails
	for i in {1..20}; do router nft -f /tmp/fails 2>/dev/null; done
	settled
	check_is "20 dry runs, 20 transactions that fail: nothing is logged" "$(said '')" 0

	# A device that joins later is reported, known ones are not.
	router nft "$(flowtable dummy0)"
	settled
	check_is "a device" "$(said 'dummy0: .* accepts no rules')" 1
	router nft 'add flowtable inet router ft { hook ingress priority filter; devices = { dummy1 }; flags offload; }'
	settled
	check_is "and another one" "$(said 'accepts no rules')" 2
	no_ruleset
}

many_devices() {
	mark
	flowtable "${veths[@]}" >/tmp/ruleset
	check "240 veths" router nft -f /tmp/ruleset
	settled
	check_is "four are named" "$(said 'v[0-9]*: a device of kind "veth" accepts no rules')" 4
	check_is "and the others counted" "$(said '236 more devices of the flowtable accept no rules')" 1
	check_is "nothing else is logged" "$(said '')" 5
	no_ruleset
}

refused_ruleset() {
	check "the module refuses such devices" eval 'busywait 5 module_free && modprobe -r nft_offload && modprobe nft_offload unsupported=reject'
	mark
	check_is "a ruleset with one fails" "$(router nft "$(flowtable lan dummy0)" 2>&1 | grep -c 'Operation not supported')" 1
	settled
	check_is "the log says why" "$(said 'dummy0: a device of kind "dummy" accepts no rules .*; the ruleset is rejected')" 1
	check_is "and does not mention flows in software" "$(said '')" 1
	ruleset forward
	check "one with the ports of the NIC does not" open_flow udp $SERVER4 53001
	close_flow
	no_ruleset
	check "no rule is left" busywait 5 rules_are 0
}

begin
for i in 0 1; do ip -n router link add dummy$i type dummy; done
for ((i = 0; i < 240; i += 2)); do
	echo "link add v$i type veth peer name v$((i + 1))"
done | ip -n router -b -
mapfile -t veths < <(seq -f v%g 0 239)
tests_run transactions many_devices refused_ruleset
