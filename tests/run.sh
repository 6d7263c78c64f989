#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Runs all tests: the static checks, the host tests of the pure code (tests/host/run.sh), the error messages of the scripts, and the
# kselftests: each in user-mode Linux (ARCH=um, one processor), and those that depend on several processors in QEMU as well. make
# test builds everything first.
#
#   run.sh [NAME]    only the kselftest NAME (or some: "NAME NAME"), or lint, host, tool, bigendian, coverage, model, fuzz, bench,
#                    smp, run_tests, scripts, stock, packages or drivers
#
# VM=qemu: kselftests in QEMU only. VM=uml: no QEMU.
#
# Ends with the line "N passed, N failed, N skipped"; status 0 if none failed.
# shellcheck disable=SC2030,SC2031 # a step counts for itself, and its worker adds
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../scripts/common.sh"
# shellcheck source=scripts/guest-files.sh
. "$TOP/scripts/guest-files.sh"
load_env

ONLY=${1:-${TEST:-}}
OUT=$TOP/build/test
PASSED=0 FAILED=0 SKIPPED=0
# The number of guests at a time; each uses one processor.
VMS=${NFT_OFFLOAD_VMS:-$(nproc)}

pass() { PASSED=$((PASSED + 1)); }
fail() {
	FAILED=$((FAILED + 1))
	printf 'FAILED: %s\n' "$*"
	note_failure "$*"
}
# note_failure TEXT: keeps it for the list at the end. Steps run in processes of their own.
note_failure() { printf '%s\n' "$*" >>"$OUT/failures"; }
# list_failures: repeats what failed, since it may be far above the last lines, or cut off.
list_failures() {
	[ -s "$OUT/failures" ] || return 0
	say "failed:"
	head -n 30 "$OUT/failures" | cut -c1-160 | sed 's/^/    /'
	[ "$(wc -l <"$OUT/failures")" -le 30 ] || echo "    … and more (build/test/failures)"
}

lint() {
	local c
	for c in $("$TOP/scripts/lint.sh" list); do
		if run_logged "$OUT/lint.$c" 30 "$TOP/scripts/lint.sh" "$c"; then pass; else fail "lint: $c"; fi
	done
}

# host NAME PART [SCRIPT]: runs a part of the host tests (tests/host/run.sh).
host() {
	local name=$1 log=$OUT/$2.log passed failed rc=0
	say "$name tests"
	run_logged "$log" 60 "${3:-$TOP/tests/host/run.sh}" "$2" || rc=$?
	passed=$(summary "$log" passed)
	failed=$(summary "$log" failed)
	PASSED=$((PASSED + passed))
	FAILED=$((FAILED + failed))
	# The runner repeats them at its end.
	[ "$failed" -eq 0 ] || sed -nE "s/^ *(FAIL|TIMEOUT|SIGABRT|SIGSEGV) .*\] */$name: /p" "$log" | sort -u >>"$OUT/failures"
	[ "$passed" -gt 0 ] || fail "$name tests did not run (log: ${log#"$TOP"/})"
	# A test that hangs or is killed counts as neither.
	[ "$rc" -eq 0 ] || [ "$passed" -eq 0 ] || [ "$failed" -gt 0 ] || fail "$name tests ended with status $rc (log: ${log#"$TOP"/})"
	result "$name" "$passed" "$failed" "$(sed -n 's/^ *model: //p' "$log")"
}

# The command line.
tool() { host 'command line' test "$TOP/scripts/tool.sh"; }

# The lines that the host tests run.
coverage() {
	local log=$OUT/coverage.log
	say "coverage of the host tests"
	if run_logged "$log" 20 "$TOP/tests/host/run.sh" coverage; then
		pass
		result coverage 1 0 "$(awk 'END { print $(NF - 1) " % of the lines of src/translate/" }' "$log")"
	else
		fail "coverage (log: ${log#"$TOP"/})"
		result coverage 0 1
	fi
}

# The fuzz targets, for a short time.
fuzz() {
	local log=$OUT/fuzz.log passed
	say "fuzzing, 20 s"
	run_logged "$log" 25 env FUZZ_TIME=20 "$TOP/tests/host/run.sh" fuzz || fail "fuzz (log: ${log#"$TOP"/})"
	passed=$(grep -c 'nothing found$' "$log" || :)
	PASSED=$((PASSED + passed))
	result fuzz "$passed" "$(grep -c '^finding:' "$log" || :)" "$(awk '/inputs/ { n += $2 } END { print n + 0 " inputs" }' "$log")"
}

# summary LOG passed|failed: prints a number of nextest's summary line.
summary() {
	local n
	n=$(sed -nE "s/.*Summary.* ([0-9]+) $2.*/\\1/p" "$1" | tail -n 1)
	echo "${n:-0}"
}

# result NAME PASSED FAILED [NOTE]
result() { printf '%-16s %3d passed  %3d failed  %s\n' "$1" "$2" "$3" "${4:-}" | sed 's/ *$//'; }

# with_flows NAME SCRIPT [ARGUMENT...]: runs a script of tests/bench with checks, which creates flows without packets.
with_flows() {
	local name=$1 tap=$OUT/$1.tap
	"$TOP/scripts/uml.sh" run --kind uml --memory 2500M --timeout 300 --env BUILD="$TOP/build/uml" --out "$OUT/$name" \
		"$TOP/tests/bench/$2" "${@:3}" >"$tap" 2>&1 || fail "$name ended with status $? (log: ${tap#"$TOP"/})"
	grep -A 5 '^not ok' "$tap" || :
	grep -q '^1\.\.' "$tap" || fail "$name did not get to its end (log: ${tap#"$TOP"/})"
	count "$tap"
	result "$name" "$(grep -c '^ok' "$tap")" "$(grep -c '^not ok' "$tap")" "$(sed -n 's/^# module: \(.* a flow for .*\)/\1/p' "$tap" | tail -n 1)"
}

bench() {
	say "1,000,000 flows: what they take, a dump of them, and that nothing is left of them"
	with_flows bench memory.sh 1000000
	with_flows promise promise.sh
	with_flows neighbours neighbours.sh 0 3000 ours
	with_flows storm storm.sh 10000 1000 1 100000 1000 2 ours
}

# The error messages of the scripts.
scripts() {
	say "scripts"
	"$TOP/tests/scripts.sh" >"$OUT/scripts.tap" 2>&1 || grep -A 5 '^not ok' "$OUT/scripts.tap" || cat "$OUT/scripts.tap"
	grep -q '^1\.\.' "$OUT/scripts.tap" || fail "tests/scripts.sh did not finish"
	count "$OUT/scripts.tap"
	result scripts "$(grep -c '^ok' "$OUT/scripts.tap")" "$(grep -c '^not ok' "$OUT/scripts.tap")"
}

# Debian's own kernel images (tests/stock.sh).
stock() {
	local log=$OUT/stock.log passed failed rc=0
	say "unmodified kernels of Debian: one boots, the others are built for"
	run_logged "$log" 200 "$TOP/tests/stock.sh" turn || rc=$?
	read -r passed failed < <(sed -nE 's/^([0-9]+) passed, ([0-9]+) failed.*/\1 \2/p' "$log" | tail -n 1) || :
	PASSED=$((PASSED + ${passed:-0}))
	FAILED=$((FAILED + ${failed:-0}))
	[ "${failed:-0}" -eq 0 ] || note_failure "stock: $failed (log: ${log#"$TOP"/})"
	[ "$rc" -eq 0 ] || [ "${failed:-0}" -gt 0 ] || fail "stock ended with status $rc (log: ${log#"$TOP"/})"
	result stock "${passed:-0}" "${failed:-0}" "$(sed -nE 's/^([^ ]+) .* passed .*/\1 booted/p' "$log" | tail -n 1)"
}

# The code of the kernel's drivers (tests/drivers).
drivers() {
	local log=$OUT/drivers.tap rc=0
	say "the drivers' own code, in user-mode Linux"
	run_logged "$log" 150 "$TOP/tests/drivers/run.sh" || rc=$?
	grep -A 12 '^not ok' "$log" | grep -v '^ok' | head -n 60 || :
	grep -q '^1\.\.[1-9]' "$log" || fail "drivers ended with status $rc (log: ${log#"$TOP"/})"
	[ "$rc" -le 1 ] || fail "drivers ended with status $rc (log: ${log#"$TOP"/})"
	count "$log"
	result drivers "$(grep -c '^ok' "$log")" "$(grep -c '^not ok' "$log")" "$(sed -n 's/^# driver: //p' "$log" | tr '\n' ' ')"
}

# The packages of one format (tests/packages.sh).
packages() {
	local log=$OUT/packages.tap rc=0
	say "packages of one format"
	run_logged "$log" 100 "$TOP/tests/packages.sh" turn || rc=$?
	grep -A 5 '^not ok' "$log" || :
	grep -q '^1\.\.[1-9]' "$log" || fail "packages ended with status $rc (log: ${log#"$TOP"/})"
	count "$log"
	result packages "$(grep -c '^ok' "$log")" "$(grep -c '^not ok' "$log")" "$(sed -nE 's/^ok 1 ([a-z]+):.*/\1/p' "$log")"
}

# count FILE: adds the results in a TAP file.
count() {
	PASSED=$((PASSED + $(grep -c '^ok' "$1" || :)))
	FAILED=$((FAILED + $(grep -c '^not ok' "$1" || :)))
	sed -nE "s/^not ok [0-9]* ?(- )?/$(basename "$1" .tap): /p" "$1" >>"$OUT/failures"
}

# Tests that depend on several processors, or on a clock that does not jump: they run in QEMU as well.
SMP='load autoload forward churn cleanup end'

# The kselftests without our runner, like the kernel's own: make run_tests, in a guest as vng starts it.
RUN_TESTS='test_load.sh test_shadowed.sh'
run_tests() {
	local log=$OUT/run_tests.log start=$SECONDS make passed failed missed kdir tests=$TOP/tests/kselftest
	say "kselftests with make run_tests, in QEMU"
	guest_files
	kdir=$(realpath "${NFT_OFFLOAD_KERNEL:-$("$TOP/scripts/kernel.sh" path)}")
	make=(make --no-print-directory -C "$tests" "KDIR=$kdir" "OUTPUT=$TOP/build"
		"NFT_OFFLOAD_MODULE=$TOP/build/module/nft_offload.ko" "NFT_OFFLOAD_NETDEVSIM=$TOP/build/netdevsim/netdevsim.ko")
	"${make[@]}" all >"$log" 2>&1 || fail "make -C tests/kselftest (log: ${log#"$TOP"/})"
	"$TOP/scripts/vm.sh" plain --timeout 600 --cpus 1 --dmesg "$OUT/dmesg.run_tests" "${make[@]}" run_tests "TEST_PROGS=$RUN_TESTS" \
		>>"$log" 2>&1 || fail "make run_tests ended with status $? (log: ${log#"$TOP"/})"
	passed=$(grep -c '^ok .*\.sh$' "$log" || :)
	failed=$(grep -c '^not ok' "$log" || :)
	# Nothing is missing here that would justify a skip.
	missed=$(($(wc -w <<<"$RUN_TESTS") - passed - failed))
	[ "$missed" -eq 0 ] || fail "make run_tests: $missed tests were skipped or not run (log: ${log#"$TOP"/})"
	[ "$failed" -eq 0 ] || grep -A 12 '^\(# \)\?not ok' "$log" | head -n 60
	sed -nE 's/^not ok [0-9]* ?(- )?/run_tests: /p' "$log" >>"$OUT/failures"
	PASSED=$((PASSED + passed)) FAILED=$((FAILED + failed))
	result run_tests "$passed" "$failed" "$((SECONDS - start)) s"
}

# The longest first, so that the guests end at about the same time.
all_kselftests() {
	local known
	known=$(cat "$CACHE/test-times" 2>/dev/null || :)
	for t in "$TOP"/tests/kselftest/test_*.sh; do
		t=${t##*/test_}
		t=${t%.sh}
		echo "$(awk -v t="$t" '$1 == t { n = $2 } END { print n ? n : 60 }' <<<"$known") $t"
	done | sort -rn | cut -d' ' -f2
}

# guest qemu|uml NUMBER TEST...: runs guests, one after the other, until no test is left: a test may leave a kernel that no other
# test can use.
guest() {
	local kind=$1 number=$2 boots=0 args
	shift 2
	# A guest takes at least one test.
	while [ "$boots" -lt $# ] && any_left "$kind" "$@"; do
		boots=$((boots + 1))
		# Freed memory is poisoned, and writes beyond objects are found.
		args=(--timeout 3000 --memory 1G --append slab_debug=FZP "${GUEST_ARGS[@]}" --out "$OUT/$kind"
			--dmesg "$OUT/dmesg.$kind.$number.$boots" "$TOP/tests/kselftest/run.sh" "$OUT/$kind" "$@")
		case $kind in
		# One guest with two processors, for races; more of them would only wait for each other.
		qemu) "$TOP/scripts/vm.sh" run --cpus $((number == 1 ? 2 : 1)) "${args[@]}" ;;
		uml) "$TOP/scripts/uml.sh" run "${args[@]}" ;;
		esac || return
	done
}

# any_left qemu|uml TEST...: a condition: no guest has taken one of these tests yet.
any_left() {
	local kind=$1 t
	shift
	for t; do [ -d "$OUT/$kind/$t.taken" ] || return 0; done
	return 1
}

# kselftests qemu|uml GUESTS TEST...: runs these tests, and counts their results.
kselftests() {
	local kind=$1 guests=$2 vm pids=() rc=0
	shift 2
	prepare_guests "$kind" "$guests" "$@"
	for ((vm = 1; vm <= guests; vm++)); do
		guest "$kind" "$vm" "$@" &
		pids+=($!)
		sleep 1
	done
	for vm in "${pids[@]}"; do wait "$vm" || rc=$?; done
	[ "$rc" -eq 0 ] || fail "a guest ($kind) ended with status $rc"
	count_kselftests "$kind" "$@"
}

# prepare_guests qemu|uml GUESTS TEST...: builds what the guests need.
prepare_guests() {
	local kind=$1 guests=$2
	shift 2
	case $kind in
	qemu) guest_files && say "kselftests: $# in QEMU, $guests at a time, minutes" ;;
	uml) guest_files umltest && say "kselftests: $#, $guests at a time, a few minutes" ;;
	esac
	mkdir -p "$OUT/$kind"
}

# count_kselftests qemu|uml TEST...: counts the results of all tests.
count_kselftests() {
	local kind=$1 t times=$CACHE/test-times
	shift
	for t; do
		if ! grep -qx '# done' "$OUT/$kind/$t.tap" 2>/dev/null; then
			fail "kselftest $t did not finish"
			continue
		fi
		count "$OUT/$kind/$t.tap"
		# A test without a result has tested nothing; one without a plan was killed.
		grep -q '^ok [1-9]' "$OUT/$kind/$t.tap" || fail "kselftest $t: no result"
		grep -q '^1\.\.[1-9]' "$OUT/$kind/$t.tap" || fail "kselftest $t did not get to its end"
	done
	# The last duration of each test, by the clock of this machine: in user-mode Linux, time jumps when nothing runs.
	[ "$kind" = uml ] || return 0
	for t; do
		[ ! -f "$OUT/$kind/$t.tap" ] || echo "$t $(($(stat -c %Y "$OUT/$kind/$t.tap") - $(stat -c %Y "$OUT/$kind/$t.taken")))"
	done >"$OUT/$kind/seconds"
	cat "$OUT/$kind/seconds" "$times" 2>/dev/null | awk '!seen[$1]++' >"$times.$$" || :
	mv "$times.$$" "$times"
}

# --- everything ------------------------------------------------------------------------------------------------------

# The steps before the kselftests in user-mode Linux. Those with a QEMU are far from each other.
STEPS=(stock lint host tool bigendian coverage model fuzz scripts bench packages drivers)
[ -n "${VM:-}" ] || STEPS=("${STEPS[@]:0:5}" run_tests "${STEPS[@]:5}" smp)
step() {
	case $1 in
	host) host host tests ;;
	bigendian) host 'host, big-endian' bigendian ;;
	model) host model model ;;
	*) "$1" ;;
	esac
}
smp() {
	# shellcheck disable=SC2086 # a list
	kselftests qemu 1 $SMP
}

# worker NUMBER TEST...: takes steps until none is left, then is a guest that takes tests. The output of a step appears at its end,
# in one piece.
worker() {
	local number=$1 s
	shift
	for s in "${STEPS[@]}"; do
		mkdir "$OUT/$s.taken" 2>/dev/null || continue
		set +e
		(
			set -e
			PASSED=0 FAILED=0
			step "$s"
			echo "$PASSED $FAILED" >"$OUT/$s.count"
		) >"$OUT/$s.said" 2>&1
		set -e
		cat "$OUT/$s.said"
	done
	guest "$KIND" "$number" "$@"
}

# everything TEST...: runs all steps and all tests, with a worker for each processor.
everything() {
	local n s passed failed workers=() rc=0 KIND=uml
	[ "${VM:-}" != qemu ] || KIND=qemu
	prepare_guests "$KIND" "$VMS" "$@"
	set -m # process groups of their own, so that an interrupt ends all of them
	for ((n = 1; n <= VMS; n++)); do
		worker "$n" "$@" &
		workers+=($!)
	done
	set +m
	# shellcheck disable=SC2064 # the workers of now are meant
	trap "kill -TERM -- ${workers[*]/#/-} 2>/dev/null || :; exit 130" INT TERM HUP
	for n in "${workers[@]}"; do wait "$n" || rc=$?; done
	trap - INT TERM HUP
	[ "$rc" -eq 0 ] || fail "a guest ($KIND) ended with status $rc"
	for s in "${STEPS[@]}"; do
		if read -r passed failed 2>/dev/null <"$OUT/$s.count"; then
			PASSED=$((PASSED + passed)) FAILED=$((FAILED + failed))
		else
			fail "$s did not get to its end (log: ${OUT#"$TOP"/}/$s.said)"
		fi
	done
	count_kselftests "$KIND" "$@"
}

case ${VM:-} in
'' | qemu | uml) ;;
*) die "VM=$VM means nothing; there are qemu and uml" ;;
esac
case $ONLY in
'' | lint | host | tool | bigendian | coverage | model | fuzz | bench | smp | run_tests | scripts | stock | packages | drivers) ;;
*)
	for t in $ONLY; do
		[ -f "$TOP/tests/kselftest/test_$t.sh" ] || die "no such test: $t; there are: lint host tool bigendian coverage model fuzz bench smp run_tests scripts stock packages drivers $(all_kselftests | sort | tr '\n' ' ')"
	done
	;;
esac
rm -rf "$OUT"
mkdir -p "$OUT"
case $ONLY in
'')
	mapfile -t tests < <(all_kselftests)
	everything "${tests[@]}"
	;;
lint | host | tool | bigendian | coverage | model | fuzz | bench | scripts | stock | packages | drivers | smp | run_tests) step "$ONLY" ;;
*)
	[ -n "${VM:-}" ] || VM=uml
	[ "${ONLY/ /}" != "$ONLY" ] || VMS=1
	# shellcheck disable=SC2086 # a list
	kselftests "$VM" "$VMS" $ONLY
	for t in $ONLY; do cat "$OUT/$VM/$t.tap" 2>/dev/null || :; done
	;;
esac
list_failures
echo "$PASSED passed, $FAILED failed, $SKIPPED skipped"
[ "$FAILED" -eq 0 ]
