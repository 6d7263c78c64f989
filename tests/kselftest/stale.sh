# SPDX-License-Identifier: GPL-2.0
# For the tests of what ends a flow in hardware, sourced after lib.sh.
#
#   near ---[ client ]---[ lan | router | wan ]---[ server ]--- far
#
# client and server are gateways as well: near and far are hosts behind them. The server has a second MAC, ALT_MAC, which
# stands for another next hop. Each case is tried in hardware. NFT_OFFLOAD_STALE_MODES="slow offload" tries it on the slow path
# first, which proves what it expects; "software" is a flowtable without flags offload. "intree" is hardware that the in-tree
# flowtable type fills, without our module: a case that passes there proves nothing about ours.
# shellcheck shell=bash
# What is set here is for the tests.
# shellcheck disable=SC2034,SC2153

read -ra MODES <<<"${NFT_OFFLOAD_STALE_MODES-offload}"
# A rule that should go has to be gone after so long; a test machine may be slow.
LIMIT_MS=2000
# The same where no notifier tells of the change, and the module looks ten times a second.
POLLED_MS=500
INTREE=''
case " ${MODES[*]} " in
*' intree '*) INTREE=1 FLOWTABLE_MODULE=nf_flow_table_inet LIMIT_MS=5000 POLLED_MS=5000 ;;
esac
# How long frames are counted once the event has taken effect, and how many of 50 a second have to arrive.
WATCH_S=0.6 ENOUGH=15
ALT_MAC=02:00:00:00:00:a1 STRANGE_MAC=02:00:00:00:00:5a
NEXT4=10.0.2.3 NEXT6=fd00:2::3 FAR4=10.0.3.2 FAR6=fd00:3::2 NEAR4=10.0.4.2 NEAR6=fd00:4::2
FRAMES_FILE=/tmp/frames

# mac NAMESPACE DEVICE
mac() { ip -n "$1" -j link show dev "$2" | jq -r '.[0].address'; }

# now: in microseconds, in NOW, without a process.
now() { NOW=${EPOCHREALTIME/[.,]/}; }

# --- the bed ---------------------------------------------------------------------------------------------------------

# behind HOST GATEWAY NUMBER GATEWAY4 GATEWAY6: a host behind another one, in the networks 10.0.NUMBER and fd00:NUMBER.
behind() {
	ip netns add "$1" && ip -n "$2" link add "$1" type veth peer name eth netns "$1" || return 1
	in_ns "$2" sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
	in_ns "$2" sysctl -qw net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.eth.send_redirects=0
	ip -n "$2" -b - <<-END && host_up "$1" "10.0.$3.2" "fd00:$3::2" "10.0.$3.1" "fd00:$3::1" || return 1
		addr add 10.0.$3.1/24 dev $1
		addr add fd00:$3::1/64 dev $1 nodad
		link set $1 up
	END
	ip -n router route add "10.0.$3.0/24" via "$4" && ip -n router route add "fd00:$3::/64" via "$5"
}

# stale_up: the bed, with the frames of both wires in $FRAMES_FILE.
stale_up() {
	# Rulesets come and go all the time here, and each waits for grace periods.
	[ ! -w /sys/kernel/rcu_expedited ] || echo 1 >/sys/kernel/rcu_expedited
	trap stale_down EXIT
	begin
	# Hardware that takes the rules of the in-tree type as well, and those for VLANs, which it leaves out of the match.
	[ -z "$INTREE" ] || echo mtk >"$NIC/profile"
	CLIENT_MAC=$(mac client eth) SERVER_MAC=$(mac server eth) LAN_MAC=$(mac router lan) WAN_MAC=$(mac router wan)
	# An address is answered for where it is, not by every device of its host.
	server sysctl -qw net.ipv4.conf.all.arp_ignore=1
	ip -n server link add link eth name alt address $ALT_MAC type macvlan mode bridge
	ip -n server link set alt up
	if ! behind near client 4 "$CLIENT4" "$CLIENT6" || ! behind far server 3 "$SERVER4" "$SERVER6"; then
		not_ok "hosts behind gateways"
		exit 1
	fi
	for next in $NEXT4 $NEXT6; do ip -n router neigh replace "$next" lladdr $ALT_MAC dev wan nud permanent; done
	nsenter --net=/run/netns/far -- "$TRAFFIC" server udp 5001 &
	FAR_SERVER=$!
	watch_frames
	PORT=40000
	no_change
	family 4
}
stale_down() {
	local ns
	[ ! -w /sys/kernel/rcu_expedited ] || echo 0 >/sys/kernel/rcu_expedited
	[ -z "${FAR_SERVER:-}" ] || hush "$FAR_SERVER"
	for ns in near far; do
		ip netns pids $ns 2>/dev/null | xargs -r kill -9 2>/dev/null
		ip netns del $ns 2>/dev/null
	done
	finish
}

# watch_frames [NAMESPACE:DEVICE:NAME...]: begins anew, with the devices that there are now.
# shellcheck disable=SC2120 # some tests have none
watch_frames() {
	[ -z "${WATCHER:-}" ] || hush "$WATCHER"
	rm -f $FRAMES_FILE
	"$SELFTEST/tools/frames.py" client:eth server:eth "$@" >$FRAMES_FILE &
	WATCHER=$!
	busywait 20 grep -q ready $FRAMES_FILE
}

# family 4|6: sets what the cases name without a family.
family() {
	local name
	FAMILY=$1 HOST_BITS=32 TOO_BIG=icmp/3/4 CLIENT='' SERVER='' LAN='' WAN='' NEXT='' FAR='' NEAR=''
	[ "$1" = 4 ] || HOST_BITS=128 TOO_BIG=icmp/2/0
	for name in CLIENT SERVER LAN WAN NEXT FAR NEAR; do eval "$name=\$$name$1"; done
}
# route ARGUMENT...: ip route of the family in the router.
route() { ip -n router "-$FAMILY" route "$@"; }

# load slow|software|offload|intree: the ruleset $RULESET, or the one in the file $RULESET_FILE, with the flowtable on $PORTS.
RULESET=forward RULESET_FILE='' PORTS="lan, wan"
load() {
	local drop
	case $1 in
	# Connections are tracked all the same.
	slow) drop='/flags offload/d; s/flow add @ft/ct state established accept/' ;;
	software) drop='/flags offload/d' ;;
	offload | intree) drop='' ;;
	esac
	sed "s/{ lan, wan }/{ $PORTS }/; $drop" "${RULESET_FILE:-$RULESETS/$RULESET.nft}" | router nft -f -
}

# --- traffic ---------------------------------------------------------------------------------------------------------

# stream_on HOST ADDRESS [BYTES]: 50 datagrams a second from a host, from the port $PORT; STREAM is the process.
stream_on() {
	nsenter --net="/run/netns/$1" -- "$TRAFFIC" stream udp "$2" 5001 -b "$PORT" -i 20 -s "${3:-100}" >/dev/null 2>&1 &
	STREAM=$!
}

# frames FROM TO CONDITION: how many frames of the flow arrived between two times, in microseconds, for which an expression
# of awk is true. It knows at, dmac, smac, headers, proto, src, sport, dst, dport and size; see tools/frames.py.
frames() {
	awk -v from="$1" -v to="$2" -v port="$PORT" 'NF == 11 {
		at = $2; dmac = $3; smac = $4; headers = $5; proto = $6; src = $7; sport = $8; dst = $9; dport = $10; size = $11
		if ($1 >= from && $1 < to && (sport == port || dport == port) && ('"$3"')) n++
	} END { print n + 0 }' $FRAMES_FILE
}
# arrive N FROM CONDITION: so many have arrived.
arrive() { [ "$(frames "$2" 9e15 "$3")" -ge "$1" ]; }

# --- rules -----------------------------------------------------------------------------------------------------------

# nic_stat NAME: a counter of the NIC, in STAT, without a process.
nic_stat() {
	local name
	while read -r name STAT; do [ "$name" != "$1" ] || return 0; done <"$NIC/stats"
}
# same_rules: the rules of the NIC without their counters.
same_rules() { sed 's/ packets=.*//' "$NIC/rules"; }

# in_hardware MODE: whether flows are in hardware in this mode. have_rules N: as many; the in-tree type gives its rules to all
# devices.
in_hardware() { [ "$1" = offload ] || [ "$1" = intree ]; }
have_rules() { rules_are "$1" || { [ -n "$INTREE" ] && [ "$(rules)" -gt "$1" ]; }; }

# wait_gone: until all rules of before are gone; GONE_MS since the event, or empty when the time is over. They are gone when as
# many were deleted, or there are none: the flow's next packet may bring new ones at once.
wait_gone() {
	GONE_MS=
	while :; do
		nic_stat dels
		now
		if [ $((STAT - DELS)) -ge "$RULES_BEFORE" ] || rules_are 0; then
			GONE_MS=$(((NOW - EVENT_AT) / 1000))
			return 0
		fi
		[ $((NOW - EVENT_AT)) -lt $((LIMIT_MS * 1000)) ] || return 1
		sleep 0.01
	done
}

# --- a case ----------------------------------------------------------------------------------------------------------

# What a case says of itself before it calls changes; no_change puts this back.
#   FROM, TO     the host that sends, and the address that it sends to
#   SIZE         bytes of a datagram
#   WRONG        an expression of awk: the frames that must not arrive any more, and did before
#   RIGHT        the frames that have to arrive, or empty
#   USUAL        the frames of the flow before the event; WRONG if empty
#   KEEPS        not empty: the rules may also stay as they are
#   AFTER        a command that is given the name of the case and makes more checks, while traffic goes on
#   FEW          so many frames may be wrong, where the core makes a flow again of each packet, which lives for a moment
no_change() { FROM=client TO='' SIZE=100 WRONG='' RIGHT='' USUAL='' KEEPS='' AFTER='' FEW='' RIGHT_MIN=$ENOUGH; }

# in_each_mode FUNCTION NAME EVENT [UNDO]: the function with "NAME, MODE", MODE and EVENT, in each mode; then all is as before.
in_each_mode() {
	local mode
	for mode in "${MODES[@]}"; do
		PORT=$((PORT + 1))
		"$1" "$2, $mode" "$mode" "$3"
		end_case "${4:-}"
	done
	no_change
}
# end_case [UNDO]: the traffic ends and the ruleset goes. What the in-tree type leaves in the NIC is not the next case's.
end_case() {
	[ -z "${STREAM:-}" ] || hush "$STREAM"
	STREAM=
	[ -z "${1:-}" ] || eval "$1" >/tmp/undo.output 2>&1
	no_ruleset
	[ -z "$INTREE" ] || echo 0 >"$NIC/forget"
}

# changes NAME EVENT [UNDO]: a flow in each mode, the event, what arrives then, and what became of the rules. EVENT and UNDO
# are commands, perhaps functions of the test.
changes() { in_each_mode one_change "$@"; }
# polled NAME EVENT [UNDO]: changes, for an event of which no notifier tells.
polled() { LIMIT_MS=$POLLED_MS changes "$@"; }
one_change() {
	local name=$1 mode=$2 started settled ended late wrong=${WRONG:-0}
	load "$mode"
	now
	started=$NOW
	stream_on "$FROM" "${TO:-$SERVER}" "$SIZE"
	if ! busywait 5 arrive 5 "$started" "${USUAL:-${WRONG:-$RIGHT}}"; then
		not_ok "$name: traffic flows before"
		diag "frames: $(frames "$started" 9e15 1), rules: $(rules)"
		return
	fi
	if in_hardware "$mode" && ! busywait 5 have_rules 2; then
		not_ok "$name: the flow is in hardware before"
		diag "$(router conntrack -L -p udp 2>&1 | grep "=$PORT ")"
		return
	fi
	RULES_BEFORE=$(rules) BEFORE=$(same_rules)
	nic_stat dels
	DELS=$STAT
	now
	EVENT_AT=$NOW
	if ! eval "$3" >/tmp/event.output 2>&1; then
		not_ok "$name: the event happens"
		diag "$3: $(</tmp/event.output)"
		return
	fi
	! in_hardware "$mode" || wait_gone
	now
	# What is on its way arrives.
	settled=$((NOW + 100000))
	sleep 0.1
	sleep $WATCH_S
	now
	ended=$NOW
	late=$(frames "$EVENT_AT" "$settled" "$wrong")
	if in_hardware "$mode"; then
		diag "$name: ${GONE_MS:-no rule gone after $LIMIT_MS}${GONE_MS:+ ms to the removal}, $late frames until then as before"
		if [ -n "$KEEPS" ] && [ -z "$GONE_MS" ]; then
			check_is "$name: the rules stay as they were" "$(same_rules)" "$BEFORE"
		else
			check_between "$name: the rules are gone" "${GONE_MS:-never}" 0 "$LIMIT_MS"
		fi
	fi
	check_between "$name: no frame as before" "$(frames $settled "$ended" "$wrong")" 0 "${FEW:-0}"
	[ -z "$RIGHT" ] || check_between "$name: traffic arrives" "$(frames $settled "$ended" "$RIGHT")" "$RIGHT_MIN" 1000
	[ -z "$AFTER" ] || $AFTER "$name"
}

# elsewhere: from the client to the far host, towards the other next hop of the server. nowhere [SIDE]: not at all.
elsewhere() {
	TO=$FAR
	WRONG="at == \"server\" && dmac == \"$SERVER_MAC\" && proto == \"udp\""
	RIGHT="at == \"server\" && dmac == \"$ALT_MAC\" && proto == \"udp\""
}
nowhere() {
	TO=$FAR WRONG="at == \"${1:-server}\" && proto == \"udp\""
}

# stays NAME EVENT [UNDO]: the event concerns no flow: traffic goes on, and the rules are the same ones.
stays() { in_each_mode one_stay "$@"; }
one_stay() {
	local name=$1 mode=$2 started
	load "$mode"
	now
	started=$NOW
	stream_on "$FROM" "${TO:-$SERVER}" "$SIZE"
	check "$name: traffic flows before" busywait 5 arrive 5 "$started" 'at == "client"'
	! in_hardware "$mode" || check "$name: the flow is in hardware before" busywait 5 have_rules 2
	BEFORE=$(same_rules)
	nic_stat dels
	DELS=$STAT
	eval "$3" >/tmp/event.output 2>&1
	now
	started=$NOW
	sleep $WATCH_S
	check_between "$name: traffic arrives" "$(frames "$started" 9e15 'at == "client"')" $ENOUGH 1000
	if in_hardware "$mode"; then
		check_is "$name: the same rules" "$(same_rules)" "$BEFORE"
		nic_stat dels
		check_is "$name: none was deleted" $((STAT - DELS)) 0
	fi
}

# stale_end: nothing is left.
stale_end() {
	check "no rule is left" busywait 5 rules_are 0
	check "no reference is left" busywait 5 module_free
}
