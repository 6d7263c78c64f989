#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# nft-offload: the findings of the doctor and the commands that mend them; the history of unbound, unadmitted and surplus flows.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/cli.sh"

no_softdep() { $TOOL --json doctor | jq -r '.findings[] | select(.id | test("softdep|in-tree-blocked")) | .id'; }
doctor() { router $TOOL --json doctor | jq -cr '.findings | map(select(.severity != "ok" and .id != "no-softdep") | .id) | join(" ")'; }
# mend ID: runs the command of a finding.
mend() {
	local fix
	fix=$(router $TOOL --json doctor | jq -r ".findings[] | select(.id == \"$1\") | .fix")
	echo "$fix"
	router bash -c "$fix"
}
ruleset_without() { sed "$1" "$RULESETS/forward.nft" | router nft -f -; }

load_order() {
	defer rm -f /etc/modprobe.d/old.conf /etc/modprobe.d/nft-offload.conf
	check_is "doctor: no softdep" "$(no_softdep)" no-softdep
	echo 'blacklist nf_flow_table_inet' >/etc/modprobe.d/old.conf
	check_is "doctor: the in-tree type is blocked" "$(no_softdep)" in-tree-blocked
	check "doctor: it names the line" bash -c "$TOOL doctor | grep -q '^PROBLEM  /etc/modprobe.d/old.conf:1 '"
	bash -c "$($TOOL --json doctor | jq -r '.findings[] | select(.id == "in-tree-blocked") | .fix')"
	check_is "doctor: its command takes the line out" "$(no_softdep)" no-softdep
	rm /etc/modprobe.d/old.conf
	echo 'options nft_offload limit=eth1:10000' >/etc/modprobe.d/nft-offload.conf
	bash -c "$($TOOL --json doctor | jq -r '.findings[] | select(.id == "no-softdep") | .fix')"
	check_is "doctor: its command writes the softdep" "$(no_softdep)" softdep
	check "doctor: and keeps the options that stand there" grep -qx 'options nft_offload limit=eth1:10000' /etc/modprobe.d/nft-offload.conf
}

no_flowtable() {
	router $TOOL doctor >/tmp/out
	check_is "doctor: no flowtable, status 1" "$? $(grep -c 'there is no flowtable' /tmp/out)" "1 1"
}

device_without_offload() {
	defer no_ruleset
	defer ip -n router link del dummy0
	ip -n router link add dummy0 type dummy
	ip -n router link set dummy0 up
	sed 's/{ lan, wan }/{ lan, wan, dummy0 }/' "$RULESETS/forward.nft" | router nft -f -
	show doctor
	check_is "doctor: without root it says what it could not see" "$(CLI_BY=as_nobody cli_get '.findings | map(.id) | index("not-root") != null' doctor)" true
	check_is "doctor: a device without offload" "$(router $TOOL --json doctor | jq -c '.findings[] | select(.id == "not-bound") | .text | test("dummy0")')" true
	check "doctor: its command" mend not-bound
	check_is "doctor: then the device is out of the flowtable" "$(get 'map(.name) | sort' dump device-get)" '["lan","wan"]'
}

nothing_to_mend() {
	defer no_ruleset
	ruleset forward
	router $TOOL doctor >/tmp/out
	check_is "doctor: nothing to mend, status 0" "$? $(doctor)" "0 no-flows"
}

no_rule() {
	defer no_ruleset
	ruleset_without '/flow add/d'
	check_is "doctor: no rule adds flows" "$(doctor)" "no-flow-add"
}

no_flags() {
	defer no_ruleset
	ruleset_without '/flags offload/d'
	check_is "doctor: no flags offload" "$(doctor)" "no-flags-offload"
}

no_counter() {
	defer no_ruleset
	ruleset_without '/counter/d'
	check_is "doctor: no counter" "$(doctor)" "no-counter no-flows"
	check "doctor: its command" mend no-counter
	check_is "doctor: then there is one" "$(doctor)" "no-flows"
}

no_accounting() {
	defer router sysctl -qw net.netfilter.nf_conntrack_acct=1
	defer no_ruleset
	ruleset forward
	router sysctl -qw net.netfilter.nf_conntrack_acct=0
	check_is "doctor: conntrack does not count" "$(doctor)" "no-accounting no-flows"
	check "doctor: its command" mend no-accounting
	check_is "doctor: then it counts" "$(doctor)" "no-flows"
}

feature_is_off() {
	defer reload
	defer nic_set profile tc
	defer router ethtool -K lan hw-tc-offload on
	defer no_ruleset
	# A driver that reads the setting when it is given a rule.
	echo mtk >"$NIC/profile"
	reload profile=lan:mtk,wan:mtk
	router ethtool -K lan hw-tc-offload off
	ruleset forward
	check_is "doctor: hw-tc-offload is off" "$(doctor)" "hw-tc-offload-off no-flows"
	check "a flow of this device" exchange udp $SERVER4 -b 42030 -n 20 -i 20
	check "why: names the device, and what to do" ends 0 "ethtool -K lan hw-tc-offload on" why $CLIENT4:42030 $SERVER4:5001
	check "doctor: its command" mend hw-tc-offload-off
	exchange udp $SERVER4 -b 42031 -n 20 -i 20 >/dev/null
	check "doctor: then flows go into hardware" ends 0 "in hardware, both" why $CLIENT4:42031 $SERVER4:5001
}

admission_and_limit() {
	defer reload
	defer no_ruleset
	reload limit=lan:1,wan:1 admit=40
	ruleset forward
	exchange udp $SERVER4 -b 42040 -n 5 -i 20 >/dev/null
	check "why: not enough packets yet" ends 0 "admission (56)" why $CLIENT4:42040 $SERVER4:5001
	exchange udp $SERVER4 -b 42041 -n 200 -i 20 >/dev/null
	check "why: one flow fills the device" ends 0 "in hardware" why $CLIENT4:42041 $SERVER4:5001
	exchange udp $SERVER4 -b 42042 -n 60 -i 20 >/dev/null
	check "why: the limit" ends 0 "limit (51)" why $CLIENT4:42042 $SERVER4:5001
	check "doctor: the limit" grep -q at-limit <<<"$(doctor)"
}

full_table() {
	defer no_ruleset
	defer close_flow
	defer nic_set capacity 65536
	echo 2 >"$NIC/capacity"
	ruleset forward
	check "why: one flow fills the table" open_flow udp $SERVER4 42051
	exchange udp $SERVER4 -b 42052 -n 20 -i 20 >/dev/null
	check "why: the table is full" ends 0 "full (50)" why $CLIENT4:42052 $SERVER4:5001
	check "why: with the driver's error" ends 0 "ENOSPC" why $CLIENT4:42052 $SERVER4:5001
}

begin
check "the netlink family answers" netlink_up
router sysctl -qw net.netfilter.nf_flowtable_udp_timeout=1000
tests_run load_order no_flowtable device_without_offload nothing_to_mend no_rule no_flags no_counter \
	no_accounting feature_is_off admission_and_limit full_table
exec 20>&- 21<&-
check "no reference is left" busywait 5 module_free
