#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Builds the simulated switch NIC (tests/netdevsim) for a test kernel, with the tools of the cache.
#
#   netdevsim.sh OUTDIR [umltest|uml]
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

case $#${2:-} in
1 | 2umltest | 2uml) ;;
*) die "usage: netdevsim.sh OUTDIR [umltest|uml]" ;;
esac
load_env
kdir=$("$TOP/scripts/kernel.sh" path "${@:2}")
vars=$(make_vars)
[ $# -eq 1 ] || vars="$vars ARCH=um"
MAKEVARS=$vars exec "$TOP/tests/netdevsim/build.sh" "$("$TOP/scripts/kernel.sh" srcdir "${@:2}")" "$kdir" "$1"
