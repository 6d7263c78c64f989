#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Flows in hardware that a change of policy sends elsewhere or nowhere: rules of policy routing, IPsec policies, forwarding that is
# disabled, a VRF.
. "$(dirname "$0")/lib.sh"
. "$SELFTEST/stale.sh"

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

policies() {
	local policy="src $CLIENT/$HOST_BITS dst $FAR/$HOST_BITS"
	nowhere
	polled "IPv$FAMILY, an IPsec policy blocks it from coming in" \
		"ip -n router xfrm policy add $policy dir fwd action block" "ip -n router xfrm policy flush"
	nowhere
	polled "IPv$FAMILY, an IPsec policy blocks it from going out" \
		"ip -n router xfrm policy add $policy dir out action block" "ip -n router xfrm policy flush"
}

forwarding() {
	nowhere
	if [ "$FAMILY" = 4 ]; then
		polled "IPv4, forwarding is off" "router sysctl -qw net.ipv4.ip_forward=0" \
			"router sysctl -qw net.ipv4.ip_forward=1"
		nowhere
		polled "IPv4, forwarding is off for the client's port" "router sysctl -qw net.ipv4.conf.lan.forwarding=0" \
			"router sysctl -qw net.ipv4.conf.lan.forwarding=1"
		nowhere client
		RIGHT='at == "server" && proto == "udp"'
		FEW=20 polled "IPv4, forwarding is off for the server's port" "router sysctl -qw net.ipv4.conf.wan.forwarding=0" \
			"router sysctl -qw net.ipv4.conf.wan.forwarding=1"
	else
		polled "IPv6, forwarding is off" "router sysctl -qw net.ipv6.conf.all.forwarding=0" \
			"router sysctl -qw net.ipv6.conf.all.forwarding=1"
	fi
}

# The port of the client joins a VRF, where there is no route to the server.
vrf() {
	local version
	ip -n router link add vrf1 type vrf table 200
	ip -n router link set vrf1 up
	# Without this route the next rule would use the main table.
	for version in 4 6; do ip -n router -$version route add unreachable default metric 4278198272 table 200; done
	nowhere
	changes "IPv$FAMILY, the client's port joins a VRF" "ip -n router link set lan master vrf1" leave_vrf
	ip -n router link del vrf1
	for version in 4 6; do ip -n router -$version route flush table 200; done
}
leave_vrf() {
	local version
	ip -n router link set lan nomaster
	# The port went down and up.
	ip -n router -b - <<-END
		addr replace $LAN6/64 dev lan nodad
		addr replace $VIRTUAL6/64 dev lan nodad
		route replace 10.0.4.0/24 via $CLIENT4
		route replace fd00:4::/64 via $CLIENT6
	END
}

stale_up
for version in 4 6; do
	family $version
	tests_run rules_of_routing policies forwarding vrf
done
stale_end
