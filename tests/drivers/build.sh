#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Builds the test module of a driver: the driver's own files, copied from the kernel source, and
# what stands for the rest of it (the directory of the driver here, and common/).
#
#   build.sh DRIVER OUTDIR KIND	for the test kernel KIND, as in scripts/kernel.sh
#
# The file DRIVER/files.sh copies the driver's files: it is sourced with SRC, the kernel source, and
# DIR, the directory of the build.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/common.sh"

[ $# -eq 3 ] || die "usage: build.sh DRIVER OUTDIR KIND"
HERE=$TOP/tests/drivers
DRIVER=$1
[ -r "$HERE/$DRIVER/files.sh" ] || die "no such driver: $DRIVER"
load_env
kdir=$(realpath "$("$TOP/scripts/kernel.sh" path "$3")")
# shellcheck disable=SC2034 # for files.sh
SRC=$("$TOP/scripts/kernel.sh" srcdir "$3")
mapfile -t vars < <(make_vars)
case $3 in uml*) vars+=(ARCH=um) ;; esac
DIR=$(realpath -m "$2")
log=$DIR.log
mkdir -p "$DIR" || die "cannot create $DIR: is the disk full or read-only?"
own_build_dir "$DIR" "$kdir" "${vars[@]}"

# take FILE...: copies files that have changed, so that kbuild builds only what is new.
take() {
	local file
	for file; do
		cmp -s "$file" "$DIR/${file##*/}" || cp --no-preserve=mode "$file" "$DIR/"
	done
}
take "$HERE"/common/*.[ch] "$TOP"/tests/compare/rule_text.[ch] "$HERE/$DRIVER"/*.[ch] "$HERE/$DRIVER/Kbuild"
# shellcheck source=/dev/null
. "$HERE/$DRIVER/files.sh"
make -s -C "$kdir" M="$DIR" -j"$JOBS" "${vars[@]}" modules >"$log" 2>&1 </dev/null ||
	die "make failed, see $log: $(grep -m 1 -iE 'error|undefined' "$log" || tail -n 1 "$log")"
