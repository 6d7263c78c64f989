#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Flows in hardware of a client below a bridge of the router, br0 with VLAN filtering, whose ports are lan and lan2: the client
# roams, its entry is deleted, a port leaves or is blocked, VLANs change, the bridge goes down or is deleted.
. "$(dirname "$0")/lib.sh"
. "$SELFTEST/stale.sh"

BRIDGE_MAC=02:00:00:00:00:b0
PORTS="lan, lan2, wan"

# third_port: adds lan2 to the NIC of the router, and eth2, which has the MAC of eth, to the client.
third_port() {
	local dev
	ip netns exec router sh -c 'echo 2 >/sys/bus/netdevsim/devices/netdevsim2/new_port' || return 1
	dev=$(ip netns exec router ls /sys/bus/netdevsim/devices/netdevsim2/net | grep -vxE 'lan|wan' | head -n 1)
	ip -n router link set "$dev" name lan2 && new_nic client 4 eth2 && wire client eth2 router lan2 || return 1
	in_ns client ethtool -K eth2 tso off gso off gro off tx off 2>/dev/null
	in_ns router ethtool -K lan2 tso off gso off gro off tx off 2>/dev/null
	ip -n router link set lan2 up
	ip -n client link set eth2 address "$CLIENT_MAC" up
}

# bridge_again: sets up br0 as each case expects it.
bridge_again() {
	ip -n router link del br0 2>/dev/null
	ip -n router -b - <<-END || return 1
		link add br0 address $BRIDGE_MAC type bridge vlan_filtering 1 vlan_default_pvid 0
		link set lan master br0
		link set lan2 master br0
		link set lan up
		link set br0 up
		link add link br0 name br0.10 type vlan id 10
		link set br0.10 up
		addr flush dev lan scope global
		addr add $LAN4/24 dev br0.10
		addr add $LAN6/64 dev br0.10 nodad
		neigh replace $CLIENT4 lladdr $CLIENT_MAC dev br0.10 nud permanent
		neigh replace $CLIENT6 lladdr $CLIENT_MAC dev br0.10 nud permanent
	END
	bridge -n router -b - <<-END || return 1
		vlan add dev lan vid 10 pvid untagged
		vlan add dev lan2 vid 10 pvid untagged
		vlan add dev br0 vid 10 self
	END
	client_is_at eth
}

# client_is_at DEVICE: moves the addresses of the client to this device, and tells it the MAC of the router.
client_is_at() {
	local other=eth2
	[ "$1" = eth ] || other=eth
	ip -n client -b - <<-END
		addr flush dev $other scope global
		addr replace $CLIENT4/24 dev $1
		addr replace $CLIENT6/64 dev $1 nodad
		route replace default via $LAN4 dev $1
		route replace default via $LAN6 dev $1
	END
	for address in $LAN4 $LAN6; do
		ip -n client neigh del "$address" dev "$other" 2>/dev/null
		ip -n client neigh replace "$address" lladdr "${2:-$BRIDGE_MAC}" dev "$1" nud permanent
	done
}

# A bridge floods frames for an unknown address.
ANY='at != "client2" && proto == "udp"' ANSWERS='at == "client" && proto == "udp"'

roams() {
	WRONG=$ANSWERS RIGHT='at == "client2" && proto == "udp"'
	changes "IPv$FAMILY, the client roams to another port" "client_is_at eth2" bridge_again
}

forgotten() {
	USUAL=$ANSWERS RIGHT=$ANSWERS
	changes "the client's entry is deleted" "bridge -n router fdb del $CLIENT_MAC dev lan master vlan 10" bridge_again
	# The neighbour may be kept alive.
	USUAL=$ANSWERS RIGHT=$ANSWERS KEEPS=1 AFTER=known_or_gone
	changes "the client's entry ages out" "ip -n router link set br0 type bridge ageing_time 50" bridge_again
}
known() { bridge -n router fdb show br br0 brport lan | grep -q "^$CLIENT_MAC .*vlan 10"; }
known_or_gone() { [ -n "$GONE_MS" ] || check "$1: the client is known, if its rules have stayed" known; }

port() {
	WRONG=$ANY
	changes "the port leaves the bridge" "ip -n router link set lan nomaster" bridge_again
	WRONG=$ANY
	changes "the port goes down" "ip -n router link set lan down" bridge_again
}

# The bridge ignores the state of its port when the core asks for the path: the core creates a flow again from each packet.
states() {
	local state
	# Without STP a port does not stay in the state blocking.
	for state in disabled listening learning; do
		WRONG=$ANY AFTER=stays_away
		changes "the port is $state" "bridge -n router link set dev lan state $state" bridge_again
	done
	from_the_server
	AFTER=comes_back
	changes "the port is listening, amid traffic to the client" \
		"bridge -n router link set dev lan state listening" bridge_again
	ip -n router link set br0 type bridge forward_delay 500 stp_state 1
	bridge -n router fdb replace "$CLIENT_MAC" dev lan vlan 10 master static
	# The port listens for five seconds, then learns for another five.
	from_the_server
	AFTER=comes_by_itself
	changes "the port comes up with STP" "ip -n router link set lan down && ip -n router link set lan up" bridge_again
}
from_the_server() { FROM=server TO=$CLIENT WRONG='at == "client" && proto == "udp"' FEW=2; }
# stays_away NAME: a result: no rule is added.
stays_away() { check_is "$1: no rule comes back" "$(rules)" 0; }
comes_back() {
	stays_away "$1"
	check "$1: the port forwards again" bridge -n router link set dev lan state forwarding
	check "$1: the flow comes back" busywait 5 rules_are 2
}
comes_by_itself() {
	stays_away "$1"
	check "$1: the flow comes back once the port forwards" busywait 30 rules_are 2
}

# The port has not forwarded for longer than the module is loaded.
blocked_before() {
	local name="a port that is listening when the module is loaded"
	PORT=$((PORT + 1))
	load slow
	stream_on server "$CLIENT"
	check "$name: a connection" busywait 5 tracked
	no_tables
	bridge -n router link set dev lan state listening
	check "$name: the module is loaded again" eval 'busywait 5 module_free && modprobe -r nft_offload && modprobe nft_offload'
	load offload
	sleep 1
	stays_away "$name"
	check "$name: the port forwards" bridge -n router link set dev lan state forwarding
	check "$name: the flow is in hardware" busywait 5 rules_are 2
	hush "$STREAM"
	STREAM=
	no_ruleset
}
tracked() { router conntrack -L -p udp 2>/dev/null | grep -v UNREPLIED | grep -q "=$PORT "; }

vlans() {
	WRONG=$ANY
	changes "the port loses its VLAN" "bridge -n router vlan del dev lan vid 10" bridge_again
	WRONG=$ANY AFTER=stays_away
	changes "the bridge itself loses its VLAN" "bridge -n router vlan del dev br0 vid 10 self" bridge_again
	from_the_server
	changes "the bridge itself loses its VLAN, amid traffic to the client" \
		"bridge -n router vlan del dev br0 vid 10 self" bridge_again
	WRONG='at == "client" && headers == "-" && proto == "udp"' RIGHT='at == "client" && headers == "8021q:10" && proto == "udp"'
	changes "the port's VLAN becomes tagged" "bridge -n router vlan add dev lan vid 10 pvid" bridge_again
}

bridge_itself() {
	local new=02:00:00:00:00:b1
	WRONG="at == \"client\" && smac == \"$BRIDGE_MAC\" && proto == \"udp\""
	RIGHT="at == \"client\" && smac == \"$new\" && proto == \"udp\""
	changes "the bridge has another MAC" "ip -n router link set br0 address $new && client_is_at eth $new" bridge_again
	WRONG=$ANY
	changes "the VLAN device on the bridge goes down" "ip -n router link set br0.10 down" bridge_again
	WRONG=$ANY
	changes "the bridge goes down" "ip -n router link set br0 down" bridge_again
	WRONG=$ANY
	changes "the bridge is deleted" "ip -n router link del br0" bridge_again
}

stale_up
check "a third port" third_port
watch_frames client:eth2:client2
check "a bridge" bridge_again
client "$TRAFFIC" server udp 5001 &
SERVERS="$SERVERS $!"
for version in 4 6; do
	family $version
	tests_run roams
done
family 4
tests_run forgotten port states blocked_before vlans bridge_itself
stale_end
