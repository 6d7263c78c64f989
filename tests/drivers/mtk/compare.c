// SPDX-License-Identifier: GPL-2.0
/*
 * What a frame becomes, by the profile mtk of the simulated NIC and by the entry
 * that the driver has made of the same rule: whether the two are the same.
 */
#include <linux/string.h>

#include "compare.h"
#include "profile.h"

void compare_entry(unsigned int version, const struct nsim_flow_draft *d,
		   const u32 *w, bool dsa)
{
	bool v6 = w[0] >> (version == 1 ? 25 : 23) & 4;
	const u32 *l2 = w + (v6 ? 15 : 11);
	struct profile_meaning m = {
		.v6 = v6,
		.udp = w[0] & BIT(30),
		.strip = true,
		.ttl = w[0] & (version == 1 ? BIT(24) : BIT(22)),
		.pppoe = w[0] & (version == 1 ? BIT(19) : BIT(17)),
		.vlans = w[0] >> (version == 1 ? 16 : 14) & 7,
		.vlan = { l2[0], l2[2] },
		.session = l2[4],
	};

	/* The tag of a switch counts as one; with a VLAN, it is that one's. */
	if (dsa && !(l2[0] >> 24))
		m.vlans--;
	memcpy(m.key, w + 1, (v6 ? 9 : 3) * sizeof(u32));
	if (!v6)
		memcpy(m.tuple, w + 5, sizeof(m.tuple));
	profile_eth(&m, l2[1], l2[2] >> 16, l2[3], l2[4] >> 16);
	profile_compare(d, &m);
}
