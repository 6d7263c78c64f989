#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Measures the types beside each other. All of them are loaded, each has a flowtable on devices of its own, and they take turns within
# a tenth of a second, in an order that alternates. Runs in the kernel of uml.sh. One line for each round, measurement and type:
#
#   WHAT<tab>TYPE<tab>NS<tab>REPLACE<tab>DESTROY<tab>STATS
#
# NS: processor time; REPLACE and so on: calls of the driver. All are for one flow or packet. The lines of a type are in the order of
# the rounds, so that table.py can compare those of the same round.
#
#   measure.sh MOST TYPE TYPE	MOST: the largest number of flows; the types, c and ours, in the order of their tables
set -u
# shellcheck source=tests/bench/lib.sh
. "$TOP/tests/bench/lib.sh"

MOST=$1
shift
PAIR=("$@")
# The number of flows where a measurement does not set one.
FLOWS=20000

# --- the tables ---------------------------------------------------------------------------------------------------------

# The type of each table, the order of their turns, and the number of devices of a table.
TABLES=() ORDER=() DEVICES=0
# The rules that the driver held before each table was used, as the in-tree type leaves some.
HELD=()
driver() { echo "$(ask rules) $(ask trace)"; }

# table N: the commands of nfto_bench are for this table.
table() { echo "table $1" >"$BENCH/command"; }

# flowtable FAMILY NAME TABLE: creates a flowtable on the devices of this table.
flowtable() {
	local i devices=''
	for ((i = $3 * DEVICES; i < ($3 + 1) * DEVICES; i++)); do devices+="${devices:+, }bench$i"; done
	nft "table $1 $2 { flowtable ft { hook ingress priority filter; devices = { $devices }; flags offload; counter; }; }" ||
		fail "the ruleset does not load"
}

# open_tables TYPE[,OPTION]...: loads the types, and creates a flowtable of each. A type that is there gives way to the next one: the
# in-tree type holds three families.
open_tables() {
	local n=0 options family
	TABLES=() ORDER=() HELD=()
	for n in $(seq 0 $(($# - 1))); do
		IFS=, read -ra options <<<"$1"
		[ -e "/sys/module/$(module "${options[0]}")" ] || load "${options[@]}"
		table "$n"
		if [ "${options[0]}" = c ] && [ "${2:-c}" != c ]; then
			for family in ip ip6; do
				flowtable $family probe "$n"
				bench hide
				nft delete table $family probe
			done
		fi
		flowtable inet "bench$n" "$n"
		[ "${2:-$1}" = "$1" ] || bench hide
		TABLES+=("${options[0]}") ORDER+=("$n") HELD+=("$(driver)")
		shift
	done
}

# close_tables: removes them with their types. No rule of ours may be left in the driver.
close_tables() {
	local n type
	for n in "${!TABLES[@]}"; do
		nft delete table inet "bench$n" 2>/dev/null
		table "$n"
		bench forget
		[ "${TABLES[n]}" != ours ] || [ "$(driver)" = "${HELD[n]}" ] || fail "rules are left in the driver: $(driver), not ${HELD[n]}"
	done
	bench show
	for type in $(printf '%s\n' "${TABLES[@]}" | sort -u); do unload "$type"; done
}

# --- samples ------------------------------------------------------------------------------------------------------------

# The sums of this round, by measurement and type, in the order in which they were first taken.
declare -A COUNT_OF NS_OF REPLACES_OF DESTROYS_OF STATS_OF
KEYS=()

# record WHAT TYPE: adds the result of the last command.
record() {
	local key=$1$'\t'$2 count ns replaces destroys stats
	read -r count ns replaces destroys stats <"$BENCH/last"
	sample "$key" "$count" "$ns" "$replaces" "$destroys" "$stats"
}
sample() { # sample KEY FLOWS NS REPLACES DESTROYS STATS
	[ -n "${COUNT_OF[$1]:-}" ] || KEYS+=("$1")
	COUNT_OF[$1]=$((${COUNT_OF[$1]:-0} + $2))
	NS_OF[$1]=$((${NS_OF[$1]:-0} + $3))
	REPLACES_OF[$1]=$((${REPLACES_OF[$1]:-0} + $4))
	DESTROYS_OF[$1]=$((${DESTROYS_OF[$1]:-0} + $5))
	STATS_OF[$1]=$((${STATS_OF[$1]:-0} + $6))
}

# print_round: prints the round, and begins the next one.
print_round() {
	local key n value
	for key in "${KEYS[@]}"; do
		printf '%s' "$key"
		n=${COUNT_OF[$key]}
		for value in "${NS_OF[$key]}" "${REPLACES_OF[$key]}" "${DESTROYS_OF[$key]}" "${STATS_OF[$key]}"; do
			value=$((value * 1000 / n))
			printf '\t%d.%03d' $((value / 1000)) $((value % 1000))
		done
		echo
	done
	KEYS=() COUNT_OF=() NS_OF=() REPLACES_OF=() DESTROYS_OF=() STATS_OF=()
}

# turn: the next turn has the opposite order.
turn() {
	local n reversed=()
	for n in "${ORDER[@]}"; do reversed=("$n" "${reversed[@]}"); done
	ORDER=("${reversed[@]}")
}

# each COMMAND...: runs a command of nfto_bench for each table; take WHAT COMMAND...: and records the results.
each() {
	local n
	for n in "${ORDER[@]}"; do
		table "$n"
		bench "$@"
	done
}
take() {
	local n what=$1
	shift
	for n in "${ORDER[@]}"; do
		table "$n"
		bench "$@"
		record "$what" "${TABLES[n]}"
	done
	turn
}

# times N COMMAND...; rounds N COMMAND...
times() {
	local left=$1
	shift
	for ((; left > 0; left--)); do "$@"; done
}
rounds() {
	local left=$1
	shift
	for ((; left > 0; left--)); do
		"$@"
		print_round
	done
}

# cost NS COMMAND...: runs the command while a call of the driver takes so long.
cost() {
	echo "$1" >"$BENCH/cost_ns"
	"${@:2}"
	echo 0 >"$BENCH/cost_ns"
}

# --- the measurements ---------------------------------------------------------------------------------------------------

# life WHAT FLOWS: flows are added, asked for again, and removed.
life() {
	times 5 take "add $1" add $(($2 / 5)) v4tcp
	times 2 take "refresh $1" refresh
	take "remove $1" remove
}
few_devices() {
	life "2 devices, driver 0 µs" $FLOWS
	cost 1000 life "2 devices, driver 1 µs" $FLOWS
}
many_devices() {
	life "$DEVICES devices, driver 0 µs" $((FLOWS / 5))
	cost 1000 life "$DEVICES devices, driver 1 µs" $((FLOWS / 10))
}
many_flows() {
	times 10 take "add 2 devices, driver 0 µs, 200,000 flows" add 20000 v4tcp
	each remove
}

refused() {
	echo 95 >"$BENCH/refuse"
	times 5 take "add, refused" add $((FLOWS / 5)) v4tcp
	times 2 take "refresh, refused" refresh
	echo 0 >"$BENCH/refuse"
	each remove
}

packets() {
	local shape
	for shape in v4tcp v4udp v6udp v4udpvlan; do
		each add 1000 $shape
		each packets 5120
		times 4 take "packet, $shape" packets 25600
		each remove
	done
}

# What a type does itself for a flow is what an added flow takes beyond another one: for the in-tree type, one of a type that does
# nothing; for ours, one that has too few packets, so that ours stops before it reads the flow.
translate() { # translate SHAPE
	local n
	for n in "${ORDER[@]}"; do
		table "$n"
		bench add 1000 "$1" 10
		record "add, shape $1" "${TABLES[n]}"
		[ "${TABLES[n]}" = ours ] || continue
		bench add 1000 "$1"
		record "add, shape $1" waits
	done
	turn
}
shapes() {
	local shape
	for shape in v4tcp v4snat v6nat vlan; do
		times 40 translate $shape
		each remove
	done
}
translations() {
	sysctl -qw net.netfilter.nf_conntrack_acct=1
	open_tables none c ours,admit=5
	rounds "$1" shapes
	close_tables
	sysctl -qw net.netfilter.nf_conntrack_acct=0
}

sizes() {
	local flows
	for flows in 1000 10000 100000; do
		times 5 take "add, $flows flows" add $((flows / 5)) mix
		take "refresh, $flows flows" refresh
		take "stats, $flows flows" stats
		take "remove, $flows flows" remove
	done
}

# Flows added among very many and among few, in turn.
among() {
	table 0
	bench add 1000 mix
	record "add among $MOST flows" "$1"
	table 1
	bench add 1000 mix
	bench add 1000 mix
	record "add among 1000 flows" "$1"
	bench remove
}
growth() { # growth TYPE
	local i before
	open_tables "$1" "$1"
	table 0
	bench add $((MOST / 2)) mix
	record "add, $MOST flows" "$1"
	bench add $((MOST / 2)) mix
	record "add, $MOST flows" "$1"
	# The table of the core still grows after so many flows.
	idle
	bench refresh
	record "refresh, $MOST flows" "$1"
	rounds 7 times 5 among "$1"
	table 0
	if [ "$1" = ours ]; then
		for i in 1 2 3; do
			dump >/run/dump
			sample "dump, $MOST flows"$'\tours' "$(awk '$1 == "flows" { print $2 }' /run/dump)" \
				"$(awk '$1 == "kernel_ns" { print $2 }' /run/dump)" 0 0 0
			print_round
		done
	fi
	before=("$(ask all_destroys)" "$(ask all_stats)" "$(cat "$BENCH/cpu_ns")")
	nft delete table inet bench0
	nft delete table inet bench1
	# A moment after nft has returned.
	until unused "$1"; do sleep 0.05; done
	sample "delete table, $MOST flows"$'\t'"$1" $((MOST + 35000)) $(($(cat "$BENCH/cpu_ns") - before[2])) 0 \
		$(($(ask all_destroys) - before[0])) $(($(ask all_stats) - before[1]))
	print_round
	close_tables
}

prepare
DEVICES=2
devices 2 3
open_tables "${PAIR[@]}"
rounds 15 few_devices
rounds 15 refused
rounds 15 packets
rounds 5 sizes
rounds 3 many_flows
close_tables
translations 4
for type in "${PAIR[@]}"; do growth "$type"; done
for DEVICES in 16 64; do
	devices "$DEVICES" 2
	open_tables "${PAIR[@]}"
	rounds 8 many_devices
	close_tables
done
