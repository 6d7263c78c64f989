#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Requests that change something, from a client that knows nothing but the spec: flow-evict, device-set, and the events that
# report the changes.
. "$(dirname "$0")/lib.sh"

nobody() { ynl_ask nobody 24 25 "$@"; }
admin() { ynl_ask admin 22 23 "$@"; }
# news: prints the events since the last call, each as its name and the fields in FILTER, once COUNT have arrived.
news() { # COUNT FILTER
	local all='[]' end=$((SECONDS + 10))
	while [ "$(jq length <<<"$all")" -lt "$1" ] && [ $SECONDS -lt $end ]; do
		all=$(jq -c --argjson more "$(admin events)" '. + $more' <<<"$all")
		sleep 0.1
	done
	jq -c "map([.[0], (.[1] | $2)])" <<<"$all"
}
rules_of() { device "$1" .rules; }

events() {
	# The first time, nf_tables loads modules during the transaction, and restarts it.
	ruleset forward
	no_ruleset
	admin events >/dev/null
	ruleset forward
	check_is "events: both devices are bound" "$(news 2 '[.name, .bound]' | jq -c sort)" \
		'[["device-bound",["lan","direct"]],["device-bound",["wan","direct"]]]'
	check "a flow" open_flow udp $SERVER4 46000
	check_is "events: it goes into hardware" "$(news 1 '[.state, .original."source-port", .table, .flowtable]')" \
		'[["flow-in",["in-hardware",46000,"router","ft"]]]'
	router conntrack -D -p udp >/dev/null 2>&1
	check "it ends" busywait 5 rules_are 0
	close_flow
	check_is "events: it leaves, with its counters" \
		"$(news 1 '[.state, .original."source-port", (.original.packets | type)]')" '[["flow-out",["removing",46000,"number"]]]'
	echo -95 >"$NIC/fail_errno"
	echo replace >"$NIC/fail_cmd"
	echo 1000 >"$NIC/fail_next"
	exchange udp $SERVER4 -b 46001 -n 60 -i 50 >/dev/null
	check_is "events: a flow is refused, which is reported once" "$(news 1 '[.state, .reason, .errno, .original."source-port"]')" \
		'[["flow-refused",["software",32,95,46001]]]'
	echo 0 >"$NIC/fail_next"
	router conntrack -F >/dev/null 2>&1
	sleep 1
	echo 0 >"$NIC/capacity"
	news 0 . >/dev/null
	exchange udp $SERVER4 -b 46002 -n 5 -i 20 >/dev/null
	check_is "events: a device is full" "$(news 2 '[.name // .original."source-port", .reason]' | jq -c sort)" \
		'[["device-full",["lan",null]],["flow-refused",[46002,50]]]'
	echo 65536 >"$NIC/capacity"
	no_ruleset
	# A device without offload.
	news 0 . >/dev/null
	ip -n router link add dummy0 type dummy
	sed 's/{ lan, wan }/{ lan, wan, dummy0 }/' "$RULESETS/forward.nft" | router nft -f -
	check_is "events: a device without offload" "$(news 3 '[.name, .reason]' | jq -c 'map(select(.[0] == "device-refused"))')" \
		'[["device-refused",["dummy0",1]]]'
	no_ruleset
	ip -n router link del dummy0
}

flow_evict() {
	ruleset forward
	for port in 46010 46011 46012; do
		talk_on -b $port -n 4000 -i 20
		talkers="${talkers:-} $!"
	done
	check "three flows" busywait 5 rules_are 6
	admin events >/dev/null
	check_is "flow-evict: not without privileges" "$(nobody "do" flow-evict '{}' | jq .error)" 1
	check "and nothing has happened" rules_are 6
	check_is "flow-evict: by port" "$(admin "do" flow-evict '{"port": 46011}')" '{"evicted": 1}'
	check "its rules are gone" rules_are 4
	check_is "events: it leaves hardware, with the reason" "$(news 1 '[.state, .reason, .original."source-port"]')" \
		'[["flow-out",["software",58,46011]]]'
	sleep 5
	check_is "it stays in software although packets arrive" "$(rules) $(flow 46011)" "4 software 58"
	check_is "conntrack agrees" "$(flows HW_OFFLOAD udp)" 2
	# Changes that reset the back-off of other flows do not bring this one back.
	ip -n router link add dummy0 type dummy
	router nft add flowtable inet router ft '{ hook ingress priority filter; devices = { dummy0 }; flags offload; counter; }'
	sleep 3
	check_is "nor does a device that joins" "$(flow 46011)" "software 58"
	check_is "flow-evict: a flow that is out" "$(admin "do" flow-evict '{"port": 46011}')" '{"evicted": 0}'
	check_is "flow-evict: no such flow" "$(admin "do" flow-evict '{"port": 9}')" '{"evicted": 0}'
	check_is "flow-evict: no such table" "$(admin "do" flow-evict '{"table": "rooter"}')" '{"evicted": 0}'
	check_is "flow-evict: by state and device" \
		"$(admin "do" flow-evict "{\"state\": \"in-hardware\", \"ifindex\": $LAN}")" '{"evicted": 2}'
	check "none is left" rules_are 0
	# shellcheck disable=SC2086 # a list
	hush $talkers
	router conntrack -F >/dev/null 2>&1
	sleep 2
	check "a new connection goes into hardware" open_flow udp $SERVER4 46011
	close_flow
	no_ruleset
	ip -n router link del dummy0
}

set_device() { admin "do" device-set "{\"ifindex\": $1, $2}"; }
says() { jq -c '[.error, .msg, ."bad-attr"]'; }

device_set() {
	ruleset forward
	for port in 46020 46021 46022; do
		talk_on -b $port -n 8000 -i 20
		more="${more:-} $!"
	done
	check "three flows" busywait 5 rules_are 6
	check_is "device-set: not without privileges" "$(nobody "do" device-set "{\"ifindex\": $WAN, \"enabled\": 0}" | jq .error)" 1
	check_is "device-set: off; the answer is the device" \
		"$(set_device "$WAN" '"enabled": 0' | jq -c '[.name, .enabled, .reason, .bound]')" '["wan",0,59,"direct"]'
	check "its rules are gone, and those of the other directions" rules_are 0
	sleep 3
	check_is "the flows say why" "$(flow 46020)" "software 59"
	check "and stay out" rules_are 0
	check_is "device-set: on" "$(set_device "$WAN" '"enabled": 1' | jq -c '[.enabled, .reason]')" '[1,null]'
	check "they come back" busywait 5 rules_are 6
	check_is "device-set: a limit" "$(set_device "$WAN" '"limit": 2' | jq -c '[.limit, .rules]')" '[2,2]'
	check_is "what is above it is out" "$(rules) $(get length dump flow-get '{"reason": 51}')" "4 1"
	check_is "device-set: no limit" "$(set_device "$WAN" '"limit": 0' | jq .limit)" 0
	check "they come back" busywait 12 rules_are 6
	check_is "device-set: a profile" "$(set_device "$LAN" '"profile": "mlx5"' | jq -r .profile)" mlx5
	check "its flows come back" busywait 12 rules_are 6
	check_is "device-set: all at once" \
		"$(set_device "$LAN" '"profile": "tc", "limit": 9, "enabled": 1' | jq -c '[.profile, .limit, .enabled]')" '["tc",9,1]'
	check "the flows come back" busywait 12 rules_are 6
	# shellcheck disable=SC2086 # a list
	hush $more
	check_is "refused: a profile that there is not" "$(set_device "$LAN" '"profile": "tcc"' | says)" \
		'[22,"unknown profile",".profile"]'
	check_is "refused: a device that is in no flowtable" "$(set_device 1 '"limit": 1' | says)" \
		'[19,"device is not in a flowtable with flags offload",".ifindex"]'
	check_is "refused: nothing to set" "$(admin "do" device-set "{\"ifindex\": $LAN}" | jq -c '[.error, .msg]')" \
		'[22,"no setting given: expected limit, profile, block or enabled"]'
	check_is "refused: neither on nor off" "$(set_device "$LAN" '"enabled": 2' | jq -c '[.error, ."bad-attr"]')" '[34,".enabled"]'
	check_is "refused: no device" "$(admin "do" device-set '{"limit": 1}' | jq -c .error)" 22
	no_ruleset
	# The setting lasts as long as the device is in the flowtable.
	ruleset forward
	check_is "a new flowtable begins as the module's parameters say" "$(device lan '[.limit, .profile, .enabled]')" '[0,"tc",1]'
	no_ruleset
	exec 20>&- 21<&- 22>&- 23<&-
	check "no reference is left" busywait 5 module_free
	check "the module unloads" busywait 5 rmmod nft_offload
}

begin
router sysctl -qw net.netfilter.nf_flowtable_udp_timeout=120
check "a client" netlink_up
check "a client without privileges" ynl_up nobody router 24 25 --unprivileged
check "a client with privileges" ynl_up admin router 22 23
LAN=$(ifindex router lan) WAN=$(ifindex router wan)
check_is "it listens" "$(admin listen events)" '"listening"'
tests_run events flow_evict device_set
