#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Flows in hardware whose packets are to go elsewhere, or nowhere: routes, next-hop objects, rules, the MTU of a route, IPsec
# policies, forwarding that is switched off, VRFs. And routes that concern none of them change nothing.
. "$(dirname "$0")/lib.sh"
. "$SELFTEST/stale.sh"

# elsewhere: towards the server, to the other next hop. nowhere [SIDE]: not at all.
elsewhere() {
	TO=$FAR
	WRONG="at == \"server\" && dmac == \"$SERVER_MAC\" && proto == \"udp\""
	RIGHT="at == \"server\" && dmac == \"$ALT_MAC\" && proto == \"udp\""
}
nowhere() {
	TO=$FAR WRONG="at == \"${1:-server}\" && proto == \"udp\""
}

routes() {
	elsewhere
	changes "IPv$FAMILY, a more specific route" "route add $FAR via $NEXT" "route del $FAR via $NEXT"
	elsewhere
	TO=$SERVER
	changes "IPv$FAMILY, a route to a host on link" "route add $SERVER via $NEXT" "route del $SERVER via $NEXT"
	elsewhere
	route del "$FAR_NET" via "$SERVER"
	route add default via "$SERVER"
	changes "IPv$FAMILY, another default route" "route replace default via $NEXT" "route replace default via $SERVER"
	route del default
	route add "$FAR_NET" via "$SERVER"
	nowhere
	changes "IPv$FAMILY, the route is deleted" "route del $FAR_NET" "route add $FAR_NET via $SERVER"
	local kind
	for kind in blackhole unreachable prohibit; do
		nowhere
		changes "IPv$FAMILY, a route is $kind" "route add $kind $FAR" "route del $kind $FAR"
	done
	nowhere client
	RIGHT='at == "server" && proto == "udp"'
	changes "IPv$FAMILY, the way back is a blackhole" "route add blackhole $CLIENT" "route del blackhole $CLIENT"
}

nexthops() {
	ip -n router "-$FAMILY" nexthop add id 1 via "$SERVER" dev wan
	ip -n router "-$FAMILY" nexthop add id 2 via "$NEXT" dev wan
	route add "$FAR" nhid 1
	elsewhere
	changes "IPv$FAMILY, the next-hop object is replaced" \
		"ip -n router -$FAMILY nexthop replace id 1 via $NEXT dev wan" \
		"ip -n router -$FAMILY nexthop replace id 1 via $SERVER dev wan"
	# What is left is the route of the network, which leads nowhere.
	route replace blackhole "$FAR_NET"
	route del "$FAR_NET" via "$SERVER"
	nowhere
	changes "IPv$FAMILY, the next-hop object is deleted" "ip -n router nexthop del id 1" \
		"ip -n router -$FAMILY nexthop add id 1 via $SERVER dev wan; route add $FAR nhid 1"
	route del blackhole "$FAR_NET"
	route del "$FAR"
	ip -n router nexthop flush
	route add "$FAR_NET" via "$SERVER"
}

rules_of_routing() {
	route add default via "$NEXT" table 100
	elsewhere
	changes "IPv$FAMILY, a rule for the destination" "ip -n router -$FAMILY rule add to $FAR table 100" \
		"ip -n router -$FAMILY rule del to $FAR table 100"
	elsewhere
	changes "IPv$FAMILY, a rule for the source" "ip -n router -$FAMILY rule add from $CLIENT table 100" \
		"ip -n router -$FAMILY rule del from $CLIENT table 100"
	ip -n router "-$FAMILY" rule add to "$FAR" pref 100 table 101
	route add default via "$SERVER" table 101
	elsewhere
	changes "IPv$FAMILY, a route in a rule's table" "route replace default via $NEXT table 101" \
		"route replace default via $SERVER table 101"
	elsewhere
	changes "IPv$FAMILY, a rule is deleted for another one" \
		"ip -n router -$FAMILY rule add to $FAR pref 101 table 100; ip -n router -$FAMILY rule del pref 100" \
		"ip -n router -$FAMILY rule add to $FAR pref 100 table 101; ip -n router -$FAMILY rule del pref 101"
	ip -n router "-$FAMILY" rule del pref 100
	route flush table 100
	route flush table 101
}

mtu() {
	TO=$FAR SIZE=1372
	WRONG='at == "server" && size > 1280'
	RIGHT="at == \"client\" && proto == \"$TOO_BIG\""
	changes "IPv$FAMILY, the route has a smaller MTU" "route add $FAR via $SERVER mtu lock 1280" "route del $FAR via $SERVER"
}

policies() {
	local policy="src $CLIENT/$HOST_BITS dst $FAR/$HOST_BITS"
	nowhere
	changes "IPv$FAMILY, an IPsec policy blocks it from coming in" \
		"ip -n router xfrm policy add $policy dir fwd action block" "ip -n router xfrm policy flush"
	nowhere
	changes "IPv$FAMILY, an IPsec policy blocks it from going out" \
		"ip -n router xfrm policy add $policy dir out action block" "ip -n router xfrm policy flush"
}

forwarding() {
	nowhere
	if [ "$FAMILY" = 4 ]; then
		changes "IPv4, forwarding is off" "router sysctl -qw net.ipv4.ip_forward=0" "router sysctl -qw net.ipv4.ip_forward=1"
		nowhere
		changes "IPv4, forwarding is off for the client's port" "router sysctl -qw net.ipv4.conf.lan.forwarding=0" \
			"router sysctl -qw net.ipv4.conf.lan.forwarding=1"
		nowhere client
		RIGHT='at == "server" && proto == "udp"'
		changes "IPv4, forwarding is off for the server's port" "router sysctl -qw net.ipv4.conf.wan.forwarding=0" \
			"router sysctl -qw net.ipv4.conf.wan.forwarding=1"
	else
		changes "IPv6, forwarding is off" "router sysctl -qw net.ipv6.conf.all.forwarding=0" \
			"router sysctl -qw net.ipv6.conf.all.forwarding=1"
	fi
}

# The client's port joins a VRF, where there is no way to the server.
vrf() {
	ip -n router link add vrf1 type vrf table 200
	ip -n router link set vrf1 up
	nowhere
	changes "IPv$FAMILY, the client's port joins a VRF" "ip -n router link set lan master vrf1" leave_vrf
	ip -n router link del vrf1
}
leave_vrf() {
	ip -n router link set lan nomaster
	# It went down and up.
	ip -n router -b - <<-END
		addr replace $LAN6/64 dev lan nodad
		addr replace $VIRTUAL6/64 dev lan nodad
		route replace 10.0.4.0/24 via $CLIENT4
		route replace fd00:4::/64 via $CLIENT6
	END
}

# 1,000 routes come and go, of both families and in another table too.
unrelated() {
	local i
	for ((i = 0; i < 250; i++)); do
		printf 'route %s 10.9.%d.0/24 via %s\n' "$1" $i $SERVER4
		printf 'route %s 10.9.%d.0/24 via %s table 100\n' "$1" $i $NEXT4
		printf 'route %s fd00:9:%x::/64 via %s\n' "$1" $i $SERVER6
		printf 'route %s blackhole fd00:a:%x::/64\n' "$1" $i
	done | ip -n router -b -
}

stale_up
for version in 4 6; do
	family $version
	FAR_NET=10.0.3.0/24
	[ $version = 4 ] || FAR_NET=fd00:3::/64
	routes
	nexthops
	rules_of_routing
	mtu
	policies
	forwarding
	vrf
	TO=$FAR
	stays "IPv$FAMILY, 1,000 routes that do not concern it" "unrelated add && unrelated del"
done
stale_end
