# SPDX-License-Identifier: GPL-2.0
# Shared by the tests that compare frames on the wire: the devices of the router towards client and server (tags, PPPoE, a
# bridge), the connections that wire.py plays over them, and the flows that each kind of NIC takes. Sourced after lib.sh.
#
#                 CLIENT_HEADERS                                  SERVER_HEADERS
#   [ client ] ───────wire──────── lan ── INSIDE [ router ] OUTSIDE ── wan ───────wire──────── [ server ]
#       ▲                                                                                          ▲
#       └──────────────── wire.py: the frames of TCP and UDP over IPv4 and IPv6 ───────────────────┘
#
# A play sends the same frames every time and writes those that arrive to /tmp/wire.PATH-RULESET.PROTOCOL.FAMILY. The same
# frames have to come out of the slow path, the software fast path, and every kind of NIC.
#
# Environment variables:
#   NFT_OFFLOAD_PROFILES    the kinds of NIC; default: all that the simulated NIC and the parameter "profile" know
#   ONLY                    tcp or udp: play plays only the connections of this protocol
#
#   wire_up                       the test bed, and wire.py
#   topology NAME                 sets up the devices of the router; sets INSIDE and OUTSIDE, the devices that lead to client and
#                                 server, CLIENT_HEADERS and SERVER_HEADERS, MTU (the largest packet for both), ROUTER_MAC
#   use_profile NAME              changes the kind of NIC, and tells the module
#   play RULESET slow|software|offload [FAMILIES]     a condition: plays the connections, and no frame is lost; waits for the
#                                 rules of FAMILIES (4, 6 or 46); sets REPORT to the lines that wire.py prints
#   slow_path, fast_path          conditions: the IP layer of the router has forwarded each frame of the last play, or none
#   in_nic FAMILIES               a condition: the NIC has forwarded the frames of these families, and has no other rules
#   each_connection TEST          a condition: an arithmetic expression is true of each line of REPORT
#   same PLAY PLAY [body]         a condition: two plays, named PATH-RULESET, gave the same frames, byte for byte; body: only
#                                 the frames between opening and closing are compared
#   families PROFILE TOPOLOGY RULESET     sets FAMILIES, which this NIC takes, and WHY it does not take the others
#   mark, said PATTERN            the number of log lines of the module since mark that match
#   try_all TOPOLOGY RULESET...   results: all of the above for this topology
# shellcheck shell=bash

read -ra PROFILES <<<"${NFT_OFFLOAD_PROFILES-tc mlx5 mtk airoha sfc}"
# A word of the log line of the module, by the reason why a NIC cannot take a flow.
declare -A REASON=([pppoe]="PPPoE" [8021ad]="802.1ad" [ipv6]="IPv6" [tags]="order of two VLAN tags" [nat]="IPv4 address translation")

. "$SELFTEST/cli.sh"

BRIDGE_MAC=02:00:00:00:00:b0

wire_up() {
	expedite_rcu
	begin
	# The stacks of the hosts must not answer the connections of wire.py. A frame may have two tags beyond the MTU.
	local ns
	for ns in client server; do
		ip -n $ns link set eth mtu 1600
		in_ns $ns nft -f - <<-'NFT'
			table netdev quiet {
				chain in {
					type filter hook ingress device "eth" priority 0; policy accept;
					meta l4proto { tcp, udp } th sport { 5001, 7777, 8001 } drop
					meta l4proto { tcp, udp } th dport { 5001, 7777, 8001, 20000 } drop
				}
			}
		NFT
	done
	CLIENT_MAC=$(mac client eth) SERVER_MAC=$(mac server eth) LAN_MAC=$(mac router lan) ROUTER_MAC=$LAN_MAC
	coproc PLAYER { exec "$SELFTEST/wire.py"; }
	# bash unsets PLAYER when the process ends.
	exec {PLAY}>&"${PLAYER[1]}" {PLAYED}<&"${PLAYER[0]}"
}

# sfc takes nothing but the block of tc.
use_profile() {
	local door=ft
	[ "$1" != sfc ] || door=block
	busywait 5 rmmod nft_offload && echo "$1" >"$NIC/profile" && echo $door >"$NIC/bind_as" &&
		modprobe nft_offload "profile=lan:$1,wan:$1" block=lan,wan
}

# --- the router's devices --------------------------------------------------------------------------------------------

# vlan DEVICE ID [PROTOCOL]: a VLAN device on a port or on the bridge. bridge_of_lan [OPTION...]: br0 with the port lan and
# another MAC. Both add lines for ip -b to LINKS and TAKE_DOWN.
vlan() {
	LINKS+="link add link $1 name $1.$2 type vlan protocol ${3:-802.1Q} id $2"$'\n'
	LINKS+="link set $1.$2 up"$'\n'
	TAKE_DOWN="link del $1.$2"$'\n'$TAKE_DOWN
}
bridge_of_lan() {
	LINKS+="link add br0 address $BRIDGE_MAC type bridge $*"$'\n'
	LINKS+="link set lan master br0"$'\n'
	LINKS+="link set br0 up"$'\n'
	TAKE_DOWN="link del br0"$'\n'$TAKE_DOWN
}

TAKE_DOWN='' SESSION=''
topology() {
	local LINKS=$TAKE_DOWN session='' vids=''
	if [ -n "$SESSION" ]; then
		kill "$SESSION" && wait "$SESSION" 2>/dev/null
		SESSION=
	fi
	TAKE_DOWN='' INSIDE=lan OUTSIDE=wan CLIENT_HEADERS=- SERVER_HEADERS=- MTU=1500 ROUTER_MAC=$LAN_MAC
	case $1 in
	plain) ;;
	vlan_wan)
		vlan wan 20
		OUTSIDE=wan.20 SERVER_HEADERS=8021q:20
		;;
	vlan_lan)
		vlan lan 10
		INSIDE=lan.10 CLIENT_HEADERS=8021q:10
		;;
	vlan_both)
		vlan lan 10
		vlan wan 20
		INSIDE=lan.10 CLIENT_HEADERS=8021q:10 OUTSIDE=wan.20 SERVER_HEADERS=8021q:20
		;;
	qinq)
		vlan wan 100
		vlan wan.100 200
		OUTSIDE=wan.100.200 SERVER_HEADERS=8021q:100/8021q:200 MTU=1496
		;;
	ad)
		vlan wan 100 802.1ad
		OUTSIDE=wan.100 SERVER_HEADERS=8021ad:100
		;;
	adq)
		vlan wan 100 802.1ad
		vlan wan.100 200
		OUTSIDE=wan.100.200 SERVER_HEADERS=8021ad:100/8021q:200 MTU=1496
		;;
	pppoe) OUTSIDE=ppp0 SERVER_HEADERS=pppoe:0x1234 MTU=1492 session=wan ;;
	vlan_pppoe)
		vlan wan 7
		OUTSIDE=ppp0 SERVER_HEADERS=8021q:7/pppoe:0x1234 MTU=1492 session=wan.7
		;;
	bridge)
		bridge_of_lan
		INSIDE=br0 ROUTER_MAC=$BRIDGE_MAC
		;;
	bridge_vlan_access)
		bridge_of_lan vlan_filtering 1 vlan_default_pvid 0
		vlan br0 10
		INSIDE=br0.10 ROUTER_MAC=$BRIDGE_MAC vids=$'vlan add dev lan vid 10 pvid untagged\nvlan add dev br0 vid 10 self'
		;;
	bridge_vlan_trunk)
		bridge_of_lan vlan_filtering 1 vlan_default_pvid 0
		vlan br0 10
		INSIDE=br0.10 ROUTER_MAC=$BRIDGE_MAC vids=$'vlan add dev lan vid 10\nvlan add dev br0 vid 10 self'
		CLIENT_HEADERS=8021q:10
		;;
	bridge_vlan_pvid)
		bridge_of_lan vlan_filtering 1 vlan_default_pvid 0
		INSIDE=br0 ROUTER_MAC=$BRIDGE_MAC vids=$'vlan add dev lan vid 10\nvlan add dev br0 vid 10 pvid untagged self'
		CLIENT_HEADERS=8021q:10
		;;
	*) return 1 ;;
	esac
	if [ -n "$session" ]; then
		ip -n router -b - <<<"$LINKS" || return 1
		LINKS=
		# Not in_ns: $! has to be the process that holds the session.
		nsenter --net=/run/netns/router -- "$SELFTEST/tools/pppoe.py" $session 0x1234 "$SERVER_MAC" >/dev/null &
		SESSION=$!
		busywait 20 ip -n router link show dev ppp0 || return 1
	fi
	# shellcheck disable=SC2153 # OUTSIDE4 is of lib.sh
	ip -n router -b - <<-END || return 1
		$LINKS
		addr flush dev lan scope global
		addr flush dev wan scope global
		link set $OUTSIDE mtu $((MTU < 1496 ? MTU : 1500)) up
		addr add $LAN4/24 dev $INSIDE
		addr add $VIRTUAL4/24 dev $INSIDE
		addr add $LAN6/64 dev $INSIDE nodad
		addr add $VIRTUAL6/64 dev $INSIDE nodad
		addr add $WAN4/24 dev $OUTSIDE
		addr add $OUTSIDE4/24 dev $OUTSIDE
		addr add $WAN6/64 dev $OUTSIDE nodad
		addr add $OUTSIDE6/64 dev $OUTSIDE nodad
		neigh replace $CLIENT4 lladdr $CLIENT_MAC dev $INSIDE nud permanent
		neigh replace $CLIENT6 lladdr $CLIENT_MAC dev $INSIDE nud permanent
		$([ -n "$session" ] || echo "neigh replace $SERVER4 lladdr $SERVER_MAC dev $OUTSIDE nud permanent
		neigh replace $SERVER6 lladdr $SERVER_MAC dev $OUTSIDE nud permanent")
	END
	[ -z "$vids" ] || router bridge -b - <<<"$vids"
}

# --- plays -----------------------------------------------------------------------------------------------------------

play() {
	local to="$SERVER4 $SERVER6 5001" line status=1
	case $1 in
	*dnat) to="$VIRTUAL4 $VIRTUAL6 8001" ;;
	esac
	ruleset "$1" "$2" || return 1
	echo "--client $CLIENT_HEADERS --server $SERVER_HEADERS --router $ROUTER_MAC --mtu $MTU" \
		"--rules $NIC/rules ${3:+--hardware $3} ${ONLY:+--only $ONLY} /tmp/wire.$2-$1 $to" >&"$PLAY"
	REPORT=()
	while read -r -t 120 -u "$PLAYED" line; do
		case $line in
		done\ *)
			status=${line#done }
			break
			;;
		esac
		REPORT+=("$line")
	done
	if [ "$2" = offload ] && [ -n "${WHY:-}" ]; then
		# What stays in software may be tried last, and no more after the flowtable is gone.
		busywait 5 is_said || dmesg | sed "1,/$MARK/d" | grep 'nft_offload: '
	fi
	# The reasons of the connections that are left, which are those over UDP.
	[ -z "${WHY:-}" ] || router conntrack -L 2>/dev/null | cli --json why >/tmp/wire.why 2>&1
	no_tables
	[ "$status" -eq 0 ] && return
	grep -HE 'missing|not in hardware|other headers' /tmp/wire."$2-$1".* | head
	return 1
}

slow_path() { each_connection 'sent > 0 && slow == sent'; }
fast_path() { each_connection 'sent > 0 && slow == 0'; }

# Over UDP, the last frames of the opening may already go through the NIC.
in_nic() {
	each_connection "${1:-0} == 46 || ${1:-0} == family
		? rules == 2 && carried >= sent && carried <= sent + 2
		: rules == 0"
}

each_connection() {
	local line rc=0 family sent slow carried rules
	for line in "${REPORT[@]}"; do
		# shellcheck disable=SC2034 # used in the expression
		read -r _ family sent slow carried rules <<<"$line"
		(($1)) && continue
		echo "$line"
		rc=1
	done
	[ $rc -eq 0 ] && [ ${#REPORT[@]} -eq "$([ -n "${ONLY:-}" ] && echo 2 || echo 4)" ]
}

same() {
	local case a b rc=0
	for case in tcp.4 tcp.6 udp.4 udp.6; do
		read -r -d '' a <"/tmp/wire.$1.$case"
		read -r -d '' b <"/tmp/wire.$2.$case"
		if [ -n "${3:-}" ]; then
			a=${a#*body} b=${b#*body}
			a=${a%close*} b=${b%close*}
		fi
		[ -n "$a" ] && [ "$a" = "$b" ] && continue
		rc=1
		echo "$case, $1 (<) and $2 (>):"
		diff <(echo "$a") <(echo "$b") | head -n 4
	done
	return $rc
}

families() {
	FAMILIES=46 WHY=
	case $1:$2 in
	tc:*pppoe | mlx5:*pppoe | sfc:*pppoe) FAMILIES='' WHY=pppoe ;;
	tc:* | mlx5:*) ;;
	sfc:qinq | sfc:adq) FAMILIES='' WHY=tags ;;
	sfc:*) [ "$3" = forward ] || FAMILIES='' WHY=nat ;;
	*:ad | *:adq) FAMILIES='' WHY=8021ad ;;
	# This NIC sends IPv6 from the MAC of the port, not from that of the bridge.
	airoha:bridge*) FAMILIES=4 WHY=ipv6 ;;
	*) [ "$3" = forward ] || FAMILIES=4 WHY=ipv6 ;;
	esac
}

MARKS=0
mark() {
	# No mark is the beginning of another one.
	MARK="wire test $$-$((MARKS += 1))-begins"
	echo "$MARK" >/dev/kmsg
}
said() { dmesg | sed "1,/$MARK/d" | grep -cE "nft_offload: .*($1)"; }
is_said() { [ "$(said "${REASON[$WHY]}")" -gt 0 ]; }

try_all() {
	local topology=$1 name profile ruleset
	shift
	check "$topology: the devices of the router are set up" topology "$topology"
	for ruleset; do
		name="$topology, $ruleset"
		check "$name: nothing is lost on the slow path" play "$ruleset" slow
		check "$name: the slow path is the slow path" slow_path
		check "$name: nothing is lost on the software path" play "$ruleset" software
		check "$name: the software path is a fast path" fast_path
		check "$name: software path and slow path give the same frames" same "software-$ruleset" "slow-$ruleset"
	done
	for profile in "${PROFILES[@]}"; do
		check "$topology, $profile: the module uses this profile" use_profile "$profile"
		for ruleset; do
			name="$topology, $ruleset, $profile"
			families "$profile" "$topology" "$ruleset"
			[ -z "$WHY" ] || mark
			check "$name: nothing is lost" play "$ruleset" offload "$FAMILIES"
			check "$name: ${FAMILIES:-nothing} in the NIC" in_nic "$FAMILIES"
			check "$name: nothing on the slow path" fast_path
			check "$name: the NIC and the slow path give the same frames" same "offload-$ruleset" "slow-$ruleset"
			if [ -n "$WHY" ]; then
				check_is "$name: one log line gives the reason" "$(said "${REASON[$WHY]}")" 1
				check "$name: nft-offload why gives the reason" grep -qE "${REASON[$WHY]}" /tmp/wire.why
			fi
			check "$name: no rule is left" rules_are 0
		done
	done
}
