/* SPDX-License-Identifier: GPL-2.0 */
/* Shared by the profiles mtk and airoha, as their drivers share it. */
#ifndef NSIM_PROFILE_PPE_H
#define NSIM_PROFILE_PPE_H

#include <linux/if_ether.h>
#include <linux/types.h>

#include "flow_profile.h"

/* What both drivers collect from a rule; in mtk, struct mtk_flow_data. */
struct nsim_flow_ppe {
	struct ethhdr eth;
	bool v6;
	__be32 src[4];			/* before the rewrite */
	__be32 dst[4];
	__be16 sport;
	__be16 dport;
	__be32 new_src;			/* IPv4 only */
	__be32 new_dst;
	__be16 new_sport;
	__be16 new_dport;
	u16 vlan[2];			/* outermost first */
	unsigned int n_vlans;
	u16 sid;
	unsigned int n_pppoe;
	struct net_device *odev;
	u8 ip_proto;
};

/* The differences between the drivers. */
struct nsim_flow_ppe_driver {
	bool (*vlan_fits)(const struct nsim_flow_ppe *ppe);
	int (*output)(struct nsim_flow_draft *d,
		      const struct nsim_flow_ppe *ppe);
	bool output_first;		/* before ports, addresses, mangles */
	bool port_smac6;		/* IPv6: the egress port's source MAC */
};

int nsim_flow_ppe_gate(struct nsim_flow_draft *d);
int nsim_flow_ppe_parse(struct nsim_flow_draft *d,
			const struct nsim_flow_ppe_driver *drv);

#endif
