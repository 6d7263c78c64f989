#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What fails is tried again: a rule that was not destroyed and a busy device without a trigger; a refused flow at increasing
# intervals, or when something has changed. A flow that is learned again replaces the one before it.
. "$(dirname "$0")/lib.sh"

nic_stat() { awk -v name="$1" '$1 == name { print $2 }' "$NIC/stats"; }
injected_is() { [ "$(nic_stat injected)" -ge "$1" ]; }

failed_destroy() {
	ruleset forward
	open_flow udp $SERVER4 50000
	echo -5 >"$NIC/fail_errno"
	echo destroy >"$NIC/fail_cmd"
	before=$(nic_stat injected)
	echo 4 >"$NIC/fail_next"
	router conntrack -D -p udp >/dev/null 2>&1
	close_flow
	check "the driver does not destroy the rules" busywait 5 injected_is $((before + 2))
	# The core has nothing left to send a command for.
	check "they are removed nevertheless, without a trigger" busywait 8 rules_are 0
}

increasing_intervals() {
	# At increasing intervals, also while other flows come and go.
	open_flow udp $SERVER4 50000
	before=$(nic_stat injected)
	echo 1000 >"$NIC/fail_next"
	router conntrack -D -p udp >/dev/null 2>&1
	close_flow
	exchange udp $SERVER4 -b 50020 -n 250 -i 100 >/dev/null
	check_between "in 25 s the driver was asked for each, and four times again" "$(($(nic_stat injected) - before))" 8 12
	echo 0 >"$NIC/fail_next"
	router conntrack -D -p udp >/dev/null 2>&1
	check "they go when they can" busywait 40 rules_are 0
	no_ruleset
}

bound() { [ $(($(nic_stat binds) - binds)) -ge 2 ]; }

busy_device() {
	# A busy device is bound when it is free, without a packet.
	echo -16 >"$NIC/fail_errno"
	echo bind >"$NIC/fail_cmd"
	binds=$(nic_stat binds)
	echo 5 >"$NIC/fail_next"
	ruleset forward
	check "both ports are bound once the driver is free" busywait 10 bound
	check "and take rules" open_flow udp $SERVER4 50001
	close_flow
	no_ruleset
	echo 0 >"$NIC/fail_next"
}

refused_flow() {
	# The refusal stands: retries after 1, 2, 4 ... seconds instead of every second.
	ruleset forward
	echo -95 >"$NIC/fail_errno"
	echo replace >"$NIC/fail_cmd"
	before=$(nic_stat injected)
	echo 1000 >"$NIC/fail_next"
	exchange udp $SERVER4 -b 50002 -n 200 -i 100 >/dev/null
	check_between "in 20 s a refused flow was tried four to six times" "$(($(nic_stat injected) - before))" 4 6
	# A change: a device joins.
	echo 0 >"$NIC/fail_next"
	exchange udp $SERVER4 -b 50002 -n 60 -i 100 >/dev/null &
	pid=$!
	sleep 0.5
	check_is "it is not tried before its time" "$(rules)" 0
	ip -n router link add dummy0 type dummy
	router nft add flowtable inet router ft '{ hook ingress priority filter; devices = { dummy0 }; flags offload; counter; }'
	check "it is when a device joins" busywait 3 rules_are 2
	wait $pid
	no_ruleset
	ip -n router link del dummy0
}

last_in_hardware() {
	busywait 3 flows_are HW_OFFLOAD udp 1 && return
	router conntrack -L -p udp
	cat "$NIC/rules"
	dmesg | tail -n 5
	return 1
}

same_match() {
	# The conntrack entry is deleted; fragments, which the NIC leaves to the CPU, create another flow with the same match.
	ruleset forward
	check "a flow is in hardware" open_flow udp $SERVER4 50003
	refused=$(hw_counter offload_refused)
	adds=$(hw_counter offload_adds)
	for _ in 1 2 3 4; do
		router conntrack -D -p udp >/dev/null 2>&1
		exchange udp $SERVER4 -b 50010 -s 2000 -n 5 -i 20 >/dev/null
	done
	check_between "each time anew" "$(($(hw_counter offload_adds) - adds))" 6 8
	check_is "no new flow was refused for the rules of the old one" "$(($(hw_counter offload_refused) - refused))" 0
	check "the last one is in hardware" last_in_hardware
	# The DESTROY of the old flows come up to two seconds later, and clear the flag of the connection.
	sleep 3
	exchange udp $SERVER4 -b 50010 -s 2000 -n 5 -i 20 >/dev/null
	check "and stays" last_in_hardware
	close_flow
	router conntrack -F >/dev/null 2>&1
	check "no rule is left of them" busywait 5 rules_are 0
}

has_offload() { [ "$(router conntrack -L -p udp -u OFFLOAD 2>/dev/null | wc -l)" -eq 1 ]; }
adds_are() { [ "$(hw_counter offload_adds)" -ge "$1" ]; }

flow_learned_again() {
	# The same connection with another flow: the old flow expires, and packets arrive before the next round of the core, which removes
	# it. In that round the core clears IPS_OFFLOAD of the connection once more, as it would again if replacing the old flow ended it
	# a second time. Without the flag, the conntrack entry and its translation would expire under the new flow.
	router sysctl -qw net.netfilter.nf_flowtable_udp_timeout=2 net.netfilter.nf_conntrack_udp_timeout_stream=20
	taken=0 offloaded=0
	for n in 1 2 3 4; do
		talk_on -b 50020 -n 100000 -i 10
		pid=$!
		busywait 5 rules_are 2
		hush $pid
		adds=$(hw_counter offload_adds)
		until rules_are 0; do sleep 0.02; done
		talk_on -b 50020 -n 100000 -i 10
		pid=$!
		busywait 1 adds_are $((adds + 2)) && taken=$((taken + 1))
		sleep 3.5
		has_offload && offloaded=$((offloaded + 1))
		[ $n -lt 4 ] || break
		hush $pid
		router conntrack -F >/dev/null 2>&1
		busywait 5 rules_are 0
	done
	check_between "another flow takes it over" $taken 3 4
	check_is "and the connection stays offloaded" $offloaded 4
	id=$(router conntrack -L -p udp -o id 2>/dev/null | grep -o 'id=.*')
	sleep 22
	check_is "it does not expire" "$(router conntrack -L -p udp -o id 2>/dev/null | grep -o 'id=.*')" "$id"
	check "and is in hardware" flows_are HW_OFFLOAD udp 1
	hush "$pid"
	no_ruleset
	check "no rule is left" busywait 5 rules_are 0
}

begin
tests_run failed_destroy increasing_intervals busy_device refused_flow same_match flow_learned_again
