# SPDX-License-Identifier: GPL-2.0
# Shared by the tests of events that end a flow in hardware: rules must not forward packets the way of before the event.
# Sourced after lib.sh.
#
#   near ---[ client ]---[ lan | router | wan ]---[ server ]--- far
#
# client and server are gateways as well: near and far are hosts behind them. The server has a second MAC, ALT_MAC, which
# stands for another next hop.
#
# A test calls stale_up, then for each case sets the variables of no_change and calls changes, polled or stays, then calls
# stale_end. A case is a stream of 50 datagrams a second, an event in the middle of it, and checks of the frames on both wires
# before and after.
#
# Environment variables:
#   NFT_OFFLOAD_STALE_MODES    the modes that each case is run in; default: offload
#       offload     in hardware
#       slow        without flowtable; proves that the expectations of the case are right
#       software    with a flowtable without flags offload
#       intree      in hardware, with the in-tree flowtable type instead of ours: a case that passes in this mode proves nothing
#                   about our module
#
# The bed
#   stale_up, stale_end             brings up the bed and watches both wires; results: no rule and no reference is left
#   behind HOST GATEWAY NUMBER GATEWAY4 GATEWAY6     creates a host behind another one, in 10.0.NUMBER.0/24 and fd00:NUMBER::/64
#   family 4|6                      sets CLIENT, SERVER, LAN, WAN, NEXT, FAR, NEAR, HOST_BITS and TOO_BIG for this family
#   route ARGUMENT...               ip route in the router, in this family
#   load MODE                       loads rulesets/$RULESET.nft, or $RULESET_FILE, with the flowtable on $PORTS
#   watch_frames [NAMESPACE:DEVICE:NAME...]     restarts the capture, with more devices
#
# Cases: EVENT and UNDO are commands, perhaps functions of the test
#   changes NAME EVENT [UNDO]       results: the rules are removed in time, no frame arrives as before, frames arrive as they should
#   polled NAME EVENT [UNDO]        the same for an event that no notifier reports
#   stays NAME EVENT [UNDO]         results: the event does not concern the flow; traffic continues, with the same rules
#   elsewhere                       sets up a case: the client sends to far; after the event by way of the other next hop
#   nowhere [SIDE]                  sets up a case: the client sends to far; after the event nothing arrives at SIDE (server)
#   no_change                       resets the variables of a case; they are listed there
#
# Traffic and rules
#   stream_on HOST ADDRESS [BYTES]  starts the stream; STREAM is the process, PORT the source port
#   frames FROM TO CONDITION        prints how many frames arrived between two times for which the awk expression is true
#   arrive N FROM CONDITION         a condition: N frames have arrived
#   now                             sets NOW to the time in microseconds
#   nic_stat NAME                   sets STAT to a counter of the NIC
#   same_rules                      prints the rules in the NIC without their counters
#   have_rules N                    a condition: the NIC has N rules (in-tree type: more, as each device gets all rules)
# shellcheck shell=bash
# The variables are for the tests.
# shellcheck disable=SC2034,SC2153

read -ra MODES <<<"${NFT_OFFLOAD_STALE_MODES-offload}"
# The upper bound for the removal of rules; a test machine may be slow.
LIMIT_MS=2000
# The same for changes that no notifier reports: the module looks for them ten times a second.
POLLED_MS=500
INTREE=''
case " ${MODES[*]} " in
*' intree '*) INTREE=1 FLOWTABLE_MODULE=nf_flow_table_inet LIMIT_MS=5000 POLLED_MS=5000 ;;
esac
# How long frames are counted after the event has taken effect, and how many of the 50 a second have to arrive.
WATCH_S=0.6 ENOUGH=15
ALT_MAC=02:00:00:00:00:a1 STRANGE_MAC=02:00:00:00:00:5a
NEXT4=10.0.2.3 NEXT6=fd00:2::3 FAR4=10.0.3.2 FAR6=fd00:3::2 NEAR4=10.0.4.2 NEAR6=fd00:4::2
FRAMES_FILE=/tmp/frames

now() { NOW=${EPOCHREALTIME/[.,]/}; }

# --- the bed ---------------------------------------------------------------------------------------------------------

behind() {
	setup_ns "$1" && ip -n "$2" link add "$1" type veth peer name eth netns "$1" || return 1
	in_ns "$2" sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
	in_ns "$2" sysctl -qw net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.eth.send_redirects=0
	ip -n "$2" -b - <<-END && host_up "$1" "10.0.$3.2" "fd00:$3::2" "10.0.$3.1" "fd00:$3::1" || return 1
		addr add 10.0.$3.1/24 dev $1
		addr add fd00:$3::1/64 dev $1 nodad
		link set $1 up
	END
	ip -n router route add "10.0.$3.0/24" via "$4" && ip -n router route add "fd00:$3::/64" via "$5"
}

# The frames of both wires are in $FRAMES_FILE.
stale_up() {
	expedite_rcu
	begin
	# This hardware accepts the rules of the in-tree type as well, which lack the VLAN in the match.
	[ -z "$INTREE" ] || echo mtk >"$NIC/profile"
	CLIENT_MAC=$(mac client eth) SERVER_MAC=$(mac server eth) LAN_MAC=$(mac router lan) WAN_MAC=$(mac router wan)
	# ARP requests are answered by the device that has the address only.
	server sysctl -qw net.ipv4.conf.all.arp_ignore=1
	ip -n server link add link eth name alt address $ALT_MAC type macvlan mode bridge
	ip -n server link set alt up
	if ! behind near client 4 "$CLIENT4" "$CLIENT6" || ! behind far server 3 "$SERVER4" "$SERVER6"; then
		not_ok "hosts behind gateways"
		exit 1
	fi
	for next in $NEXT4 $NEXT6; do ip -n router neigh replace "$next" lladdr $ALT_MAC dev wan nud permanent; done
	nsenter --net=/run/netns/far -- "$TRAFFIC" server udp 5001 &
	defer hush $!
	watch_frames
	PORT=40000
	no_change
	family 4
}

# shellcheck disable=SC2120 # most tests pass no devices
watch_frames() {
	[ -z "${WATCHER:-}" ] || hush "$WATCHER"
	rm -f $FRAMES_FILE
	"$SELFTEST/tools/frames.py" client:eth server:eth "$@" >$FRAMES_FILE &
	WATCHER=$!
	busywait 20 grep -q ready $FRAMES_FILE
}

family() {
	local name
	FAMILY=$1 HOST_BITS=32 TOO_BIG=icmp/3/4 CLIENT='' SERVER='' LAN='' WAN='' NEXT='' FAR='' NEAR=''
	[ "$1" = 4 ] || HOST_BITS=128 TOO_BIG=icmp/2/0
	for name in CLIENT SERVER LAN WAN NEXT FAR NEAR; do eval "$name=\$$name$1"; done
}
route() { ip -n router "-$FAMILY" route "$@"; }

RULESET=forward RULESET_FILE='' PORTS="lan, wan"
load() {
	local drop
	case $1 in
	# Without a flowtable conntrack needs another reason to be enabled.
	slow) drop='/flags offload/d; s/flow add @ft/ct state established accept/' ;;
	software) drop='/flags offload/d' ;;
	offload | intree) drop='' ;;
	esac
	sed "s/{ lan, wan }/{ $PORTS }/; $drop" "${RULESET_FILE:-$RULESETS/$RULESET.nft}" | router nft -f -
}

# --- traffic ---------------------------------------------------------------------------------------------------------

stream_on() {
	nsenter --net="/run/netns/$1" -- "$TRAFFIC" stream udp "$2" 5001 -b "$PORT" -i 20 -s "${3:-100}" >/dev/null 2>&1 &
	STREAM=$!
}

# Times are in microseconds. The expression has at, dmac, smac, headers, proto, src, sport, dst, dport and size, as
# tools/frames.py prints them, and sees the frames of the flow only.
frames() {
	awk -v from="$1" -v to="$2" -v port="$PORT" 'NF == 11 {
		at = $2; dmac = $3; smac = $4; headers = $5; proto = $6; src = $7; sport = $8; dst = $9; dport = $10; size = $11
		if ($1 >= from && $1 < to && (sport == port || dport == port) && ('"$3"')) n++
	} END { print n + 0 }' $FRAMES_FILE
}
arrive() { [ "$(frames "$2" 9e15 "$3")" -ge "$1" ]; }

# --- rules -----------------------------------------------------------------------------------------------------------

nic_stat() {
	local name
	while read -r name STAT; do [ "$name" != "$1" ] || return 0; done <"$NIC/stats"
}
same_rules() { sed 's/ packets=.*//' "$NIC/rules"; }

# in_hardware MODE: a condition: in this mode flows are in hardware.
in_hardware() { [ "$1" = offload ] || [ "$1" = intree ]; }
have_rules() { rules_are "$1" || { [ -n "$INTREE" ] && [ "$(rules)" -gt "$1" ]; }; }

# wait_gone: waits until all rules of before the event are gone; sets GONE_MS to the time since the event, or to nothing on
# timeout. The rules are gone when as many have been deleted, or there are none: the next packet of the flow may bring new ones
# at once.
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

# The variables of a case, which no_change resets:
#   FROM, TO     the host that sends, and the destination address
#   SIZE         bytes of a datagram
#   WRONG        an awk expression: frames that arrive before the event, and must not arrive after it
#   RIGHT        frames that have to arrive after the event; may be empty
#   RIGHT_MIN    how many of them
#   USUAL        frames of the flow before the event; WRONG if empty
#   KEEPS        not empty: the rules may also stay unchanged
#   AFTER        a command for more checks while traffic continues; its argument is the name of the case
#   FEW          the number of wrong frames that are accepted, where the core creates a short-lived flow from each packet
no_change() { FROM=client TO='' SIZE=100 WRONG='' RIGHT='' USUAL='' KEEPS='' AFTER='' FEW='' RIGHT_MIN=$ENOUGH; }

# in_each_mode FUNCTION NAME EVENT [UNDO]: calls the function with "NAME, MODE", MODE and EVENT in each mode, and cleans up.
in_each_mode() {
	local mode
	for mode in "${MODES[@]}"; do
		PORT=$((PORT + 1))
		"$1" "$2, $mode" "$mode" "$3"
		end_case "${4:-}"
	done
	no_change
}
# end_case [UNDO]: ends the traffic and removes the ruleset, and the rules that the in-tree type leaves in the NIC.
end_case() {
	[ -z "${STREAM:-}" ] || hush "$STREAM"
	STREAM=
	[ -z "${1:-}" ] || eval "$1" >/tmp/undo.output 2>&1
	no_ruleset
	[ -z "$INTREE" ] || echo 0 >"$NIC/forget"
}

changes() { in_each_mode one_change "$@"; }
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
	# Packets that are on their way arrive.
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

elsewhere() {
	TO=$FAR
	WRONG="at == \"server\" && dmac == \"$SERVER_MAC\" && proto == \"udp\""
	RIGHT="at == \"server\" && dmac == \"$ALT_MAC\" && proto == \"udp\""
}
nowhere() {
	TO=$FAR WRONG="at == \"${1:-server}\" && proto == \"udp\""
}

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

stale_end() {
	check "no rule is left" busywait 5 rules_are 0
	check "no reference is left" busywait 5 module_free
}
