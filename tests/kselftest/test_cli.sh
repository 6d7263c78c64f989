#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# nft-offload, the command line: its output compared with that of the generic YNL client; filters, the history of flows, JSON, exit
# status; without root, without the module, in another namespace.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/cli.sh"

not_loaded() {
	cli status >/tmp/out 2>&1
	check_is "without the module: status 3" $? 3
	check_is "without the module: one line says what to do" "$(</tmp/out)" "nft-offload: nft_offload is not loaded: modprobe nft_offload"
	check_is "without the module: JSON says so too" "$(cli_get '[.schema, .error.kind]' flows 2>/dev/null)" '[1,"not-loaded"]'
	check "without the module: the doctor has the command" ends 3 '$ modprobe nft_offload' doctor
}

another_module_in_its_place() {
	defer modprobe -r nf_flow_table_inet
	modprobe nf_flow_table_inet
	check "another module in its place: one line says what to do" ends 3 "is not loaded: nft-offload doctor --switch nft_offload" status
	check "another module in its place: the doctor has the command" ends 3 'nft-offload doctor --switch nft_offload' doctor
}

command_line() {
	check "a command that does not exist: status 2" ends 2 "unrecognized subcommand" evaporate
	check "a completion script" ends 0 "complete -F _nft__offload" completion bash
}

no_flowtable() {
	check "no flowtable: status says so" ends 0 'no flowtable with "flags offload"' status
}

# flows_up: the flows of the cases that follow: three in hardware, and one that the driver refuses.
flows_up() {
	ip -n router link add dummy0 type dummy
	ip -n router link set dummy0 up
	sed 's/{ lan, wan }/{ lan, wan, dummy0 }/' "$RULESETS/forward.nft" | router nft -f -
	router nft 'table ip marks { chain forward { type filter hook forward priority -10; udp sport 42001 ct mark set 7; }; }'
	check "a flow" open_flow udp $SERVER4 42001
	check "an IPv6 flow" open_flow udp $SERVER6 42003
	exchange udp $SERVER4 -b 42002 -n 40 -i 20 >/dev/null
	echo replace >"$NIC/fail_cmd"
	echo -95 >"$NIC/fail_errno"
	echo 1000 >"$NIC/fail_next"
	exchange udp $SERVER4 -b 42010 -n 60 -i 20 >/dev/null
}

# The same through the C code that the kernel's generator makes of the family's specification.
ynl_dump() { router "${NFT_OFFLOAD_YNL_DUMP:?the C client is built by tests/run.sh}" "$1" | jq -sc "$2"; }

status_and_devices() {
	check "status" ends 0 "3 flows in hardware, 1 in software: 1 driver-refused" status
	check_is "devices are those that ynl sees" \
		"$(cli_get '.devices | map([.name, .ifindex, .driver, .profile, .bound, .rules, .high_water, .limit, .adds, .error.errno, .reason.number, .flowtable.table]) | sort' devices)" \
		"$(get 'map([.name, .ifindex, .driver, .profile, .bound, .rules, ."high-water", .limit, .adds, .errno, .reason, .table]) | sort' dump device-get)"
	check_is "devices are those that the generated C code sees" \
		"$(cli_get '.devices | map([.name, .ifindex, .driver, .profile, .bound, .rules, .high_water, .limit, .adds, .error.errno, .reason.name,
			(.refusals | length), .capabilities.nat4, .flowtable.table]) | sort' devices)" \
		"$(ynl_dump devices sort)"
	check_is "flows are those that the generated C code sees" \
		"$(cli_get '.flows | map([.family, .state, .reason.name] + ([.original, .reply] | map([.source, .source_port, .destination, .destination_port,
			.ingress.ifindex, .egress.ifindex, .state, .cookie]) | add) + [.mark, .zone, .conntrack_id]) | sort' flows)" \
		"$(ynl_dump flows sort)"
	check_is "reasons are named in the specification as in the module" \
		"$(cli_get '.reasons | map([.number, .name, .name, .stage])' reasons)" "$(ynl_dump reasons .)"
	check_is "totals are those that ynl sees" \
		"$(cli_get '.stats | [.flowtables, .devices, .rules, .adds, .flows_in_hardware, .flows_in_software, (.by_reason | map([.reason.number, .flows]))]' status)" \
		"$(get '[.flowtables, .devices, .rules, .adds, ."flows-in-hardware", ."flows-in-software", (."by-reason" | map([.reason, .flows]))]' "do" stats-get)"
	check_is "reasons are those that ynl sees" "$(cli_get '.reasons | map([.number, .name, .stage, .text, .advice])' reasons | md5sum)" \
		"$(get 'map([.number, .name, .stage, .text, .advice])' dump reason-get | md5sum)"
	check "devices has the driver's own words" ends 0 "EOPNOTSUPP: \"$(sed -n 's/^replace: //; s/ (-95)$//p' "$NIC/refusal")\"" devices
	check_is "the schema has its number everywhere" \
		"$(for c in status devices flows reasons doctor; do cli_get .schema $c; done | sort -u)" 1
}

flow_list() {
	check_is "flows are those that ynl sees" \
		"$(cli_get '.flows | map([.family, .protocol, .state, .reason.number, .original.source, .original.source_port, .original.ingress.ifindex,
			.original.egress.ifindex, .original.cookie, .reply.source, .reply.cookie, .mark, .zone, .conntrack_id]) | sort' flows)" \
		"$(get 'map([.family, (if .protocol == 17 then "udp" else "other" end), .state, .reason, .original.source, .original."source-port", .original.ingress,
			.original.egress, .original.cookie, .reply.source, .reply.cookie, .mark, .zone, ."conntrack-id"]) | sort' dump flow-get)"
}

filter() { # REQUEST ARGUMENT...
	local request=$1
	shift
	check_is "filter: $*" "$(cli_get '.flows | map(.original.source_port) | sort' flows "$@")" \
		"$(get 'map(.original."source-port") | sort' dump flow-get "$request")"
}

filters() {
	filter '{"family": "ipv6"}' --family ipv6
	filter '{"protocol": 17}' --protocol udp
	filter '{"protocol": 6}' --protocol tcp
	filter '{"state": "in-hardware"}' --state hardware
	filter '{"state": "software"}' --state software
	filter '{"reason": 32}' --reason driver-refused
	filter '{"reason": 32}' --reason 32
	filter '{"reason": 50}' --reason full
	filter "{\"address\": \"$CLIENT6\"}" --address $CLIENT6
	filter '{"port": 42001}' --port 42001
	filter '{"mark": 7}' --mark 0x7
	filter '{"zone": 1}' --zone 1
	filter "{\"ifindex\": $LAN}" --device lan
	filter "{\"ifindex\": $LAN, \"port\": 42002}" --device "$LAN" --port 42002
	filter '{"table": "router", "flowtable": "ft", "table-family": "inet"}' --table router --flowtable ft --table-family inet
	filter '{"flowtable": "tf"}' --flowtable tf
	check_is "the filters find something" "$(cli_get '.flows | length' flows --mark 7) $(cli_get '.flows | length' flows -s software)" "1 1"
	check_is "in a pipe a flow has a line" "$(cli flows --port 42003 | tail -n 1 | awk '{ print $1, $2, $5, $7 }')" \
		"in-hardware udp [$CLIENT6]:42003 [$SERVER6]:5001"
}

invalid_filters() {
	check "a state that does not exist: status 2" ends 2 "expected software, in-hardware" flows --state nowhere
	check "a state that the kernel does not know: status 4, and its word" ends 4 "attribute state" flows --state 9
	check "a reason that does not exist: status 2" ends 2 "there is no reason 'tired'" flows --reason tired
	check "a reason that the kernel does not know: status 4, its words and its attribute" \
		ends 4 "the kernel refused: unknown reason (EINVAL, attribute reason)" flows --reason 999
	check_is "a refusal in JSON" "$(cli_get '[.error.kind, .error.errno, .error.attribute]' flows --reason 999 2>/dev/null)" '["kernel",22,"reason"]'
	check "a device that does not exist: status 2" ends 2 "there is no device 'eth42'" flows --device eth42
	check "who reads may have enough" bash -c "set -o pipefail; $TOOL completion bash | head -n 1"
}

why() {
	check "why: in hardware" ends 0 "in hardware, both directions" why $CLIENT4:42002 $SERVER4:5001 udp
	check "why: without the protocol" ends 0 "udp $CLIENT4:42002 > $SERVER4:5001: in hardware" why $CLIENT4:42002 $SERVER4:5001
	check "why: by the reply's tuple, IPv6" ends 0 "[$CLIENT6]:42003 > [$SERVER6]:5001: in hardware" why "[$SERVER6]:5001" "[$CLIENT6]:42003" udp
	check "why: refused by the driver, which one" ends 0 "the driver, at lan (driver netdevsim, profile tc)" why $CLIENT4:42010 $SERVER4:5001
	check "why: the driver's own words" ends 0 "EOPNOTSUPP: \"$(sed -n 's/^replace: //; s/ (-95)$//p' "$NIC/refusal")\"" why $CLIENT4:42010 $SERVER4:5001
	check "why: how often it was tried" ends 0 "in a row" why $CLIENT4:42010 $SERVER4:5001
	check_is "why: in JSON" "$(cli_get '[.reason.name, .reason.stage, .device, .error.errno, .flow.state, (.advice | length > 0)]' why $CLIENT4:42010 $SERVER4:5001)" \
		'["driver-refused","driver","lan",95,"software",true]'
	line=$(router conntrack -L -p udp --orig-port-src 42010 2>/dev/null)
	# shellcheck disable=SC2086 # the words of a line
	check "why: a line of conntrack as arguments" ends 0 "driver-refused (32)" why $line
	check_is "why: lines of conntrack on stdin" "$(router conntrack -L -p udp 2>/dev/null | cli why | grep -c '^udp')" 4
	check "why: no such flow, status 1" ends 1 'not in a flowtable with "flags offload"' why $CLIENT4:1 $SERVER4:2
	check "why: an unanswered connection" ends 1 "[UNREPLIED]" \
		why "udp 17 20 src=$CLIENT4 dst=$SERVER4 sport=1 dport=2 [UNREPLIED] src=$SERVER4 dst=$CLIENT4 sport=2 dport=1"
	check "why: half a tuple, status 2" ends 2 "expected SRC:PORT DST:PORT" why $CLIENT4:1
	check "why: families mixed, status 2" ends 2 "different address families" why $CLIENT4:1 "[$SERVER6]:2"
}

terminal() {
	show status
	show devices
	show flows
	show why $CLIENT4:42010 $SERVER4:5001
	show why $CLIENT4:42002 $SERVER4:5001 udp
	show doctor
	show reasons
}

# The last but one, as it ends a flow of the others.
watch() {
	local watched
	echo 0 >"$NIC/fail_next"
	(cli --json flows --watch --looks 12 >/tmp/watched) &
	watched=$!
	sleep 2
	exchange udp $SERVER4 -b 42020 -n 40 -i 20 >/dev/null
	router conntrack -D -p udp --orig-port-src 42002 >/dev/null 2>&1
	wait $watched
	check_is "watch: what was there" "$(jq -c 'select(.event == "present") | .flow.original.source_port' /tmp/watched | sort | paste -sd ' ')" \
		"42001 42002 42003 42010"
	check "watch: what has come" test "$(jq -c 'select(.event == "new" and .flow.original.source_port == 42020) | .event' /tmp/watched | wc -l)" = 1
	check "watch: what has gone" grep -q '"event":"gone".*"source_port":42002' /tmp/watched
}

other_namespaces() {
	check_is "another namespace sees no flow" "$(in_ns client $TOOL --json flows | jq -c .flows)" "[]"
	check_is "nor a device" "$(in_ns client $TOOL --json devices | jq -c .devices)" "[]"
	in_ns client $TOOL why $CLIENT4:42001 $SERVER4:5001 >/tmp/out
	check_is "nor one flow by its tuple" "$?" 1
}

bed_up || exit 1
tests_run not_loaded another_module_in_its_place command_line
modprobe nft_offload
check "the netlink family answers" netlink_up
router sysctl -qw net.netfilter.nf_flowtable_udp_timeout=1000
LAN=$(ifindex router lan)
tests_run no_flowtable
flows_up
tests_run status_and_devices flow_list filters invalid_filters why terminal watch other_namespaces
close_flow
no_ruleset
exec 20>&- 21<&-
check "no reference is left" busywait 5 module_free
