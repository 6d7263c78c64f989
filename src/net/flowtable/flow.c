// SPDX-License-Identifier: GPL-2.0
/*
 * Reads from a flow how its packets leave: the device, the next hop, and the
 * lightweight tunnel of its route.
 */
#include <linux/etherdevice.h>
#include <linux/if_arp.h>
#include <net/dst.h>
#include <net/ip_tunnels.h>
#include <net/lwtunnel.h>
#include <net/neighbour.h>
#include "bindings_helper.h"
#include "flowtable.h"

/*
 * Looks up the next hop of a flow that is sent through a neighbour
 * (XMIT_NEIGH): the lowest egress device, the address of its route's device,
 * and the address of the neighbour.
 *
 * -EOPNOTSUPP: not an Ethernet device, but its index is valid; -ENOENT: no
 * route or no neighbour entry; -EAGAIN: the neighbour is not resolved; its
 * resolution was started.
 */
int nfto_flow_nexthop(const struct flow_offload *flow, unsigned int dir,
		      struct nfto_nexthop *hop)
{
	const struct flow_offload_tuple *tuple = nfto_flow_tuple(flow, dir);
	const struct flow_offload_tuple *other = nfto_flow_tuple(flow, !dir);
	struct dst_entry *dst = tuple->dst_cache;
	const struct net_device *dev;
	struct neighbour *n;
	bool valid;

	if (!dst)
		return -ENOENT;

	/* The route loses its device when the device goes away. */
	rcu_read_lock();
	dev = dst_dev_rcu(dst);
	hop->ifindex = tuple->ifidx ?: READ_ONCE(dev->ifindex);
	if (dev->type != ARPHRD_ETHER || dev->addr_len != ETH_ALEN) {
		rcu_read_unlock();
		return -EOPNOTSUPP;
	}
	ether_addr_copy(hop->h_source, dev->dev_addr);
	n = dst_neigh_lookup(dst, &other->src_v4);
	rcu_read_unlock();
	if (!n)
		return -ENOENT;

	read_lock_bh(&n->lock);
	valid = n->nud_state & NUD_VALID;
	ether_addr_copy(hop->h_dest, n->ha);
	read_unlock_bh(&n->lock);
	if (!valid)
		neigh_event_send(n, NULL);
	neigh_release(n);
	return valid ? 0 : -EAGAIN;
}

/* Returns the lowest egress device of a direction; 0 if it is not known. */
u32 nfto_flow_egress(const struct flow_offload *flow, unsigned int dir)
{
	const struct flow_offload_tuple *tuple = nfto_flow_tuple(flow, dir);
	u32 ifindex;

	switch (tuple->xmit_type) {
	case FLOW_OFFLOAD_XMIT_DIRECT:
		return tuple->out.ifidx;
	case FLOW_OFFLOAD_XMIT_NEIGH:
		if (tuple->ifidx)
			return tuple->ifidx;
		fallthrough;
	case FLOW_OFFLOAD_XMIT_XFRM:
		if (!tuple->dst_cache)
			return 0;
		rcu_read_lock();
		ifindex = READ_ONCE(dst_dev_rcu(tuple->dst_cache)->ifindex);
		rcu_read_unlock();
		return ifindex;
	default:
		return 0;
	}
}

/*
 * Returns the tunnel that the route of a direction adds to its packets. A
 * direct flow has given up its route.
 */
static const struct lwtunnel_state *
nfto_flow_lwtunnel(const struct flow_offload *flow, unsigned int dir)
{
	const struct flow_offload_tuple *tuple = nfto_flow_tuple(flow, dir);

	if (tuple->xmit_type == FLOW_OFFLOAD_XMIT_DIRECT || !tuple->dst_cache)
		return NULL;
	return tuple->dst_cache->lwtstate;
}

/* Only in these two types the data of the state is an ip_tunnel_info. */
static const struct ip_tunnel_info *
nfto_lwtunnel_info(const struct lwtunnel_state *lwt)
{
	if (lwt->type != LWTUNNEL_ENCAP_IP && lwt->type != LWTUNNEL_ENCAP_IP6)
		return NULL;
	return lwt_tun_info((struct lwtunnel_state *)lwt);
}

enum nfto_tunnel_kind nfto_flow_tunnel(const struct flow_offload *flow,
				       unsigned int dir,
				       struct nfto_tunnel *tunnel)
{
	const struct lwtunnel_state *lwt = nfto_flow_lwtunnel(flow, dir);
	const struct ip_tunnel_info *info;
	const struct ip_tunnel_key *key;
	__be32 id;

	if (!lwt)
		return NFTO_TUNNEL_NONE;
	info = nfto_lwtunnel_info(lwt);
	if (!info || info->options_len)
		return NFTO_TUNNEL_OTHER;
	if (!(info->mode & IP_TUNNEL_INFO_TX))
		return NFTO_TUNNEL_NONE;

	key = &info->key;
	memset(tunnel, 0, sizeof(*tunnel));
	id = tunnel_id_to_key32(key->tun_id);
	tunnel->has_id = key->tun_id ||
			 test_bit(IP_TUNNEL_KEY_BIT, key->tun_flags);
	memcpy(tunnel->id, &id, sizeof(id));
	memcpy(tunnel->port, &key->tp_dst, sizeof(key->tp_dst));
	tunnel->ipv6 = ip_tunnel_info_af(info) == AF_INET6;
	if (tunnel->ipv6) {
		memcpy(tunnel->source, &key->u.ipv6.src, 16);
		memcpy(tunnel->destination, &key->u.ipv6.dst, 16);
	} else {
		memcpy(tunnel->source, &key->u.ipv4.src, 4);
		memcpy(tunnel->destination, &key->u.ipv4.dst, 4);
	}
	return NFTO_TUNNEL_IP;
}

/* Returns the argument of TUNNEL_ENCAP, which belongs to the flow's route. */
const struct ip_tunnel_info *
nfto_flow_tunnel_info(const struct flow_offload *flow, unsigned int dir)
{
	const struct lwtunnel_state *lwt = nfto_flow_lwtunnel(flow, dir);

	return lwt ? nfto_lwtunnel_info(lwt) : NULL;
}

/* Whether the route of a direction adds the same tunnel as dst does. */
bool nfto_flow_has_tunnel_of(const struct flow_offload *flow, unsigned int dir,
			     const struct dst_entry *dst)
{
	const struct lwtunnel_state *lwt = nfto_flow_lwtunnel(flow, dir);

	return !lwtunnel_cmp_encap((struct lwtunnel_state *)lwt, dst->lwtstate);
}

void nfto_flow_teardown(struct flow_offload *flow)
{
	nfto_teardown(flow);
}
