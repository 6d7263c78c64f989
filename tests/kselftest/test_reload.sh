#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# flush_on_reload: when the ruleset changes, the flows of the flowtables in the namespace leave hardware and pass it again; not when
# it has not changed, and not for every change of many. Without the parameter they stay.
. "$(dirname "$0")/lib.sh"

dropped() { router nft list counter inet router dropped | awk '$1 == "packets" { print $2 }'; }
dropping() { [ "$(dropped)" -gt "$1" ]; }
is_gone() { [ -z "$(flow "$1")" ]; }
rules_are_some() { [ "$(rules)" -ge 1 ]; }
in_hardware() { [ "$(flow "$1")" = "in-hardware null" ]; }
# deletes: prints how many rules have left hardware.
deletes() { hw_counter offload_dels; }
block() { router nft "$1" element inet router blocked "{ $2 }"; }
# ms: prints the time in milliseconds. cpu_ms: prints how long the kernel workers have run.
ms() { echo $(($(date +%s%N) / 1000000)); }
cpu_ms() {
	local sum=0 stat
	for stat in /proc/[0-9]*/stat; do
		{ read -r -a stat <"$stat"; } 2>/dev/null || continue
		case ${stat[1]} in "(kworker"*) sum=$((sum + stat[13] + stat[14])) ;; esac
	done
	echo $((sum * 1000 / $(getconf CLK_TCK)))
}

no_change_of_the_ruleset() {
	before=$(deletes)
	ruleset blocked
	talk_on -b 42001 -n 100000 -i 20
	talkers=$!
	talk_on -b 42002 -n 100000 -i 20
	talkers="$talkers $!"
	check "two flows" busywait 5 eval "in_hardware 42001 && in_hardware 42002"
	sleep 3
	check_is "the flowtable's own creation flushes nothing" "$(($(deletes) - before))" 0
	router nft reset counters >/dev/null
	router nft reset rules >/dev/null
	router nft -c -f "$RULESETS/forward.nft"
	router nft list ruleset >/dev/null
	check "the deletion of a missing table fails" bash -c "! nsenter --net=/run/netns/router nft delete table inet nothing 2>/dev/null"
	client nft add table inet elsewhere
	sleep 3
	check_is "nor do resets, dry runs, failures, another namespace" "$(($(deletes) - before))" 0
	client nft delete table inet elsewhere
}

changes_of_the_ruleset() {
	start=$(ms)
	block add 42002
	check "the ruleset drops what it would not accept any more" busywait 5 dropping 0
	took=$(($(ms) - start))
	diag "after $took ms"
	check_between "within two seconds" $took 0 2000
	check "the flow that it accepts comes back" busywait 5 in_hardware 42001
	check_is "the other one does not" "$(flow 42002)" ""
	check_is "two rules are there" "$(rules)" 2
	check_is "each left hardware once" "$(($(deletes) - before))" 4
	check_is "its device counts them" "$(device lan '.refusals | map(select(.reason == 55) | .count)')" "[2]"
	check_is "what the reason means" "$(get '[.name, .stage]' "do" reason-get '{"number": 55}')" '["reload","policy"]'
	block delete 42002
	check "what is no longer blocked comes back" busywait 5 eval "in_hardware 42001 && in_hardware 42002"
	# Flows in software as well.
	sleep 10
	check_is "a flow is evicted by hand" "$(ask "do" flow-evict '{"port": 42001}')" '{"evicted": 1}'
	check_is "is in software" "$(flow 42001)" "software 58"
	before=$(dropped)
	block add 42001
	check "a flow in software passes the ruleset as well" busywait 5 dropping "$before"
	check "and is gone" busywait 3 is_gone 42001
	block delete 42001
}

many_changes() {
	sleep 10
	check "both are in hardware" busywait 5 eval "in_hardware 42001 && in_hardware 42002"
	before=$(deletes)
	work=$(cpu_ms)
	changes=0
	end=$((SECONDS + 20))
	while [ $SECONDS -lt $end ]; do
		block add 42009
		block delete 42009
		changes=$((changes + 2))
	done
	flushes=$((($(deletes) - before) / 4))
	diag "$changes changes in 20 s: $flushes times flushed, $(($(cpu_ms) - work)) ms of all workers"
	check_between "there are fewer flushes than changes" $flushes 2 7
	block add 42002
	check "the last change counts" busywait 12 is_gone 42002
	check "and the other flow comes back" busywait 5 in_hardware 42001
	# shellcheck disable=SC2086 # a list
	hush $talkers
}

flows_being_offloaded() {
	sleep 10
	router conntrack -F >/dev/null 2>&1
	busywait 5 rules_are 0
	echo 2000000 >"$NIC/delay_us"
	exchange udp $SERVER4 -b 43000 -n 3 -c 30 >/dev/null
	check "a slow driver has some of the rules" busywait 10 rules_are_some
	check_is "and others are pending" "$(($(rules) < 60))" 1
	block add "$(seq -s, 43000 43029)"
	echo 0 >"$NIC/delay_us"
	check "once it has them, they are removed" busywait 10 rules_are 0
	sleep 4
	check_is "for good" "$(rules)" 0
	no_ruleset
	exec 20>&- 21<&-
	check_is "none was orphaned" "$(<"$NIC/orphans")" 0
	check "no reference is left" busywait 5 module_free
	check "the module unloads" busywait 5 rmmod nft_offload
}

begin
check "the netlink family answers" netlink_up
router sysctl -qw net.netfilter.nf_flowtable_udp_timeout=120
check_is "off by default" "$(cat /sys/module/nft_offload/parameters/flush_on_reload)" N
ruleset blocked
talk_on -b 42001 -n 100000 -i 20
talker=$!
check "a flow" busywait 5 in_hardware 42001
before=$(deletes)
block add 42001
sleep 3
check_is "off: it stays in hardware, though the ruleset blocks it now" "$(flow 42001) $(($(deletes) - before)) $(dropped)" "in-hardware null 0 0"
hush $talker
no_ruleset
check "no reference is left" busywait 5 module_free
modprobe -r nft_offload
check "an invalid boolean is refused" bash -c "! modprobe nft_offload flush_on_reload=maybe 2>/dev/null"
check "it loads" modprobe nft_offload flush_on_reload=1
check_is "on" "$(cat /sys/module/nft_offload/parameters/flush_on_reload)" Y
check_is "the family is back" "$(ask again)" '"ready"'
tests_run no_change_of_the_ruleset changes_of_the_ruleset many_changes flows_being_offloaded
