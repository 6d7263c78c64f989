# For the tests of what is on the wire, sourced after lib.sh: the router's devices towards client and server (tags, PPPoE,
# a bridge), wire.py's plays over them, and which of them belong into which NIC.
# shellcheck shell=bash

# The kinds of NIC: what the simulated one can be, and what the module's parameter "profile" knows.
read -ra PROFILES <<<"${NFT_OFFLOAD_PROFILES-tc mlx5 mtk airoha}"
# The words in the module's log line where a NIC cannot take a flow.
declare -A REASON=([pppoe]="PPPoE" [8021ad]="802.1ad" [nat6]="IPv6")

BRIDGE_MAC=02:00:00:00:00:b0

# mac NAMESPACE DEVICE
mac() { ip -n "$1" -j link show dev "$2" | jq -r '.[0].address'; }

# wire_up: the bed, with wire.py ready for plays.
wire_up() {
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
	busywait 5 modprobe -r nft_offload && echo "$1" >"$NIC/profile" && modprobe nft_offload "profile=lan:$1,wan:$1"
}

# --- the router's devices --------------------------------------------------------------------------------------------

# vlan DEVICE ID [PROTOCOL]: lines for ip -b, a VLAN device.
vlan() {
	echo "link add link $1 name $1.$2 type vlan protocol ${3:-802.1Q} id $2"
	echo "link set $1.$2 up"
}

# bridge_of_lan [OPTION...]: lines for ip -b, a bridge with the port lan. Its MAC is its own.
bridge_of_lan() {
	echo "link add br0 address $BRIDGE_MAC type bridge $*"
	echo "link set lan master br0"
	echo "link set br0 up"
}

# topology NAME: what the router has between its ports and its addresses. Sets INSIDE and OUTSIDE, the devices that lead to
# client and server; CLIENT_HEADERS and SERVER_HEADERS, what is on their wires; MTU, the largest packet that both take.
topology() {
	topology_down
	INSIDE=lan OUTSIDE=wan CLIENT_HEADERS=- SERVER_HEADERS=- MTU=1500 ROUTER_MAC=$LAN_MAC
	local session=
	case $1 in
	plain) ;;
	vlan_wan) OUTSIDE=wan.20 SERVER_HEADERS=8021q:20 ;;
	vlan_lan) INSIDE=lan.10 CLIENT_HEADERS=8021q:10 ;;
	vlan_both) INSIDE=lan.10 CLIENT_HEADERS=8021q:10 OUTSIDE=wan.20 SERVER_HEADERS=8021q:20 ;;
	qinq) OUTSIDE=wan.100.200 SERVER_HEADERS=8021q:100/8021q:200 MTU=1496 ;;
	ad) OUTSIDE=wan.100 SERVER_HEADERS=8021ad:100 ;;
	adq) OUTSIDE=wan.100.200 SERVER_HEADERS=8021ad:100/8021q:200 MTU=1496 ;;
	pppoe) OUTSIDE=ppp0 SERVER_HEADERS=pppoe:0x1234 MTU=1492 session=wan ;;
	vlan_pppoe) OUTSIDE=ppp0 SERVER_HEADERS=8021q:7/pppoe:0x1234 MTU=1492 session=wan.7 ;;
	bridge) INSIDE=br0 ROUTER_MAC=$BRIDGE_MAC ;;
	bridge_vlan_access) INSIDE=br0.10 ROUTER_MAC=$BRIDGE_MAC ;;
	bridge_vlan_trunk) INSIDE=br0.10 ROUTER_MAC=$BRIDGE_MAC CLIENT_HEADERS=8021q:10 ;;
	bridge_vlan_pvid) INSIDE=br0 ROUTER_MAC=$BRIDGE_MAC CLIENT_HEADERS=8021q:10 ;;
	*) return 1 ;;
	esac
	{
		case $1 in
		vlan_lan | vlan_both) vlan lan 10 ;;
		bridge) bridge_of_lan ;;
		bridge_*) bridge_of_lan vlan_filtering 1 vlan_default_pvid 0 ;;
		esac
		case $1 in
		vlan_wan | vlan_both) vlan wan 20 ;;
		qinq) vlan wan 100 && vlan wan.100 200 ;;
		ad) vlan wan 100 802.1ad ;;
		adq) vlan wan 100 802.1ad && vlan wan.100 200 ;;
		vlan_pppoe) vlan wan 7 ;;
		bridge_vlan_access | bridge_vlan_trunk) vlan br0 10 ;;
		esac
	} | ip -n router -b - || return 1
	case $1 in
	bridge_vlan_access) router bridge -b - <<<$'vlan add dev lan vid 10 pvid untagged\nvlan add dev br0 vid 10 self' ;;
	bridge_vlan_trunk) router bridge -b - <<<$'vlan add dev lan vid 10\nvlan add dev br0 vid 10 self' ;;
	bridge_vlan_pvid) router bridge -b - <<<$'vlan add dev lan vid 10\nvlan add dev br0 vid 10 pvid untagged self' ;;
	esac || return 1
	if [ -n "$session" ]; then
		in_ns router "$SELFTEST/tools/pppoe.py" "$session" 0x1234 "$SERVER_MAC" >/dev/null &
		SESSION=$!
		busywait 5 ip -n router link show dev ppp0 || return 1
	fi
	ip -n router -b - <<-END
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
		$([ $OUTSIDE = ppp0 ] || echo "neigh replace $SERVER4 lladdr $SERVER_MAC dev $OUTSIDE nud permanent
		neigh replace $SERVER6 lladdr $SERVER_MAC dev $OUTSIDE nud permanent")
	END
}

# topology_down: lan and wan as they are in the bed, without addresses.
topology_down() {
	local device
	if [ -n "${SESSION:-}" ]; then
		kill "$SESSION"
		wait "$SESSION" 2>/dev/null
		SESSION=
	fi
	for device in $(ip -n router -j link show | jq -r '.[].ifname | select(test("^(br0|lan\\.10|wan\\.[0-9]+)$"))'); do
		ip -n router link del "$device"
	done
}

# --- plays -----------------------------------------------------------------------------------------------------------

# play RULESET slow|software|offload [FAMILIES]: plays the connections; FAMILIES, those that belong into the NIC. What came
# out is in /tmp/wire.PATH.*, wire.py's report in /tmp/wire.report.
play() {
	local to="$SERVER4 $SERVER6 5001" line status=1
	case $1 in
	*dnat) to="$VIRTUAL4 $VIRTUAL6 8001" ;;
	esac
	ruleset "$1" "$2" || return 1
	echo "--client $CLIENT_HEADERS --server $SERVER_HEADERS --router $ROUTER_MAC --mtu $MTU" \
		"--rules $NIC/rules ${3:+--hardware $3} /tmp/wire.$2 $to" >&"$PLAY"
	: >/tmp/wire.report
	while read -r -t 120 -u "$PLAYED" line; do
		case $line in
		done\ *)
			status=${line#done }
			break
			;;
		esac
		echo "$line" >>/tmp/wire.report
	done
	no_ruleset
	[ "$status" -eq 0 ] && return
	grep -HE 'missing|not in hardware|other headers' /tmp/wire."$2".* | head
	return 1
}

# slow_path: each frame of the bodies was forwarded by the router's IP layer. fast_path: none was.
slow_path() { awk '$3 != $4 || !$3 { bad = 1; print } END { exit bad || NR != 4 }' /tmp/wire.report; }
fast_path() { awk '$4 || !$3 { bad = 1; print } END { exit bad || NR != 4 }' /tmp/wire.report; }

# in_nic FAMILIES: the bodies of these families went through the NIC; of UDP also those frames of the beginning that came
# late enough. The other families have no rule.
in_nic() {
	awk -v families="$1" '
		index(families, $2) { if ($6 != 2 || $5 < $3 || $5 > $3 + 2) { bad = 1; print } next }
		$6 || $5 { bad = 1; print }
		END { exit bad || NR != 4 }' /tmp/wire.report
}

# same PATH PATH [PART]: what came out of two plays is the same, byte for byte; or only in that part of them.
same() {
	local case a b rc=0
	for case in tcp.4 tcp.6 udp.4 udp.6; do
		a=$(part "$1.$case" "${3:-}") b=$(part "$2.$case" "${3:-}")
		[ -n "$a" ] && [ "$a" = "$b" ] && continue
		rc=1
		echo "$case, $1 (<) and $2 (>):"
		diff <(echo "$a") <(echo "$b") | head -n 4
	done
	return $rc
}
part() {
	if [ -n "$2" ]; then
		sed -n "/^$2\$/,/^close\$/p" "/tmp/wire.$1"
	else
		echo "$(<"/tmp/wire.$1")"
	fi
}

# families PROFILE TOPOLOGY RULESET: the families that belong into such a NIC. Sets FAMILIES, and WHY the others do not.
families() {
	FAMILIES=46 WHY=
	case $1:$2 in
	tc:*pppoe | mlx5:*pppoe) FAMILIES='' WHY=pppoe ;;
	tc:* | mlx5:*) ;;
	*:ad | *:adq) FAMILIES='' WHY=8021ad ;;
	*) [ "$3" = forward ] || FAMILIES=4 WHY=nat6 ;;
	esac
}

# said WORDS: how many lines of the module have them.
said() { dmesg | grep -c "nft_offload: .*$1"; }

# try_all TOPOLOGY RULESET...: the same frames through the slow path, the software flowtable and every kind of NIC.
try_all() {
	local topology=$1 name profile ruleset lines
	shift
	check "$topology: the router's devices" topology "$topology"
	for ruleset; do
		name="$topology, $ruleset"
		check "$name: nothing is lost on the slow path" play "$ruleset" slow
		check "$name: the slow path is the slow path" slow_path
		check "$name: nothing is lost on the software path" play "$ruleset" software
		check "$name: the software path is a fast path" fast_path
		check "$name: software path as slow path" same software slow
		for case in tcp.4 tcp.6 udp.4 udp.6; do mv "/tmp/wire.slow.$case" "/tmp/wire.slow-$ruleset.$case"; done
	done
	for profile in "${PROFILES[@]}"; do
		check "$topology, $profile: the module is told" use_profile "$profile"
		for ruleset; do
			name="$topology, $ruleset, $profile"
			families "$profile" "$topology" "$ruleset"
			[ -z "$WHY" ] || lines=$(said "${REASON[$WHY]}")
			check "$name: nothing is lost" play "$ruleset" offload "$FAMILIES"
			check "$name: ${FAMILIES:-nothing} in the NIC" in_nic "$FAMILIES"
			check "$name: nothing on the slow path" fast_path
			check "$name: as slow path" same offload "slow-$ruleset"
			[ -z "$WHY" ] || check_is "$name: one line says why not all" $(($(said "${REASON[$WHY]}") - lines)) 1
			check "$name: no rule is left" rules_are 0
		done
	done
}
