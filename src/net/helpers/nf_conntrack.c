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
void nfto_flow_ct(const struct flow_offload *flow, struct nfto_ct *to)
{
	const struct nf_conn *ct = flow->ct;

	to->id = ntohl((__force __be32)nf_ct_get_id(ct));
#ifdef CONFIG_NF_CONNTRACK_MARK
	to->mark = READ_ONCE(ct->mark);
#else
	to->mark = 0;
#endif
	to->zone = nf_ct_zone(ct)->id;
}
