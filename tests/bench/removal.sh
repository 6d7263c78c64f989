#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# How long others wait while a device with many flows leaves: ip link set in another network namespace, a dump of the devices, a
# REPLACE of the same flowtable (which takes at least the locks that one of another flowtable takes). Runs in the kernel of uml.sh.
# It has one processor, so the times are compared with the wait for a process that only computes.
#
#   removal.sh FLOWS COST_NS TYPE...
set -u
# shellcheck source=tests/bench/lib.sh
. "$TOP/tests/bench/lib.sh"

FLOWS=$1 COST=$2
shift 2

# waiting NAME COMMAND...: starts a measurement.
waiting() {
	local name=$1
	shift
	"$@" >"/run/waits.$name" &
	PIDS+=($!)
}
start_waiting() {
	PIDS=()
	waiting link ip netns exec other "$BUILD/waits" link
	[ "$1" = ours ] || return 0
	waiting dump "$BUILD/waits" dump
	waiting replace "$BUILD/waits" replace "$BENCH/command"
}
stop_waiting() { # stop_waiting WHAT
	local name
	kill "${PIDS[@]}" && wait "${PIDS[@]}"
	for name in link dump replace; do
		[ -e "/run/waits.$name" ] || continue
		awk -v what="$1" '{ printf "# %s: %s: %d times, longest %.1f ms, 99 %% below %.1f ms\n", what, $1, $2, $3 / 1e3, $4 / 1e3 }' \
			"/run/waits.$name"
		rm "/run/waits.$name"
	done
}

measure() { # measure TYPE
	local start hog
	load "$1"
	ruleset 3
	nft add flowtable inet bench ft2 '{ hook ingress priority filter; devices = { bench3 }; flags offload; }' ||
		fail "the second flowtable does not load"
	bench add "$FLOWS" v4udp
	echo "# $1: $(ask rules) rules of $FLOWS flows"
	start_waiting "$1"
	sleep 3
	stop_waiting "$1, nothing happens"
	while :; do :; done &
	hog=$!
	start_waiting "$1"
	sleep 10
	stop_waiting "$1, a process computes"
	kill $hog
	wait $hog
	echo "$COST" >"$BENCH/cost_ns"
	start_waiting "$1"
	start=$(date +%s%N)
	nft delete flowtable inet bench ft '{ hook ingress priority filter; devices = { bench1 }; }'
	echo "# $1: bench1 has left after $((($(date +%s%N) - start) / 1000000)) ms, $(ask rules) rules are left," \
		"$(ask all_destroys) DESTROYs, $(ask all_stats) STATS of $COST ns each"
	stop_waiting "$1, bench1 leaves"
	start=$(date +%s%N)
	nft delete flowtable inet bench ft '{ hook ingress priority filter; devices = { bench2 }; }'
	echo "# $1: bench2, which has no flow, has left after $((($(date +%s%N) - start) / 1000000)) ms"
	echo 0 >"$BENCH/cost_ns"
	nft delete table inet bench
	bench forget
	unload "$1"
}

ip netns add other
for type; do
	prepare
	devices 4
	echo 2 >"$BENCH/spare"
	measure "$type"
	rmmod nfto_bench
done
