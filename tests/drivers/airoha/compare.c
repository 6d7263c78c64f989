// SPDX-License-Identifier: GPL-2.0
/*
 * What a frame becomes, by the profile airoha of the simulated NIC and by the
 * entry that the driver has made of the same rule: whether the two are the same.
 */
#include <linux/string.h>

#include "compare.h"
#include "profile.h"

void compare_entry(const struct nsim_flow_draft *d, const u32 *w, unsigned int gdm)
{
	bool v6 = w[0] >> 25 & 4;
	const u32 *l2 = w + (v6 ? 12 : 11);
	struct profile_meaning m = {
		.v6 = v6,
		.udp = w[0] & BIT(30),
		.strip = true,
		.ttl = w[0] & BIT(24),
		.pppoe = w[0] & BIT(22),
		.vlans = w[0] >> 16 & 15,
		.vlan = { l2[0], l2[2] },
		.session = v6 ? l2[3] : l2[4],
	};

	memcpy(m.key, w + 1, (v6 ? 9 : 3) * sizeof(u32));
	if (v6) {
		/* As source, there is only the number of a port. */
		m.port_mac = l2[3] >> 16 == gdm;
		profile_eth(&m, l2[1], l2[2] >> 16, 0, 0);
	} else {
		memcpy(m.tuple, w + 5, sizeof(m.tuple));
		profile_eth(&m, l2[1], l2[2] >> 16, l2[3], l2[4] >> 16);
	}
	profile_compare(d, &m);
}
