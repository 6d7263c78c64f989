#!/bin/bash
# Builds the simulated switch NIC (tests/netdevsim) for the test kernel, with the tools of the cache.
#
#   netdevsim.sh OUTDIR
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

[ $# -eq 1 ] || die "usage: netdevsim.sh OUTDIR"
load_env
kdir=$("$TOP/scripts/kernel.sh" path)
MAKEVARS=$(make_vars) exec "$TOP/tests/netdevsim/build.sh" "$("$TOP/scripts/kernel.sh" srcdir)" "$kdir" "$1"
