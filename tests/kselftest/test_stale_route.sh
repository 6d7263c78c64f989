#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Flows in hardware whose packets go elsewhere or nowhere after a change: routes, their MTU, next-hop objects. Changes of routes that
# do not concern them have no effect.
. "$(dirname "$0")/lib.sh"
. "$SELFTEST/stale.sh"

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
	FEW=20 changes "IPv$FAMILY, the way back is a blackhole" "route add blackhole $CLIENT" "route del blackhole $CLIENT"
}

nexthops() {
	ip -n router "-$FAMILY" nexthop add id 1 via "$SERVER" dev wan
	ip -n router "-$FAMILY" nexthop add id 2 via "$NEXT" dev wan
	route add "$FAR" nhid 1
	elsewhere
	polled "IPv$FAMILY, the next-hop object is replaced" \
		"ip -n router -$FAMILY nexthop replace id 1 via $NEXT dev wan" \
		"ip -n router -$FAMILY nexthop replace id 1 via $SERVER dev wan"
	# The remaining route is the one of the network, which leads nowhere.
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

mtu() {
	TO=$FAR SIZE=1372
	WRONG='at == "server" && size > 1280'
	RIGHT="at == \"client\" && proto == \"$TOO_BIG\""
	changes "IPv$FAMILY, the route has a smaller MTU" "route add $FAR via $SERVER mtu lock 1280" "route del $FAR via $SERVER"
}

# The next hop stays, and an Ethernet device sends these packets as before; but a flow cannot hold an encapsulation of the route.
encap() {
	TO=$FAR RIGHT='at == "server" && proto == "udp"' AFTER=stays_away
	local kind=ip
	[ "$FAMILY" = 4 ] || kind=ip6
	changes "IPv$FAMILY, the route is one through a lightweight tunnel" \
		"route add $FAR encap $kind id 7 dst $SERVER via $SERVER dev wan" "route del $FAR"
}
stays_away() { check_is "$1: no rule comes back" "$(rules)" 0; }

# 1,000 routes are added and deleted, of both families and in another table as well.
unrelated() {
	local i
	for ((i = 0; i < 250; i++)); do
		printf 'route %s 10.9.%d.0/24 via %s\n' "$1" $i $SERVER4
		printf 'route %s 10.9.%d.0/24 via %s table 100\n' "$1" $i $NEXT4
		printf 'route %s fd00:9:%x::/64 via %s\n' "$1" $i $SERVER6
		printf 'route %s blackhole fd00:a:%x::/64\n' "$1" $i
	done | ip -n router -b -
}
unrelated_routes() { stays "1,000 routes that do not concern it" "unrelated add && unrelated del"; }

stale_up
tests_run unrelated_routes
for version in 4 6; do
	family $version
	FAR_NET=10.0.3.0/24
	[ $version = 4 ] || FAR_NET=fd00:3::/64
	tests_run routes nexthops mtu encap
done
stale_end
