# SPDX-License-Identifier: GPL-2.0
# The files of the driver, unmodified, and the data of its SoCs. Sourced by build.sh.
# shellcheck shell=bash disable=SC2154 # SRC and DIR are of build.sh

take "$SRC"/drivers/net/ethernet/mediatek/mtk_{ppe.c,ppe_offload.c,ppe_debugfs.c,ppe.h,ppe_regs.h,eth_soc.h,wed.h,wed_regs.h}
# Whole definitions: the tables of registers, and those of the SoCs that have an engine.
awk '/^static const struct mtk_(reg_map|soc_data) / { on = 1 }
	on { print }
	/^};/ { on = 0 }' "$SRC/drivers/net/ethernet/mediatek/mtk_eth_soc.c" >"$DIR/soc.h.new"
cmp -s "$DIR/soc.h.new" "$DIR/soc.h" || mv "$DIR/soc.h.new" "$DIR/soc.h"
# The profile of the simulated NIC, which is held against the driver.
take "$TOP"/tests/netdevsim/{flow_profile.h,profile_mtk.c,profile_ppe.c,profile_ppe.h}
