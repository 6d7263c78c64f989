// SPDX-License-Identifier: GPL-2.0
/*
 * What a frame becomes, by the profile mtk of the simulated NIC and by the entry
 * that the driver has made of the same rule: whether the two are the same.
 */
#include <linux/if_ether.h>
#include <linux/string.h>

#include "compare.h"
#include "engine.h"
#include "ports.h"
#include "profile.h"
#include "switch.h"

/* Beyond the conduit, the type of a frame is the tag of the switch. */
static void behind_switch(struct profile_meaning *m)
{
	bool ours = (m->type & ~BIT(8)) == BIT(SWITCH_PORT);

	/* The tag counts as one; with a VLAN, it is that one's. */
	if (!(m->type & BIT(8)))
		m->vlans--;
	m->out = m->out == ports_get(0) && ours ? switch_user() : NULL;
	m->type = m->pppoe ? ETH_P_PPP_SES : m->v6 ? ETH_P_IPV6 : ETH_P_IP;
}

void compare_entry(unsigned int version, const struct nsim_flow_draft *d, const u32 *w)
{
	bool v6 = w[0] >> (version == 1 ? 25 : 23) & 4;
	const u32 *l2 = w + (v6 ? 15 : 11);
	u32 info = w[v6 ? 14 : 4];
	struct profile_meaning m = {
		.v6 = v6,
		.udp = w[0] & BIT(30),
		.strip = true,
		.checksums = true,
		.ttl = w[0] & (version == 1 ? BIT(24) : BIT(22)),
		.pppoe = w[0] & (version == 1 ? BIT(19) : BIT(17)),
		.vlans = w[0] >> (version == 1 ? 16 : 14) & 7,
		.vlan = { l2[0], l2[2] },
		.type = l2[0] >> 16,
		.session = l2[4],
		.out = mtk_port(version == 1 ? info >> 5 & 7 : info >> 9 & 15),
	};

	if (switch_port((const struct net_device *)d->egress))
		behind_switch(&m);
	memcpy(m.key, w + 1, (v6 ? 9 : 3) * sizeof(u32));
	if (!v6)
		memcpy(m.tuple, w + 5, sizeof(m.tuple));
	profile_eth(&m, l2[1], l2[2] >> 16, l2[3], l2[4] >> 16);
	profile_compare(d, &m);
}
