// SPDX-License-Identifier: GPL-2.0

#include <net/netfilter/nf_conntrack.h>
#include <net/netfilter/nf_conntrack_zones.h>
#include "bindings_helper.h"

struct net *nfto_flow_net(const struct flow_offload *flow)
{
	return nf_ct_net(flow->ct);
}

bool nfto_flow_ct_is_dying(const struct flow_offload *flow)
{
	return nf_ct_is_dying(flow->ct);
}

void nfto_flow_set_hw_offload(struct flow_offload *flow, bool on)
{
	if (on)
		set_bit(IPS_HW_OFFLOAD_BIT, &flow->ct->status);
	else
		clear_bit(IPS_HW_OFFLOAD_BIT, &flow->ct->status);
}

/* The values are those that ctnetlink shows; the ID is in host order. */
u32 nfto_flow_ct_id(const struct flow_offload *flow)
{
	return ntohl((__force __be32)nf_ct_get_id(flow->ct));
}

u32 nfto_flow_mark(const struct flow_offload *flow)
{
#ifdef CONFIG_NF_CONNTRACK_MARK
	return READ_ONCE(flow->ct->mark);
#else
	return 0;
#endif
}

u16 nfto_flow_zone(const struct flow_offload *flow)
{
	return nf_ct_zone(flow->ct)->id;
}
