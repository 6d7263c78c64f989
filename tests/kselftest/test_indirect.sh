#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Indirect drivers load and unload: no record of a binding is left; a driver that unloads leaves no rule and no callback; one that
# loads is found.
. "$(dirname "$0")/ladder.sh"

stale_records() {
	door none
	for i in 0 1; do ip -n router link add dummy$i type dummy; done
	sed 's/{ lan, wan }/{ lan, wan, dummy0, dummy1 }/' "$RULESETS/forward.nft" | router nft -f -
	check_is "no driver takes the devices" "$(devices '[.[].bound] | unique | join(" ")')" software
	ip -n router link del dummy0
	ip -n router link del dummy1
	replays=$(nic_stat indr_replays)
	door indirect-ft
	check_is "a driver that loads is not offered devices that no driver took" "$(($(nic_stat indr_replays) - replays))" 0
	check "it is found, and takes both ports" busywait 20 both_bound indirect
	door none
	replays=$(nic_stat indr_replays)
	door indirect-ft
	check_is "nor one whose driver has unloaded" "$(($(nic_stat indr_replays) - replays))" 0
	check "the ports are bound again" busywait 20 both_bound indirect
	gone "loaded later"
	replays=$(nic_stat indr_replays)
	door none
	door indirect-ft
	check_is "nor one of a flowtable that is removed" "$(($(nic_stat indr_replays) - replays))" 0

	# Two devices of a flowtable are two records (keyed by the address of the flowtable they would be one). Two switches: one driver
	# has the ports; the other one, which loads later, is offered both and refuses them.
	ruleset forward
	check "both ports are bound" both_bound indirect
	OTHER=$SIM/netdevsim1/flow
	echo indirect-ft >"$OTHER/bind_as"
	check_is "another driver that loads is offered both devices" "$(awk '$1 == "indr_replays" { print $2 }' "$OTHER/stats")" 2
	in_hardware "another driver" 53001
	echo none >"$OTHER/bind_as"
	check "another driver goes: nothing changes" both_bound indirect
}

driver_unloads_under_rules() {
	mark
	check "a flow is in hardware" open_flow udp $SERVER4 53002
	door none
	check_is "its driver goes: no rule is left, at once" "$(rules)" 0
	check_is "nor a binding" "$(nic_stat unbinds)" "$(nic_stat binds)"
	check "the ports are in software" busywait 5 eval 'bound_is lan software && bound_is wan software'
	check "conntrack agrees" busywait 5 flows_are HW_OFFLOAD udp 0
	check_is "traffic flows" "$(exchange udp $SERVER4 -b 53003 -n 20 -i 10)" "rounds=20 bytes=2000 lost=0"
	close_flow
	check "the log reports it" busywait 5 said_is "accepts no rules" 2
	exchange udp $SERVER4 -b 53004 -n 3000 -i 20 >/tmp/indirect.out &
	pid=$!
	door indirect-ft
	check "a driver comes: the ports are bound" busywait 30 both_bound indirect
	check "a flow that was in software goes into hardware" busywait 5 rules_are 2
	check_is "the log reports it once for each" "$(said 'accepts rules now')" 2
	kill $pid
	wait $pid 2>/dev/null
}

load_and_unload() {
	while :; do exchange udp $SERVER4 -b 53100 -c 20 -n 50 -i 10; done >/dev/null 2>&1 &
	traffic=$!
	end=$((SECONDS + 25)) n=0
	while [ $SECONDS -lt $end ]; do
		door none
		case $((n % 3)) in
		0) no_tables && ruleset forward ;;
		1) sleep 0.2 ;;
		esac
		door indirect-ft
		[ $((n % 4)) -ne 0 ] || no_tables
		sleep 0.3
		ruleset forward
		n=$((n + 1))
	done
	kill $traffic
	wait $traffic 2>/dev/null
	check "a driver was loaded and unloaded $n times under traffic" test $n -ge 5
	check "it takes rules in the end" busywait 30 both_bound indirect
	gone "load and unload"
	check_is "no dead device was used" "$(nic_stat indr_dead)" 0

	# The driver unloads while the ruleset is removed.
	for n in 1 2 3 4 5 6; do
		ruleset forward
		no_tables &
		door none
		wait $!
		door indirect-ft
	done
	gone "at the same time"
	exec 20>&- 21<&-
	check "no reference is left" busywait 5 module_free
	check "the module unloads" busywait 5 rmmod nft_offload
	door none
}

begin
router sysctl -qw net.netfilter.nf_flowtable_udp_timeout=120
check "a client of the generic netlink family" netlink_up
tests_run stale_records driver_unloads_under_rules load_and_unload
