#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The generic netlink family, through a client that knows nothing but the spec: devices, flows, totals, reasons; filters;
# refusals; namespaces; dumps while flows come and go.
. "$(dirname "$0")/lib.sh"

ask_client() { ynl_ask client 22 23 "$@"; }
ask_nobody() { ynl_ask nobody 24 25 "$@"; }
is_gone() { [ "$(ask dump flow-get "{\"port\": $1}")" = "[]" ]; }

without_a_flowtable() {
	check "the family is there without privileges" netlink_up
	check_is "without a flowtable there is no device" "$(ask dump device-get)" "[]"
	check_is "nor a flow" "$(ask dump flow-get)" "[]"
}

devices_of_a_ruleset() {
	ruleset forward
	router nft 'table ip marks { chain forward { type filter hook forward priority -10; udp sport 42001 ct mark set 7; }; }'
	check_is "both devices are bound, with their profile" \
		"$(get 'map([.name, .ifindex, .driver, .profile, .bound, .table, .flowtable, ."table-family", .rules, .limit]) | sort' dump device-get)" \
		"[[\"lan\",$LAN,\"netdevsim\",\"tc\",\"direct\",\"router\",\"ft\",\"inet\",0,0],[\"wan\",$WAN,\"netdevsim\",\"tc\",\"direct\",\"router\",\"ft\",\"inet\",0,0]]"
	check_is "the capabilities of its driver; use has not been reported yet" "$(get '.capabilities | keys | join(" ")' "do" device-get "{\"ifindex\": $LAN}")" \
		"gre ipv4 ipv6 nat4 nat6 service-tags tunnels vlan-depth"
	check_is "one device" "$(get '[.name, .bound]' "do" device-get "{\"ifindex\": $WAN}")" '["wan","direct"]'
	check_is "devices of a table" "$(get length dump device-get '{"table": "router", "table-family": "inet"}')" 2
	check_is "devices of a table that is not there" "$(ask dump device-get '{"table": "rooter"}')" "[]"
	check_is "devices by their index" "$(get 'map(.name)' dump device-get "{\"ifindex\": $LAN}")" '["lan"]'
}

# carried: a condition: the devices have counted packets and bytes.
carried() { [ "$(get 'map(.packets) | add' dump device-get)" -gt 0 ] && [ "$(get 'map(.bytes) | add' dump device-get)" -gt 1000 ]; }

flow_in_hardware() {
	check "a flow is in hardware" open_flow udp $SERVER4 42001
	check_is "the flow: its tuple, state and devices" \
		"$(get 'map([.table, .flowtable, .family, .protocol, .state, .original.source, .original."source-port",
			.original.destination, .original."destination-port", .original.ingress, .original.egress, .original.state,
			.reply.source, .reply."destination-port", .reply.ingress, .reply.egress, .reason, .snat, .zone])' dump flow-get)" \
		"[[\"router\",\"ft\",\"ipv4\",17,\"in-hardware\",\"$CLIENT4\",42001,\"$SERVER4\",5001,$LAN,$WAN,\"in-hardware\",\"$SERVER4\",42001,$WAN,$LAN,null,null,0]]"
	cookies=$(get '.[] | .original.cookie, .reply.cookie' dump flow-get | while read -r n; do printf 'cookie=0x%x\n' "$n"; done | sort)
	check_is "its cookies are those in the NIC" "$(grep -o 'cookie=0x[0-9a-f]*' "$NIC/rules" | sort)" "$cookies"
	check_is "its connection is that of conntrack" "$(get '.[]."conntrack-id"' dump flow-get)" \
		"$(router conntrack -L -p udp -o id 2>/dev/null | sed -n 's/.*sport=42001 .* id=\([0-9]*\).*/\1/p')"
	check_is "each device has one rule" "$(get 'map([.rules, ."high-water", .adds, .deletes])' dump device-get)" "[[1,1,1,0],[1,1,1,0]]"
	original="{\"protocol\": 17, \"original\": {\"source\": \"$CLIENT4\", \"destination\": \"$SERVER4\", \"source-port\": 42001, \"destination-port\": 5001}}"
	reply="{\"protocol\": 17, \"original\": {\"source\": \"$SERVER4\", \"destination\": \"$CLIENT4\", \"source-port\": 5001, \"destination-port\": 42001}}"
	check_is "the flow by its tuple" "$(get '[.state, .original."source-port"]' "do" flow-get "$original")" '["in-hardware",42001]'
	check_is "the flow by the tuple of its reply" "$(get '[.state, .original."source-port"]' "do" flow-get "$reply")" '["in-hardware",42001]'

	# Packets that the hardware forwards are counted when the core requests counters.
	exchange udp $SERVER4 -b 42002 -n 20 -i 10 >/dev/null
	check "packets and bytes of the hardware are counted" busywait 40 carried
	check_is "and when the last one was" "$(get 'map(."last-used" != null and ."last-used" < 90000 and .since >= ."last-used") | any' dump flow-get)" true

	check_is "its driver reports use" "$(get '.[0].capabilities | has("reports-use")' dump device-get)" true
	check_is "a flow has an age" "$(get 'map(.age >= .since and .age < 600000) | all' dump flow-get)" true
}

tags_of_a_flow() {
	for ns in "router wan 1" "server eth 2"; do
		# shellcheck disable=SC2086 # three words
		set -- $ns
		ip -n "$1" link add link "$2" name tag type vlan id 20
		ip -n "$1" addr add "192.168.71.$3/30" dev tag
		ip -n "$1" link set tag up
	done
	ip -n server route replace $CLIENT4 via 192.168.71.1
	check "a flow with a tag on one side" exchange udp 192.168.71.2 -b 42008 -n 10 -i 20
	check_is "the tag that its packets come with" \
		"$(get 'map([.original.encapsulation, .reply.encapsulation])' dump flow-get '{"port": 42008}')" '[[null,[{"ethertype":"0x8100","id":20}]]]'
	ip -n server route del $CLIENT4
	ip -n router link del tag
	ip -n server link del tag
	router conntrack -D -p udp --orig-port-src 42008 >/dev/null 2>&1
	check "it ends" busywait 5 is_gone 42008
}

ipv6_flow() {
	check "an IPv6 flow is in hardware" open_flow udp $SERVER6 42003
	check_is "the IPv6 flow" "$(get 'map([.family, .original.source, .reply.source])' dump flow-get '{"port": 42003}')" \
		"[[\"ipv6\",\"$CLIENT6\",\"$SERVER6\"]]"
}

# filter NAME REQUEST PORTS: a result: the flows with this filter have these source ports.
filter() {
	check_is "filter: $1" "$(get 'map(.original."source-port") | sort' dump flow-get "$2")" "$3"
}

filters() {
	filter "nothing" '{}' '[42001,42002,42003]'
	filter "IPv6" '{"family": "ipv6"}' '[42003]'
	filter "protocol" '{"protocol": 6}' '[]'
	filter "state" '{"state": "in-hardware", "family": "ipv4"}' '[42001,42002]'
	filter "state software" '{"state": "software"}' '[]'
	filter "address" "{\"address\": \"$CLIENT6\"}" '[42003]'
	filter "address of the server" "{\"address\": \"$SERVER4\"}" '[42001,42002]'
	filter "address without flows" '{"address": "192.0.2.1"}' '[]'
	filter "port" '{"port": 5001}' '[42001,42002,42003]'
	filter "port and family" '{"port": 42001, "family": "ipv6"}' '[]'
	filter "device" "{\"ifindex\": $LAN, \"port\": 42001}" '[42001]'
	filter "another device" '{"ifindex": 4242}' '[]'
	filter "table" '{"table": "router", "flowtable": "ft", "port": 42001}' '[42001]'
	filter "another flowtable" '{"flowtable": "tf"}' '[]'
	filter "a mark of none" '{"mark": 8}' '[]'
	filter "mark" '{"mark": 7}' '[42001]'
	filter "zone" '{"zone": 0, "port": 42001}' '[42001]'
	filter "another zone" '{"zone": 1}' '[]'
}

refused_flow() {
	# The devices have also counted a flow whose VLAN device was deleted above (60).
	close_flow
	echo replace >"$NIC/fail_cmd"
	echo -95 >"$NIC/fail_errno"
	echo 1000 >"$NIC/fail_next"
	exchange udp $SERVER4 -b 42010 -n 10 -i 20 >/dev/null
	check_is "a refused flow has its reason" \
		"$(get 'map([.original."source-port", .state, .original.state, .original.cookie])' dump flow-get '{"reason": 32, "state": "software"}')" \
		'[[42010,"software","software",null]]'
	check_is "with the driver's error, how often it was tried, and since when" \
		"$(get 'map([.errno, .tries >= 1, .since < 60000, ."last-used"])' dump flow-get '{"port": 42010}')" "[[95,true,true,null]]"
	check_is "its device counts it, with the driver's error" \
		"$(get '.refusals | map(select(.reason == 32) | [.reason, .errno, .count > 0])' "do" device-get "{\"ifindex\": $LAN}")" "[[32,95,true]]"
	check_is "and the driver's own words" \
		"$(get '.refusals | map(select(.reason == 32))[0].extack' "do" device-get "{\"ifindex\": $LAN}")" "$(sed -n 's/^replace: //; s/ (-95)$//p' "$NIC/refusal")"
	check_is "the totals count it" \
		"$(get '[.flowtables, .devices, ."flows-in-software", (."by-reason" | map(select(.reason == 32) | [.reason, .flows]))]' "do" stats-get)" '[1,2,1,[[32,1]]]'
	check_is "what the reason means" "$(get '[.name, .stage, (.text | length > 5), (.advice | length > 5)]' "do" reason-get '{"number": 32}')" \
		'["driver-refused","driver",true,true]'
	echo 0 >"$NIC/fail_next"
	check_is "the reasons have different numbers and names" \
		"$(get '[length > 20, (map(.number) | unique | length) == length, (map(.name) | unique | length) == length, map(.number) == (map(.number) | sort)]' dump reason-get)" \
		"[true,true,true,true]"
	check_is "each has a text, advice and a stage" \
		"$(get 'map(select((.text and .advice and (.stage | type) == "string") | not))' dump reason-get)" "[]"
}

silent_nic() {
	echo silent >"$NIC/lie"
	exchange udp $SERVER4 -b 42020 -n 45 -i 100 >/dev/null
	echo none >"$NIC/lie"
	check_is "a silent NIC: the flow is in hardware by its own report" "$(flow 42020)" "in-hardware null"
	check "and it can be found: the CPU has seen the flow nevertheless" \
		[ "$(get '.[0]."hardware-misses"' dump flow-get '{"port": 42020}')" -ge 2 ]
	check "its device counts that, too" [ "$(device lan '."hardware-misses"')" -ge 2 ]
}

# refused NAME ERRNO KEY VALUE REQUEST: a result: the error of a request, and its extended acknowledgement.
refused() {
	case $4 in
	*[!0-9]*) set -- "$1" "$2" "$3" "\"$4\"" "$5" ;;
	esac
	check_is "refused: $1" "$(get "[.error, .\"$3\", (.msg | length > 5)]" "$5")" "[$2,$4,true]"
}

invalid_requests() {
	refused "an unknown attribute" 22 bad-attr-offs 20 "raw flow-get dump 99=01000000"
	refused "a short attribute" 22 bad-attr-offs 20 "raw device-get do ifindex=0100"
	refused "an attribute of a reply in a request" 22 bad-attr-offs 20 "raw device-get dump rules=01000000"
	refused "attributes where there are none" 22 bad-attr-offs 20 "raw stats-get do flowtables=01000000"
	refused "a state that does not exist" 34 bad-attr .state 'dump flow-get {"state": 4}'
	refused "a reason that does not exist" 22 bad-attr .reason 'dump flow-get {"reason": 999}'
	refused "an address of five bytes" 22 bad-attr-offs 20 "raw flow-get dump address=0102030405"
	refused "an address of two bytes" 34 bad-attr-offs 20 "raw flow-get dump address=0102"
	refused "no protocol" 22 miss-type protocol 'do flow-get {"original": {}}'
	refused "no tuple" 22 miss-type original 'do flow-get {"protocol": 17}'
	refused "no source" 22 miss-nest 28 'do flow-get {"protocol": 17, "original": {}}'
	refused "families mixed" 22 bad-attr .original.destination \
		"do flow-get {\"protocol\": 17, \"original\": {\"source\": \"$CLIENT4\", \"destination\": \"$SERVER6\"}}"
	refused "a tuple that no flow has" 2 bad-attr .original \
		"do flow-get {\"protocol\": 6, \"original\": {\"source\": \"$CLIENT4\", \"destination\": \"$SERVER4\"}}"
	refused "a device in no flowtable" 19 bad-attr .ifindex 'do device-get {"ifindex": 4242}'
	refused "no device" 22 miss-type ifindex 'do device-get {}'
	refused "no such reason" 2 bad-attr .number 'do reason-get {"number": 255}'
	check_is "refused: a command that does not exist" "$(get .error raw 99 "do")" 95
}

other_clients() {
	check "a client without privileges" ynl_up nobody router 24 25 --unprivileged
	check_is "it sees the devices" "$(ask_nobody dump device-get | jq -c 'map(.name) | sort')" '["lan","wan"]'
	check_is "and the reasons" "$(ask_nobody "do" reason-get '{"number": 1}' | jq .number)" 1
	for request in "dump flow-get" "do flow-get $original" "do stats-get" "do flow-evict"; do
		check_is "it may not: ${request%% \{*}" "$(ask_nobody "$request" | jq .error)" 1
	done
	check "a client in another namespace" ynl_up client client 22 23
	check_is "it sees no device" "$(ask_client dump device-get)" "[]"
	check_is "it sees no flow" "$(ask_client dump flow-get)" "[]"
	check_is "nor one by its tuple" "$(ask_client "do" flow-get "$original" | jq .error)" 2
	check_is "it counts nothing" "$(ask_client "do" stats-get | jq -c '[.flowtables, .devices, .rules, ."flows-in-hardware"]')" "[0,0,0,0]"
}

device_without_offload() {
	no_ruleset
	ip -n router link add dummy0 type dummy
	ip -n router link set dummy0 up
	sed 's/{ lan, wan }/{ lan, wan, dummy0 }/' "$RULESETS/forward.nft" | router nft -f -
	check_is "a device without offload is there, with its reason" \
		"$(get 'map(select(.name == "dummy0") | [.bound, .reason, .errno, (.extack | length > 5), .driver])' dump device-get)" \
		'[["software",1,95,true,""]]'
	no_ruleset
	ip -n router link del dummy0
}

in_hardware() { [ "$(get 'map(.state)' dump flow-get '{"port": 43000}')" = '["in-hardware"]' ]; }
enough() { [ "$(rules)" -ge 200 ]; }

dumps_under_churn() {
	router sysctl -qw net.netfilter.nf_flowtable_udp_timeout=5
	ruleset forward
	exchange udp $SERVER4 -b 43000 -n 6000 -i 20 >/dev/null &
	lasting=$!
	check "a flow that stays" busywait 10 in_hardware
	touch /tmp/churning
	while [ -e /tmp/churning ]; do
		timeout 20 nsenter --net=/run/netns/client -- "$TRAFFIC" client udp $SERVER4 5001 -b 20000 -c 400 -n 4
		router conntrack -D -p udp --orig-port-src 20100
	done >/dev/null 2>&1 &
	churn=$!
	busywait 20 enough
	dumps=0 most=0 once=0 doubles=0
	end=$((SECONDS + 60))
	while [ $dumps -lt 8 ] && [ $SECONDS -lt $end ]; do
		dump=$(ask dump flow-get)
		read -r n found double <<<"$(jq -r '[length, (map(select(.original."source-port" == 43000)) | length),
			([.[] | .original.cookie, .reply.cookie | select(.)] | length - (unique | length))] | map(tostring) | join(" ")' <<<"$dump")"
		dumps=$((dumps + 1))
		[ "$n" -le "$most" ] || most=$n
		[ "$found" -ne 1 ] || once=$((once + 1))
		doubles=$((doubles + double))
	done
	rm /tmp/churning
	kill "$churn" "$lasting" 2>/dev/null
	wait "$churn" "$lasting" 2>/dev/null
	check "dumps of many packets were made: $dumps, of up to $most flows" test "$most" -ge 60
	check_is "the flow that stays is in each of them once" "$once" "$dumps"
	check_is "no rule is in one of them twice" "$doubles" 0
}

interrupt() { router python3 -B "$SELFTEST/tools/interrupt.py" "$@"; }
dumps_during_changes() {
	# A dump is marked as inconsistent if the devices of a flowtable change in the meantime.
	for ((i = 0; i < 60; i++)); do echo "link add many$i type dummy"; done | ip -n router -b -
	devices=$(seq -s , -f 'many%.0f' 0 58)
	router nft add flowtable inet router ft "{ hook ingress priority filter; devices = { $devices }; flags offload; counter; }"
	whole=$(interrupt true)
	check "the dump of many devices has more than one part: $whole" test "${whole%% *}" -gt 1
	check_is "a dump is whole if nothing changes" "${whole#* }" whole
	changed=$(interrupt nft add flowtable inet router ft '{ hook ingress priority filter; devices = { many59 }; flags offload; counter; }')
	check_is "a device joins meanwhile" "${changed#* }" interrupted
	changed=$(interrupt nft delete flowtable inet router ft '{ hook ingress priority filter; devices = { many0 }; }')
	check_is "a device leaves meanwhile" "${changed#* }" interrupted
	changed=$(interrupt nft add flowtable inet router another '{ hook ingress priority 1; devices = { many0 }; flags offload; }')
	check_is "a flowtable comes meanwhile" "${changed#* }" interrupted
}

everything_ends() {
	no_ruleset
	check_is "without the ruleset there is no device" "$(ask dump device-get)" "[]"
	exec 20>&- 21<&- 22>&- 23<&-
	check "no reference is left" busywait 5 module_free
	check "the module unloads" busywait 5 rmmod nft_offload
}

begin
# No flow times out during the test. The core requests counters after a tenth of this time.
router sysctl -qw net.netfilter.nf_flowtable_udp_timeout=120
LAN=$(ifindex router lan) WAN=$(ifindex router wan)
tests_run without_a_flowtable devices_of_a_ruleset flow_in_hardware tags_of_a_flow ipv6_flow filters \
	refused_flow silent_nic invalid_requests other_clients device_without_offload \
	dumps_under_churn dumps_during_changes everything_ends
