#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Drivers that refuse, are full, fail half way or return nonsense: both directions are in hardware or none is, traffic continues,
# and the log gives the reason.
. "$(dirname "$0")/lib.sh"

said() { dmesg | grep -c "nft_offload: .*$1"; }
traffic_flows() {
	port=$((port + 1))
	check_is "$1: nothing is lost" \
		"$(client "$TRAFFIC" client udp $SERVER4 5001 -b $port -n 10 -i 20)" "rounds=10 bytes=1000 lost=0"
	sleep 0.3
}
# refused NAME: results: a flow stays in software, and nothing is lost.
refused() {
	traffic_flows "$1"
	check_is "$1: no rule is in the NIC" "$(rules)" 0
	check "$1: the flow is [OFFLOAD]" flows_are OFFLOAD udp 1
	check "$1: and not [HW_OFFLOAD]" flows_are HW_OFFLOAD udp 0
	router conntrack -F >/dev/null 2>&1
	sleep 1.5
}
# inject COMMAND COUNT ERRNO: makes the next COUNT calls fail.
inject() {
	echo "$1" >"$NIC/fail_cmd"
	echo "$3" >"$NIC/fail_errno"
	echo "$2" >"$NIC/fail_next"
}

every_rule_refused() {
	lines=$(said 'refused a rule (EOPNOTSUPP')
	inject replace 1000 -95
	refused "every rule is refused"
	refused "again"
	check_is "every rule is refused: logged once" "$(($(said 'refused a rule (EOPNOTSUPP') - lines))" 1
	inject any 0 0
}

room_for_one_direction() {
	echo 1 >"$NIC/capacity"
	lines=$(said 'refused a rule (ENOSPC')
	refused "room for one direction only"
	check_is "room for one direction only: logged once" "$(($(said 'refused a rule (ENOSPC') - lines))" 1
	echo 65536 >"$NIC/capacity"
	# A device that was full is left alone for a while: the ruleset is loaded again.
	no_ruleset
	ruleset forward
}

invalid_errno() {
	inject replace 1000 -70000
	refused "an errno that is none"
	check "an invalid errno: logged" test "$(said 'returned an invalid errno')" -ge 1
	inject any 0 0
}

healed() {
	traffic_flows "healed"
	check "healed: in hardware" busywait 3 rules_are 2
	# The driver fails the DESTROY of a rule, which is tried again.
	inject destroy 1 -5
	router nft delete table inet router
	check_is "a failed DESTROY is tried again" "$(rules)" 0
	inject any 0 0
}

no_statistics() {
	ruleset forward
	echo stats_error >"$NIC/lie"
	traffic_flows "no statistics"
	check "no statistics: in hardware all the same" rules_are 2
	echo none >"$NIC/lie"
	no_ruleset
}

lost_rule() {
	# A driver that has lost a rule reports it when it is queried; the next packet brings the flow back.
	router sysctl -qw net.netfilter.nf_flowtable_udp_timeout=4
	ruleset forward
	check "a rule that gets lost: in hardware first" open_flow udp $SERVER4 49500
	lines=$(said 'has lost its rule')
	inject stats 1 -2
	check "a rule that gets lost: the other one is taken out as well" busywait 6 rules_are 0
	check "a rule that gets lost: conntrack agrees" busywait 2 flows_are HW_OFFLOAD udp 0
	check_is "a rule that gets lost: logged once" "$(($(said 'has lost its rule') - lines))" 1
	inject any 0 0
	close_flow
	traffic_flows "a rule that gets lost"
	check "a rule that gets lost: flows go into hardware again" busywait 3 rules_are 2
	no_ruleset
}

both_said() { [ $(($(said 'accepts no rules (EBUSY') - lines)) -ge 2 ]; }
binds() { awk '$1 == "binds" { print $2 }' "$NIC/stats"; }
both_bound() { [ $(($(binds) - before)) -ge 2 ]; }

busy_device() {
	inject bind 1000 -16
	lines=$(said 'accepts no rules (EBUSY')
	ruleset forward
	check_is "a busy device does not fail the ruleset" "$?" 0
	check_is "a busy device: nothing is logged while no flow needs it" "$(said 'accepts no rules (EBUSY')" "$lines"
	refused "a busy device"
	check "a device that stays busy is logged" busywait 6 both_said
	refused "a device that stays busy"
	check_is "a device that stays busy: logged once for each device" "$(($(said 'accepts no rules (EBUSY') - lines))" 2
	# Another user of the port, such as the flowtable that a reload replaces, releases it; the module tries every second.
	before=$(binds)
	inject any 0 0
	check "a device that becomes free is bound" busywait 5 both_bound
	traffic_flows "a device that becomes free"
	check "and takes rules" busywait 2 rules_are 2
}

begin
ruleset forward
port=49000
tests_run every_rule_refused room_for_one_direction invalid_errno healed no_statistics lost_rule busy_device
