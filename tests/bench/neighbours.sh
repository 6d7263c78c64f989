#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The cost of flowtables in other network namespaces: the time for an MTU change of a device, a REPLACE and nft -f in this namespace
# with and without 2,000 flowtables in 500 others, by turns, unless ROUNDS is 0. Thousands of flowtables that come and go leave no
# memory, and few lines in the log, unless FLOWTABLES is 0. Runs in the kernel of uml.sh. TAP; the times are only printed.
#
#   neighbours.sh ROUNDS FLOWTABLES TYPE...
#
# The in-tree type refuses a device without offload, so its flowtables have no "flags offload", and it gets no callbacks.
set -u
# shellcheck source=tests/bench/lib.sh
. "$TOP/tests/bench/lib.sh"

ROUNDS=$1 FLOWTABLES=$2
shift 2
NAMESPACES=500 EACH=4

flags() { [ "$1" = c ] || echo 'flags offload;'; }

# takes OPERATION COMMAND...: prints the median in microseconds of the operation that waits repeats for two seconds.
takes() {
	timeout -s TERM 2 "$BUILD/waits" "$@" | cut -d' ' -f5
}

# neighbours TYPE: creates the flowtables in other namespaces; alone: removes them with their namespaces.
neighbours() {
	local i n
	for ((i = 0; i < EACH; i++)); do
		echo "table inet t$i { flowtable f { hook ingress priority $i; devices = { lo }; $(flags "$1") }; }"
	done >/run/neighbour.nft
	for ((n = 0; n < NAMESPACES; n++)); do
		ip netns add "n$n" || fail "namespace $n"
		ip netns exec "n$n" nft -f /run/neighbour.nft || fail "flowtables of namespace $n"
	done
}
alone() {
	local n
	for ((n = 0; n < NAMESPACES; n++)); do ip netns del "n$n"; done
	for ((n = 0; n < 100; n++)); do
		[ "$(uses)" -gt "$HERE" ] || return 0
		sleep 0.2
	done
	fail "the flowtables of other namespaces stay"
}
uses() { cat "/sys/module/$(module "$TYPE")/refcnt"; }

# measured LABEL: appends "OPERATION LABEL MICROSECONDS" to /run/times.
measured() {
	echo "link $1 $(takes link)"
	[ "$TYPE" = c ] || echo "replace $1 $(takes replace "$BENCH/command")"
	echo "nft $1 $(takes run nft -f /run/here.nft)"
} >>/run/times

# ratios: prints the median over the rounds, with neighbours and without them.
ratios() {
	local op without with
	for op in link replace nft; do
		without=$(middle $op without) with=$(middle $op with)
		[ -n "$with" ] || continue
		awk -v t="$TYPE" -v op=$op -v a="$without" -v b="$with" 'BEGIN { printf "# %s: %s: %d us without, %d us with them: %.3f\n", t, op, a, b, b / a }'
	done
}
middle() { awk -v op="$1" -v l="$2" '$1 == op && $2 == l { print $3 }' /run/times | sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

measure() {
	local round
	: >/run/times
	{
		echo 'add table inet here; delete table inet here'
		echo "table inet here { flowtable f { hook ingress priority 9; devices = { bench1 }; $(flags "$TYPE") }; }"
	} >/run/here.nft
	nft -f /run/here.nft || fail "the flowtable of this namespace does not load"
	HERE=$(uses)
	for ((round = 0; round < ROUNDS; round++)); do
		measured without
		neighbours "$TYPE"
		[ "$(uses)" -gt $((NAMESPACES * EACH)) ] || fail "$(uses) flowtables"
		measured with
		alone
	done
	ratios
	nft delete table inet here
}

# come_and_go N: N flowtables, 500 at a time, each in its own table, which nf_tables requires for a shared device.
come_and_go() {
	local n
	for ((n = 0; n < 500; n++)); do
		echo "table inet many$n { flowtable f { hook ingress priority $n; devices = { bench1, lo }; flags offload; }; }"
	done >/run/many.add
	for ((n = 0; n < 500; n++)); do echo "delete table inet many$n"; done >/run/many.delete
	cat /run/many.add /run/many.delete >/run/many.nft
	# In one transaction, and in two.
	for ((n = 0; n < $1; n += 1000)); do
		nft -f /run/many.nft && nft -f /run/many.add && nft -f /run/many.delete || return
	done
}
kilobytes() {
	settled
	awk '/^(Slab|PageTables|Percpu|VmallocUsed|KernelStack):/ { n += $2 } END { print n }' /proc/meminfo
}
lines() { dmesg | sed -n "/$MARK/,\$p" | grep -c 'nft_offload: '; }
at_most() { [ "$1" -le "$2" ] || { echo "# $1, more than $2"; return 1; }; }

echo "TAP version 13"
for TYPE; do
	prepare
	devices 2
	load "$TYPE"
	ruleset 1
	bench add 1 v4udp
	MARK="neighbours $RANDOM$RANDOM"
	echo "$MARK" >/dev/kmsg
	[ "$ROUNDS" = 0 ] || measure
	if [ "$TYPE" = ours ] && [ "$FLOWTABLES" != 0 ]; then
		# The first thousand warms up the caches before memory is counted.
		come_and_go 1000
		before=$(kilobytes)
		check "$FLOWTABLES flowtables come and go" come_and_go "$FLOWTABLES"
		after=$(kilobytes)
		echo "# $before KiB of the kernel before, $after KiB after, $(lines) lines in the log"
		# A quarter of a KiB for each: about 500 KiB are in use at the end, whether 3,000 or 12,000 have come and gone.
		check "they leave no memory" at_most $((after - before)) $((FLOWTABLES / 4))
		check "all of this leaves at most 20 lines in the log" at_most "$(lines)" 20
	fi
	nft delete table inet bench
	bench forget
	unload "$TYPE"
	rmmod nfto_bench
done
echo "1..$COUNT"
