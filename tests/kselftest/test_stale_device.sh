#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Flows in hardware over devices that go down or are deleted, or get another MAC, MTU, name, address or namespace: a VLAN device on
# the port towards the server, the port itself, and PPPoE sessions that end and are dialled again.
. "$(dirname "$0")/lib.sh"
. "$SELFTEST/stale.sh"

TO_SERVER='at == "server" && proto == "udp"' TO_CLIENT='at == "client" && proto == "udp"'

# addresses_on NAMESPACE DEVICE: moves the outer addresses of router or server to this device.
addresses_on() {
	local dev own4=$WAN4 own6=$WAN6
	[ "$1" = router ] || own4=$SERVER4 own6=$SERVER6
	for dev in wan wan.20 eth eth.20 ppp0; do ip -n "$1" addr flush dev $dev scope global 2>/dev/null; done
	ip -n "$1" -b - <<-END || return 1
		addr replace $own4/24 dev $2
		addr replace $own6/64 dev $2 nodad
	END
	[ "$1" = router ] || ip -n "$1" -b - <<-END
		route replace default via $WAN4 dev $2
		route replace default via $WAN6 dev $2
	END
}

# --- a VLAN device ---------------------------------------------------------------------------------------------------

# vlan_again: sets up wan.20 as each case expects it.
vlan_again() {
	ip -n router link del wan.20 2>/dev/null
	ip -n router link add link wan name wan.20 type vlan id 20
	ip -n router link set wan.20 up
	addresses_on router wan.20
}
vlan_up() {
	ip -n server link add link eth name eth.20 type vlan id 20
	ip -n server link set eth.20 up
	addresses_on server eth.20 && vlan_again
}
vlan_down() {
	ip -n router link del wan.20
	addresses_on router wan
	addresses_on server eth
	ip -n server link del eth.20
}

vlan() {
	check "a VLAN" vlan_up
	WRONG=$TO_SERVER
	changes "IPv$FAMILY, the VLAN device goes down" "ip -n router link set wan.20 down" vlan_again
	WRONG=$TO_SERVER
	changes "IPv$FAMILY, the VLAN device is deleted" "ip -n router link del wan.20" vlan_again
	WRONG=$TO_SERVER
	changes "IPv$FAMILY, the VLAN device moves to another namespace" "ip -n router link set wan.20 netns near" \
		"ip -n near link del wan.20; vlan_again"
	WRONG=$TO_SERVER
	changes "IPv$FAMILY, the port below goes down" "ip -n router link set wan down" "ip -n router link set wan up; vlan_again"
	# Only the name changes.
	RIGHT=$TO_CLIENT KEEPS=1
	changes "IPv$FAMILY, the VLAN device is renamed" "ip -n router link set wan.20 name uplink" \
		"ip -n router link set uplink name wan.20"
	WRONG=$TO_SERVER
	changes "IPv$FAMILY, the router's address is removed" "ip -n router addr flush dev wan.20 scope global" vlan_again
	SIZE=1372
	WRONG='at == "server" && size > 1280' RIGHT="at == \"client\" && proto == \"$TOO_BIG\""
	changes "IPv$FAMILY, the VLAN device has a smaller MTU" "ip -n router link set wan.20 mtu 1280" vlan_again
	# In the rule, but not in the route.
	RIGHT=$TO_SERVER AFTER=has_priority
	changes "IPv$FAMILY, the VLAN device has other priorities" "ip -n router link set wan.20 type vlan egress-qos-map 0:5" vlan_again
	vlan_down
}
has_priority() { check "$1: the rule has the new one" busywait 5 grep -q "prio=5" "$NIC/rules"; }

# --- the port --------------------------------------------------------------------------------------------------------

port() {
	SIZE=1372
	WRONG='at == "server" && size > 1280' RIGHT="at == \"client\" && proto == \"$TOO_BIG\""
	changes "IPv$FAMILY, the port has a smaller MTU" "ip -n router link set wan mtu 1280" "ip -n router link set wan mtu 1500"
	WRONG="$TO_SERVER && smac == \"$WAN_MAC\"" RIGHT="$TO_SERVER && smac == \"$STRANGE_MAC\""
	router sysctl -qw net.ipv4.conf.wan.arp_notify=1 net.ipv6.conf.wan.ndisc_notify=1
	changes "IPv$FAMILY, the port has another MAC" "ip -n router link set wan address $STRANGE_MAC" \
		"ip -n router link set wan address $WAN_MAC"
}

# --- PPPoE -----------------------------------------------------------------------------------------------------------

# dial SESSION: sets up both ends of a session, always with the same addresses. hang_up: ends both; router_hangs_up: ends one.
SESSIONS=''
dial() {
	local ns dev peer
	while read -r ns dev peer; do
		nsenter --net="/run/netns/$ns" -- "$SELFTEST/tools/pppoe.py" "$dev" "$1" "$peer" >/dev/null 2>&1 &
		SESSIONS+=" $!"
	done <<-END
		router wan $SERVER_MAC
		server eth $WAN_MAC
	END
	for ns in router server; do
		busywait 20 ip -n $ns link show dev ppp0 || return 1
		ip -n $ns link set ppp0 mtu 1492 up
	done
	addresses_on router ppp0 && addresses_on server ppp0
}
hang_up() {
	# shellcheck disable=SC2086 # a list
	hush $SESSIONS
	SESSIONS=''
}
router_hangs_up() {
	local words
	read -ra words <<<"$SESSIONS"
	hush "${words[0]}"
}
redial() { hang_up && dial "$1"; }

# session NAME: results: with the kinds of NIC that support PPPoE.
session() {
	local what=$1
	check "$what: a session" dial 100
	WRONG="$TO_SERVER && headers == \"pppoe:100\""
	changes "$what: the session ends" router_hangs_up "redial 100"
	WRONG="$TO_SERVER && headers == \"pppoe:100\"" RIGHT="$TO_SERVER && headers == \"pppoe:101\"" AFTER=answered
	changes "$what: it is dialled again" "redial 101" "redial 100"
	hang_up
}
pppoe() { session "IPv$FAMILY, PPPoE"; }
pppoe_with_masquerade() {
	local RULESET=masquerade
	session "IPv4, PPPoE with masquerade"
}
# answered NAME: a result: the new session carries replies.
answered() { check "$1: there are answers" busywait 2 arrive $ENOUGH "$EVENT_AT" "$TO_CLIENT"; }

stale_up
for version in 4 6; do
	family $version
	tests_run vlan port
done
knows_pppoe() {
	[ -n "$INTREE" ] ||
		{ busywait 5 rmmod nft_offload && echo mtk >"$NIC/profile" && modprobe nft_offload profile=lan:mtk,wan:mtk; }
}
check "the NIC knows PPPoE" knows_pppoe
for version in 4 6; do
	family $version
	tests_run pppoe
done
family 4
tests_run pppoe_with_masquerade
stale_end
