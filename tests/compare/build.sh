#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Builds the module that compares our rules with those of the in-tree type for a test kernel, with the tools of the cache.
#
#   build.sh OUTDIR [umltest]
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/common.sh"

[ $# -eq 1 ] || [ "${2:-}" = umltest ] || die "usage: build.sh OUTDIR [umltest]"
load_env
kdir=$(realpath "$("$TOP/scripts/kernel.sh" path "${@:2}")")
mapfile -t vars < <(make_vars)
[ $# -eq 1 ] || vars+=(ARCH=um)
out=$(realpath -m "$1")
mkdir -p "$out" || die "cannot create $out: is the disk full or read-only?"
own_build_dir "$out" "$kdir" "${vars[@]}"
make -s -C "$kdir" M="$TOP/tests/compare" MO="$out" -j"$JOBS" "${vars[@]}" modules >"$out.log" 2>&1 </dev/null ||
	die "make failed, see $out.log: $(grep -m 1 -iE 'error|undefined' "$out.log" || tail -n 1 "$out.log")"
