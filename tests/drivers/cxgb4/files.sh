# SPDX-License-Identifier: GPL-2.0
# The files of the driver, unmodified. Sourced by build.sh.
# shellcheck shell=bash disable=SC2154 # SRC and DIR are of build.sh

cxgb4=$SRC/drivers/net/ethernet/chelsio/cxgb4
take "$cxgb4"/{cxgb4_tc_flower,cxgb4_filter,l2t,smt}.c \
	"$cxgb4"/{cxgb4,cxgb4_dcb,cxgb4_filter,cxgb4_tc_flower,cxgb4_uld,clip_tbl,l2t,smt}.h "$cxgb4"/t4*.h

# Whether the callback of its tc block requires RTNL is in a file that is not compiled here.
if grep -q unlocked_driver_cb "$cxgb4"/cxgb4_main.c; then value=1; else value=0; fi
printf '#define DRIVER_UNLOCKED %s\n' $value >"$DIR/unlocked.h.new"
cmp -s "$DIR/unlocked.h.new" "$DIR/unlocked.h" || cp "$DIR/unlocked.h.new" "$DIR/unlocked.h"
