// SPDX-License-Identifier: GPL-2.0
/*
 * What a frame becomes, by the profile airoha of the simulated NIC and by the
 * entry that the driver has made of the same rule: whether the two are the same.
 */
#include <linux/if_ether.h>
#include <linux/string.h>

#include "compare.h"
#include "engine.h"
#include "ports.h"
#include "profile.h"
#include "switch.h"

/* Instead of the number of a port: the source address stays as it is. */
#define KEEP_SOURCE	15

/* Beyond the conduit, the type of a frame is the tag of the switch. */
static void behind_switch(struct profile_meaning *m)
{
	u16 tag = BIT(SWITCH_PORT) | (m->vlans ? 0 : BIT(15));

	m->out = m->out == ports_get(0) && m->type == tag ? switch_user() : NULL;
	m->type = m->pppoe ? ETH_P_PPP_SES : m->v6 ? ETH_P_IPV6 : ETH_P_IP;
}

void compare_entry(const struct nsim_flow_draft *d, const u32 *w, unsigned int gdm)
{
	bool v6 = w[0] >> 25 & 4;
	const u32 *l2 = w + (v6 ? 12 : 11);
	u32 info = w[v6 ? 11 : 4];
	struct profile_meaning m = {
		.v6 = v6,
		.udp = w[0] & BIT(30),
		.strip = true,
		.checksums = true,
		.ttl = w[0] & BIT(24),
		.pppoe = w[0] & BIT(22),
		.vlans = w[0] >> 16 & 15,
		.vlan = { l2[0], l2[2] },
		.type = l2[0] >> 16,
		.session = v6 ? l2[3] : l2[4],
		.out = airoha_port(info >> 5 & 15, info & 31),
	};

	if (switch_port((const struct net_device *)d->egress))
		behind_switch(&m);
	memcpy(m.key, w + 1, (v6 ? 9 : 3) * sizeof(u32));
	if (v6) {
		m.port_mac = l2[3] >> 16 != KEEP_SOURCE;
		m.odd = m.port_mac && l2[3] >> 16 != gdm;
		profile_eth(&m, l2[1], l2[2] >> 16, 0, 0);
	} else {
		memcpy(m.tuple, w + 5, sizeof(m.tuple));
		profile_eth(&m, l2[1], l2[2] >> 16, l2[3], l2[4] >> 16);
	}
	profile_compare(d, &m);
}
