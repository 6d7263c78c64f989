#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Measures our type beside the in-tree type, in the same kernel, in turn, ROUNDS times, and writes build/bench/table.md, with medians
# and spread, and plot.svg. build.sh and scripts/netdevsim.sh have built everything.
#
#   run.sh		environment: ROUNDS=4, MOST=1000000, the largest number of flows, and PACKETS=1000000 to forward
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/common.sh"

ROUNDS=${ROUNDS:-4}
MOST=${MOST:-1000000}
PACKETS=${PACKETS:-1000000}
BENCH=$TOP/tests/bench
OUT=$TOP/build/bench
KERNEL=$("$TOP/scripts/kernel.sh" path uml)
UML=("$TOP/scripts/uml.sh" run --kind uml --memory 2500M --timeout 900 --env BUILD="$TOP/build/uml" --out "$OUT")

# step NAME SECONDS SCRIPT ARGUMENT...: runs a script in its own kernel; its output is in build/bench/NAME.
step() {
	local start=$SECONDS
	run_logged "$OUT/$1" "$2" "${UML[@]}" --dmesg "$OUT/dmesg.$1" "$BENCH/$3" "${@:4}" || return
	info "took $((SECONDS - start)) s"
}

rm -rf "$OUT"
mkdir -p "$OUT"
say "memory, with $MOST flows"
step memory.txt 30 memory.sh "$MOST" || info "a check has failed, see $OUT/memory.txt"
say "how long others wait while a device with 50,000 flows leaves"
step removal.txt 50 removal.sh 50000 20000 ours || info "it did not finish, see $OUT/removal.txt"
say "what flowtables of other namespaces cost"
step neighbours.txt 200 neighbours.sh 1 10000 c ours || info "a check has failed, see $OUT/neighbours.txt"
say "how long flows stay whose way has changed, and what changes cost that concern none"
step storm.txt 110 storm.sh 10000 1000 5 100000 1000 8 c ours || info "a check has failed, see $OUT/storm.txt"
say "what the router's CPU sees of $PACKETS packets, in software and in hardware"
step forward 70 forward.sh "$PACKETS" c ours || die "the traffic failed, see $OUT/forward"
for ((round = 1; round <= ROUNDS; round++)); do
	# The order in a kernel makes a difference: the types alternate.
	types=(c ours)
	[ $((round % 2)) = 1 ] || types=(ours c)
	say "round $round of $ROUNDS, load of the machine $(cut -d' ' -f1 /proc/loadavg)"
	step "round.$round" $((MOST < 1000000 ? 35 : 75)) measure.sh "$MOST" "${types[@]}" || die "round $round failed, see $OUT/round.$round"
done

machine="Linux $(cat "$KERNEL/include/config/kernel.release") (ARCH=um) on $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo |
	head -n 1), $(nproc) processors, load $(cut -d' ' -f1-3 /proc/loadavg)"
{
	printf '%s.\n\n' "$machine"
	python3 "$BENCH/table.py" "$OUT"/round.* "$OUT/forward"
	echo
	echo 'Memory:'
	echo
	sed -n 's/^# /    /p' "$OUT/memory.txt"
	echo
	echo 'While a device leaves:'
	echo
	sed -n 's/^# /    /p' "$OUT/removal.txt"
	echo
	echo 'With 2,000 flowtables in 500 other network namespaces, and after 10,000 that came and went:'
	echo
	sed -n 's/^# /    /p' "$OUT/neighbours.txt"
	echo
	echo 'When routes and neighbours change:'
	echo
	sed -n 's/^# /    /p' "$OUT/storm.txt"
} >"$OUT/table.md"
python3 -B "$BENCH/plot.py" "$machine; rounds: $ROUNDS" "$OUT"/round.* >"$OUT/plot.svg"
cat "$OUT/table.md"
say "$(grep 'targets met' "$OUT/table.md") The table: $OUT/table.md; the plot: $OUT/plot.svg"
