// SPDX-License-Identifier: GPL-2.0
/*
 * Flows through IP tunnels whose packets the core would lose. Their packets take
 * the slow path.
 */
#include <linux/etherdevice.h>
#include <linux/if_arp.h>
#include <linux/jhash.h>
#include <linux/netdevice.h>
#include <net/dst.h>
#include <net/netfilter/nf_conntrack.h>
#include "bindings_helper.h"
#include "flowtable.h"

/* Number of IP tunnels that are up in all namespaces. */
atomic_t nfto_tunnels = ATOMIC_INIT(0);

static bool nfto_dev_is_tunnel(const struct net_device *dev)
{
	return dev->type == ARPHRD_TUNNEL || dev->type == ARPHRD_TUNNEL6;
}

/* Counts an IP tunnel that has come up, or goes down. */
void nfto_tunnel_changed(const void *info, bool up)
{
	const struct net_device *dev = netdev_notifier_info_to_dev(info);
	struct nfto_net *of = nfto_net(dev_net(dev));
	int by = up ? 1 : -1;

	if (!nfto_dev_is_tunnel(dev))
		return;
	atomic_add(by, &of->tunnels[dev->type == ARPHRD_TUNNEL6]);
	atomic_add(by, &nfto_tunnels);
}

/* Returns the index of the tunnel to which a direction's route leads, or 0. */
static u32 nfto_tuple_route_tunnel(const struct flow_offload_tuple *tuple)
{
	const struct net_device *dev;
	u32 ifindex = 0;

	if (tuple->xmit_type != FLOW_OFFLOAD_XMIT_NEIGH || !tuple->dst_cache)
		return 0;
	rcu_read_lock();
	dev = dst_dev_rcu(tuple->dst_cache);
	if (nfto_dev_is_tunnel(dev))
		ifindex = READ_ONCE(dev->ifindex);
	rcu_read_unlock();
	return ifindex;
}

/* Whether the core loses packets that a direction sends into an IP tunnel. */
static bool nfto_tuple_is_mishandled(const struct flow_offload_tuple *tuple,
				     const struct flow_offload_tuple *other)
{
	u8 carries = tuple->l3proto == NFPROTO_IPV4 ? IPPROTO_IPIP :
						      IPPROTO_IPV6;
	u32 ifindex;

	/*
	 * With flags offload each flow whose lowest device is Ethernet is sent
	 * directly, also through a tunnel, for which no neighbour was looked up
	 * (nft_dev_path_info()).
	 */
	if (tuple->xmit_type == FLOW_OFFLOAD_XMIT_DIRECT &&
	    is_zero_ether_addr(tuple->out.h_dest))
		return true;
	/* IPv4 in IPv6 gets an outer header of IPv4 in 7.2. */
	if (other->tun_num)
		return *nfto_tunnel_proto(&other->tun) != carries;
	/*
	 * Or it gets no outer header, and leaves by the device below the
	 * tunnel.
	 */
	ifindex = nfto_tuple_route_tunnel(tuple);
	return ifindex && tuple->ifidx && tuple->ifidx != ifindex;
}

bool nfto_flow_is_mishandled(const struct flow_offload *flow)
{
	const struct flow_offload_tuple *original, *reply;

	original = nfto_flow_tuple(flow, FLOW_OFFLOAD_DIR_ORIGINAL);
	reply = nfto_flow_tuple(flow, FLOW_OFFLOAD_DIR_REPLY);
	return nfto_tuple_is_mishandled(original, reply) ||
	       nfto_tuple_is_mishandled(reply, original);
}

/*
 * Whether the flow can end: no tunnel is left in its namespace, so that the
 * hook does not look for such flows any more.
 */
bool nfto_flow_has_no_tunnel(const struct flow_offload *flow)
{
	const struct nfto_net *of = nfto_net(nf_ct_net(flow->ct));

	return !atomic_read(&of->tunnels[0]) && !atomic_read(&of->tunnels[1]);
}

/* Returns a hash of a flow's tunnel; 0 if the flow does not identify it. */
u32 nfto_flow_tunnel_hash(const struct flow_offload *flow)
{
	const struct flow_offload_tuple *tuple;
	unsigned int dir;
	u32 hash = 0;

	for (dir = 0; dir < FLOW_OFFLOAD_DIR_MAX && !hash; dir++) {
		tuple = nfto_flow_tuple(flow, dir);
		if (tuple->tun_num)
			hash = jhash(&tuple->tun, sizeof(tuple->tun), 0) ?: 1;
		else
			hash = nfto_tuple_route_tunnel(tuple);
	}
	return hash;
}

/* Returns the index of the device of a flow's tunnel; 0 if it is not found. */
u32 nfto_flow_tunnel_dev(const struct flow_offload *flow)
{
	const struct flow_offload_tuple *tuple;
	const struct net_device *dev;
	unsigned int dir, len;
	u32 ifindex = 0;

	rcu_read_lock();
	for (dir = 0; dir < FLOW_OFFLOAD_DIR_MAX && !ifindex; dir++) {
		tuple = nfto_flow_tuple(flow, dir);
		ifindex = nfto_tuple_route_tunnel(tuple);
		if (!tuple->tun_num)
			continue;
		for_each_netdev_rcu(nf_ct_net(flow->ct), dev) {
			len = dev->type == ARPHRD_TUNNEL ? 4 : 16;
			/* Packets on ingress come from the remote end. */
			if (nfto_dev_is_tunnel(dev) && dev->addr_len == len &&
			    !memcmp(dev->broadcast, &tuple->tun.src_v6, len))
				ifindex = READ_ONCE(dev->ifindex);
		}
	}
	rcu_read_unlock();
	return ifindex;
}
