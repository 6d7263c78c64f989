# SPDX-License-Identifier: GPL-2.0
# The files of the driver, unmodified, in a directory of their own. Sourced by build.sh.
# shellcheck shell=bash disable=SC2154 # SRC and DIR are of build.sh

sfc=$SRC/drivers/net/ethernet/sfc
mkdir -p "$DIR/sfc"
for file in "$sfc"/*.h "$sfc"/{tc,tc_bindings,tc_counters,tc_encap_actions,tc_conntrack,mae}.c; do
	to=$DIR/sfc/${file##*/}
	cmp -s "$file" "$to" || cp --no-preserve=mode "$file" "$to"
done
# The names by which the function and its representors are known, from files that are not compiled.
{
	grep -m 1 '^#define EFX_EF100_REP_DRIVER' "$sfc/ef100_rep.c"
	sed -n 's/^\t\.name *= \("sfc_ef100"\),$/#define NFTO_SFC_DRIVER \1/p' "$sfc/ef100.c"
} >"$DIR/names.h.new"
cmp -s "$DIR/names.h.new" "$DIR/names.h" || cp "$DIR/names.h.new" "$DIR/names.h"
