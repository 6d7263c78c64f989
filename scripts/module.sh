#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Builds nft_offload.ko with kbuild in build/module, so that the clone is not changed.
#
#   module.sh KDIR TARGET [NAME=VALUE...]
#
# TARGET is modules or modules_install. CLIPPY=1 also runs clippy.
# NFT_OFFLOAD_BUILD=DIR builds there instead.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

KDIR=${1:-} TARGET=${2:-modules}
shift 2 || die "usage: module.sh KDIR TARGET [NAME=VALUE...]"
VARS_TEXT=$("$TOP/scripts/check-kdir.sh" "$KDIR") || exit 1
mapfile -t VARS <<<"$VARS_TEXT"
for v in "${VARS[@]}"; do
	case $v in LIBCLANG_PATH=*) export "${v?}" ;; esac
done
# The module loader of arch/um does not support GOTPCREL relocations, which its relocation model
# (pie) produces. Use the same model as for C.
case " $* " in *' ARCH=um '*) VARS+=('KRUSTFLAGS=-Crelocation-model=static -Ccode-model=large') ;; esac
# A kernel whose metadata was rebuilt records the tools that built it.
if [ -r "$KDIR/make-vars" ]; then
	while IFS= read -r v; do
		case $v in CC=* | HOSTCC=*) VARS+=("$v") ;; esac
	done <"$KDIR/make-vars"
fi
BUILD=${NFT_OFFLOAD_BUILD:-$TOP/build}
mkdir -p "$BUILD/module" || die "cannot create $BUILD/module: is the disk full or read-only?"
exec 7<"$BUILD/module"
flock 7
# Start from scratch for another kernel or compiler: kbuild only compares times and commands.
key=$({
	printf '%s\n' "$(realpath "$KDIR")" "${VARS[@]}"
	cat "$KDIR"/include/config/{auto.conf,kernel.release}
	stat -c '%n %Y %s' "$KDIR"/rust/*.rmeta
} | sha256sum)
if [ "$key" != "$(cat "$BUILD/module/.key" 2>/dev/null)" ]; then
	find "$BUILD/module" -mindepth 1 -delete
	printf '%s\n' "$key" >"$BUILD/module/.key"
fi
exec make --no-print-directory -C "$KDIR" M="$TOP" MO="$BUILD/module" -j"$JOBS" "${VARS[@]}" "$@" "$TARGET"
