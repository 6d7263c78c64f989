// SPDX-License-Identifier: GPL-2.0
/*
 * What a frame becomes, by the profile mtk of the simulated NIC and by the entry
 * that the driver has made of the same rule: whether the two are the same.
 */
#include <linux/etherdevice.h>
#include <linux/ip.h>

#include "compare.h"
#include "engine.h"
#include "profile.h"

struct meaning {
	u8 eth[2 * ETH_ALEN];
	u32 tuple[3];		/* IPv4, translated */
	u16 vlan[2];
	unsigned int vlans;
	u16 session;
	bool pppoe, ttl, strip, udp;
};

/* The operations are listed innermost first, as they are executed. */
static void of_profile(const struct nsim_flow_draft *d, struct meaning *m)
{
	const struct nsim_flow_op *op;
	unsigned int i;

	m->udp = d->key.ip_proto == IPPROTO_UDP;
	for (i = 0; i < d->n_ops; i++) {
		op = &d->ops[i];
		switch (op->id) {
		case NSIM_FLOW_OP_SET:
			if (op->mangle.htype == FLOW_ACT_MANGLE_HDR_TYPE_ETH)
				memcpy(m->eth + op->mangle.offset, &op->mangle.val, 4);
			else if (op->mangle.htype != FLOW_ACT_MANGLE_HDR_TYPE_IP4)
				m->tuple[2] = be32_to_cpu((__force __be32)op->mangle.val);
			else if (op->mangle.offset == offsetof(struct iphdr, saddr))
				m->tuple[0] = be32_to_cpu((__force __be32)op->mangle.val);
			else
				m->tuple[1] = be32_to_cpu((__force __be32)op->mangle.val);
			break;
		case NSIM_FLOW_OP_PUSH:
			m->vlan[1] = m->vlan[0];
			m->vlan[0] = op->vlan.tci;
			m->vlans++;
			break;
		case NSIM_FLOW_OP_PPPOE_PUSH:
			m->session = op->sid;
			m->pppoe = true;
			break;
		case NSIM_FLOW_OP_TTL:
			m->ttl = true;
			break;
		case NSIM_FLOW_OP_STRIP:
			m->strip = true;
			break;
		default:
			break;
		}
	}
}

static bool same_key(const struct nsim_flow_draft *d, const u32 *w, bool v6)
{
	const struct nsim_flow_key *k = &d->key;
	u32 key[9], ports = (u32)be16_to_cpu(k->sport) << 16 | be16_to_cpu(k->dport);
	unsigned int i, n = v6 ? 4 : 1;

	for (i = 0; i < n; i++) {
		key[i] = be32_to_cpu(k->src[i]);
		key[n + i] = be32_to_cpu(k->dst[i]);
	}
	key[2 * n] = ports;
	return !memcmp(key, w + 1, (2 * n + 1) * sizeof(u32));
}

void compare_entry(unsigned int version, const struct nsim_flow_draft *d,
		   const u32 *w, bool dsa)
{
	bool v6 = d->key.n_proto == htons(ETH_P_IPV6);
	const u32 *l2 = w + (v6 ? 15 : 11);
	unsigned int shift = version == 1 ? 16 : 14, tags = w[0] >> shift & 7;
	struct meaning m = {};

	of_profile(d, &m);
	/* The tag of a switch counts as one; with a VLAN, it is that one's. */
	if (dsa && !(l2[0] >> 24))
		tags--;
	if (!same_key(d, w, v6) || m.udp != !!(w[0] & BIT(30)))
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
