// SPDX-License-Identifier: GPL-2.0
/*
 * What a frame becomes, by the profile mtk of the simulated NIC and by the entry
 * that the driver has made of the same rule: whether the two are the same.
 */
#include <linux/etherdevice.h>

#include "compare.h"
#include "engine.h"
#include "profile.h"

void compare_entry(unsigned int version, const struct nsim_flow_draft *d,
		   const u32 *w, bool dsa)
{
	bool v6 = d->key.n_proto == htons(ETH_P_IPV6);
	const u32 *l2 = w + (v6 ? 15 : 11);
	unsigned int shift = version == 1 ? 16 : 14, tags = w[0] >> shift & 7;
	struct profile_meaning m;

	profile_meaning(d, &m);
	/* The tag of a switch counts as one; with a VLAN, it is that one's. */
	if (dsa && !(l2[0] >> 24))
		tags--;
	if (memcmp(m.key, w + 1, (v6 ? 9 : 3) * sizeof(u32)) || m.udp != !!(w[0] & BIT(30)))
		profile_disagree("other frames\n");
	if (get_unaligned_be32(m.eth) != l2[1] ||
	    get_unaligned_be16(m.eth + 4) != l2[2] >> 16 ||
	    get_unaligned_be32(m.eth + 6) != l2[3] ||
	    get_unaligned_be16(m.eth + 10) != l2[4] >> 16)
		profile_disagree("MACs: the profile %pM > %pM\n", m.eth + 6, m.eth);
	if (!v6 && memcmp(m.tuple, w + 5, sizeof(m.tuple)))
		profile_disagree("translation: the profile %pI4h > %pI4h %08x\n",
				 m.tuple, m.tuple + 1, m.tuple[2]);
	if (m.vlans != tags || (tags > 0 && m.vlan[0] != (l2[0] & 0xffff)) ||
	    (tags > 1 && m.vlan[1] != (l2[2] & 0xffff)))
		profile_disagree("tags: the profile %u, %u %u, the driver %u\n",
				 m.vlans, m.vlan[0], m.vlan[1], tags);
	if (m.pppoe != !!(w[0] & (version == 1 ? BIT(19) : BIT(17))) ||
	    m.session != (l2[4] & 0xffff))
		profile_disagree("session: the profile %x\n", m.session);
	if (m.ttl != !!(w[0] & (version == 1 ? BIT(24) : BIT(22))))
		profile_disagree("TTL\n");
}
