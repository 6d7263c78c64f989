#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Checks whether a kernel tree can build this module. If not, it explains why in one line, where
# kbuild would take fifty. Otherwise it prints the variables for kbuild (the tools that fit that
# kernel), one NAME=VALUE per line.
#
#   check-kdir.sh KDIR
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

KDIR=${1:-}
GIVEN_RUSTC=${RUSTC:-} GIVEN_BINDGEN=${BINDGEN:-} GIVEN_LIBCLANG=${LIBCLANG_PATH:-}

# config NAME: prints the value of a CONFIG option of the kernel, without quotes; nothing if it is
# off.
config() { sed -n "s/^CONFIG_$1=\"\{0,1\}\(.*[^\"]\)\"\{0,1\}\$/\1/p" "$KDIR/include/config/auto.conf"; }

# first_command NAME...: prints the path of the first command that exists.
first_command() {
	local c
	for c in "$@"; do
		[ -n "$c" ] || continue
		command -v "$c" && return
	done
	return 1
}

[ -n "$KDIR" ] || die "no kernel to build against: give KDIR=/path/to/kernel/build, or run: make kernel"
[ -d "$KDIR" ] || die "KDIR=$KDIR does not exist (kernel headers not installed? run 'make kernel', or give KDIR=/path/to/kernel/build)"
[ -e "$KDIR/Makefile" ] || die "KDIR=$KDIR is not a kernel tree: it has no Makefile"
[ -e "$KDIR/.config" ] && [ -e "$KDIR/include/config/auto.conf" ] ||
	die "KDIR=$KDIR is a kernel tree that is not configured and built: it has no .config or include/config/auto.conf"
[ -n "$(config MODULES)" ] || die "the kernel in KDIR=$KDIR has no loadable modules (CONFIG_MODULES is off)"
[ -n "$(config RUST)" ] || die "the kernel in KDIR=$KDIR has no Rust (CONFIG_RUST is not set)"
[ -n "$(config NF_FLOW_TABLE)" ] || die "the kernel in KDIR=$KDIR has no flowtables (CONFIG_NF_FLOW_TABLE is not set)"
[ -e "$KDIR/rust/libkernel.rmeta" ] ||
	die "KDIR=$KDIR cannot build Rust modules: its headers ship no Rust metadata (rust/*.rmeta), or it is not built yet"

if [ -r "$TOOLS/env.sh" ]; then load_env; fi
wanted=$(config RUSTC_VERSION_TEXT)
found='' rustc=
for c in "$GIVEN_RUSTC" "${RUSTC:-}" rustc /usr/bin/rustc; do
	c=$(first_command "$c") || continue
	version=$("$c" --version 2>/dev/null) || continue
	if [ "$version" = "$wanted" ]; then
		rustc=$c
		break
	fi
	[ -n "$found" ] || found="$version ($c)"
	# Do not silently replace a compiler that was requested by name.
	[ -z "$GIVEN_RUSTC" ] || break
done
if [ -z "$rustc" ]; then
	[ -n "$found" ] || die "rustc is missing; the kernel in KDIR=$KDIR was built with $wanted"
	die "rustc differs from the kernel's: this is $found, the kernel in KDIR=$KDIR was built with $wanted"
fi
bindgen=$(first_command "${GIVEN_BINDGEN:-${BINDGEN:-bindgen}}") ||
	die "bindgen is missing${GIVEN_BINDGEN:+ ($GIVEN_BINDGEN)}; run 'make setup', or: cargo install --locked bindgen-cli"
libclang=${GIVEN_LIBCLANG:-${LIBCLANG_PATH:-}}
if [ -z "$libclang" ]; then
	find_libclang || die "libclang is missing ($LLVM_MIN or newer); run 'make setup', or install libclang-19-dev (Debian) or give LIBCLANG_PATH="
	libclang=$LIBCLANG_DIR
fi
compgen -G "$libclang/libclang*.so*" >/dev/null ||
	[ -f "$libclang" ] || die "libclang is missing: LIBCLANG_PATH=$libclang has none"
dir=$(dirname "$(readlink -f "$rustc" || echo "$rustc")")
[ -x "$dir/rustdoc" ] || dir=$(dirname "$rustc")
printf '%s\n' "RUSTC=$rustc" "BINDGEN=$bindgen" "LIBCLANG_PATH=$libclang" "RUSTFMT=$dir/rustfmt" "RUSTDOC=$dir/rustdoc" "CLIPPY_DRIVER=$dir/clippy-driver"
