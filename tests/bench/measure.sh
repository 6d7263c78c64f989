#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# One round of the measurements, each type once, in the given order. Runs in the kernel of uml.sh. One line each:
#
#   WHAT<tab>TYPE<tab>VALUE<tab>REPLACE<tab>DESTROY<tab>STATS
#
# VALUE: ns (flows a second for dumps); REPLACE and so on: calls of the driver. All per flow.
#
#   measure.sh MOST TYPE...		MOST: the largest number of flows
set -u
# shellcheck source=tests/bench/lib.sh
. "$TOP/tests/bench/lib.sh"

MOST=$1
# The number of flows where a measurement does not set one.
FLOWS=${FLOWS:-20000}
shift

# record WHAT: prints the result of the last command.
record() {
	awk -v what="$1" -v type="$TYPE" '{ v[$1] = $2 }
		END { n = v["flows"]
			if (n) printf "%s\t%s\t%.1f\t%.3f\t%.3f\t%.3f\n", what, type, v["ns"] / n,
				v["replaces"] / n, v["destroys"] / n, v["stats"] / n }' \
		"$BENCH/result"
}

# with DEVICES: loads a ruleset on this number of devices; without: removes it, and checks that the driver is empty.
with() {
	bench devices "$1"
	ruleset "$1"
}
without() {
	nft delete table inet bench
	bench forget
	[ "$TYPE" = c ] || [ "$(ask rules) $(ask trace)" = "0 0" ] || fail "$(ask rules) rules are left in the driver"
}
start() { load "$TYPE" "$@"; }

# delete FLOWS: as without, and measured: this number of flows is removed with its table.
delete() {
	local before
	before="$(ask all_destroys) $(ask all_stats) $(cat "$BENCH/cpu_ns")"
	nft delete table inet bench
	# A moment after nft has returned.
	until unused "$TYPE"; do sleep 0.05; done
	bench forget
	echo "$before $(ask all_destroys) $(ask all_stats) $(cat "$BENCH/cpu_ns")" |
		awk -v n="$1" -v type="$TYPE" '{ printf "delete table, %d flows\t%s\t%.1f\t0\t%.3f\t%.3f\n",
			n, type, ($6 - $3) / n, ($4 - $1) / n, ($5 - $2) / n }'
	[ "$TYPE" = c ] || [ "$(ask rules) $(ask trace)" = "0 0" ] || fail "$(ask rules) rules are left in the driver"
}

devices_and_costs() {
	local devices cost flows
	for devices in 2 16 64; do
		with $devices
		for cost in 0 1000 20000; do
			flows=$FLOWS
			[ $cost -lt 20000 ] || flows=$((FLOWS / 20))
			echo $cost >"$BENCH/cost_ns"
			bench add "$flows" v4tcp
			record "add $devices devices, driver $((cost / 1000)) µs"
			if [ $cost -lt 20000 ]; then
				bench refresh
				record "refresh $devices devices, driver $((cost / 1000)) µs"
			fi
			echo 0 >"$BENCH/cost_ns"
			bench remove
		done
		if [ $devices = 2 ] && [ "$MOST" -ge 200000 ]; then
			bench add 200000 v4tcp
			record "add 2 devices, driver 0 µs, 200,000 flows"
			bench remove
		fi
		without
	done
}

growth() {
	local flows
	for flows in 1000 10000 100000 1000000; do
		[ $flows -le "$MOST" ] || continue
		with 2
		bench add $flows mix
		record "add, $flows flows"
		bench refresh
		record "refresh, $flows flows"
		if [ $flows -le 100000 ]; then
			bench stats
			record "stats, $flows flows"
		fi
		# With few devices, the reader itself takes most of the time.
		if [ "$TYPE" = ours ] && [ $flows -ge 100000 ]; then
			dump | awk -v what="dump, $flows flows" '{ v[$1] = $2 } END {
				printf "%s\tours\t%.1f\t0\t0\t0\n", what, v["flows"] * 1e9 / v["kernel_ns"] }'
		fi
		if [ $flows -le 100000 ]; then
			bench remove
			record "remove, $flows flows"
			[ $flows -lt 100000 ] || bench add $flows mix
		fi
		if [ $flows -ge 100000 ]; then delete $flows; else without; fi
	done
}

# Shapes that the default profile refuses need another profile.
shapes() {
	local shape
	for shape in v4tcp v4snat v6tcp v6nat vlan qinq vlanpppoe; do
		unload "$TYPE"
		case $TYPE$shape in
		oursqinq) start profile=bench0:tc,bench1:tc ;;
		oursvlanpppoe) start profile=bench0:mtk,bench1:mtk ;;
		*) start ;;
		esac
		with 2
		bench add 2000 $shape
		[ "$(ask replaces)" -ge 4000 ] || fail "$shape is not offloaded"
		bench refresh
		bench refresh
		record "refresh, shape $shape"
		bench translate 400000
		record "translate, shape $shape"
		if [ "$TYPE" = ours ]; then
			bench ask 400000
			record "unchanged, shape $shape"
		fi
		without
	done
	unload "$TYPE"
	start
}

refused() {
	with 2
	echo 95 >"$BENCH/refuse"
	bench add "$FLOWS" v4tcp
	record "add, refused"
	bench refresh
	record "refresh, refused"
	echo 0 >"$BENCH/refuse"
	without
}

# A flow with too few packets.
admission() {
	[ "$TYPE" = ours ] || return 0
	unload ours
	sysctl -qw net.netfilter.nf_conntrack_acct=1
	start admit=1000000
	with 2
	bench add 2000 v4tcp
	[ "$(ask replaces)" = 0 ] || fail "a flow without packets is admitted"
	bench ask 1000000
	record "refused for want of packets"
	without
	sysctl -qw net.netfilter.nf_conntrack_acct=0
	unload ours
	start
}

packets() {
	local shape
	for shape in v4udp v6udp v4udpvlan v6udpvlan; do
		with 2
		bench add 1000 $shape
		bench packets 20000
		bench packets 500000
		record "packet, $shape"
		without
	done
}

prepare
# Both types in quick succession: the speed of the machine changes from minute to minute.
for part in devices_and_costs growth refused admission packets shapes; do
	for TYPE; do
		start
		$part
		unload "$TYPE"
	done
done
