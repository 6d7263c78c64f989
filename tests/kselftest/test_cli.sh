#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# nft-offload, the command line: what it shows beside what the generic YNL client says, filters, stories of flows, the
# doctor's findings and the commands that mend them, JSON, exit status; without root, without the module, in another namespace.
. "$(dirname "$0")/lib.sh"

# The build's directory may be closed to others.
TOOL=/tmp/nft-offload
install -m 755 "${VM_TOOL:?the command line is built by make tools}" $TOOL

# as_nobody NAMESPACE CMD...: without privileges. cli: the tool so, in the router.
as_nobody() { in_ns "$1" setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all "${@:2}"; }
cli() { as_nobody router $TOOL "$@"; }
# cli_get FILTER ARGUMENT...: what jq makes of its JSON.
cli_get() {
	local filter=$1
	shift
	cli --json "$@" | jq -cr "$filter"
}
# ends STATUS TEXT ARGUMENT...: it ends so, and says that.
ends() {
	local wanted=$1 text=$2 output status
	shift 2
	output=$(cli "$@" 2>&1 </dev/null)
	status=$?
	printf '%s\n(status %s)\n' "$output" $status
	[ $status -eq "$wanted" ] && grep -qF -- "$text" <<<"$output"
}
# columns ARGUMENT...: the length of its longest line on a terminal of 80 columns, commands left out.
columns() { script -qec "stty cols 80; $TOOL $*" /dev/null | tr -d '\r' | sed 's/\x1b\[[0-9;]*m//g; /^ *\$ /d' | wc -L; }
show() { diag "\$ nft-offload $*" "$(script -qec "stty cols 80; nsenter --net=/run/netns/router -- $TOOL $*" /dev/null | tr -d '\r' | sed 's/\x1b\[[0-9;]*m//g')"; }

# --- without the module ---

bed_up || exit 1
cli status >/tmp/out 2>&1
check_is "without the module: status 3" $? 3
check_is "without the module: one line says what to do" "$(</tmp/out)" "nft-offload: nft_offload is not loaded: modprobe nft_offload"
check_is "without the module: JSON says so too" "$(cli_get '[.schema, .error.kind]' flows 2>/dev/null)" '[1,"not-loaded"]'
check "without the module: the doctor has the command" ends 3 '$ modprobe nft_offload' doctor
modprobe nf_flow_table_inet
check "another module in its place: the doctor has the command" ends 3 'rmmod nf_flow_table_inet && modprobe nft_offload' doctor
modprobe -r nf_flow_table_inet
check "a command that does not exist: status 2" ends 2 "unrecognized subcommand" evaporate
check "a completion script" ends 0 "complete -F _nft__offload" completion bash
modprobe nft_offload
check "the netlink family answers" netlink_up
router sysctl -qw net.netfilter.nf_flowtable_udp_timeout=120

# --- status, devices ---

check "no flowtable: status says so" ends 0 'no flowtable with "flags offload"' status
router $TOOL doctor >/tmp/out 2>&1
check_is "no flowtable: the doctor says so, status 1" "$? $(grep -c 'there is no flowtable' /tmp/out)" "1 1"
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
check "status" ends 0 "3 flows in hardware, 1 in software: 1 driver-refused" status
check_is "devices are those that ynl sees" \
	"$(cli_get '.devices | map([.name, .ifindex, .driver, .profile, .bound, .rules, .high_water, .limit, .adds, .error.errno, .reason.number, .flowtable.table]) | sort' devices)" \
	"$(get 'map([.name, .ifindex, .driver, .profile, .bound, .rules, ."high-water", .limit, .adds, .errno, .reason, .table]) | sort' dump device-get)"
check_is "totals are those that ynl sees" \
	"$(cli_get '.stats | [.flowtables, .devices, .rules, .adds, .flows_in_hardware, .flows_in_software, (.by_reason | map([.reason.number, .flows]))]' status)" \
	"$(get '[.flowtables, .devices, .rules, .adds, ."flows-in-hardware", ."flows-in-software", (."by-reason" | map([.reason, .flows]))]' "do" stats-get)"
check_is "reasons are those that ynl sees" "$(cli_get '.reasons | map([.number, .name, .stage, .text, .advice])' reasons | md5sum)" \
	"$(get 'map([.number, .name, .stage, .text, .advice])' dump reason-get | md5sum)"
check "devices has the driver's own words" ends 0 "EOPNOTSUPP: \"$(sed -n 's/^replace: //; s/ (-95)$//p' "$NIC/refusal")\"" devices
check_is "the schema has its number everywhere" \
	"$(for c in status devices flows reasons doctor; do cli_get .schema $c; done | sort -u)" 1

# --- flows ---

check_is "flows are those that ynl sees" \
	"$(cli_get '.flows | map([.family, .protocol, .state, .reason.number, .original.source, .original.source_port, .original.ingress.ifindex,
		.original.egress.ifindex, .original.cookie, .reply.source, .reply.cookie, .mark, .zone, .conntrack_id]) | sort' flows)" \
	"$(get 'map([.family, (if .protocol == 17 then "udp" else "other" end), .state, .reason, .original.source, .original."source-port", .original.ingress,
		.original.egress, .original.cookie, .reply.source, .reply.cookie, .mark, .zone, ."conntrack-id"]) | sort' dump flow-get)"
LAN=$(ifindex router lan)
filter() { # REQUEST ARGUMENT...
	local request=$1
	shift
	check_is "filter: $*" "$(cli_get '.flows | map(.original.source_port) | sort' flows "$@")" \
		"$(get 'map(.original."source-port") | sort' dump flow-get "$request")"
}
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
check "a state that does not exist: status 2" ends 2 "is wanted" flows --state nowhere
check "a state that the kernel does not know: status 4, and its word" ends 4 "attribute state" flows --state 9
check "a reason that does not exist: status 2" ends 2 "there is no reason 'tired'" flows --reason tired
check "a reason that the kernel does not know: status 4, its words and its attribute" \
	ends 4 "the kernel refused: there is no reason with this number (EINVAL, attribute reason)" flows --reason 999
check_is "a refusal in JSON" "$(cli_get '[.error.kind, .error.errno, .error.attribute]' flows --reason 999 2>/dev/null)" '["kernel",22,"reason"]'
check "a device that does not exist: status 2" ends 2 "there is no device 'eth42'" flows --device eth42
check "who reads may have enough" bash -c "set -o pipefail; $TOOL completion bash | head -n 1"

# --- why ---

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
check "why: half a tuple, status 2" ends 2 "is wanted" why $CLIENT4:1
check "why: families mixed, status 2" ends 2 "different families" why $CLIENT4:1 "[$SERVER6]:2"
show status
show devices
show flows
show why $CLIENT4:42010 $SERVER4:5001
show why $CLIENT4:42002 $SERVER4:5001 udp
show doctor
fits() {
	local n
	for c in status devices flows reasons "why $CLIENT4:42010 $SERVER4:5001" doctor; do
		# shellcheck disable=SC2086 # a command and its arguments
		n=$(router bash -c "$(declare -f columns); TOOL=$TOOL; columns $c")
		[ "$n" -gt 20 ] && [ "$n" -le 80 ] || echo "$c: $n"
	done
}
check_is "all of it fits into 80 columns" "$(fits)" ""

# --- watch ---

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

# --- other namespaces ---

check_is "another namespace sees no flow" "$(as_nobody client $TOOL --json flows | jq -c .flows)" "[]"
check_is "nor a device" "$(as_nobody client $TOOL --json devices | jq -c .devices)" "[]"
as_nobody client $TOOL why $CLIENT4:42001 $SERVER4:5001 >/tmp/out
check_is "nor one flow by its tuple" "$?" 1

# --- the doctor ---

doctor() { router $TOOL --json doctor | jq -cr '.findings | map(select(.severity != "ok" and .id != "not-blacklisted") | .id) | join(" ")'; }
# mend ID: runs the command that it gives.
mend() {
	local fix
	fix=$(router $TOOL --json doctor | jq -r ".findings[] | select(.id == \"$1\") | .fix")
	echo "$fix"
	router bash -c "$fix"
}
close_flow
check_is "doctor: without root it says what it could not see" "$(cli_get '.findings | map(.id) | index("not-root") != null' doctor)" true
check_is "doctor: a device without offload" "$(router $TOOL --json doctor | jq -c '.findings[] | select(.id == "not-bound") | .text | test("dummy0")')" true
check "doctor: its command" mend not-bound
check_is "doctor: then the device is out of the flowtable" "$(get 'map(.name) | sort' dump device-get)" '["lan","wan"]'
no_ruleset
ip -n router link del dummy0
router nft delete table ip marks
ruleset forward
router $TOOL doctor >/tmp/out
check_is "doctor: nothing to mend, status 0" "$? $(doctor)" "0 no-flows"
ruleset_without() { sed "$1" "$RULESETS/forward.nft" | router nft -f -; }
no_ruleset
ruleset_without '/flow add/d'
check_is "doctor: no rule adds flows" "$(doctor)" "no-flow-add"
no_ruleset
ruleset_without '/flags offload/d'
check_is "doctor: no flags offload" "$(doctor)" "no-flags-offload"
no_ruleset
ruleset_without '/counter/d'
check_is "doctor: no counter" "$(doctor)" "no-counter no-flows"
check "doctor: its command" mend no-counter
check_is "doctor: then there is one" "$(doctor)" "no-flows"
router sysctl -qw net.netfilter.nf_conntrack_acct=0
check_is "doctor: conntrack does not count" "$(doctor)" "no-accounting no-flows"
check "doctor: its command" mend no-accounting
check_is "doctor: then it counts" "$(doctor)" "no-flows"
no_ruleset
router ethtool -K lan hw-tc-offload off
ruleset forward
check_is "doctor: hw-tc-offload is off" "$(doctor)" "hw-tc-offload-off no-flows"
check "why: a flow of a device that is not bound" exchange udp $SERVER4 -b 42030 -n 20 -i 20
check "why: names the device, and what to do" ends 0 "ethtool -K lan hw-tc-offload on" why $CLIENT4:42030 $SERVER4:5001
check "doctor: its command" mend hw-tc-offload-off
check "doctor: then the device is bound" busywait 10 test "$(device lan .bound)" = direct
no_ruleset

# --- full, limit, admission ---

reload limit=lan:1,wan:1 admit=40
ruleset forward
exchange udp $SERVER4 -b 42040 -n 5 -i 20 >/dev/null
check "why: not enough packets yet" ends 0 "admission (56)" why $CLIENT4:42040 $SERVER4:5001
exchange udp $SERVER4 -b 42041 -n 200 -i 20 >/dev/null
check "why: one flow fills the device" ends 0 "in hardware" why $CLIENT4:42041 $SERVER4:5001
exchange udp $SERVER4 -b 42042 -n 60 -i 20 >/dev/null
check "why: the limit" ends 0 "limit (51)" why $CLIENT4:42042 $SERVER4:5001
check "doctor: the limit" grep -q at-limit <<<"$(doctor)"
no_ruleset
reload
router sysctl -qw net.netfilter.nf_flowtable_udp_timeout=120
echo 2 >"$NIC/capacity"
ruleset forward
check "why: one flow fills the table" open_flow udp $SERVER4 42051
exchange udp $SERVER4 -b 42052 -n 20 -i 20 >/dev/null
check "why: the table is full" ends 0 "full (50)" why $CLIENT4:42052 $SERVER4:5001
check "why: with the driver's error" ends 0 "ENOSPC" why $CLIENT4:42052 $SERVER4:5001
echo 65536 >"$NIC/capacity"
close_flow
no_ruleset
exec 20>&- 21<&-
check "no reference is left" busywait 5 module_free
