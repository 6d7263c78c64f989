#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The memory of a flow in hardware, with our type and with the in-tree type; nothing may be left of it; a dump of all flows. Runs in
# the kernel of uml.sh. TAP, with the figures as comments.
#
#   memory.sh FLOWS
set -u
# shellcheck source=tests/bench/lib.sh
. "$TOP/tests/bench/lib.sh"

FLOWS=$1
# Upper bounds: the record of a flow, and with its part of the tables that find it and its matches.
LIMIT=136
LIMIT_ALL=160

at_most() { [ "$1" -le "$2" ] || { echo "# $1, more than $2"; return 1; }; }

# slabs FILE: prints name, objects, their size, bytes of pages of each cache; bytes of all memory in use.
slabs() {
	local shrink
	settled
	for shrink in /sys/kernel/slab/*/shrink; do echo 1 >"$shrink"; done
	{
		awk 'NR > 2 && $3 { print $1, $2, $4, $3 / $5 * $6 * 4096 }' /proc/slabinfo
		awk '/^MemFree:/ { print "memory", 0, 0, -$2 * 1024 }' /proc/meminfo
	} >"$1"
}

# growth BEFORE AFTER: prints name, objects a flow, object size, bytes of pages a flow, of caches that have grown.
growth() {
	awk -v n="$FLOWS" 'NR == FNR { o[$1] = $2; p[$1] = $4; next }
		($2 - o[$1]) / n >= 0.02 || ($4 - p[$1]) / n >= 2 {
			printf "%s %.4f %d %.1f\n", $1, ($2 - o[$1]) / n, $3, ($4 - p[$1]) / n }' "$1" "$2"
}

# nothing_left BEFORE AFTER GROWN: a condition: no cache that has grown with the flows keeps over one object for 100 flows.
nothing_left() {
	awk -v n="$FLOWS" 'FILENAME == ARGV[1] { o[$1] = $2; next }
		FILENAME == ARGV[3] { grown[$1] = 1; next }
		{ now[$1] = $2 }
		END { for (c in grown) if (now[c] - o[c] > n / 100) { print "# left: " now[c] - o[c] " of " c; bad = 1 }
			exit bad }' "$@"
}

seconds() { awk -v ns="$1" 'BEGIN { printf "%.2f s", ns / 1e9 }'; }

# measure TYPE
measure() {
	local type=$1 start
	load "$type"
	ruleset 2
	slabs /run/before
	bench add "$FLOWS" mix
	echo "# $type: $FLOWS flows added in $(seconds "$(ask ns)"), $(($(ask ns) / FLOWS)) ns a flow," \
		"$(ask replaces) calls of the driver"
	check "$type: all flows are in hardware" is "$(ask rules)" $((FLOWS * ($(ask replaces) / FLOWS)))
	bench grow
	slabs /run/after
	growth /run/before /run/after >"/run/$type"
	cp "/run/$type" "$VM_OUT/slabs.$type"
	if [ "$type" = ours ]; then
		dump >/run/dump
		dumped() { awk -v n="$1" '$1 == n { print $2 }' /run/dump; }
		check "a dump has each flow" is "$(dumped flows)" "$FLOWS"
		check "none of them twice" is "$(dumped twice)" 0
		check "all of them in hardware" is "$(dumped hardware)" "$FLOWS"
		check "a dump takes at most 4 MB of memory" at_most "$(dumped memory_kb)" 4096
		echo "# dump: $(seconds "$(dumped ns)"), of the processor $(seconds "$(dumped kernel_ns)") in the kernel:" \
			"$((FLOWS * 1000 / ($(dumped kernel_ns) / 1000000))) flows a second, $(dumped packets) packets" \
			"of at most $(dumped largest) bytes, $(dumped memory_kb) kB of memory"
	fi
	start=$(date +%s%N)
	nft delete table inet bench
	echo "# $type: table deleted in $(seconds $(($(date +%s%N) - start)))"
	if [ "$type" = ours ]; then
		check "no rule is left in the driver" is "$(ask rules) $(ask trace)" "0 0"
	else
		echo "# $type: $(ask rules) rules are left in the driver"
	fi
	bench forget
	unload "$type"
	slabs /run/end
	check "$type: no memory is left" nothing_left /run/before /run/end "/run/$type"
}

echo "TAP version 13"
prepare
devices 2
measure c
rmmod nfto_bench
insmod "$BUILD/bench/nfto_bench.ko"
devices 2
measure ours

# The share of the module: what our type uses beyond the in-tree type.
awk 'NR == FNR { o[$1] = $2; p[$1] = $4; if ($1 == "memory") all = $4; next }
	{ d = $2 - o[$1]; q = $4 - p[$1]; seen[$1] = 1
	  if ($1 == "memory") memory = q; else slabs += q
	  if (d >= 0.02 || d <= -0.02) { print "# module: " d " objects of " $1 " (" $3 " bytes) a flow"; objects += d * $3 } }
	END { for (c in p) if (!(c in seen)) slabs -= p[c]
	  printf "# core and conntrack: %.0f bytes a flow\n", all
	  printf "# module: %.0f bytes a flow for its record, %.0f for the tables by which it and its matches are found\n",
		objects, memory - slabs
	  printf "# module: %.0f bytes a flow, all of it\n", memory
	  printf "%.0f\n", objects > "/run/record"
	  printf "%.0f\n", memory > "/run/all" }' /run/c /run/ours
check "the record of a flow takes at most $LIMIT bytes" at_most "$(cat /run/record)" $LIMIT
check "there is a record" test "$(cat /run/record)" -gt 0
check "all that the module keeps of a flow takes at most $LIMIT_ALL bytes" at_most "$(cat /run/all)" $LIMIT_ALL
echo "1..$COUNT"
