#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Flows in hardware whose conntrack entry is deleted, and their successors: another host that gets the NAT port, the same client
# with the same source port.
. "$(dirname "$0")/lib.sh"
. "$SELFTEST/stale.sh"

TO_CLIENT='at == "client" && proto == "udp"'

# forget_entry: deletes the conntrack entry of the flow. quietly COMMAND...: runs the command after the client has stopped.
forget_entry() { router conntrack -D -f "ipv$FAMILY" -p udp --orig-port-src "$PORT"; }
quietly() {
	hush "$STREAM"
	STREAM=
	"$@"
}
flush_entries() { router conntrack -F; }

deleted() {
	USUAL=$TO_CLIENT RIGHT=$TO_CLIENT
	changes "IPv$FAMILY, conntrack -D of a busy flow" forget_entry
	USUAL=$TO_CLIENT RIGHT=$TO_CLIENT
	changes "IPv$FAMILY, conntrack -F with a busy flow" flush_entries
	USUAL=$TO_CLIENT
	changes "IPv$FAMILY, conntrack -D of a silent flow" "quietly forget_entry"
	USUAL=$TO_CLIENT
	changes "IPv$FAMILY, conntrack -F with a silent flow" "quietly flush_entries"
}

# nat STATEMENT: loads a ruleset like masquerade.nft with this statement for TCP and UDP.
nat() {
	sed "s/oifname .outside masquerade/oifname wan meta l4proto { tcp, udp } $1/" "$RULESETS/masquerade.nft" >"$RULESET_FILE"
	grep -q "$1" "$RULESET_FILE"
}

# The flow of the client has the only port of the NAT; when it is deleted, the near host gets it, with the same source port.
port_taken() {
	nat "masquerade to :20000"
	WRONG="$TO_CLIENT && dst == \"$CLIENT\"" RIGHT="$TO_CLIENT && dst == \"$NEAR\""
	changes "IPv$FAMILY, another host gets the NAT port" take_port
}
take_port() {
	quietly forget_entry
	stream_on near "$SERVER"
}

# 20 connections from one port, one right after the other, each with another port of the NAT.
port_again() { # fin|rst
	local mode name i begun slow resets failed
	nat "masquerade random,fully-random"
	# A closed connection does not occupy the port of the client.
	client sysctl -qw net.ipv4.tcp_max_tw_buckets=0
	for mode in "${MODES[@]}"; do
		PORT=$((PORT + 1)) name="IPv$FAMILY, the same port again after $1, $mode" slow=0 failed=0
		load "$mode"
		resets=$(resets_of_server)
		nic_stat adds
		DELS=$STAT
		for ((i = 0; i < 20; i++)); do
			now
			begun=$NOW
			exchange tcp "$SERVER" -b "$PORT" -n 8 -i 10 -w 1500 -e "$1" >/dev/null 2>&1 || failed=$((failed + 1))
			now
			[ $((NOW - begun)) -lt 700000 ] || slow=$((slow + 1))
		done
		resets=$(($(resets_of_server) - resets))
		diag "$name: of 20 exchanges $slow were slower than 0.7 s and $failed failed; $resets RSTs from the server"
		if in_hardware "$mode"; then
			nic_stat adds
			check_between "$name: they were in hardware" $((STAT - DELS)) 2 100
		fi
		check_is "$name: slow ones, failed ones, RSTs from the server" "$slow $failed $resets" "0 0 0"
		end_case
	done
}
port_again_after_rst() { port_again rst; }
port_again_after_fin() { port_again fin; }
resets_of_server() {
	server cat /proc/self/net/snmp | awk '$1 != "Tcp:" { next }
		!n { n = split($0, names); next }
		{ for (i = 2; i <= n; i++) if (names[i] == "OutRsts") print $i }'
}

stale_up
for version in 4 6; do
	family $version
	tests_run deleted
done
RULESET_FILE=/tmp/nat.nft
for version in 4 6; do
	family $version
	tests_run port_taken port_again_after_rst port_again_after_fin
done
stale_end
