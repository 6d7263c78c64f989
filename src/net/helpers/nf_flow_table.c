// SPDX-License-Identifier: GPL-2.0

#include <net/netfilter/nf_flow_table.h>
#include "bindings_helper.h"

struct net *nfto_flowtable_net(const struct nf_flowtable *ft)
{
	return read_pnet(&ft->net);
}

bool nfto_flowtable_is_going(const struct nf_flowtable *ft)
{
	return !check_net(read_pnet(&ft->net));
}

void nfto_flowtable_collect(struct nf_flowtable *ft)
{
	flush_delayed_work(&ft->gc_work);
}

void nfto_flowtable_add_cb(struct nf_flowtable *ft, struct flow_block_cb *cb)
{
	down_write(&ft->flow_block_lock);
	list_add_tail(&cb->list, &ft->flow_block.cb_list);
	up_write(&ft->flow_block_lock);
}

void nfto_flowtable_del_cb(struct nf_flowtable *ft, struct flow_block_cb *cb)
{
	down_write(&ft->flow_block_lock);
	list_del(&cb->list);
	up_write(&ft->flow_block_lock);
}

struct flow_offload *nfto_flow_from_cookie(unsigned long cookie,
					   unsigned int *dir)
{
	struct flow_offload_tuple *tuple = (void *)cookie;
	struct flow_offload_tuple_rhash *rhash;

	*dir = tuple->dir & 1;
	rhash = container_of(tuple, struct flow_offload_tuple_rhash, tuple);
	return container_of(rhash, struct flow_offload, tuplehash[*dir]);
}

/*
 * Looks up the flow of untagged, untunnelled packets received on a device.
 * Returns its address, or 0. The flow may be freed before this returns; the
 * address is only a key.
 */
unsigned long nfto_flow_find(struct nf_flowtable *ft,
			     const struct nfto_tuple *of, u32 ifindex)
{
	struct flow_offload_tuple_rhash *found;
	struct flow_offload_tuple tuple = {
		.l3proto = of->family,
		.l4proto = of->protocol,
		.iifidx = ifindex,
	};
	struct flow_offload *flow = NULL;

	memcpy(&tuple.src_v6, of->source, sizeof(tuple.src_v6));
	memcpy(&tuple.dst_v6, of->destination, sizeof(tuple.dst_v6));
	memcpy(&tuple.src_port, of->source_port, sizeof(tuple.src_port));
	memcpy(&tuple.dst_port, of->destination_port, sizeof(tuple.dst_port));
	rcu_read_lock();
	found = flow_offload_lookup(ft, &tuple);
	if (found)
		flow = container_of(found, struct flow_offload,
				    tuplehash[found->tuple.dir & 1]);
	rcu_read_unlock();
	return (unsigned long)flow;
}

/* Whether a flow that is not ending belongs to this flowtable. */
bool nfto_flowtable_has(struct nf_flowtable *ft, struct flow_offload *flow)
{
	struct flow_offload_tuple_rhash *mine, *found;

	mine = &flow->tuplehash[FLOW_OFFLOAD_DIR_ORIGINAL];
	rcu_read_lock();
	found = flow_offload_lookup(ft, &mine->tuple);
	rcu_read_unlock();
	return found == mine;
}
