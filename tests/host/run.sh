#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The pure code of the module, compiled as an ordinary program: its tests, and what they prove.
#
#   run.sh tests       the host tests
#   run.sh bigendian   the same tests as a program of a big-endian machine (s390x), which qemu-user runs
#   run.sh coverage    which lines of the pure code the tests run; fails below 95 % of src/translate/
#
# What is compiled is kept in the cache (host-target).
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/common.sh"
load_env

COVERAGE_MIN=95
TARGET=$CACHE/host-target
cd "$TOP/tests/host"

tests() {
	# The toolchain that cargo belongs to.
	env -u RUSTC -u RUSTDOC -u RUSTFMT CARGO_TARGET_DIR="$TARGET" NEXTEST_HIDE_PROGRESS_BAR=1 \
		NFT_OFFLOAD_ENDIAN=little "$NEXTEST" nextest run --no-fail-fast
}

# The standard library for that machine is built from the sources that rustc needs for the kernel anyway (rust-src); a
# compiler that is not nightly wants to be told so. A static program needs no C library of that machine to run.
bigendian() {
	have_s390x_gcc || die "no C compiler for s390x with a static C library (Debian: gcc-s390x-linux-gnu libc6-dev-s390x-cross)"
	command -v qemu-s390x >/dev/null || die "no qemu-s390x (Debian: qemu-user)"
	env RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Ctarget-feature=+crt-static CARGO_TARGET_DIR="$TARGET-s390x" NEXTEST_HIDE_PROGRESS_BAR=1 \
		CARGO_TARGET_S390X_UNKNOWN_LINUX_GNU_LINKER=s390x-linux-gnu-gcc \
		CARGO_TARGET_S390X_UNKNOWN_LINUX_GNU_RUNNER=qemu-s390x \
		NFT_OFFLOAD_ENDIAN=big \
		"$NEXTEST" nextest run --no-fail-fast -Zbuild-std --target s390x-unknown-linux-gnu
}

# table FILE: reads lcov's format; prints a table with what no test ran, and the share of src/translate/. Status 1 if that
# is too little. A file that has no line in it has no code, only types.
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

case ${1:-} in
tests | bigendian | coverage) "$@" ;;
*) die "usage: run.sh tests | bigendian | coverage" ;;
esac
