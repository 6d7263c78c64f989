// SPDX-License-Identifier: GPL-2.0
/*
 * Profile airoha: the packet processing engine of the EN7581 as its driver,
 * drivers/net/ethernet/airoha/airoha_ppe.c, drives it, with flow statistics
 * (CONFIG_NET_AIROHA_FLOW_STATS).
 *
 * Accepts (airoha_ppe_flow_offload_replace)
 *   match and actions as profile mtk, but tags are counted separately: two of
 *   them after a PPPOE_PUSH are accepted, a PPPOE_PUSH after two of them is
 *   not. A rule without a REDIRECT is accepted, too.
 * Refuses, without an extack except for control.flags
 *   as profile mtk, but a REDIRECT to a device that is no port of the SoC is
 *   -EINVAL (airoha_ppe_foe_entry_prepare), and is checked before PORTS,
 *   addresses and the MANGLEs of IP and ports
 * Accepts and ignores
 *   as profile mtk; also the source MAC address of an IPv6 rule: the entry has
 *   room for the number of a port (AIROHA_FOE_MAC_SMAC_ID), and the frame gets
 *   the address of that port (airoha_ppe_init_upd_mem)
 * Does without a rule
 *   as profile mtk. Without a REDIRECT the frame goes to the CPU, rewritten:
 *   AIROHA_FOE_IB2_PSE_PORT is 0, FE_PSE_PORT_CDM1. An IPv6 frame keeps its
 *   source then: the number of the port stays 15 (airoha_ppe_foe_entry_prepare).
 *   Of the rules with one tuple, the oldest gets into hardware
 *   (airoha_ppe_foe_insert_entry writes all that fit, newest first), and
 *   destroying any of them removes it, until the next frame.
 *   STATS: as profile mtk.
 *
 * Unlike the hardware: airoha_ppe_set_xmit_frame_size() sets the port's MTU and
 * 18 bytes as the limit of a frame; here the length of the IP packet and the
 * PPPoE header is compared with the MTU. The -EBUSY until all ports of the SoC
 * are registered (DEV_STATE_REGISTERED) never occurs, and the NPU is always up.
 */

#include <net/flow_offload.h>

#include "profile_ppe.h"

static bool nsim_flow_airoha_vlan_fits(const struct nsim_flow_ppe *ppe)
{
	return ppe->n_vlans != 2;
}

static int nsim_flow_airoha_output(struct nsim_flow_draft *d,
				   const struct nsim_flow_ppe *ppe)
{
	if (!ppe->odev)
		return 0;
	if (!nsim_flow_same_switch(d, ppe->odev))
		return nsim_flow_quiet(d, -EINVAL,
				       "redirect to no port of the SoC");
	return nsim_flow_set_egress(d, ppe->odev);
}

static const struct nsim_flow_ppe_driver nsim_flow_airoha_driver = {
	.vlan_fits	= nsim_flow_airoha_vlan_fits,
	.output		= nsim_flow_airoha_output,
	.output_first	= true,
	.port_smac6	= true,
};

static int nsim_flow_airoha_parse(struct nsim_flow_draft *d)
{
	return nsim_flow_ppe_parse(d, &nsim_flow_airoha_driver);
}

const struct nsim_flow_profile nsim_flow_profile_airoha = {
	.gate			= nsim_flow_ppe_gate,
	.parse			= nsim_flow_airoha_parse,
	.unknown_errno		= -ENOENT,
	.shared_bind		= true,
	.ppe			= true,
	.ppe_oldest_wins	= true,
	.ppe_timestamp_mask	= 0x7fff,
	.trap_tcp		= true,
};
