// SPDX-License-Identifier: GPL-2.0
/*
 * What a frame becomes, by the profile airoha of the simulated NIC and by the
 * entry that the driver has made of the same rule: whether the two are the same.
 */
#include <linux/etherdevice.h>

#include "compare.h"
#include "profile.h"

/* The addresses: an entry for IPv6 has only the number of a port as source. */
static bool same_macs(const struct profile_meaning *m, const u32 *l2, bool v6,
		      unsigned int gdm)
{
	if (get_unaligned_be32(m->eth) != l2[1] ||
	    get_unaligned_be16(m->eth + 4) != l2[2] >> 16 || m->port_mac != v6)
		return false;
	if (v6)
		return l2[3] >> 16 == gdm;
	return get_unaligned_be32(m->eth + 6) == l2[3] &&
	       get_unaligned_be16(m->eth + 10) == l2[4] >> 16;
}

void compare_entry(const struct nsim_flow_draft *d, const u32 *w, unsigned int gdm)
{
	bool v6 = d->key.n_proto == htons(ETH_P_IPV6);
	const u32 *l2 = w + (v6 ? 12 : 11);
	unsigned int tags = w[0] >> 16 & 15;
	struct profile_meaning m;

	profile_meaning(d, &m);
	if (memcmp(m.key, w + 1, (v6 ? 9 : 3) * sizeof(u32)) ||
	    m.udp != !!(w[0] & BIT(30)))
		profile_disagree("other frames\n");
	if (!same_macs(&m, l2, v6, gdm))
		profile_disagree("MACs: the profile %pM > %pM\n", m.eth + 6, m.eth);
	if (!v6 && memcmp(m.tuple, w + 5, sizeof(m.tuple)))
		profile_disagree("translation: the profile %pI4h > %pI4h %08x\n",
				 m.tuple, m.tuple + 1, m.tuple[2]);
	if (m.vlans != tags || (tags > 0 && m.vlan[0] != (l2[0] & 0xffff)) ||
	    (tags > 1 && m.vlan[1] != (l2[2] & 0xffff)))
		profile_disagree("tags: the profile %u, %u %u, the driver %u\n",
				 m.vlans, m.vlan[0], m.vlan[1], tags);
	if (m.pppoe != !!(w[0] & BIT(22)) || m.session != (l2[v6 ? 3 : 4] & 0xffff))
		profile_disagree("session: the profile %x\n", m.session);
	if (m.ttl != !!(w[0] & BIT(24)))
		profile_disagree("TTL\n");
}
