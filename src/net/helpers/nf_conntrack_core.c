// SPDX-License-Identifier: GPL-2.0

#include <net/netfilter/nf_conntrack_core.h>
#include <net/netfilter/nf_conntrack_zones.h>
#include "bindings_helper.h"

/* Whether conntrack has a connection with such packets in a zone. */
bool nfto_ct_has(struct net *net, const struct nfto_tuple *of, u16 zone)
{
	struct nf_conntrack_tuple tuple = {
		.src.l3num = of->family,
		.dst.protonum = of->protocol,
	};
	struct nf_conntrack_tuple_hash *found;
	struct nf_conntrack_zone in;

	memcpy(&tuple.src.u3, of->source, sizeof(tuple.src.u3));
	memcpy(&tuple.dst.u3, of->destination, sizeof(tuple.dst.u3));
	memcpy(&tuple.src.u.all, of->source_port, sizeof(tuple.src.u.all));
	memcpy(&tuple.dst.u.all, of->destination_port,
	       sizeof(tuple.dst.u.all));
	nf_ct_zone_init(&in, zone, NF_CT_DEFAULT_ZONE_DIR, 0);
	found = nf_conntrack_find_get(net, &in, &tuple);
	if (found)
		nf_ct_put(nf_ct_tuplehash_to_ctrack(found));
	return found;
}
