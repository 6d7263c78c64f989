#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A full device: only a busy flow takes the place of an idle one. The same for a limit set by the user and for a full table of the
# NIC.
. "$(dirname "$0")/lib.sh"

evictions() { device lan .evictions; }
evicted() { [ "$(evictions)" -ge "$1" ]; }
cookies() { get 'map(.original.cookie, .reply.cookie) | sort' dump flow-get "{\"port\": $1}"; }

# full NAME: results: three flows fill the device.
full() {
	talk_on -b 52001 -n 6000 -i 20
	BUSY=$!
	talk_on -b 52002 -n 6000 -i 20
	BUSY="$BUSY $!"
	check "$1: a busy flow" busywait 5 flow_is 52001 in-hardware null
	check "$1: another one" busywait 5 flow_is 52002 in-hardware null
	exchange udp $SERVER4 -b 52003 -n 5 -i 20 >/dev/null
	check "$1: one that falls silent" busywait 5 flow_is 52003 in-hardware null
	KEPT=$(cookies 52001)$(cookies 52002)
}

# test_full NAME REASON: results: a busy flow takes the place of an idle one.
test_full() {
	local name=$1 reason=$2
	router sysctl -qw net.netfilter.nf_flowtable_udp_timeout=120
	defer no_ruleset
	ruleset forward
	full "$name"
	check_is "$name: full" "$(rules)" 6

	# Too short for a place: such flows end before their rate is known.
	timeout 60 nsenter --net=/run/netns/client -- "$TRAFFIC" client udp $SERVER4 5001 -b 20000 -c 60 -n 6 -i 2 >/dev/null
	check_is "$name: a storm of short flows evicts none" "$(evictions)" 0
	check_is "$name: they are in software, for want of room" "$(flow 20000)" "software $reason"

	# As busy as the flows in hardware, and lasting.
	talk_on -b 52004 -n 6000 -i 20
	BUSY="$BUSY $!"
	check "$name: a busy one takes a place" busywait 25 flow_is 52004 in-hardware null
	check_is "$name: it has the place of the silent one, which reports why" "$(flow 52003)" "software 52"
	check_is "$name: it is counted once" "$(evictions)" 1
	check_is "$name: the others kept theirs" "$(cookies 52001)$(cookies 52002)" "$KEPT"
	check_is "$name: the NIC holds as much as before" "$(rules)" 6
	check "$name: conntrack agrees" flows_are HW_OFFLOAD udp 3

	# All are busy now: another busy flow stays in software.
	exchange udp $SERVER4 -b 52005 -n 250 -i 40 >/dev/null
	check_is "$name: one that is no busier gets none" "$(flow 52005)" "software $reason"
	check_is "$name: the others have kept their places" "$(evictions) $(cookies 52001)$(cookies 52002)" "1 $KEPT"
	# shellcheck disable=SC2086 # a list of processes
	hush $BUSY
	no_ruleset
	check "$name: nothing is left" busywait 5 rules_are 0
}

limit_of_the_user() {
	defer reload
	reload limit=lan:3
	test_full "limit" 51
}

full_table() {
	defer nic_set capacity 65536
	echo 6 >"$NIC/capacity"
	test_full "full table" 50
}

begin
check "the netlink family answers" netlink_up
tests_run limit_of_the_user full_table
