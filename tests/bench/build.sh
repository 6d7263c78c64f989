#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Builds what the measurements need: nft_offload in OUTDIR/module, nfto_bench.ko and nfto_none.ko in OUTDIR/bench, the reader of dumps,
# the sources of traffic.
#
#   build.sh OUTDIR [uml]	for user-mode Linux, or for the test kernel of the VMs
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/common.sh"

[ $# -eq 1 ] || [ "${2:-}" = uml ] || die "usage: build.sh OUTDIR [uml]"
load_env
kdir=$("$TOP/scripts/kernel.sh" path "${@:2}")
arch=()
[ $# -eq 1 ] || arch=(ARCH=um)
out=$(realpath -m "$1")
mkdir -p "$out/bench" || die "cannot create $out: is the disk full or read-only?"
log=$out/build.log
NFT_OFFLOAD_BUILD=$out "$TOP/scripts/module.sh" "$kdir" modules ${arch[@]+"${arch[@]}"} >"$log" 2>&1 </dev/null ||
	die "the module does not build for $kdir, see $log: $(grep -m 1 -iE 'error|undefined' "$log" || tail -n 1 "$log")"
mapfile -t vars < <(make_vars)
own_build_dir "$out/bench" "$kdir" "${vars[@]}"
make -s -C "$kdir" ${arch[@]+"${arch[@]}"} M="$TOP/tests/bench" MO="$out/bench" -j"$JOBS" "${vars[@]}" modules \
	>"$log" 2>&1 </dev/null ||
	die "make failed, see $log: $(grep -m 1 -iE 'error|undefined' "$log" || tail -n 1 "$log")"
gcc -O2 -Wall -Wextra -Werror -o "$out/flowdump" "$TOP/tests/bench/flowdump.c" || die "flowdump does not build"
gcc -O2 -Wall -Wextra -Werror -o "$out/flood" "$TOP/tests/bench/flood.c" || die "flood does not build"
gcc -O2 -Wall -Wextra -Werror -o "$out/waits" "$TOP/tests/bench/waits.c" || die "waits does not build"
gcc -O2 -Wall -Wextra -Werror -o "$out/traffic" "$TOP/tests/kselftest/tools/traffic.c" || die "traffic does not build"
