#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Flows go into hardware on several processors at once: 4 devices, a driver that is busy for 1 µs. One processor adds flows and does
# the works of the core's queue, or all of them do both, by turns. Runs in a VM (vm.sh) with this number of processors. Prints lines
# as measure.sh does; the time is that of the clock, for a flow.
#
#   parallel.sh FLOWS ROUNDS TYPE...
set -u
# shellcheck source=tests/bench/lib.sh
. "$TOP/tests/bench/lib.sh"

FLOWS=$1 ROUNDS=$2
shift 2
ALL=$(nproc)
QUEUE=/sys/devices/virtual/workqueue/nf_ft_offload_add/cpumask

# on N: the first N processors add flows, and do the works of the queue.
on() {
	printf '%x\n' $(((1 << $1) - 1)) >"$QUEUE" || fail "$QUEUE"
	bench adders "$1"
}

taskset -cp 0 $$ >/dev/null
# The lock checks of the test kernel share memory between processors.
sysctl -qw kernel.prove_locking=0 2>/dev/null
modprobe -a nf_tables nf_flow_table || exit 1
prepare
devices 4
echo 1000 >"$BENCH/cost_ns"
for ((round = 0; round < ROUNDS; round++)); do
	for TYPE; do
		load "$TYPE"
		ruleset 4
		for processors in 1 "$ALL" "$ALL" 1; do
			on "$processors"
			bench add "$FLOWS" v4tcp
			read -r count ns replaces _ <"$BENCH/last"
			echo "$processors $count $ns $replaces"
			bench remove
		done | awk -v type="$TYPE" '{ n[$1] += $2; ns[$1] += $3; r[$1] += $4 }
			END { for (p in n) printf "parallel, %d processors\t%s\t%.1f\t%.3f\t0\t0\n", p, type, ns[p] / n[p], r[p] / n[p] }' |
			sort -k 2n
		nft delete table inet bench
		bench forget
		unload "$TYPE"
	done
done
