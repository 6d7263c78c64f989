#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Measures our type beside the in-tree type, in the same kernel, and writes into build/bench: performance.md, the lines with a target;
# details.md, all measurements; plot.svg. make bench has built everything. paste.sh puts them into docs/.
#
#   run.sh		environment: ROUNDS=3, kernels that measure.sh runs in, MOST=1000000, the largest number of flows, and
#			PACKETS=300000 to forward
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/common.sh"

ROUNDS=${ROUNDS:-3}
MOST=${MOST:-1000000}
PACKETS=${PACKETS:-300000}
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

began=$SECONDS
rm -rf "$OUT"
mkdir -p "$OUT"
for ((round = 1; round <= ROUNDS; round++)); do
	# The order of the tables in memory makes a difference: it alternates.
	types=(c ours)
	[ $((round % 2)) = 1 ] || types=(ours c)
	say "both types in turn, kernel $round of $ROUNDS, load of the machine $(cut -d' ' -f1 /proc/loadavg)"
	step "round.$round" 170 measure.sh "$MOST" "${types[@]}" || die "it failed, see $OUT/round.$round"
done
say "memory, with $MOST flows"
step memory.txt 50 memory.sh "$MOST" || info "a check has failed, see $OUT/memory.txt"
say "what the router's CPU sees of $PACKETS packets, in software and in hardware"
step forward 40 forward.sh "$PACKETS" c ours || die "the traffic failed, see $OUT/forward"
say "how long flows stay whose way has changed, and what changes cost that concern none"
step storm.txt 70 storm.sh 10000 1000 3 100000 1000 4 c ours || info "a check has failed, see $OUT/storm.txt"
say "how long others wait while a device with 50,000 flows leaves"
step removal.txt 30 removal.sh 50000 20000 ours || info "it did not finish, see $OUT/removal.txt"
say "what flowtables of other namespaces cost"
step neighbours.txt 110 neighbours.sh 1 0 c ours || info "a check has failed, see $OUT/neighbours.txt"
processors=$(nproc)
[ "$processors" -le 4 ] || processors=4
say "$processors processors at once, in a VM"
start=$SECONDS
run_logged "$OUT/parallel" 120 "$TOP/scripts/vm.sh" run --cpus "$processors" --timeout 280 --memory 1G --env BUILD="$TOP/build/smp" \
	--out "$OUT/vm" --dmesg "$OUT/dmesg.parallel" "$BENCH/parallel.sh" 2000 6 c ours ||
	info "it did not finish, see $OUT/parallel"
info "took $((SECONDS - start)) s"

machine="Linux $(cat "$KERNEL/include/config/kernel.release") (ARCH=um) on $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo |
	head -n 1), $(nproc) processors, load $(cut -d' ' -f1-3 /proc/loadavg)"
python3 -B "$BENCH/table.py" "$OUT" "$machine"
python3 -B "$BENCH/plot.py" "$machine" "$OUT"/round.* >"$OUT/plot.svg"
cat "$OUT/performance.md"
say "$(grep 'targets .* met' "$OUT/performance.md") It took $(((SECONDS - began) / 60)) minutes. The tables: $OUT/performance.md and details.md; the plot: $OUT/plot.svg"
