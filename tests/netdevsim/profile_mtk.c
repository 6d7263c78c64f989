// SPDX-License-Identifier: GPL-2.0
/*
 * Profile mtk: MediaTek's packet processing engine as mtk_eth_soc drives it,
 * drivers/net/ethernet/mediatek/mtk_ppe_offload.c and mtk_ppe.c, on an MT7622:
 * netsys v1, one engine for all ports, with counters (has_accounting); no WED.
 * With netsys v2 the ingress port of META selects one of two or three engines,
 * and a rule is only looked up in that one.
 *
 * Accepts (mtk_flow_offload_replace)
 *   match    META, CONTROL, BASIC, IPV4_ADDRS or IPV6_ADDRS by addr_type,
 *            PORTS, all of them required; of BASIC only whether it is UDP. All
 *            masks are taken as exact. Any other key is ignored: TCP, VLAN,
 *            CVLAN, PPPOE, ENC_*.
 *   actions  MANGLE ETH (mtk_flow_offload_mangle_eth: offset above 8 ignored),
 *            IPv4 addresses (mtk_flow_mangle_ipv4), TCP and UDP ports
 *            (mtk_flow_mangle_ports); VLAN_PUSH 802.1Q, the first one is the
 *            outer tag; PPPOE_PUSH, below the tags wherever it is; REDIRECT, of
 *            which the last one counts; CSUM and VLAN_POP, which are ignored.
 *            In any order.
 *   any prio, chain and protocol; any number of bindings for a port; repeated
 *   ones are counted (mtk_eth_setup_tc_block)
 * Refuses, without an extack except for control.flags
 *   -EOPNOTSUPP  a missing key; any mask in control.flags ("Unsupported match on
 *                control.flags"); a MANGLE of IPv6; all other actions: ADD,
 *                ACCEPT, TUNNEL_*; a tag that is not 802.1Q; more than two tags
 *                and PPPoE headers in all; two PPPoE headers; no REDIRECT, or
 *                to no port of the SoC (mtk_flow_set_output_device);
 *                hw-tc-offload off, for every command
 *                (mtk_eth_setup_tc_block_cb)
 *   -EINVAL      a MAC address of zeros or a multicast one; MANGLE of IPv4 or
 *                ports at another offset
 *   -EEXIST      the cookie exists; -ENOENT: it does not. One name space for
 *                all ports. Never -ENOSPC.
 * Accepts and ignores
 *   MANGLE of ports or IPv4 addresses on an IPv6 rule; MANGLE masks
 * Does without a rule
 *   looks frames up by addresses, ports and TCP or UDP, regardless of the port
 *   and the tags that they arrive with; removes all tags and the PPPoE header;
 *   decrements TTL or hop limit; corrects checksums. To the CPU: SYN, FIN, RST,
 *   TTL 1, fragments, options, too long for the MTU (MTK_PPE_CPU_REASON_*).
 *   Learns a rule when a frame of it has reached the CPU (mtk_foe_entry_commit
 *   only queues it, __mtk_ppe_check_skb writes it): see `bind_after`. Of the
 *   rules with one tuple, from any port, the one that is in hardware stays
 *   there until it is destroyed; then the newest follows. All were accepted
 *   with 0.
 *   STATS: lastused is now less whole seconds; for a rule that is not in
 *   hardware it is the time when the clock of 15 bits was 0
 *   (mtk_foe_entry_idle_time).
 *
 * Unlike the hardware: mtk_ppe_update_mtu() sets one limit for all ports, the
 * greatest MTU of any, in which PPPoE counts as 4 bytes; here it is the egress
 * port's MTU, and 8 bytes. Entries do not age. An odev of NULL is refused as on
 * a SoC with all its ports; on others it can pass for one that is not there.
 */

#include <net/flow_offload.h>

#include "profile_ppe.h"

static bool nsim_flow_mtk_vlan_fits(const struct nsim_flow_ppe *ppe)
{
	return ppe->n_vlans + ppe->n_pppoe != 2;
}

static int nsim_flow_mtk_output(struct nsim_flow_draft *d,
				const struct nsim_flow_ppe *ppe)
{
	if (!ppe->odev || !nsim_flow_same_switch(d, ppe->odev))
		return nsim_flow_quiet(d, -EOPNOTSUPP,
				       "redirect to no port of the SoC");
	return nsim_flow_set_egress(d, ppe->odev);
}

static const struct nsim_flow_ppe_driver nsim_flow_mtk_driver = {
	.vlan_fits	= nsim_flow_mtk_vlan_fits,
	.output		= nsim_flow_mtk_output,
};

static int nsim_flow_mtk_parse(struct nsim_flow_draft *d)
{
	return nsim_flow_ppe_parse(d, &nsim_flow_mtk_driver);
}

const struct nsim_flow_profile nsim_flow_profile_mtk = {
	.gate			= nsim_flow_ppe_gate,
	.parse			= nsim_flow_mtk_parse,
	.unknown_errno		= -ENOENT,
	.shared_bind		= true,
	.ppe			= true,
	.ppe_timestamp_mask	= 0x7fff,
	.trap_tcp		= true,
};
