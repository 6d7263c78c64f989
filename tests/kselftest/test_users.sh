#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What users may do: each command of the netlink family needs the privileges that docs/security.md and the spec name; the
# administrator of an unprivileged user namespace (unshare -Urn) reaches only the flowtables there, and what they can make the
# module hold is bounded.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/cli.sh"

ask_nobody() { ynl_ask nobody 24 25 "$@"; }
# A user without privileges who has all of them in a user namespace of their own, but not in the network namespace.
ask_mapped() { ynl_ask mapped 22 23 "$@"; }
ask_admin() { ynl_ask admin 30 31 "$@"; }
ask_inside() { ynl_ask inside 28 29 "$@"; }

# contain: starts a container of an unprivileged user, with a shell of its administrator. inside COMMAND...: runs a command there.
contain() {
	mkfifo -m 666 /tmp/inside.in /tmp/inside.out
	# shellcheck disable=SC2016 # for the inner shell
	setpriv --reuid 65534 --regid 65534 --clear-groups unshare -Urn bash -c '
		while read -r line; do
			eval "$line" 2>&1
			printf "\\0"
		done' </tmp/inside.in >/tmp/inside.out &
	CONTAINER=$!
	exec 26>/tmp/inside.in 27</tmp/inside.out
	[ "$(inside id -u)" = 0 ]
}
inside() {
	local output
	printf '%q ' "$@" >&26
	echo >&26
	read -r -t 120 -d '' output <&27
	[ -z "$output" ] || printf '%s\n' "$output"
}
in_container() { inside $TOOL --json "$@"; }
mark() {
	MARK="nft-offload-users $RANDOM$RANDOM"
	echo "$MARK" >/dev/kmsg
}
logged() { dmesg | sed -n "/$MARK/,\$p" | grep -c 'nft_offload: '; }

# What the kernel enforces is what the spec and the document say.
policy_is_documented() {
	check "commands and attributes: as in the spec and in docs/security.md" \
		in_ns router python3 "$SELFTEST/tools/policy.py" "$SPEC" --check "$TOP/docs/security.md"
}

# may CLIENT: what a client may do without privileges in the network namespace, and that it may nothing else.
may() {
	local client=$1 status=1 request # EPERM
	# The first request, as the library binds the socket for it.
	check_is "$client: no events" "$("ask_$client" listen events | jq -r '.exception')" "PermissionError(1, 'Operation not permitted')"
	check_is "$client: device-get" "$("ask_$client" dump device-get | jq -c 'map(.name) | sort')" '["lan","wan"]'
	check_is "$client: reason-get" "$("ask_$client" "do" reason-get '{"number": 1}' | jq .number)" 1
	for request in "dump flow-get" "do flow-get {}" "do stats-get" "do flow-evict {}" \
		"do device-set {\"ifindex\":$(ifindex router lan),\"enabled\":0}"; do
		check_is "$client: not ${request%% \{*}" "$("ask_$client" "$request" | jq -c .error)" "$status"
	done
}

users_without_privileges() {
	defer no_ruleset
	ruleset forward
	check "a user" ynl_up nobody router 24 25 --unprivileged
	may nobody
	exec 24>&- 25>&-
	# The privileges in a user namespace of one's own are none in a network namespace of another.
	check "the administrator of another user namespace" ynl_up mapped router 22 23 --unprivileged --user-namespace
	may mapped
	exec 22>&- 23>&-
	check_is "both devices are on" "$(cli --json devices | jq -c '[.devices[].enabled] | unique')" '[true]'
}

# The flows of another namespace: not seen, not evicted, not heard of.
other_namespaces() {
	local lan tuple
	defer router sysctl -qw net.netfilter.nf_flowtable_udp_timeout=30
	defer no_ruleset
	# The flow has no packets while it is looked for.
	router sysctl -qw net.netfilter.nf_flowtable_udp_timeout=600
	ruleset forward
	check "a flow is in hardware elsewhere" open_flow udp $SERVER4 54001
	lan=$(ifindex router lan)
	check "a client of the container's administrator" ynl_up inside router 28 29 --namespaces-of "$CONTAINER"
	check_is "it may listen to events" "$(ask_inside listen events)" '"listening"'
	check_is "no device" "$(ask_inside dump device-get | jq -c .)" '[]'
	check_is "no flow" "$(ask_inside dump flow-get | jq -c .)" '[]'
	check_is "no totals" "$(ask_inside "do" stats-get | jq -c '[.flowtables, .devices, ."flows-in-hardware"]')" '[0,0,0]'
	tuple=$(ask_admin dump flow-get | jq -c '.[0] | {protocol, original: (.original |
		{source, destination, "source-port": ."source-port", "destination-port": ."destination-port"})}')
	check_is "the flow is there for its own administrator" "$(ask_admin "do" flow-get "$tuple" | jq -c .state)" '"in-hardware"'
	check_is "not by its tuple" "$(ask_inside "do" flow-get "$tuple" | jq -c .error)" 2
	check_is "nor the device by its index" "$(ask_inside "do" device-get "{\"ifindex\": $lan}" | jq -c .error)" 19
	check_is "the device cannot be set" "$(ask_inside "do" device-set "{\"ifindex\": $lan, \"limit\": 1}" | jq -c .error)" 19
	check_is "nothing is evicted" "$(ask_inside "do" flow-evict '{}' | jq -c .evicted)" 0
	check_is "nor relearned" "$(ask_inside "do" flow-evict '{"relearn": true}' | jq -c .evicted)" 0
	check_is "its rules are in hardware" "$(rules)" 2
	check "another flow goes in" open_flow udp $SERVER4 54002
	check_is "no event of it is heard" "$(ask_inside events | jq -c .)" '[]'
	close_flow
	exec 28>&- 29>&-
}

# A flowtable with devices that no driver takes is refused there (test_namespace.sh). One without devices is taken.
#
# flowtables N FLAGS: loads flowtables without devices; prints what each of them takes, in bytes.
flowtables() {
	local before
	# The first one of a namespace makes more than its own.
	inside nft "table inet t0 { flowtable ft { hook ingress priority filter; $2 }; }"
	before=$(slab)
	inside bash -c "for ((i = 1; i <= $1; i++)); do
		echo \"table inet t\$i { flowtable ft { hook ingress priority filter; $2 }; }\"; done | nft -f -"
	echo $((($(slab) - before) * 1024 / $1))
}
flowtables_without_devices() {
	local software hardware n=500
	mark
	software=$(flowtables $n '')
	inside nft flush ruleset
	hardware=$(flowtables $n 'flags offload;')
	check_is "flowtables without devices are taken" "$(inside nft list flowtables | grep -c 'flowtable ft')" $((n + 1))
	diag "a flowtable takes $software bytes, with flags offload $hardware"
	# With lockdep, and with poisoned memory.
	check_between "what one takes is bounded" $((hardware - software)) 0 65536
	check_is "they have no devices" "$(in_container devices | jq -c .devices)" '[]'
	check_is "no line in the log" "$(logged)" 0
	inside nft flush ruleset
	check "they are gone" busywait 20 module_free
}
# Memory of the kernel that is in use, in kB.
slab() {
	sleep 2 # what is freed after a grace period
	awk '/^(Slab|VmallocUsed|Percpu):/ { n += $2 } END { print n }' /proc/meminfo
}

# The container as a router between two namespaces of its own.
#   peer [ far0 ]---[ near0 | container | near1 ]---[ far1 ] peer
flows_without_devices() {
	local i flows=200
	defer inside nft flush ruleset
	# shellcheck disable=SC2016 # for the inner shell
	defer inside eval 'kill ${PEER[*]}'
	for i in 0 1; do
		# shellcheck disable=SC2016 # for the inner shell
		inside eval "unshare -n sleep 600 >/dev/null 2>&1 & PEER[$i]=\$!; sleep 0.5
			ip link add near$i type veth peer name far$i && ip link set far$i netns \${PEER[$i]}
			ip addr add 10.1.$i.1/24 dev near$i; ip link set near$i up
			nsenter -n -t \${PEER[$i]} sh -c 'ip addr add 10.1.$i.2/24 dev far$i; ip link set far$i up; ip route add default via 10.1.$i.1'"
	done
	inside sysctl -qw net.ipv4.ip_forward=1
	# shellcheck disable=SC2016 # for the inner shell
	check_is "the peers reach each other" "$(inside eval 'nsenter -n -t ${PEER[0]} ping -c 2 -i 0.2 -q 10.1.1.2 | grep -c " 0% packet loss"')" 1
	send() {
		# shellcheck disable=SC2016 # for the inner shell
		inside eval 'nsenter -n -t ${PEER[0]} python3 -c "
import socket
for port in range('$flows'):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind((\"\", 20000 + port))
    for _ in range(3):
        s.sendto(b\"x\", (\"10.1.1.2\", 9))
"' >/dev/null
	}
	offloaded() { inside conntrack -L 2>/dev/null | grep -c OFFLOAD; }
	inside nft 'table ip t { flowtable ft { hook ingress priority filter; devices = { near0, near1 }; }
		chain forward { type filter hook forward priority filter; meta l4proto udp flow add @ft; }; }'
	send
	check_is "a flowtable in software: each connection is a flow" "$(offloaded)" $flows
	inside nft flush ruleset
	inside conntrack -F >/dev/null
	mark
	inside nft 'table ip t { flowtable ft { hook ingress priority filter; flags offload; }
		chain forward { type filter hook forward priority filter; meta l4proto udp flow add @ft; }; }'
	send
	sleep 1
	# The core of Linux 7.3 makes no such flow, that of 7.2 does.
	diag "flows without devices: $(offloaded)"
	check_is "flags offload, without devices: the module has no record of them" "$(in_container flows | jq -c .flows)" '[]'
	check_is "nor has a line in the log" "$(logged)" 0
}

# Root gives the container both ports of the NIC. Its flows are in hardware, and what its administrator does is not in the log. The
# container ends with this case.
hardware_in_a_container() {
	local port
	for port in lan wan; do check "$port is moved into the container" ip -n router link set $port netns "$CONTAINER"; done
	inside eval "ip addr add $LAN4/24 dev lan; ip addr add $WAN4/24 dev wan; ip link set lan up; ip link set wan up
		sysctl -qw net.ipv4.ip_forward=1"
	mark
	check_is "its ruleset is taken" "$(inside nft "$(<"$RULESETS/forward.nft")")" ""
	check "traffic flows" exchange udp $SERVER4 -b 54101 -n 20 -i 20
	check_is "in hardware" "$(rules)" 2
	check_is "its administrator sees the flow" "$(in_container flows | jq -c '[.flows[].state]')" '["in-hardware"]'
	check_is "the administrator of another namespace does not" "$(ask_admin dump flow-get | jq -c .)" '[]'
	inside ip link set wan mtu 1400
	check "traffic flows that may not fit" exchange udp $SERVER4 -b 54102 -n 20 -i 20
	check_is "in software, and the container's administrator sees why" \
		"$(in_container flows | jq -c '[.flows[] | select(.state == "software") | .reason.name] | unique')" '["oversize"]'
	check_is "no line in the log" "$(logged)" 0
	# Other processes have the way into it open as well.
	echo exit >&26
	wait "$CONTAINER" 2>/dev/null
	check "the namespace goes, and its flowtable" busywait 10 module_free
	check_is "no rule is left in the NIC" "$(rules)" 0
}

begin
check "a container" contain
check "a client with privileges" ynl_up admin router 30 31
tests_run policy_is_documented users_without_privileges other_namespaces flowtables_without_devices flows_without_devices \
	hardware_in_a_container
