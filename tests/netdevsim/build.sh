#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Builds OUTDIR/netdevsim.ko: the kernel's own netdevsim plus the simulated switch NIC (*.[ch],
# hooks.patch).
# Usage: build.sh KSRC KDIR OUTDIR
#   KSRC    the kernel source tree
#   KDIR    its build directory, with Module.symvers
#   OUTDIR  replaced as a whole, but only if the build succeeds; not touched if no input has
#           changed
# The environment variable MAKEVARS holds further NAME=VALUE arguments for make, separated by blanks
# or newlines. The output of make goes to OUTDIR.log.
set -euo pipefail

die() {
	printf 'build.sh: %s\n' "$*" >&2
	exit 1
}

[ $# -eq 3 ] || die "usage: build.sh KSRC KDIR OUTDIR"
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
sim=$1/drivers/net/netdevsim
[ -f "$sim/netdevsim.h" ] || die "no netdevsim source in $1 (KSRC)"
[ -f "$2/Module.symvers" ] || die "no Module.symvers in $2 (KDIR): is the kernel built?"
kdir=$(cd "$2" && pwd)
mkdir -p "$(dirname "$3")" || die "cannot create $(dirname "$3")"
out=$(cd "$(dirname "$3")" && pwd)/$(basename "$3")
log=$out.log
read -r -d '' -a vars <<<"${MAKEVARS:-}" || :

exec 9>"$out.lock" || die "cannot write $out.lock"
flock 9

stamp=$({
	printf '%s\n' "$kdir" "${vars[@]}"
	cat "$here"/{build.sh,hooks.patch,*.[ch]} "$kdir"/{.config,Module.symvers,include/config/kernel.release}
	(cd "$sim" && sha256sum -- *.[ch] Makefile)
} | sha256sum)
if [ -f "$out/netdevsim.ko" ] && [ "$(cat "$out/stamp" 2>/dev/null)" = "$stamp" ]; then
	exit 0
fi
if [ -e "$out" ] && [ ! -e "$out/stamp" ] && [ -n "$(ls -A "$out")" ]; then
	die "$out exists and is not mine: remove it or choose another OUTDIR"
fi

tmp=$(mktemp -d "$out.tmp.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
chmod 755 "$tmp"
cp "$sim"/*.[ch] "$sim/Makefile" "$tmp" || die "cannot copy $sim"
chmod -R u+w "$tmp"
patch -s -p1 -d "$tmp" --no-backup-if-mismatch <"$here/hooks.patch" >"$log" 2>&1 ||
	die "hooks.patch does not apply to $sim, see $log"
cp "$here"/*.[ch] "$tmp"
make -s -C "$kdir" M="$tmp" -j"${JOBS:-$(nproc)}" CONFIG_NETDEVSIM=m "${vars[@]}" modules >"$log" 2>&1 9>&- </dev/null ||
	die "make failed, see $log: $(grep -m 1 -iE 'error|undefined' "$log" || tail -n 1 "$log")"
[ -f "$tmp/netdevsim.ko" ] || die "make built no netdevsim.ko, see $log"

printf '%s\n' "$stamp" >"$tmp/stamp"
rm -rf "$out"
mv "$tmp" "$out"
trap - EXIT
