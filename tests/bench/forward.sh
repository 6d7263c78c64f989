#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# How many of the forwarded packets the CPU of the router sees: a TCP connection and a UDP flow through the test bed of the
# kselftests with its simulated NIC, the flowtable in software and in hardware. Runs in the kernel of uml.sh. Prints lines as
# measure.sh does, in packets per million; calls of the driver are not counted.
#
#   forward.sh PACKETS TYPE...	PACKETS: the least number of packets of each
set -u
# shellcheck source=tests/bench/lib.sh
. "$TOP/tests/bench/lib.sh"

PACKETS=$1
shift

# The test bed loads its modules with modprobe.
modprobe() { insmod "$BUILD/$1/$1.ko"; }
export NFT_OFFLOAD_TRAFFIC=$BUILD/traffic
# shellcheck source=tests/kselftest/lib.sh
. "$TOP/tests/kselftest/lib.sh"

# received: prints the packets that client and server have received.
received() {
	local ns sum=0
	for ns in client server; do
		sum=$((sum + $(ip -n $ns -s -j link show dev eth | jq '.[0].stats64.rx.packets')))
	done
	echo $sum
}

# handled: prints the packets that the CPU of the router has received.
handled() { echo $(($(cpu tcp) + $(cpu udp))); }

listening() { server ss -Hln"${1:0:1}" sport = 5201 | grep -q .; }
# traffic tcp|udp
traffic() {
	server "$BUILD/flood" sink "$1" 5201 &
	busywait 5 listening "$1" || fail "the sink"
	client "$BUILD/flood" source "$1" $SERVER4 5201 "$PACKETS" || fail "the source"
	kill $! 2>/dev/null
	wait $!
}
# measure software|offload tcp|udp
measure() {
	local packets cpu nic
	packets=$(received) cpu=$(handled) nic=$(hw_packets)
	traffic "$2"
	packets=$(($(received) - packets)) cpu=$(($(handled) - cpu)) nic=$(($(hw_packets) - nic))
	echo "# $TYPE $1 $2: $packets packets, $nic by the NIC, $cpu by the CPU, after $SECONDS s" >&2
	[ $packets -ge "$PACKETS" ] || fail "$packets packets arrived instead of $PACKETS"
	# Each packet has gone one of the two ways.
	[ $((cpu + nic)) -ge "$PACKETS" ] || fail "packets went elsewhere"
	awk -v what="CPU packets per million, $1, ${2^^}" -v type="$TYPE" -v a=$cpu -v b=$packets \
		'BEGIN { printf "%s\t%s\t%.1f\t0\t0\t0\n", what, type, a * 1e6 / b }'
}

bed_up >/dev/null || fail "the test bed"
# This hardware accepts the rules of the in-tree type as well.
echo mlx5 >"$NIC/profile"
# An interrupt is a signal of the host here, as expensive as many packets.
for port in "client eth" "router lan" "router wan" "server eth"; do
	in_ns "${port% *}" ethtool -C "${port#* }" rx-usecs 200 || fail "ethtool -C"
done
for TYPE; do
	load "$TYPE"
	for mode in software offload; do
		ruleset forward $mode || fail "the ruleset does not load"
		for protocol in tcp udp; do measure $mode $protocol; done
		# The flows end before their table, or the in-tree type leaves their rules in the NIC.
		router conntrack -F >/dev/null 2>&1
		busywait 10 rules_are 0 || fail "$(rules) rules are left in the NIC"
		no_ruleset
	done
	unload "$TYPE"
done
