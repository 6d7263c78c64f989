#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Rebuilds the Rust metadata of a Debian kernel, which no package ships, so that modules in Rust can be built for the
# unmodified image: linux-source of the same version, prepared with the image's configuration by the image's compilers.
# The mangled names of a Rust symbol depend on the crate's name and on the text of `rustc --version` only, so what is
# compiled here refers to the symbols that the image exports.
#
#   metadata.sh KVER OUT [HEADERS [SOURCE]]
#
#   KVER      the kernel's release, as uname -r prints it
#   OUT       becomes a kernel build directory (a KDIR); replaced as a whole, and removed if anything fails
#   HEADERS   the directory of its headers (/usr/src/linux-headers-KVER, or /lib/modules/KVER/build)
#   SOURCE    the source (/usr/src/linux-source-X.Y.tar.xz)
#
# Nothing is done where OUT is up to date. Prints the variables that the kernel's make needs into OUT/make-vars.
set -euo pipefail

die() {
	printf '\033[31merror:\033[0m %s\n' "$*" >&2
	exit 1
}
note() { printf '    %s\n' "$*" >&2; }

# config FILE NAME: the value of an option there, without quotes; empty if it is off.
config() { sed -n "s/^CONFIG_$2=\"\{0,1\}\(.*[^\"]\)\"\{0,1\}\$/\1/p" "$1"; }

# find_headers: sets HEADERS.
find_headers() {
	local d
	[ -z "$HEADERS" ] || return 0
	for d in "/usr/src/linux-headers-$KVER" "/lib/modules/$KVER/build"; do
		[ -e "$d/." ] || continue
		HEADERS=$d
		return
	done
	die "the headers of kernel $KVER are not installed; run: apt install linux-headers-$KVER"
}

check_headers() {
	[ -r "$HEADERS/.config" ] || die "$HEADERS has no .config: it is no directory of headers; run: apt install --reinstall linux-headers-$KVER"
	[ -r "$HEADERS/Module.symvers" ] || die "$HEADERS has no Module.symvers; run: apt install --reinstall linux-headers-$KVER"
	local release
	release=$(cat "$HEADERS/include/config/kernel.release" 2>/dev/null || :)
	[ "$release" = "$KVER" ] || die "$HEADERS are the headers of kernel ${release:-unknown}, not of $KVER"
	[ "$(config "$HEADERS/.config" RUST)" = y ] || die "kernel $KVER has no Rust (CONFIG_RUST is not set): no module in Rust can be built for it"
	[ -n "$(config "$HEADERS/.config" NF_FLOW_TABLE)" ] || die "kernel $KVER has no flowtables (CONFIG_NF_FLOW_TABLE is not set)"
	[ -z "$(config "$HEADERS/.config" MODVERSIONS)" ] || die "kernel $KVER has CONFIG_MODVERSIONS: its Rust symbols have checksums that a rebuild cannot give"
}

# check_tools: sets RUSTC, CC and BINDGEN to the tools that the image was built with.
check_tools() {
	local wanted c version found='' pahole
	wanted=$(config "$HEADERS/.config" RUSTC_VERSION_TEXT)
	RUSTC_FOUND=
	for c in "${RUSTC:-}" rustc /usr/bin/rustc /usr/lib/rust-*/bin/rustc; do
		[ -n "$c" ] && c=$(command -v "$c") || continue
		version=$("$c" --version 2>/dev/null) || continue
		if [ "$version" = "$wanted" ]; then
			RUSTC_FOUND=$c
			break
		fi
		[ -n "$found" ] || found=$version
	done
	[ -n "$RUSTC_FOUND" ] || die "kernel $KVER was built with $wanted, here is ${found:-no rustc}: install that compiler, or let 'make KVER=$KVER' fetch it"
	RUSTC=$RUSTC_FOUND
	[ -r "$("$RUSTC" --print sysroot)/lib/rustlib/src/rust/library/core/src/lib.rs" ] ||
		die "the sources of Rust's library are missing; run: apt install rust-src"
	wanted=$(config "$HEADERS/.config" CC_VERSION_TEXT)
	CC=${wanted%% *}
	version=$("$CC" --version 2>/dev/null | head -n 1 || :)
	[ "$version" = "$wanted" ] || die "kernel $KVER was built with $wanted, here is ${version:-no $CC}: install that compiler, or let 'make KVER=$KVER' fetch it"
	BINDGEN=$(command -v "${BINDGEN:-bindgen}") || die "bindgen is missing; run: apt install bindgen"
	pahole=$(pahole --version 2>/dev/null | sed 's/^v\([0-9]*\)\.\([0-9]*\)$/\1\2/' || :)
	wanted=$(config "$HEADERS/.config" PAHOLE_VERSION)
	[ "${wanted:-0}" = 0 ] || [ "$pahole" = "$wanted" ] ||
		die "kernel $KVER was built with pahole $wanted, here is ${pahole:-none}: its version changes the kernel's structures"
}

# find_source: sets SOURCE, and checks that it is of this very version.
find_source() {
	local series=${KVER%%[+-]*} version
	version=$series
	series=$(cut -d. -f1,2 <<<"$series")
	SOURCE=${SOURCE:-/usr/src/linux-source-$series.tar.xz}
	[ -r "$SOURCE" ] || die "the source of kernel $KVER is missing ($SOURCE); run: apt install linux-source-$series"
	VERSION=$version
}

# What is not needed to prepare a kernel build: source files of what is never compiled. Their Kconfig files are.
unpack() {
	local arch exclude=()
	for arch in alpha arc arm arm64 csky hexagon loongarch m68k microblaze mips nios2 openrisc parisc powerpc riscv s390 sh sparc um xtensa; do
		[ "$arch" = "$SRCARCH" ] || exclude+=("--exclude=*/arch/$arch/*.[chS]" "--exclude=*/arch/$arch/*.dts*")
	done
	tar -x -J -f "$SOURCE" --strip-components=1 -C "$OUT/src" --wildcards "${exclude[@]}" \
		'--exclude=*/Documentation/*.rst' '--exclude=*/Documentation/*.yaml' '--exclude=*/tools/testing/*' \
		'--exclude=*/drivers/gpu/*.[ch]' '--exclude=*/drivers/media/*.[ch]' '--exclude=*/drivers/staging/*.[ch]' \
		'--exclude=*/drivers/net/wireless/*.[ch]' '--exclude=*/sound/*.[ch]' '--exclude=*/fs/*.c'
}

# run WHAT CMD...: a step with its output in the log; its end is shown if it fails.
run() {
	local what=$1
	shift
	"$@" >>"$LOG" 2>&1 </dev/null && return
	tail -n 15 "$LOG" | sed 's/^/    | /' >&2
	if [ "$(df --output=avail -m "$OUT" | tail -n 1)" -lt 50 ]; then die "$what: the disk of $OUT is full"; fi
	die "$what failed for kernel $KVER (the end of its output is above)"
}

# same_config: the configuration is still the image's: what Kconfig has changed would change the kernel's structures.
same_config() {
	local changed
	changed=$(diff <(grep '^CONFIG_' "$HEADERS/.config" | LC_ALL=C sort) <(grep '^CONFIG_' "$OUT/.config" | LC_ALL=C sort) |
		grep '^[<>]' | grep -vE 'MLDSA|ML_DSA' || :)
	[ -z "$changed" ] || die "the configuration of kernel $KVER cannot be kept here: $(head -n 3 <<<"$changed" | paste -sd ' ') (another compiler or pahole?)"
}

prepare() {
	local vars
	mkdir -p "$OUT/src" || die "cannot create $OUT: is the disk full or read-only?"
	[ "$(df --output=avail -m "$OUT" | tail -n 1)" -ge 2500 ] ||
		die "no space for the metadata of kernel $KVER: 2500 MiB are needed in $OUT"
	LOG=$OUT.log
	: >"$LOG"
	note "unpacking the source of kernel $KVER"
	run "unpacking $SOURCE" unpack
	release=$(make -s -C "$OUT/src" kernelversion)
	[ "$release" = "$VERSION" ] || die "$SOURCE is the source of kernel $release, not of $VERSION; install the linux-source of the same version as the image"
	vars=("KERNELRELEASE=$KVER" "CC=$CC" "HOSTCC=$CC" "RUSTC=$RUSTC" "BINDGEN=$BINDGEN" LOCALVERSION=)
	cp "$HEADERS/.config" "$OUT/.config"
	run "configuring" make -C "$OUT/src" O="$OUT" "${vars[@]}" olddefconfig
	same_config
	note "compiling the Rust metadata of kernel $KVER (about 2 min on two cores)"
	run "compiling the metadata" make -C "$OUT/src" O="$OUT" "${vars[@]}" -j"${JOBS:-$(nproc)}" modules_prepare
	[ -s "$OUT/rust/libkernel.rmeta" ] || die "modules_prepare left no Rust metadata for kernel $KVER (log: $LOG)"
	cp "$HEADERS/Module.symvers" "$OUT/Module.symvers"
	printf '%s\n' "${vars[@]}" >"$OUT/make-vars"
}

[ $# -ge 2 ] && [ $# -le 4 ] || die "usage: metadata.sh KVER OUT [HEADERS [SOURCE]]"
KVER=$1 HEADERS=${3:-} SOURCE=${4:-}
OUT=$(realpath -m "$2")
case $KVER in
*/* | '' | .*) die "KVER=$KVER is no kernel release" ;;
esac
case $(uname -m) in
x86_64) SRCARCH=x86 ;;
aarch64) SRCARCH=arm64 ;;
*) SRCARCH=$(uname -m) ;;
esac
find_headers
check_headers
find_source
check_tools
stamp=$({
	cat "${BASH_SOURCE[0]}" "$HEADERS/.config" "$HEADERS/Module.symvers"
	stat -L -c '%s %Y' "$SOURCE"
	"$RUSTC" --version
	"$BINDGEN" --version
	"$CC" --version
} | sha256sum)
if [ "$stamp" = "$(cat "$OUT/.complete" 2>/dev/null)" ]; then exit 0; fi
if [ -e "$OUT" ] && [ ! -e "$OUT/src" ] && [ -n "$(ls -A "$OUT")" ]; then
	die "$OUT exists and is not mine: remove it or choose another"
fi
rm -rf "$OUT"
trap 'rm -rf "$OUT"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
prepare
printf '%s\n' "$stamp" >"$OUT/.complete"
trap - EXIT
