#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Tests of the pure code of the module, compiled as an ordinary program, and measures of these tests.
#
#   run.sh tests       the host tests
#   run.sh bigendian   the same tests as a program for a big-endian machine (s390x), in qemu-user
#   run.sh coverage    the lines of the pure code that the tests run; fails below 95 % of src/translate/
#   run.sh model       the engine between a simulated core and driver (tests/model), for $MODEL_STEPS steps in all
#   run.sh fuzz        libFuzzer on the targets of tests/fuzz, for $FUZZ_TIME seconds in all (600); stops at a finding
#   run.sh replay TARGET FILE...
#                      a target on inputs that the fuzzer has found
#
# The build is kept in the cache (host-target), and so is the corpus of the fuzzer (fuzz).
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/common.sh"
load_env

COVERAGE_MIN=95
TARGET=$CACHE/host-target
FUZZ=$TOP/tests/fuzz
cd "$TOP/tests/host"

tests() {
	own_target "$TARGET" src/lib.rs
	# The toolchain that cargo belongs to.
	env -u RUSTC -u RUSTDOC -u RUSTFMT CARGO_TARGET_DIR="$TARGET" NEXTEST_HIDE_PROGRESS_BAR=1 \
		NFT_OFFLOAD_ENDIAN=little "$NEXTEST" nextest run --no-fail-fast
}

# The whole engine, not only the pure code. Prints the number of steps.
model() {
	case ${MODEL_STEPS-0} in '' | *[!0-9]*) die "MODEL_STEPS=$MODEL_STEPS is no number of steps" ;; esac
	cd "$TOP/tests/model"
	own_target "$TARGET-model" src/lib.rs ./*/src/lib.rs
	env -u RUSTC -u RUSTDOC -u RUSTFMT CARGO_TARGET_DIR="$TARGET-model" NEXTEST_HIDE_PROGRESS_BAR=1 \
		"$NEXTEST" nextest run --no-fail-fast --success-output=immediate
}

# The standard library for that machine is built from the sources that rustc needs for the kernel as well (rust-src), which a stable
# compiler does only with RUSTC_BOOTSTRAP. A static program needs no C library of that machine at run time.
bigendian() {
	have_s390x_gcc || die "no C compiler for s390x with a static C library (Debian: gcc-s390x-linux-gnu libc6-dev-s390x-cross)"
	command -v qemu-s390x >/dev/null || die "no qemu-s390x (Debian: qemu-user)"
	own_target "$TARGET-s390x" src/lib.rs
	env RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Ctarget-feature=+crt-static CARGO_TARGET_DIR="$TARGET-s390x" NEXTEST_HIDE_PROGRESS_BAR=1 \
		CARGO_TARGET_S390X_UNKNOWN_LINUX_GNU_LINKER=s390x-linux-gnu-gcc \
		CARGO_TARGET_S390X_UNKNOWN_LINUX_GNU_RUNNER=qemu-s390x \
		NFT_OFFLOAD_ENDIAN=big \
		"$NEXTEST" nextest run --no-fail-fast -Zbuild-std --target s390x-unknown-linux-gnu
}

# table FILE: reads lcov's format; prints a table with the lines that no test ran, and the share of src/translate/. Status 1 if the
# share is too small. A file without lines has only types.
table() {
	find "$TOP/src/translate" -name '*.rs' -printf 'SF:/../src/translate/%P\n' | cat - "$1" | awk -v min="$COVERAGE_MIN" '
		/^SF:/ {
			file = substr($0, 4)
			ours = sub(/.*\/\.\.\/src\//, "src/", file)
			if (ours) lines[file] += 0
		}
		ours && /^DA:/ {
			split(substr($0, 4), field, ",")
			lines[file]++
			if (field[2] > 0) run[file]++
			else missed[file] = missed[file] " " field[1]
		}
		END {
			row = "%-34s %6s %6s %9s %s\n"
			printf row, "file", "lines", "run", "share", " not run"
			sort = "LC_ALL=C sort"
			for (f in lines) {
				share = lines[f] ? sprintf("%.2f %%", 100 * run[f] / lines[f]) : "-"
				printf row, f, lines[f], run[f] + 0, share, missed[f] | sort
				if (f ~ /^src\/translate\//) { all += lines[f]; done += run[f] }
			}
			close(sort)
			share = all ? 100 * done / all : 0
			printf row, "src/translate/ in all", all + 0, done + 0, sprintf("%.2f %%", share), ""
			exit share < min
		}'
}

coverage() {
	local dir=$TARGET-coverage program
	find_llvm_tools || die "no llvm-profdata and llvm-cov of LLVM $(rust_llvm) (Debian: llvm-$(rust_llvm))"
	mkdir -p "$dir"
	rm -f "$dir"/*.profraw
	own_target "$dir" src/lib.rs
	program=$(env RUSTFLAGS=-Cinstrument-coverage CARGO_TARGET_DIR="$dir" "$CARGO" test --quiet --no-run --message-format=json |
		jq -r 'select(.executable) | .executable')
	[ -x "$program" ] || die "the host tests did not compile for coverage (does $RUSTC have profiler_builtins?)"
	env NFT_OFFLOAD_ENDIAN=little LLVM_PROFILE_FILE="$dir/%p.profraw" "$program" --quiet >"$dir/tests.log" 2>&1 || {
		cat "$dir/tests.log"
		die "the host tests failed"
	}
	"$LLVM_TOOLS/llvm-profdata" merge -sparse "$dir"/*.profraw -o "$dir/profdata"
	"$LLVM_TOOLS/llvm-cov" export --format=lcov --instr-profile="$dir/profdata" "$program" >"$dir/lcov"
	table "$dir/lcov" || die "less than $COVERAGE_MIN % of the lines of src/translate/ are run by the host tests"
}

# The instrumentation of `cargo fuzz`, which needs no nightly compiler; no sanitizer, as there is no unsafe code.
build_fuzz() {
	command -v c++ >/dev/null || die "no C++ compiler, which libFuzzer needs (Debian: g++)"
	HOST=$("$RUSTC" -vV | sed -n 's/^host: //p')
	own_target "$TARGET-fuzz" "$FUZZ"/*/*.rs
	env RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
		-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
		-Cllvm-args=-sanitizer-coverage-trace-compares --cfg=fuzzing" CARGO_TARGET_DIR="$TARGET-fuzz" \
		"$CARGO" build --quiet --release --target "$HOST" --manifest-path "$FUZZ/Cargo.toml"
}

# fuzz_one TARGET SECONDS: findings are in build/fuzz/TARGET.
fuzz_one() {
	local target=$1 seconds=$2 log=$TOP/build/fuzz/$1.log found=$TOP/build/fuzz/$1 args=()
	mkdir -p "$found" "$CACHE/fuzz/$target"
	rm -f "$found"/*
	[ ! -e "$FUZZ/$target.dict" ] || args+=("-dict=$FUZZ/$target.dict")
	if run_logged "$log" "$seconds" "$TARGET-fuzz/$HOST/release/$target" "$CACHE/fuzz/$target" "$FUZZ/seeds/$target" \
		-max_total_time="$seconds" -max_len=512 -timeout=10 -use_value_profile=1 -print_final_stats=1 \
		-artifact_prefix="$found/" "${args[@]}"; then
		awk -v t="$target" '/^stat::number_of_executed_units/ { n = $2 } /^stat::average_exec_per_sec/ { s = $2 }
			END { printf "%-12s %10d inputs, %7d a second, nothing found\n", t, n, s }' "$log"
		return
	fi
	grep -A 3 "^thread .* panicked" "$log" || :
	for file in "$found"/*; do
		[ -e "$file" ] || die "fuzz target $target ended without a finding (log: ${log#"$TOP"/})"
		echo "finding:   ${file#"$TOP"/}"
		echo "reproduce: tests/host/run.sh replay $target ${file#"$TOP"/}"
		echo "keep it:   as tests/fuzz/seeds/$target/NAME, which the host tests then check"
	done
	return 1
}

fuzz() {
	local seconds=${FUZZ_TIME:-600} target short rc=0
	case $seconds in '' | *[!0-9]*) die "FUZZ_TIME=$seconds is no number of seconds" ;; esac
	build_fuzz
	# The translation is the most important target.
	short=$((seconds / 10 + 1))
	fuzz_one translation $((seconds > 3 * short ? seconds - 3 * short : 1)) || rc=1
	for target in profile demux counters; do fuzz_one "$target" "$short" || rc=1; done
	[ "$rc" -eq 0 ] || die "the fuzzer has found something"
}

replay() {
	local target=$1 files=()
	shift
	mapfile -t files < <(cd "$OLDPWD" && realpath -- "$@")
	build_fuzz
	"$TARGET-fuzz/$HOST/release/$target" "${files[@]}"
}

case ${1:-} in
tests | bigendian | coverage | model | fuzz) "$1" ;;
replay)
	[ $# -ge 3 ] || die "usage: run.sh replay TARGET FILE..."
	"$@"
	;;
*) die "usage: run.sh tests | bigendian | coverage | model | fuzz | replay TARGET FILE..." ;;
esac
