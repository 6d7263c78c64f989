#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Measures our type beside the in-tree type, in the same kernel, in turn, ROUNDS times, and writes build/bench/table.md,
# with medians and spread. build.sh has built everything.
#
#   run.sh		ROUNDS=5 and MOST=1000000, the largest number of flows, can be changed
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/common.sh"

ROUNDS=${ROUNDS:-5}
MOST=${MOST:-1000000}
OUT=$TOP/build/bench
KERNEL=$("$TOP/scripts/kernel.sh" path uml)
UML=("$TOP/scripts/uml.sh" run --kind uml --memory 2500M --timeout 900 --env BUILD="$TOP/build/uml" --out "$OUT")

rm -rf "$OUT"
mkdir -p "$OUT"
say "memory, with $MOST flows"
"${UML[@]}" "$TOP/tests/bench/memory.sh" "$MOST" >"$OUT/memory.txt" || info "a check has failed, see $OUT/memory.txt"
for ((round = 1; round <= ROUNDS; round++)); do
	# Whichever comes first in a kernel has it better or worse.
	types=(c ours)
	[ $((round % 2)) = 1 ] || types=(ours c)
	say "round $round of $ROUNDS, load of the machine $(cut -d' ' -f1 /proc/loadavg)"
	run_logged "$OUT/round.$round" 90 "${UML[@]}" --dmesg "$OUT/dmesg.$round" \
		"$TOP/tests/bench/measure.sh" "$MOST" "${types[@]}" ||
		die "round $round failed, see $OUT/round.$round"
done
{
	printf 'Linux %s (ARCH=um) on %s, %s processors, load %s.\n\n' "$(cat "$KERNEL/include/config/kernel.release")" \
		"$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)" "$(nproc)" "$(cut -d' ' -f1-3 /proc/loadavg)"
	python3 "$TOP/tests/bench/table.py" "$OUT"/round.*
	echo
	echo 'Memory:'
	echo
	sed -n 's/^# /    /p' "$OUT/memory.txt"
} >"$OUT/table.md"
cat "$OUT/table.md"
