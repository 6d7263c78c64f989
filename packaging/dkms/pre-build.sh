#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Builds the module for DKMS, or explains in one line why it cannot.
#
#   pre-build.sh check KVER KDIR    checks whether the module can be built for this kernel, in a
#                                   fraction of a second
#   pre-build.sh build KVER KDIR    builds nft_offload.ko in the current directory, DKMS's copy of
#                                   the source
#
# KVER is the release of the kernel, KDIR its build directory (/lib/modules/KVER/build).
#
# Exit status 77 makes dkms skip the module. Any other failure would make the installation of the
# kernel fail, so all failures have this status: updates of the kernel or of the compiler never wait
# for this module.
set -euo pipefail
unset MAKEFLAGS MFLAGS MAKELEVEL

KERNEL_MIN=7.2
# The rebuilt metadata of kernels whose packages have none, one directory per kernel.
METADATA=${NFT_OFFLOAD_METADATA:-/var/cache/nft-offload/metadata}
MODULES=/lib/modules
HERE=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
PATH=$PATH:/usr/local/bin:/usr/sbin:/sbin

# tell LINE: prints a line. As dkms sends the output of a script only to its log, the line also goes
# to the place of dkms's own messages: the standard error of the nearest parent process for which it
# is not that log.
tell() {
	local pid=$$ mine theirs
	printf '%s\n' "$1" >&2
	mine=$(readlink "/proc/$$/fd/2" || :)
	case $mine in */make.log) ;; *) return 0 ;; esac
	while [ "$pid" -gt 1 ]; do
		pid=$(awk '$1 == "PPid:" { print $2 }' "/proc/$pid/status") || return 0
		theirs=$(readlink "/proc/$pid/fd/2") || return 0
		[ "$theirs" = "$mine" ] && continue
		{ printf '\n%s\n' "$1" >>"/proc/$pid/fd/2"; } 2>/dev/null || :
		return 0
	done
}

skip() {
	tell "nft-offload: skipped for kernel $KVER: $*"
	exit 77
}

# config NAME: prints the value of an option of the kernel, without quotes; nothing if it is off.
config() { sed -n "s/^CONFIG_$1=\"\{0,1\}\(.*[^\"]\)\"\{0,1\}\$/\1/p" "$CONFIG"; }

# version_ge A B: succeeds if version A is at least B.
version_ge() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

# rustcs: prints every rustc of this machine: that in the PATH, those of versioned packages (Debian,
# Ubuntu, Gentoo), and those of rustup.
rustcs() {
	local c
	for c in "${RUSTC:-}" rustc /usr/bin/rustc /usr/bin/rustc-[0-9]* /usr/lib/rust-*/bin/rustc /usr/lib/rust/*/bin/rustc \
		/opt/rust-bin-*/bin/rustc "${RUSTUP_HOME:-${HOME:-/root}/.rustup}"/toolchains/*/bin/rustc; do
		if [ -n "$c" ]; then command -v "$c" || :; fi
	done
}

# built_with: prints the text of `rustc --version` of the compiler that made the metadata, which
# contains it near the beginning, or, without metadata, of the compiler that built the kernel.
built_with() {
	local text=''
	if [ -s "$KDIR/rust/libcore.rmeta" ]; then
		text=$(head -c 512 "$KDIR/rust/libcore.rmeta" | LC_ALL=C grep -aom 1 'rustc [0-9][ -~]*' | head -n 1 || :)
	fi
	printf '%s\n' "${text:-$(config RUSTC_VERSION_TEXT)}"
}

# find_rustc: sets RUSTC to the compiler that made the metadata. Other versions cannot read it.
find_rustc() {
	local wanted c version others=''
	wanted=$(built_with)
	while IFS= read -r c; do
		version=$("$c" --version 2>/dev/null) || continue
		if [ "$version" = "$wanted" ]; then
			RUSTC=$c
			return
		fi
		case ", $others, " in *", $version, "*) ;; *) others=${others:+$others, }$version ;; esac
	done < <(rustcs)
	skip "it was built with $wanted, here is ${others:-no rustc}; install that compiler (others may stay)"
}

# bindgen_works DIR: succeeds if bindgen runs with the libclang in DIR, or, if DIR is empty, with
# the libclang that it finds.
bindgen_works() {
	local header rc=0
	header=$(mktemp --suffix=.h)
	echo 'int nft_offload_probe;' >"$header"
	LIBCLANG_PATH=$1 "$BINDGEN" "$header" >/dev/null 2>&1 || rc=1
	rm -f "$header"
	return "$rc"
}

# find_bindgen: sets BINDGEN, and LIBCLANG_PATH if bindgen does not find libclang without it.
find_bindgen() {
	local d
	BINDGEN=$(command -v "${BINDGEN:-bindgen}") ||
		skip "bindgen is missing; install it (bindgen on Debian and Ubuntu, rust-bindgen on Arch)"
	while IFS= read -r d; do
		if bindgen_works "$d"; then
			if [ -n "$d" ]; then export LIBCLANG_PATH=$d; fi
			return
		fi
	done < <(
		printf '%s\n' "${LIBCLANG_PATH:-}"
		printf '%s\n' /usr/lib/llvm-*/lib /usr/lib/llvm/*/lib64 /usr/lib64 /usr/lib | sort -rV
	)
	skip "bindgen finds no libclang; install libclang-dev (clang on Arch, Fedora and Gentoo)"
}

# find_metadata: sets REBUILD to the archive of the source if the kernel's packages have no Rust
# metadata.
find_metadata() {
	local file missing='' source
	REBUILD=
	for file in rust/libcore.rmeta rust/libkernel.rmeta rust/libbindings.rmeta rust/libmacros.so; do
		[ -s "$KDIR/$file" ] || missing=${missing:-$file}
	done
	[ -n "$missing" ] || return 0
	# Partly missing metadata is damage. If all of it is missing, the distribution ships none.
	[ ! -s "$KDIR/rust/libkernel.rmeta" ] ||
		skip "its Rust metadata is not complete ($missing is missing); reinstall the kernel's headers"
	if [ -L "$KDIR/rust" ]; then skip "its Rust metadata is not installed; run: apt install linux-lib-rust-$KVER"; fi
	source=/usr/src/linux-source-$(cut -d. -f1,2 <<<"${KVER%%[+-]*}").tar.xz
	if [ -r "$source" ]; then
		REBUILD=$source
		return
	fi
	case $KVER in
	*+deb*) skip "its headers have no Rust metadata to be rebuilt without $source; run: apt install $(basename "$source" .tar.xz)" ;;
	esac
	skip "its headers have no Rust metadata (rust/*.rmeta); no module in Rust can be built for it"
}

check() {
	local option
	CONFIG=$KDIR/include/config/auto.conf
	[ -r "$CONFIG" ] || CONFIG=$KDIR/.config
	[ -r "$CONFIG" ] || skip "$KDIR has no configuration; install or reinstall the kernel's headers"
	version_ge "${KVER%%[+-]*}" "$KERNEL_MIN" || skip "it is older than $KERNEL_MIN"
	for option in MODULES RUST NF_FLOW_TABLE; do
		[ -n "$(config "$option")" ] || skip "it was built without CONFIG_$option"
	done
	find_metadata
	find_rustc
	find_bindgen
}

# remove_old: removes the metadata of kernels that are no longer installed.
remove_old() {
	local d
	for d in "$METADATA"/*/; do
		if [ ! -d "$MODULES/$(basename "$d")" ]; then rm -rf "$d"; fi
	done
}

# thin DIR: keeps the headers, Makefiles and tools, which builds of modules need, and removes the
# rest of the source, 0.8 GB.
thin() {
	find "$1"/src/*/ -type f ! -path "$1/src/include/*" ! -path "$1/src/arch/*" ! -path "$1/src/scripts/*" \
		! -path "$1/src/tools/*" ! -name 'Kconfig*' ! -name 'Makefile*' ! -name Kbuild -delete
}

# rebuild: sets KDIR to a build directory with rebuilt metadata. metadata.sh does nothing if the
# directory is up to date.
rebuild() {
	local out=$METADATA/$KVER output
	mkdir -p "$METADATA" || skip "cannot create $METADATA: is the disk full or read-only?"
	exec 8>"$METADATA/.lock"
	flock 8
	remove_old
	[ -s "$out/.complete" ] ||
		tell "nft-offload: rebuilding the Rust metadata of kernel $KVER (2 to 3 minutes, once for each kernel)"
	if ! output=$(RUSTC=$RUSTC BINDGEN=$BINDGEN "$HERE/scripts/metadata.sh" "$KVER" "$out" "$KDIR" "$REBUILD" 2>&1); then
		printf '%s\n' "$output" >&2
		rm -f "$out.log"
		rmdir --ignore-fail-on-non-empty "$METADATA" 2>/dev/null || :
		skip "$(sed -n 's/.*error:[^ ]* //p' <<<"$output" | tail -n 1)"
	fi
	thin "$out"
	rm -f "$out.log"
	KDIR=$out
}

# make_vars: prints the variables that the kernel's make needs, one per line.
make_vars() {
	local cc
	if [ -r "$KDIR/make-vars" ]; then
		cat "$KDIR/make-vars"
		return
	fi
	printf '%s\n' "RUSTC=$RUSTC" "BINDGEN=$BINDGEN"
	if [ -n "$(config CC_IS_CLANG)" ]; then
		echo LLVM=1
		return
	fi
	cc=$(config CC_VERSION_TEXT)
	cc=${cc%% *}
	if [ -n "$cc" ] && command -v "$cc" >/dev/null; then echo "CC=$cc"; fi
}

build() {
	local vars log cause
	check
	if [ -n "$REBUILD" ]; then rebuild; fi
	mapfile -t vars < <(make_vars)
	log=$(mktemp)
	if ! make -C "$KDIR" M="$PWD" -j"$(nproc)" "${vars[@]}" modules 2>&1 | tee "$log" || [ ! -s nft_offload.ko ]; then
		cause=$(grep -aE '(^|[ :])(fatal )?error(\[E[0-9]+\])?:|^ERROR: modpost' "$log" | head -n 1 || :)
		[ -n "$cause" ] || cause=$(grep -aF '*** ' "$log" | head -n 1 || :)
		rm -f "$log"
		skip "it does not compile for this kernel${cause:+: $cause}"
	fi
	rm -f "$log"
}

case $#:${1:-} in
3:check | 3:build) ;;
*)
	echo "usage: pre-build.sh check|build KVER KDIR" >&2
	exit 2
	;;
esac
KVER=$2 KDIR=$3
"$1"
