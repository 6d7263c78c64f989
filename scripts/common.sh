# SPDX-License-Identifier: GPL-2.0
# Functions and paths shared by every script of the project: where files are kept, how a step is
# announced, how a script fails.
# shellcheck shell=bash

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
CACHE=${NFT_OFFLOAD_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/nft-offload}
case $CACHE in /*) ;; *) CACHE=$PWD/$CACHE ;; esac
TOOLS=$CACHE/toolchain
# The kernel series that the module is tested with, newest first.
KERNELS_TESTED='7.3 7.2'
JOBS=${JOBS:-$(nproc)}
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export TOP CACHE TOOLS KERNELS_TESTED JOBS PATH
unset MAKEFLAGS MFLAGS MAKELEVEL # the flags of this make are not meant for the kernel's

say() { printf '\033[1m==>\033[0m %s\n' "$*" >&2; }
info() { printf '    %s\n' "$*" >&2; }
die() {
	printf '\033[31merror:\033[0m %s\n' "$*" >&2
	exit 1
}

# series_of RELEASE: prints the series X.Y of a kernel release.
series_of() { cut -d. -f1,2 <<<"${1%%[+-]*}"; }

# version_ge A B: succeeds if version A is at least B.
version_ge() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

LLVM_MIN=17 # the minimum for Linux 7.2

# find_libclang: sets LIBCLANG_DIR to the directory of the newest libclang that bindgen can load.
find_libclang() {
	local d n so
	LIBCLANG_DIR=
	while read -r n d; do
		[ "$n" -ge "$LLVM_MIN" ] || continue
		for so in "$d"/libclang.so "$d"/libclang.so.* "$d"/libclang-[0-9]*.so*; do
			if [ -e "$so" ]; then
				# shellcheck disable=SC2034 # the caller reads it
				LIBCLANG_DIR=$d
				return 0
			fi
		done
	done < <(
		for d in /usr/lib/llvm-*/lib; do
			n=${d#/usr/lib/llvm-}
			n=${n%/lib}
			case $n in *[!0-9]*) ;; *) echo "$n $d" ;; esac
		done | sort -rn
		printf '99 %s\n' /usr/lib64 /usr/lib
	)
	return 1
}

# have_s390x_gcc: succeeds if there is a C compiler for s390x, with a C library for static linking.
have_s390x_gcc() { [ -f "$(s390x-linux-gnu-gcc -print-file-name=libc.a 2>/dev/null)" ]; }

# rust_llvm: prints the LLVM version of RUSTC.
rust_llvm() { "$RUSTC" -vV | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p'; }

# find_llvm_tools: sets LLVM_TOOLS to the directory of an llvm-profdata and an llvm-cov that can
# read the output of RUSTC, that is, of its LLVM version or a later one.
find_llvm_tools() {
	local d n wanted
	LLVM_TOOLS=
	wanted=$(rust_llvm)
	for d in "$("$RUSTC" --print sysroot)"/lib/rustlib/*/bin /usr/lib/llvm-*/bin /usr/lib64/llvm*/bin /usr/bin; do
		if [ -x "$d/llvm-profdata" ] && [ -x "$d/llvm-cov" ]; then
			n=$("$d/llvm-cov" --version | sed -n 's/.*LLVM version \([0-9]*\).*/\1/p')
			if [ "${n:-0}" -ge "$wanted" ]; then
				# shellcheck disable=SC2034 # the caller reads it
				LLVM_TOOLS=$d
				return 0
			fi
		fi
	done
	return 1
}

# load_env: exports the tools that scripts/setup.sh has chosen (RUSTC, BINDGEN, LIBCLANG_PATH, VNG,
# ...).
load_env() {
	[ -r "$TOOLS/env.sh" ] || die "the tools are not set up; run: make setup"
	# shellcheck source=/dev/null
	. "$TOOLS/env.sh"
}

# make_vars: prints the variables that make every kernel build use the chosen tools, one NAME=VALUE
# per line.
make_vars() {
	printf '%s\n' "RUSTC=$RUSTC" "RUSTDOC=$RUSTDOC" "RUSTFMT=$RUSTFMT" "CLIPPY_DRIVER=$CLIPPY_DRIVER" \
		"BINDGEN=$BINDGEN" LOCALVERSION=
}

# own_build_dir DIR KDIR VAR...: locks the build directory of a test module (file descriptor 7) until the script ends, and empties
# it if the last build was for another kernel or compiler: kbuild compares only times and commands.
own_build_dir() {
	local dir=$1 key
	exec 7<"$dir"
	flock 7
	key=$({ printf '%s\n' "${@:2}" && cat "$2"/{.config,Module.symvers}; } | sha256sum)
	if [ "$key" != "$(cat "$dir/.key" 2>/dev/null)" ]; then
		find "$dir" -mindepth 1 -delete
		printf '%s\n' "$key" >"$dir/.key"
	fi
}

# with_lock NAME CMD...: lets only one make at a time work on a part of the cache; a second one
# waits, and then finds the work done. A process that the holder leaves behind (a make whose script
# was killed) still holds the lock.
with_lock() {
	local name=$1 fd rc
	shift
	mkdir -p "$CACHE/locks" 2>/dev/null ||
		die "cannot write in $CACHE: is the disk full or read-only? (set NFT_OFFLOAD_CACHE to another place)"
	exec {fd}>"$CACHE/locks/$name"
	if ! flock -n "$fd"; then
		info "another run is busy with '$name'; waiting for it"
		flock "$fd"
	fi
	"$@"
	rc=$?
	exec {fd}>&-
	return "$rc"
}

# need_space DIR MIB WHAT: fails before a long step rather than in the middle of it.
need_space() {
	local free
	mkdir -p "$1" 2>/dev/null || die "cannot create $1: is the disk full or read-only? (set NFT_OFFLOAD_CACHE to another place)"
	free=$(df --output=avail -m "$1" | tail -n 1 | tr -d ' ')
	[ "$free" -ge "$2" ] || die "no space for $3: $2 MiB are needed in $1, $free MiB are free (set NFT_OFFLOAD_CACHE to another place)"
}

# own_target DIRECTORY FILE...: prepares a build by cargo in a directory that clones share. Cargo
# compares times, and paths relative to a crate, so it would take the output of another clone as up
# to date. To prevent this, the FILEs of the crates get a new time.
own_target() {
	mkdir -p "$1" || die "cannot create $1"
	[ "$(cat "$1/.clone" 2>/dev/null)" = "$TOP" ] || touch -c "${@:2}"
	printf '%s\n' "$TOP" >"$1/.clone"
}

# progress SECONDS ESTIMATE_S LOG: prints the progress of a step in words. If the final length of
# its log is known (LOG_LINES), the length is used, which is more precise than the estimate on a
# machine that is slower or busier.
progress() {
	local seconds=$1 left=$(($2 - $1)) lines
	if [ -n "${LOG_LINES:-}" ]; then
		lines=$(wc -l 2>/dev/null <"$3" || echo 0)
		[ "$lines" -lt "$LOG_LINES" ] || lines=$((LOG_LINES - 1))
		[ $((20 * lines)) -lt "$LOG_LINES" ] || left=$((seconds * (LOG_LINES - lines) / lines))
	fi
	if [ "$left" -gt 0 ]; then
		echo "$seconds s, about $left s left"
	else
		echo "$seconds s, more than the $2 s expected"
	fi
}

# run_logged LOG ESTIMATE_S CMD...: runs a long step quietly, with one progress line; on failure it
# shows the end of the log (LOG_TAIL lines, by default 25). For a step that writes another log
# itself, PROGRESS_LOG names this log. If the output is not a terminal, progress is one line every
# 30 s.
run_logged() {
	local log=$1 estimate=$2 start=$SECONDS pid rc last=0 now shown=${PROGRESS_LOG:-$1}
	shift 2
	mkdir -p "$(dirname "$log")"
	set -m # puts it into its own process group, so that an interrupt ends all of it
	"$@" >"$log" 2>&1 </dev/null &
	pid=$!
	set +m
	# shellcheck disable=SC2064 # the current pid is meant
	trap "kill -TERM -- -$pid 2>/dev/null || :; exit 130" INT TERM HUP
	while kill -0 "$pid" 2>/dev/null; do
		now=$((SECONDS - start))
		if [ -t 2 ]; then
			printf '\r    %-34s %-56.56s' "$(progress "$now" "$estimate" "$shown")" \
				"$(tail -n 1 "$shown" 2>/dev/null | tr -d '\r' | tr '\t' ' ')" >&2
			sleep 1
		else
			if [ $((now - last)) -ge 30 ]; then
				info "$(progress "$now" "$estimate" "$shown"): $(tail -n 1 "$shown" 2>/dev/null | tr '\t' ' ' | cut -c1-70)"
				last=$now
			fi
			sleep 0.5
		fi
	done
	rc=0
	wait "$pid" || rc=$?
	trap - INT TERM HUP
	if [ -t 2 ]; then printf '\r%-90s\r' '' >&2; fi
	if [ "$rc" -ne 0 ]; then
		tail -n "${LOG_TAIL:-25}" "$log" 2>/dev/null | sed 's/^/    | /' >&2
	fi
	return "$rc"
}
