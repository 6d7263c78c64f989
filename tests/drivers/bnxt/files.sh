# SPDX-License-Identifier: GPL-2.0
# The files of the driver, unmodified. Sourced by build.sh.
# shellcheck shell=bash disable=SC2154 # SRC and DIR are of build.sh

bnxt=$SRC/drivers/net/ethernet/broadcom/bnxt
take "$bnxt"/bnxt_tc.c "$bnxt"/bnxt{,_hwrm,_sriov,_tc,_vfr}.h

# Whether the callback of its tc block requires RTNL is in a file that is not compiled here.
if grep -q unlocked_driver_cb "$bnxt"/bnxt{,_vfr}.c; then value=1; else value=0; fi
printf '#define DRIVER_UNLOCKED %s\n' $value >"$DIR/unlocked.h.new"
cmp -s "$DIR/unlocked.h.new" "$DIR/unlocked.h" || cp "$DIR/unlocked.h.new" "$DIR/unlocked.h"
