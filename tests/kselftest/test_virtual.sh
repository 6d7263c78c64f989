#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Virtual devices and helpers on the two ports: VRF, IPVLAN, macvlan, team, WireGuard, IPsec, a bridge with br_netfilter, FTP,
# timeout policies. Nothing is lost on the slow path, with a flowtable in software, and with flags offload; there each flow is in
# hardware or has a reason. For devices in a user namespace see test_namespace.sh.
. "$(dirname "$0")/ladder.sh"

FTP=(python3 -B "$SELFTEST/tools/ftp.py")
GENETLINK=(python3 -B "$SELFTEST/tools/genetlink.py")
PORT=50000

# table DEVICES [slow|software|offload] [CHAINS]: loads a ruleset that adds all flows to a flowtable of these devices.
table() {
	local flags='flags offload; counter;' add='meta l4proto { tcp, udp } flow add @ft;'
	case ${2:-offload} in
	software) flags= ;;
	slow) flags='' add='' ;;
	esac
	router nft -f - <<-END
		table inet router {
			flowtable ft { hook ingress priority filter; devices = { $1 }; $flags }
			chain forward { type filter hook forward priority filter; $add }
			${3:-}
		}
	END
}

# passes NAME ADDRESS PROTOCOL ROUNDS MS: a result: nothing is lost, over a new port.
passes() {
	PORT=$((PORT + 1))
	check_is "$1: $3 to $2" "$(exchange "$3" "$2" -b $PORT -n "$4" -i "$5")" "rounds=$4 bytes=$4""00 lost=0"
}

# situation NAME DEVICES ADDRESS EXPECTED: results: traffic on all three paths; with flags offload the state of the flow, as flow
# prints it, or "none" where the core creates no flow.
situation() {
	local what=$1 devices=$2 address=$3 expected=$4 way before
	for way in slow software; do
		check "$what, $way: a flowtable of $devices" table "$devices" $way
		passes "$what, $way" "$address" udp 20 10
		passes "$what, $way" "$address" tcp 20 10
		no_ruleset
	done
	check "$what: flags offload for $devices" table "$devices"
	passes "$what" "$address" tcp 20 10
	before=$(hw_packets)
	passes "$what" "$address" udp 60 20
	check_is "$what: where it is" "$(flow $PORT)" "${expected/none/}"
	case $expected in
	in-hardware*)
		check_between "$what: the NIC has forwarded most of it" $(($(hw_packets) - before)) 100 120
		check_is "$what: no packet is left to the CPU once it is in hardware" "$(late "$address")" 0
		;;
	*)
		check_is "$what: the NIC has forwarded nothing" "$(hw_packets)" "$before"
		check_is "$what: no rule" "$(rules)" 0
		;;
	esac
	no_ruleset
	check "$what: no rule is left" busywait 5 rules_are 0
}
# late ADDRESS: prints how many further packets of the last flow reach the CPU.
late() {
	local before
	before=$(cpu udp)
	exchange udp "$1" -b $PORT -n 20 -i 10 >/dev/null
	echo $(($(cpu udp) - before))
}

# to DEVICE PORT: moves the addresses of a port of the router to a device above it. back PORT: moves them back.
to() {
	local address
	ip -n router addr flush dev "$2" scope global
	case $2 in
	lan) set -- "$1" $LAN4/24 $VIRTUAL4/24 $LAN6/64 $VIRTUAL6/64 ;;
	wan) set -- "$1" $WAN4/24 $OUTSIDE4/24 $WAN6/64 $OUTSIDE6/64 ;;
	esac
	for address in "${@:2}"; do
		[[ $address != *:* ]] || address+=' nodad'
		ip -n router -b - <<<"addr replace $address dev $1"
	done
}
back() { to "$1" "$1"; }
# reaches ADDRESS...: a condition: the client pings the addresses.
reaches() {
	local address
	for address; do
		busywait 10 client ping -q -c 1 -W 1 "$address" || return 1
	done
}
both() { reaches $SERVER4 $SERVER6; }

# --- VRF ---

vrf_up() { # PORT...
	ip -n router link add blue type vrf table 100
	ip -n router link set blue up
	for port; do
		ip -n router link set "$port" master blue
		back "$port"
	done
}
vrf() {
	check "VRF: both ports" vrf_up lan wan
	check "VRF: the server" both
	situation "VRF" "lan, wan" $SERVER4 "in-hardware null"
	situation "VRF, IPv6" "lan, wan" $SERVER6 "in-hardware null"
	ip -n router link del blue
	back lan
	back wan
	# Routes between the two tables.
	check "VRF of lan alone" vrf_up lan
	ip -n router -b - <<-END
		route add 10.0.2.0/24 dev wan table 100
		route add 10.0.1.0/24 dev lan
	END
	check "VRF of lan alone: the server" reaches $SERVER4
	situation "VRF of lan alone" "lan, wan" $SERVER4 "in-hardware null"
	ip -n router route del 10.0.1.0/24 dev lan
	ip -n router link del blue
	back lan
}

# --- IPVLAN and macvlan ---

above_wan() { # KIND MODE
	ip -n router link add link wan name over type "$1" mode "$2"
	ip -n router link set over up
	to over wan
}
over_wan() {
	local kind mode
	while read -r kind mode; do
		check "$kind $mode: over wan" above_wan "$kind" "$mode"
		check "$kind $mode: the server" both
		situation "$kind $mode" "lan, wan" $SERVER4 none
		situation "$kind $mode in the flowtable" "lan, over" $SERVER4 "software 1"
		situation "$kind $mode in the flowtable, IPv6" "lan, over" $SERVER6 "software 1"
		ip -n router link del over
		back wan
	done <<-END
		ipvlan l2
		macvlan bridge
	END
}

# --- team ---

team_up() {
	# As teamd configures it: packets for another address are not received.
	ip -n router link add team0 address "$(mac router lan)" type team
	ip -n router link set lan down
	router "${GENETLINK[@]}" team team0 lan || return 1
	ip -n router link set team0 up
	ip -n router link set lan up
	to team0 lan
}
team() {
	check "team: of lan" team_up
	check "team: the server" both
	situation "team" "lan, wan" $SERVER4 none
	situation "team in the flowtable" "team0, wan" $SERVER4 "software 1"
	door indirect-ft
	situation "team of a driver that takes its flowtables" "team0, wan" $SERVER4 "in-hardware null"
	door ft
	ip -n router link del team0
	ip -n router link set lan up
	back lan
}

# --- WireGuard ---

# wg NAMESPACE PRIVATE [PEER ADDRESS]: sets up wg0; prints its public key.
wg() {
	local ns=$1 key=$2
	shift 2
	in_ns "$ns" "${GENETLINK[@]}" wireguard wg0 "$key" 51820 "$@" ${2:+51820}
}
wireguard_up() {
	local near far router_key server_key
	near=$(printf '01%.0s' {1..32}) far=$(printf '02%.0s' {1..32})
	ip -n router link add wg0 type wireguard
	ip -n server link add wg0 type wireguard
	router_key=$(wg router "$near") && server_key=$(wg server "$far") || return 1
	wg router "$near" "$server_key" $SERVER4 && wg server "$far" "$router_key" $WAN4 || return 1
	ip -n router -b - <<-END
		addr add 192.168.90.1/30 dev wg0
		addr add fd00:90::1/64 dev wg0 nodad
		link set wg0 up
	END
	ip -n server -b - <<-END
		addr add 192.168.90.2/30 dev wg0
		addr add fd00:90::2/64 dev wg0 nodad
		link set wg0 up
		route add $CLIENT4 dev wg0
		route add $CLIENT6 dev wg0
	END
}
wireguard() {
	check "WireGuard: between router and server" wireguard_up
	check "WireGuard: the server" reaches 192.168.90.2 fd00:90::2
	situation "WireGuard" "lan, wan" 192.168.90.2 none
	situation "WireGuard in the flowtable" "lan, wan, wg0" 192.168.90.2 "software 19"
	situation "WireGuard in the flowtable, IPv6" "lan, wan, wg0" fd00:90::2 "software 19"
	ip -n router link del wg0
	ip -n server link del wg0
}

# --- IPsec ---

# esp NAMESPACE OWN PEER FROM TO: one end of a tunnel for packets from FROM to TO.
esp() {
	local ns=$1 own=$2 peer=$3 from=$4 to=$5 dir
	for dir in "$own $peer" "$peer $own"; do
		# shellcheck disable=SC2086 # two words
		set -- $dir
		ip -n "$ns" xfrm state add src "$1" dst "$2" proto esp spi 0x100 mode tunnel \
			auth 'hmac(sha1)' 0x0102030405060708090a0b0c0d0e0f1011121314 enc 'cbc(aes)' 0x0102030405060708090a0b0c0d0e0f10 || return 1
	done
	ip -n "$ns" xfrm policy add src "$from" dst "$to" dir out tmpl src "$own" dst "$peer" proto esp mode tunnel || return 1
	for dir in in fwd; do
		ip -n "$ns" xfrm policy add src "$to" dst "$from" dir $dir tmpl src "$peer" dst "$own" proto esp mode tunnel || return 1
	done
}
ipsec() {
	check "IPsec: IPv4" eval "esp router $WAN4 $SERVER4 10.0.1.0/24 $SERVER4/32 && esp server $SERVER4 $WAN4 $SERVER4/32 10.0.1.0/24"
	check "IPsec: IPv6" eval "esp router $WAN6 $SERVER6 fd00:1::/64 $SERVER6/128 && esp server $SERVER6 $WAN6 $SERVER6/128 fd00:1::/64"
	check "IPsec: the server" both
	situation "IPsec" "lan, wan" $SERVER4 "software 18"
	situation "IPsec, IPv6" "lan, wan" $SERVER6 "software 18"
	for ns in router server; do
		check_between "IPsec: $ns has taken packets out of it" "$(ip -n $ns -s xfrm state | grep -c 'bytes), [1-9]')" 1 100
		ip -n $ns xfrm policy flush
		ip -n $ns xfrm state flush
	done
}

# --- a bridge, seen by br_netfilter ---

bridge() {
	local called=net.bridge.bridge-nf-call-iptables
	ip -n router link add br0 type bridge
	ip -n router link set br0 up
	ip -n router link set lan master br0
	to br0 lan
	check "bridge: the server" both
	check "bridge: br_netfilter" router sysctl -qw $called=1 net.bridge.bridge-nf-call-ip6tables=1
	situation "bridge" "lan, wan" $SERVER4 "in-hardware null"
	situation "bridge, IPv6" "lan, wan" $SERVER6 "in-hardware null"
	ip -n router link del br0
	back lan
}

# --- FTP ---

ftp() {
	local mode way data control
	server "${FTP[@]}" server $SERVER4 21 &
	SERVERS="$SERVERS $!"
	sleep 0.5
	for way in slow software offload; do
		for mode in passive active; do
			# Behind source NAT: the helper rewrites the address for the server.
			table "lan, wan" $way "
				ct helper ftp { type \"ftp\" protocol tcp; }
				chain helpers { type filter hook prerouting priority filter; tcp dport 21 ct helper set \"ftp\"; }
				chain nat { type nat hook postrouting priority srcnat; ip saddr $CLIENT4 snat ip to $OUTSIDE4; }"
			data=$(hw_packets)
			check_is "FTP, $mode, $way: the file" "$(timeout 30 nsenter --net=/run/netns/client -- "${FTP[@]}" client $SERVER4 21 $mode 3000000 2>&1)" \
				"received=3000000"
			router conntrack -L -p tcp 2>/dev/null >/tmp/ftp
			control=$(grep -E '\bdport=21\b' /tmp/ftp)
			check_between "FTP, $mode, $way: the control connection is known" "$(grep -c . <<<"$control")" 1 1
			check_is "FTP, $mode, $way: and not in the flowtable" "$(grep -c OFFLOAD <<<"$control")" 0
			data=$(($(hw_packets) - data))
			case $way in
			offload) check_between "FTP, $mode: the NIC has forwarded the data" $data 1000 100000 ;;
			*) check_is "FTP, $mode, $way: the NIC has forwarded nothing" $data 0 ;;
			esac
			no_ruleset
		done
	done
}

# --- timeout policies ---

# connection PROTOCOL PORT: prints the number of a conntrack entry.
connection() { router conntrack -L -p "$1" --orig-port-src "$2" -o id 2>/dev/null | grep -oE '\bid=[0-9]+'; }
timeouts() {
	local way protocol policy id
	while read -r protocol policy; do
		for way in slow offload; do
			check "a timeout policy of $protocol, $way" table "lan, wan" $way "
				ct timeout short { protocol $protocol; l3proto ip; policy = { $policy }; }
				chain timeouts { type filter hook prerouting priority filter; $protocol dport 5001 ct timeout set \"short\"; }"
			PORT=$((PORT + 1))
			exchange "$protocol" $SERVER4 -b $PORT -n 12 -i 450 -e hold >/tmp/talk </dev/null &
			sleep 1
			id=$(connection "$protocol" $PORT)
			# Longer than the timeout of the policy, while traffic continues.
			sleep 4
			check_is "a timeout policy of $protocol, $way: where it is" "$(flow $PORT)" "$([ $way = slow ] || echo "in-hardware null")"
			check_is "a timeout policy of $protocol, $way: it is the same connection" "$(connection "$protocol" $PORT)" "${id:-known}"
			wait $!
			check_is "a timeout policy of $protocol, $way: nothing is lost" "$(grep rounds /tmp/talk)" "rounds=12 bytes=1200 lost=0"
			no_ruleset
		done
	done <<-END
		udp unreplied : 3, replied : 3
		tcp established : 3
	END
	# Without the flowtable, the policy applies.
	table "lan, wan" slow '
		ct timeout short { protocol udp; l3proto ip; policy = { unreplied : 3, replied : 3 }; }
		chain timeouts { type filter hook prerouting priority filter; udp dport 5001 ct timeout set "short"; }'
	PORT=$((PORT + 1))
	exchange udp $SERVER4 -b $PORT -n 3 >/dev/null
	check "a timeout policy: it is in force" connection udp $PORT
	check "a timeout policy: an idle connection ends" busywait 6 eval "! connection udp $PORT"
	no_ruleset
}

begin
check "a client of the generic netlink family" netlink_up
tests_run vrf over_wan team wireguard ipsec bridge ftp timeouts
exec 20>&- 21<&-
check "no reference is left" busywait 5 module_free
