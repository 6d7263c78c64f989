# SPDX-License-Identifier: GPL-2.0
# For the tests of what is on the wire, sourced after lib.sh: the router's devices towards client and server (tags, PPPoE,
# a bridge), wire.py's plays over them, and which of them belong into which NIC.
# shellcheck shell=bash

# The kinds of NIC: what the simulated one can be, and what the module's parameter "profile" knows.
read -ra PROFILES <<<"${NFT_OFFLOAD_PROFILES-tc mlx5 mtk airoha}"
# What the module's log line has in it where a NIC cannot take a flow.
declare -A REASON=([pppoe]="PPPoE" [8021ad]="802.1ad" [ipv6]="IPv6")

. "$SELFTEST/cli.sh"

BRIDGE_MAC=02:00:00:00:00:b0

# mac NAMESPACE DEVICE
mac() { ip -n "$1" -j link show dev "$2" | jq -r '.[0].address'; }

# wire_up: the bed, with wire.py ready for plays.
wire_up() {
	# Rulesets come and go all the time here, and each waits for grace periods.
	[ ! -w /sys/kernel/rcu_expedited ] || echo 1 >/sys/kernel/rcu_expedited
	trap '[ ! -w /sys/kernel/rcu_expedited ] || echo 0 >/sys/kernel/rcu_expedited; finish' EXIT
	begin
	# The hosts themselves must not answer the made-up connections. Their packets may have two tags more than the MTU.
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
	# Names that stay when it dies.
	exec {PLAY}>&"${PLAYER[1]}" {PLAYED}<&"${PLAYER[0]}"
}

# use_profile NAME: the NIC becomes one of this kind, and the module is told so.
use_profile() {
	busywait 5 rmmod nft_offload && echo "$1" >"$NIC/profile" && modprobe nft_offload "profile=lan:$1,wan:$1"
}

# --- the router's devices --------------------------------------------------------------------------------------------

# vlan DEVICE ID [PROTOCOL]: a VLAN device on a port or on the bridge. bridge_of_lan [OPTION...]: br0 with the port lan, and
# with a MAC of its own. Both add lines for ip -b.
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

# topology NAME: what the router has between its ports and its addresses. Sets INSIDE and OUTSIDE, the devices that lead to
# client and server; CLIENT_HEADERS and SERVER_HEADERS, what is on their wires; MTU, the largest packet that both take.
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
		# Not in_ns: its process is who holds the session.
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

# play RULESET slow|software|offload [FAMILIES]: plays the connections; FAMILIES, those that belong into the NIC. What came
# out is in /tmp/wire.PATH-RULESET.*, wire.py's report in REPORT.
play() {
	local to="$SERVER4 $SERVER6 5001" line status=1
	case $1 in
	*dnat) to="$VIRTUAL4 $VIRTUAL6 8001" ;;
	esac
	ruleset "$1" "$2" || return 1
	echo "--client $CLIENT_HEADERS --server $SERVER_HEADERS --router $ROUTER_MAC --mtu $MTU" \
		"--rules $NIC/rules ${3:+--hardware $3} /tmp/wire.$2-$1 $to" >&"$PLAY"
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
	# What says why, of the connections that are left, which are those without an end.
	[ -z "${WHY:-}" ] || router conntrack -L 2>/dev/null | cli --json why >/tmp/wire.why 2>&1
	no_tables
	[ "$status" -eq 0 ] && return
	grep -HE 'missing|not in hardware|other headers' /tmp/wire."$2-$1".* | head
	return 1
}

# slow_path: each frame of the bodies was forwarded by the router's IP layer. fast_path: none was.
slow_path() { each_connection 'sent > 0 && slow == sent'; }
fast_path() { each_connection 'sent > 0 && slow == 0'; }

# in_nic FAMILIES: the bodies of these families went through the NIC; of UDP also those frames of the beginning that came
# late enough. The other families have no rule.
in_nic() {
	each_connection "${1:-0} == 46 || ${1:-0} == family
		? rules == 2 && carried >= sent && carried <= sent + 2
		: rules == 0"
}

# each_connection TEST: whether an arithmetic test is true of every line of the report.
each_connection() {
	local line rc=0 family sent slow carried rules
	for line in "${REPORT[@]}"; do
		# shellcheck disable=SC2034 # the test has them
		read -r _ family sent slow carried rules <<<"$line"
		(($1)) && continue
		echo "$line"
		rc=1
	done
	[ $rc -eq 0 ] && [ ${#REPORT[@]} -eq 4 ]
}

# same PLAY PLAY [body]: what came out of two plays is the same, byte for byte; or only the bodies are.
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

# families PROFILE TOPOLOGY RULESET: the families that belong into such a NIC. Sets FAMILIES, and WHY the others do not.
families() {
	FAMILIES=46 WHY=
	case $1:$2 in
	tc:*pppoe | mlx5:*pppoe) FAMILIES='' WHY=pppoe ;;
	tc:* | mlx5:*) ;;
	*:ad | *:adq) FAMILIES='' WHY=8021ad ;;
	# The source MAC of IPv6 is the port's own there, not that of a bridge.
	airoha:bridge*) FAMILIES=4 WHY=ipv6 ;;
	*) [ "$3" = forward ] || FAMILIES=4 WHY=ipv6 ;;
	esac
}

# mark: from here on the log counts. said PATTERN: how many lines of the module match since then.
MARKS=0
mark() {
	# No beginning of another one.
	MARK="wire test $$-$((MARKS += 1))-begins"
	echo "$MARK" >/dev/kmsg
}
said() { dmesg | sed "1,/$MARK/d" | grep -cE "nft_offload: .*($1)"; }

# try_all TOPOLOGY RULESET...: the same frames through the slow path, the software flowtable and every kind of NIC.
try_all() {
	local topology=$1 name profile ruleset
	shift
	check "$topology: the router's devices" topology "$topology"
	for ruleset; do
		name="$topology, $ruleset"
		check "$name: nothing is lost on the slow path" play "$ruleset" slow
		check "$name: the slow path is the slow path" slow_path
		check "$name: nothing is lost on the software path" play "$ruleset" software
		check "$name: the software path is a fast path" fast_path
		check "$name: software path as slow path" same "software-$ruleset" "slow-$ruleset"
	done
	for profile in "${PROFILES[@]}"; do
		check "$topology, $profile: the module is told" use_profile "$profile"
		for ruleset; do
			name="$topology, $ruleset, $profile"
			families "$profile" "$topology" "$ruleset"
			[ -z "$WHY" ] || mark
			check "$name: nothing is lost" play "$ruleset" offload "$FAMILIES"
			check "$name: ${FAMILIES:-nothing} in the NIC" in_nic "$FAMILIES"
			check "$name: nothing on the slow path" fast_path
			check "$name: as slow path" same "offload-$ruleset" "slow-$ruleset"
			if [ -n "$WHY" ]; then
				check_is "$name: one line says why not all" "$(said "${REASON[$WHY]}")" 1
				check "$name: nft-offload why says so" grep -qE "${REASON[$WHY]}" /tmp/wire.why
			fi
			check "$name: no rule is left" rules_are 0
		done
	done
}
