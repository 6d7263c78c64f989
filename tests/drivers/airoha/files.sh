# SPDX-License-Identifier: GPL-2.0
# The files of the driver, unmodified, and some of its rest. Sourced by build.sh.
# shellcheck shell=bash disable=SC2154 # SRC and DIR are of build.sh

take "$SRC"/drivers/net/ethernet/airoha/{airoha_ppe.c,airoha_ppe_debugfs.c,airoha_eth.h,airoha_regs.h}
# Whole definitions of airoha_eth.c: the data of the SoCs, the binding, addresses and sizes of the ports.
awk '/^(static )?[a-z].*[ *](airoha_rmw|airoha_set_macaddr|airoha_get_fe_port|airoha_dev_set_xmit_frame_size)\(/ { on = 1 }
	/^(static )?[a-z].*[ *](airoha_dev_setup_tc_block_cb|airoha_dev_setup_tc_block|airoha_is_valid_gdm_dev)\(/ { on = 1 }
	/^static .*[ *](airoha_)?(en|an)[0-9]+_[a-z_]+(\(| = |\[\])/ { on = 1 }
	on { print }
	/^}/ { on = 0 }' "$SRC/drivers/net/ethernet/airoha/airoha_eth.c" >"$DIR/eth.h.new"
cmp -s "$DIR/eth.h.new" "$DIR/eth.h" || mv "$DIR/eth.h.new" "$DIR/eth.h"
# The profile of the simulated NIC, which is held against the driver.
take "$TOP"/tests/netdevsim/{flow_profile.h,profile_airoha.c,profile_ppe.c,profile_ppe.h}
