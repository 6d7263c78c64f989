#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The cost of route and neighbour changes: the time from a change that concerns all flows until the last rule is removed, and the
# processor time for many changes that concern none. Runs in the kernel of uml.sh, which has one processor. TAP; the times are only
# printed, the rules are counted.
#
#   storm.sh CONCERNED COST_NS ROUNDS FLOWS RATE SECONDS TYPE...
set -u
# shellcheck source=tests/bench/lib.sh
. "$TOP/tests/bench/lib.sh"

CONCERNED=$1 COST=$2 ROUNDS=$3 FLOWS=$4 RATE=$5 LASTS=$6
shift 6
# The next hop of the flows (flows.c), and another one.
NEXT_HOP=02:be:2c:22:33:44 OTHER_HOP=02:be:2c:22:33:55

storm() { python3 -B "$TOP/tests/kselftest/tools/storm.py" "$@"; }

# ways: sets up the routes and next hops of the flows, as the core would have learnt them.
ways() {
	ip -b - <<-END || fail "routes and neighbours of the flows"
		addr add 192.0.2.1/30 dev bench0
		addr add 198.51.100.1/30 dev bench1
		neigh replace 192.0.2.2 lladdr $NEXT_HOP dev bench0 nud permanent
		neigh replace 198.51.100.2 lladdr $NEXT_HOP dev bench1 nud permanent
		route replace 10.0.0.0/8 via 192.0.2.2
		route replace 11.0.0.0/8 via 198.51.100.2
	END
	sysctl -qw net.ipv4.ip_forward=1
}

# none_left: waits until no rule is left, as long as a driver of that cost may take.
none_left() {
	local tries
	# The poll would take processor time from the work that it waits for.
	for ((tries = 0; tries < 30; tries++)); do
		sleep 0.3
		[ "$(ask rules)" != 0 ] || return 0
	done
	echo "# $(ask rules) rules"
	return 1
}

# event NAME UNDO STORM...: prints the time until no flow has a rule, ROUNDS times.
event() {
	local name=$1 undo=$2 round first rules calls times=()
	shift 2
	for ((round = 0; round < ROUNDS; round++)); do
		bench add "$CONCERNED" v4udp
		# The changes of devices and routes have been handled.
		sleep 1.5
		rules=$(ask rules) calls=$(($(ask all_stats) + $(ask all_destroys)))
		[ "$rules" = $((CONCERNED * 2)) ] || fail "$rules rules"
		echo "$COST" >"$BENCH/cost_ns"
		first=$(storm 1 1 "$@") || fail "$name: $first"
		first=${first##* }
		none_left || break
		times+=($((($(ask last_destroy_ns) - first) / 1000)))
		calls=$(($(ask all_stats) + $(ask all_destroys) - calls))
		echo 0 >"$BENCH/cost_ns"
		$undo
		bench remove
	done
	echo 0 >"$BENCH/cost_ns"
	check "$TYPE: $name: all rules are gone, each time" is "${#times[@]}" "$ROUNDS"
	echo "# $TYPE: $name, which concerns $CONCERNED flows, $calls calls of the driver of $COST ns each:" \
		"no rule after $(middle "${times[@]}")"
}
# middle MICROSECONDS...: prints the median and the range, in ms.
middle() {
	printf '%s\n' "$@" | sort -n | awk '{ v[NR] = $1 / 1e3 }
		END { printf "%.0f ms (%.0f to %.0f)", v[int((NR + 1) / 2)], v[1], v[NR] }'
}

# kernel_takes COMMAND...: sets TOOK to the processor time of the kernel, in ns a second.
kernel_takes() {
	local start cpu
	start=$(date +%s%N) cpu=$(cat "$BENCH/cpu_ns")
	SAID=$("$@") || fail "$*"
	TOOK=$((($(cat "$BENCH/cpu_ns") - cpu) * 1000 / (($(date +%s%N) - start) / 1000000)))
}
percent() { awk -v ns="$1" 'BEGIN { printf "%.1f %%", ns / 1e7 }'; }

# busy: the processor time of the kernel with all flows in hardware while nothing, routes, or neighbours change. The in-tree type,
# which ignores these changes, shows the cost of the changes themselves.
busy() {
	local name calls rules
	bench add "$FLOWS" v4udp
	# The in-tree type gives all rules to each device.
	rules=$(ask rules)
	sleep 1.5
	idle
	for name in nothing routes neighbours; do
		calls="$(ask all_replaces) $(ask all_destroys)"
		case $name in
		nothing) kernel_takes sleep "$LASTS" ;;
		*) kernel_takes storm "$RATE" "$LASTS" $name bench1 ;;
		esac
		check "$TYPE: $name: no REPLACE and no DESTROY" is "$(ask all_replaces) $(ask all_destroys)" "$calls"
		echo "$TYPE $name $TOOK" >>/run/took
		echo "# $TYPE: $FLOWS flows, $name${SAID:+ ($SAID)}: the kernel takes $(percent "$TOOK") of a processor"
	done
	check "$TYPE: all flows are in hardware" is "$(ask rules) $((rules >= FLOWS * 2))" "$rules 1"
	[ "$TYPE" = c ] || busy_event
	bench remove
}

# busy_event: the time until the flows of one route are removed during such a storm.
busy_event() {
	local round first before pid gone=() times=()
	# The previous changes have been handled.
	sleep 2
	for ((round = 0; round < ROUNDS; round++)); do
		before=$(ask all_destroys)
		storm "$RATE" 4 routes bench1 >/run/storm &
		pid=$!
		sleep 2
		# 32 servers of 256 flows each.
		first=$(storm 1 1 blackhole "11.0.0.$((round * 32))/27") || fail "$first"
		wait $pid || fail "$(cat /run/storm)"
		gone+=($(($(ask all_destroys) - before)))
		times+=($((($(ask last_destroy_ns) - ${first##* }) / 1000)))
	done
	check "$TYPE: the flows that one of many routes concerns are gone, no others" is "${gone[*]}" \
		"$(for ((round = 0; round < ROUNDS; round++)); do echo 16384; done | paste -sd' ')"
	echo "# $TYPE: $FLOWS flows, one route of many, which concerns 8192 of them: no rule of these after $(middle "${times[@]}")"
}

took() { awk -v t="$1" -v n="$2" '$1 == t && $2 == n { print $3 }' /run/took; }

: >/run/took
echo "TAP version 13"
for TYPE; do
	prepare
	devices 2
	ways
	load "$TYPE"
	ruleset 2
	if [ "$TYPE" = ours ]; then
		event "a route" "ip route del blackhole 11.0.0.0/9" blackhole 11.0.0.0/9
		event "a neighbour" "ip neigh replace 198.51.100.2 lladdr $NEXT_HOP dev bench1 nud permanent" \
			next-hop bench1 198.51.100.2 $OTHER_HOP
	fi
	busy
	nft delete table inet bench
	bench forget
	unload "$TYPE"
	rmmod nfto_bench
done
for name in nothing routes neighbours; do
	c=$(took c $name) ours=$(took ours $name)
	[ -z "$c" ] || [ -z "$ours" ] || echo "# module: $FLOWS flows, $name: $(percent $((ours - c))) of a processor"
done
echo "1..$COUNT"
