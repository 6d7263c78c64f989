#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Flows in hardware whose next hop gets another MAC, is deleted or fails: on link and behind a gateway, towards the server and
# towards the client, IPv4 and IPv6. And next hops of flows in hardware are kept alive.
. "$(dirname "$0")/lib.sh"
. "$SELFTEST/stale.sh"

neigh() { ip -n router neigh "$@"; }
# forget ADDRESS DEVICE: deletes a neighbour. learn ADDRESS DEVICE MAC: adds one.
forget() { neigh del "$1" dev "$2"; }
learn() { neigh replace "$1" lladdr "$3" dev "$2" nud reachable; }

# to_server, to_client: set up a case in which the next hop on this side changes.
to_server() {
	WRONG="at == \"server\" && dmac == \"$SERVER_MAC\" && proto == \"udp\""
	RIGHT="at == \"server\" && dmac == \"$STRANGE_MAC\" && proto == \"udp\""
}
to_client() {
	WRONG="at == \"client\" && dmac == \"$CLIENT_MAC\" && proto == \"udp\""
	RIGHT="at == \"client\" && dmac == \"$STRANGE_MAC\" && proto == \"udp\""
}

mac_changes() {
	to_server
	changes "IPv$FAMILY, the server's MAC" "learn $SERVER wan $STRANGE_MAC" "learn $SERVER wan $SERVER_MAC"
	TO=$FAR
	to_server
	changes "IPv$FAMILY, the MAC of the server's gateway" "learn $SERVER wan $STRANGE_MAC" "learn $SERVER wan $SERVER_MAC"
	to_client
	changes "IPv$FAMILY, the client's MAC" "learn $CLIENT lan $STRANGE_MAC" "learn $CLIENT lan $CLIENT_MAC"
	FROM=near TO=$FAR
	to_client
	changes "IPv$FAMILY, the MAC of the client's gateway" "learn $CLIENT lan $STRANGE_MAC" "learn $CLIENT lan $CLIENT_MAC"
}

# The server gets another MAC and announces it.
server_moves() {
	server sysctl -qw net.ipv4.conf.eth.arp_notify=1 net.ipv6.conf.eth.ndisc_notify=1
	to_server
	RIGHT="at == \"client\" && proto == \"udp\""
	changes "IPv$FAMILY, the server has another MAC and announces it" "ip -n server link set eth address $STRANGE_MAC" \
		"ip -n server link set eth address $SERVER_MAC; learn $SERVER wan $SERVER_MAC"
}

# Nothing is sent to an unknown next hop; a host that is there is resolved again.
deleted() {
	local side
	for side in "server $SERVER wan $SERVER_MAC" "client $CLIENT lan $CLIENT_MAC"; do
		# shellcheck disable=SC2086 # words
		set -- $side
		USUAL='at == "client" && proto == "udp"' RIGHT=$USUAL
		changes "IPv$FAMILY, the entry of the $1 is deleted" "forget $2 $3" "learn $2 $3 $4"
		"to_$1"
		RIGHT=''
		# Without replies the neighbour is not resolved again.
		changes "IPv$FAMILY, the $1 does not answer any more" "silent $1 && neigh change $2 dev $3 nud failed" \
			"talking $1; learn $2 $3 $4"
	done
}
# silent HOST: it neither receives nor sends ARP and neighbour discovery. talking HOST: undoes this.
silent() {
	local address router_mac=$LAN_MAC
	[ "$1" = client ] || router_mac=$WAN_MAC
	for address in "$LAN" "$WAN"; do
		ip -n "$1" neigh replace "$address" lladdr "$router_mac" dev eth nud permanent
	done
	in_ns "$1" nft -f - <<-'END'
		table netdev silent {
			chain in {
				type filter hook ingress device eth priority 0;
				ether type arp drop
				icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } drop
			}
		}
	END
}
talking() {
	in_ns "$1" nft delete table netdev silent
	ip -n "$1" neigh flush dev eth nud permanent
}

# With short times, unconfirmed entries become stale and are collected.
short_times() { # REACHABLE_MS GC_STALE_S GC_THRESH
	local version
	for version in ipv4 ipv6; do
		router sysctl -qw net.$version.neigh.{lan,wan}.base_reachable_time_ms="$1" net.$version.neigh.{lan,wan}.gc_stale_time="$2"
		sysctl -qw net.$version.neigh.default.gc_thresh1="$3"
	done
}
kept_alive() {
	local started mode name streams version
	short_times 1000 2 0
	for mode in "${MODES[@]}"; do
		PORT=$((PORT + 1)) name="flows of 12 s, $mode"
		load "$mode"
		now
		started=$NOW
		stream_on client $SERVER4
		streams=$STREAM
		stream_on client $SERVER6
		streams+=" $STREAM"
		for version in "$SERVER4" "$SERVER6"; do
			check "$name: traffic flows" busywait 5 arrive 5 "$started" "at == \"client\" && src == \"$version\""
		done
		! in_hardware "$mode" || check "$name: they are in hardware" busywait 5 have_rules 4
		BEFORE=$(same_rules)
		nic_stat dels
		DELS=$STAT
		now
		started=$NOW
		sleep 12
		check_between "$name: nothing is lost" "$(frames "$started" 9e15 'at == "client" && proto == "udp"')" 1000 1400
		for version in 4 6; do
			family $version
			diag "$name: $(neigh show to "$SERVER" dev wan), $(neigh show to "$CLIENT" dev lan)"
			check "$name: the server's IPv$version is known" known "$SERVER" wan
			check "$name: the client's IPv$version is known" known "$CLIENT" lan
		done
		if in_hardware "$mode"; then
			check_is "$name: the same rules" "$(same_rules)" "$BEFORE"
			nic_stat dels
			check_is "$name: none was deleted" $((STAT - DELS)) 0
		fi
		# shellcheck disable=SC2086 # a list
		hush $streams
		STREAM=
		end_case
	done
	short_times 30000 60 128
}
known() { neigh show to "$1" dev "$2" | grep -qE 'lladdr .*(REACHABLE|STALE|DELAY|PROBE)'; }

stale_up
for version in 4 6; do
	family $version
	tests_run mac_changes server_moves deleted
done
tests_run kept_alive
stale_end
