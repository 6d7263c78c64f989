/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the C files of this folder share: the data of a network namespace, and
 * the fields of a flow.
 */
#ifndef NFT_OFFLOAD_FLOWTABLE_H
#define NFT_OFFLOAD_FLOWTABLE_H

#include <linux/atomic.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <net/netfilter/nf_flow_table.h>
#include <net/netns/generic.h>

/* Data of a network namespace. The lock is held only to change the list. */
struct nfto_net {
	struct mutex		lock;
	struct list_head	instances;
	u64			last_number;
	unsigned int		generation;
	/* Number of IP tunnels that are up: over IPv4, over IPv6. */
	atomic_t		tunnels[2];
};

extern unsigned int nfto_net_id;

/* Number of IP tunnels that are up in all namespaces. */
extern atomic_t nfto_tunnels;

static inline struct nfto_net *nfto_net(const struct net *net)
{
	return net_generic(net, nfto_net_id);
}

static inline const struct flow_offload_tuple *
nfto_flow_tuple(const struct flow_offload *flow, unsigned int dir)
{
	return &flow->tuplehash[dir & 1].tuple;
}

static inline struct flow_offload *
nfto_flow_of(struct flow_offload_tuple_rhash *tuplehash)
{
	return container_of(tuplehash, struct flow_offload,
			    tuplehash[tuplehash->tuple.dir & 1]);
}

/* twins.c: returns the flow with this key that was not torn down. Under RCU. */
struct flow_offload *nfto_flow_live(struct nf_flowtable *ft,
				    const struct flow_offload_tuple *key);

/*
 * Returns the byte after the addresses: the protocol of the packets inside the
 * tunnel, which is l3_proto in 7.2 and inner_proto in 7.3.
 */
static inline u8 *nfto_tunnel_proto(const struct flow_offload_tunnel *tunnel)
{
	return (u8 *)(&tunnel->dst_v6 + 1);
}

/*
 * Skips a flow that is torn down already: flow_offload_teardown() would clear
 * IPS_OFFLOAD of the connection, which its next flow may have set.
 */
static inline void nfto_teardown(struct flow_offload *flow)
{
	if (!test_bit(NF_FLOW_TEARDOWN, &flow->flags))
		flow_offload_teardown(flow);
}

#endif /* NFT_OFFLOAD_FLOWTABLE_H */
