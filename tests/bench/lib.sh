# SPDX-License-Identifier: GPL-2.0
# Shared by the scripts that measure in the kernel of uml.sh: the flowtable types in turn, the commands of nfto_bench.
# shellcheck shell=bash

BENCH=/sys/kernel/debug/nfto_bench
# The output directory of build.sh.
: "${BUILD:?}"

fail() {
	echo "error: $*"
	exit 1
}

# bench COMMAND: runs a command of nfto_bench; ask NAME: prints a number of its result.
bench() { printf '%s\n' "$*" >"$BENCH/command" || fail "nfto_bench: $*"; }
ask() { awk -v n="$1" '$1 == n { print $2 }' "$BENCH/result"; }

# idle: waits until the kernel has nothing to do. After many flows the table of the core is still growing.
idle() {
	local was now=0
	for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
		was=$now
		now=$(cat "$BENCH/cpu_ns")
		[ $((now - was)) -gt 60000000 ] || return 0
		sleep 0.3
	done
}

# dump: reads all flows; prints the output of flowdump, and the processor time of the kernel.
dump() {
	local before
	idle
	before=$(cat "$BENCH/cpu_ns")
	"$BUILD/flowdump" || fail "the dump"
	echo "kernel_ns $(($(cat "$BENCH/cpu_ns") - before))"
}

# prepare: settings for both types.
prepare() {
	# No route leads to the addresses of the flows. Routes must not change while there are flows: module ours ends flows whose route has
	# changed.
	sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1
	insmod "$BUILD/bench/nfto_bench.ko" || exit 1
	sysctl -qw net.netfilter.nf_conntrack_max=8000000 net.netfilter.nf_flowtable_tcp_timeout=86400 \
		net.netfilter.nf_flowtable_udp_timeout=86400 kernel.printk_ratelimit=0
}

# module TYPE: prints its name.
module() {
	case $1 in
	c) echo nf_flow_table_inet ;;
	ours) echo nft_offload ;;
	none) echo nfto_none ;;
	esac
}

# devices N [TABLES]: creates the devices of the benchmark. They are up, and everyone has heard of it, when it returns: module ours looks at
# new flows more closely for a while after a change of a device.
devices() {
	bench devices "$@"
	[ "$1" = 0 ] || sleep 1.5
}

# load TYPE [OPTION...], unload TYPE: c is the in-tree type, ours is the other one, and none is one that does nothing.
load() {
	case $1 in
	c) insmod "$VM_KERNEL/net/netfilter/nf_flow_table_inet.ko" ;;
	ours) insmod "$BUILD/module/nft_offload.ko" "${@:2}" ;;
	none) insmod "$BUILD/bench/nfto_none.ko" ;;
	esac || fail "$1 does not load"
}
unload() {
	local tries=0
	# The last flowtable is removed a moment after nft has returned.
	until rmmod "$(module "$1")" 2>/dev/null; do
		tries=$((tries + 1))
		[ $tries -lt 500 ] || fail "$1 does not unload"
		sleep 0.02
	done
}
# unused TYPE: a condition: no flowtable uses it.
unused() { [ "$(<"/sys/module/$(module "$1")/refcnt")" = 0 ]; }

# ruleset N: loads a flowtable on the first N devices. The conntrack entries have no packets, so there are no rules.
ruleset() {
	local i devices=bench0
	for ((i = 1; i < $1; i++)); do devices+=", bench$i"; done
	nft "table inet bench {
		flowtable ft { hook ingress priority filter; devices = { $devices }; flags offload; counter; }; }" ||
		fail "the ruleset does not load"
}

# settled: waits until objects that wait for a grace period are freed.
settled() {
	local was now=0
	sleep 0.3
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		was=$now
		now=$(awk '/^Slab:/ { print $2 }' /proc/meminfo)
		[ $((now > was ? now - was : was - now)) -gt 64 ] || return 0
		sleep 0.2
	done
}

# check DESCRIPTION COMMAND...: a result in TAP; is ACTUAL EXPECTED: a command for it.
COUNT=0

check() {
	local description=$1
	shift
	COUNT=$((COUNT + 1))
	if "$@"; then
		echo "ok $COUNT $description"
	else
		echo "not ok $COUNT $description"
	fi
}
is() { [ "$1" = "$2" ] || { echo "# $1, not $2"; return 1; }; }
