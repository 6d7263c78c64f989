// SPDX-License-Identifier: GPL-2.0
/*
 * Looks up the path that the packets of a flow would take now: the route, the
 * neighbour, and the devices below, as nft_flow_route() finds them for a
 * packet. No decision is taken here.
 */
#include <linux/etherdevice.h>
#include <linux/if_arp.h>
#include <linux/inetdevice.h>
#include <linux/netdevice.h>
#include <net/addrconf.h>
#include <net/arp.h>
#include <net/ip6_route.h>
#include <net/ndisc.h>
#include <net/netfilter/nf_conntrack.h>
#include <net/route.h>
#include <net/tcp.h>
#include <net/xfrm.h>
#include "bindings_helper.h"

static bool nfto_is_ethernet(const struct net_device *dev)
{
	return !(dev->flags & IFF_LOOPBACK) && dev->type == ARPHRD_ETHER &&
	       dev->addr_len == ETH_ALEN && is_valid_ether_addr(dev->dev_addr);
}

/* Returns the route of a direction, for packets with this mark; or an error. */
static struct dst_entry *nfto_route(struct net *net, u32 mark,
				    const struct flow_offload_tuple *tuple,
				    const struct flow_offload_tuple *other)
{
	struct dst_entry *dst;
	struct flowi fl = {};

	if (tuple->l3proto == NFPROTO_IPV4) {
		struct flowi4 *fl4 = &fl.u.ip4;
		struct rtable *rt;

		/* After the destination is translated, before the source is. */
		fl4->daddr = other->src_v4.s_addr;
		fl4->saddr = tuple->src_v4.s_addr;
		fl4->fl4_sport = tuple->src_port;
		fl4->fl4_dport = other->src_port;
		fl4->flowi4_proto = tuple->l4proto;
		fl4->flowi4_mark = mark;
		fl4->flowi4_flags = FLOWI_FLAG_ANYSRC;
		rt = __ip_route_output_key(net, fl4);
		if (IS_ERR(rt))
			return ERR_CAST(rt);
		dst = &rt->dst;
		if (rt->rt_type != RTN_UNICAST) {
			dst_release(dst);
			return ERR_PTR(-EHOSTUNREACH);
		}
	} else {
		struct flowi6 *fl6 = &fl.u.ip6;

		fl6->daddr = other->src_v6;
		fl6->saddr = tuple->src_v6;
		fl6->fl6_sport = tuple->src_port;
		fl6->fl6_dport = other->src_port;
		fl6->flowi6_proto = tuple->l4proto;
		fl6->flowi6_mark = mark;
		fl6->flowi6_flags = FLOWI_FLAG_ANYSRC;
		dst = ip6_route_output(net, NULL, fl6);
		if (dst->error || dst_rt6_info(dst)->rt6i_flags & RTF_LOCAL) {
			dst_release(dst);
			return ERR_PTR(-EHOSTUNREACH);
		}
	}
	/* Consumes the reference; -EPERM if a policy blocks the packets. */
	dst = xfrm_lookup(net, dst, &fl, NULL, 0);
	if (IS_ERR(dst))
		return ERR_PTR(-EPERM);
	if (dst_xfrm(dst)) {
		dst_release(dst);
		return ERR_PTR(-EPERM);
	}
	return dst;
}

#ifdef CONFIG_XFRM
/*
 * Whether an IPsec policy keeps packets of a direction from being forwarded,
 * checked with a packet of its addresses and ports. False if memory is short.
 */
static bool nfto_is_blocked(struct net *net, struct net_device *dev,
			    const struct flow_offload_tuple *tuple,
			    const struct flow_offload_tuple *other)
{
	bool ipv4 = tuple->l3proto == NFPROTO_IPV4;
	struct sk_buff *skb;
	struct ipv6hdr *ip6;
	struct udphdr *ports;
	struct iphdr *ip;
	bool blocked;

	if (!net->xfrm.policy_count[XFRM_POLICY_FWD] &&
	    net->xfrm.policy_default[XFRM_POLICY_FWD] != XFRM_USERPOLICY_BLOCK)
		return false;
	skb = alloc_skb(sizeof(*ip6) + sizeof(struct tcphdr), GFP_ATOMIC);
	if (!skb)
		return false;
	skb->dev = dev;
	skb_reset_network_header(skb);
	if (ipv4) {
		skb->protocol = htons(ETH_P_IP);
		ip = skb_put_zero(skb, sizeof(*ip));
		ip->version = 4;
		ip->ihl = sizeof(*ip) / 4;
		ip->ttl = 64;
		ip->protocol = tuple->l4proto;
		ip->saddr = tuple->src_v4.s_addr;
		ip->daddr = other->src_v4.s_addr;
		ip->tot_len = htons(sizeof(*ip) + sizeof(struct tcphdr));
	} else {
		skb->protocol = htons(ETH_P_IPV6);
		ip6 = skb_put_zero(skb, sizeof(*ip6));
		ip6->version = 6;
		ip6->hop_limit = 64;
		ip6->nexthdr = tuple->l4proto;
		ip6->saddr = tuple->src_v6;
		ip6->daddr = other->src_v6;
		ip6->payload_len = htons(sizeof(struct tcphdr));
	}
	skb_set_transport_header(skb, skb->len);
	ports = skb_put_zero(skb, sizeof(struct tcphdr));
	ports->source = tuple->src_port;
	ports->dest = other->src_port;
	blocked = !xfrm_policy_check(NULL, XFRM_POLICY_FWD, skb,
				     ipv4 ? AF_INET : AF_INET6);
	kfree_skb(skb);
	return blocked;
}
#else
static bool nfto_is_blocked(struct net *net, struct net_device *dev,
			    const struct flow_offload_tuple *tuple,
			    const struct flow_offload_tuple *other)
{
	return false;
}
#endif

/* Returns the address of the next hop, if it is known. Under RCU. */
static bool nfto_next_hop(const struct dst_entry *dst, struct net_device *dev,
			  const struct flow_offload_tuple *other, u8 *ha)
{
	struct neighbour *n;
	bool valid;

	if (other->l3proto == NFPROTO_IPV6) {
		n = __ipv6_neigh_lookup_noref(dev,
					      rt6_nexthop(dst_rt6_info(dst),
							  &other->src_v6));
	} else if (dst_rtable(dst)->rt_gw_family == AF_INET6) {
		n = __ipv6_neigh_lookup_noref(dev, &dst_rtable(dst)->rt_gw6);
	} else {
		u32 key = (__force u32)rt_nexthop(dst_rtable(dst),
						  other->src_v4.s_addr);

		n = __ipv4_neigh_lookup_noref(dev, key);
	}
	if (!n)
		return false;
	read_lock_bh(&n->lock);
	valid = n->nud_state & NUD_VALID;
	ether_addr_copy(ha, n->ha);
	read_unlock_bh(&n->lock);
	return valid;
}

/* As nft_dev_path_info(), which is not exported. */
static int nfto_path(const struct net_device_path_stack *stack,
		     struct nfto_way *way)
{
	const struct net_device_path *path, *next;
	unsigned int encaps = 0, by_switch = 0;
	struct nfto_way_encap encap[NF_FLOW_TABLE_ENCAP_MAX] = {};
	int i;

	for (i = 0; i < stack->num_paths; i++) {
		path = &stack->path[i];
		switch (path->type) {
#ifdef NFTO_PATH_ETHER_TYPE
		case DEV_PATH_IEEE80211:
#endif
		case DEV_PATH_ETHERNET:
		case DEV_PATH_DSA:
		case DEV_PATH_VLAN:
		case DEV_PATH_PPPOE:
			way->ifindex = path->dev->ifindex;
			if (is_zero_ether_addr(way->source))
				ether_addr_copy(way->source,
						path->dev->dev_addr);
			if (path->type != DEV_PATH_VLAN &&
			    path->type != DEV_PATH_PPPOE)
				break;
			if (encaps >= NF_FLOW_TABLE_ENCAP_MAX)
				return -EOPNOTSUPP;
			encap[encaps].id = path->encap.id;
			encap[encaps++].protocol = ntohs(path->encap.proto);
			if (path->type == DEV_PATH_PPPOE)
				ether_addr_copy(way->destination,
						path->encap.h_dest);
			break;
		case DEV_PATH_BRIDGE:
			if (is_zero_ether_addr(way->source))
				ether_addr_copy(way->source,
						path->dev->dev_addr);
			switch (path->bridge.vlan_mode) {
			case DEV_PATH_BR_VLAN_UNTAG_HW:
				if (!encaps)
					return -EOPNOTSUPP;
				by_switch |= BIT(encaps - 1);
				break;
			case DEV_PATH_BR_VLAN_TAG:
				if (encaps >= NF_FLOW_TABLE_ENCAP_MAX)
					return -EOPNOTSUPP;
				encap[encaps].id = path->bridge.vlan_id;
				encap[encaps++].protocol =
					ntohs(path->bridge.vlan_proto);
				break;
			case DEV_PATH_BR_VLAN_UNTAG:
				if (!encaps)
					return -EOPNOTSUPP;
				encaps--;
				break;
			case DEV_PATH_BR_VLAN_KEEP:
				break;
			}
			/* The next device on the path is the port. */
			next = i + 1 < stack->num_paths ? path + 1 : NULL;
			if (!nfto_bridge_forwards(path->dev,
						  path->bridge.vlan_id,
						  next ? next->dev : NULL))
				way->blocked = true;
			break;
		default:
			return -EOPNOTSUPP;
		}
	}
	way->encaps = encaps;
	/* The flow has the outermost first (flow_offload_fill_route()). */
	for (i = 0; i < encaps; i++) {
		way->encap[i] = encap[encaps - 1 - i];
		if (by_switch & BIT(encaps - 1 - i))
			way->by_switch |= BIT(i);
	}
	return 0;
}

static bool nfto_forwards(const struct net *net, const struct net_device *dev,
			  u8 family)
{
	struct in_device *in_dev;

	if (family == NFPROTO_IPV6)
		return READ_ONCE(net->ipv6.devconf_all->forwarding);
	in_dev = __in_dev_get_rcu(dev);
	return in_dev && IN_DEV_FORWARD(in_dev);
}

/*
 * Looks up the path that the packets of a direction with this mark would take.
 * -EHOSTUNREACH: no route; -EPERM: an IPsec policy applies to them; -EXDEV: the
 * route adds a lightweight tunnel that differs from that of the flow; -EAGAIN:
 * the address of the next hop is not known; -EOPNOTSUPP: a path that a flow
 * cannot express.
 */
static int nfto_flow_way_in(struct net *net, const struct flow_offload *flow,
			    unsigned int dir, u32 mark, struct nfto_way *way)
{
	const struct flow_offload_tuple *tuple, *other;
	struct net_device_path_stack stack;
	struct net_device_path_ctx ctx = {};
	struct net_device *dev;
	struct dst_entry *dst;
	int err = -EAGAIN;

	tuple = &flow->tuplehash[dir & 1].tuple;
	other = &flow->tuplehash[!(dir & 1)].tuple;
	dst = nfto_route(net, mark, tuple, other);
	if (IS_ERR(dst))
		return PTR_ERR(dst) == -EPERM ? -EPERM : -EHOSTUNREACH;
	way->mtu = tuple->l3proto == NFPROTO_IPV4 ?
			   ip_dst_mtu_maybe_forward(dst, true) :
			   ip6_dst_mtu_maybe_forward(dst, true);

	if (!nfto_flow_has_tunnel_of(flow, dir, dst)) {
		dst_release(dst);
		return -EXDEV;
	}

	/* dev_fill_forward_path() of some devices needs RCU. */
	rcu_read_lock();
	dev = dst_dev_rcu(dst);
	way->up = READ_ONCE(dev->flags) & IFF_UP;
	way->forwards = nfto_forwards(net, dev, tuple->l3proto);
	/* The packets of the other direction arrive on the egress device. */
	if (nfto_is_blocked(net, dev, other, tuple)) {
		err = -EPERM;
		goto out;
	}
	if (nfto_is_ethernet(dev) &&
	    !nfto_next_hop(dst, dev, other, way->destination))
		goto out;
	ctx.dev = dev;
	ether_addr_copy(ctx.daddr, way->destination);
#ifdef NFTO_PATH_ETHER_TYPE
	ctx.ether_type = tuple->l3proto == NFPROTO_IPV4 ? htons(ETH_P_IP) :
							  htons(ETH_P_IPV6);
	ctx.ieee80211 = true;
#endif
	err = -EOPNOTSUPP;
	if (dev_fill_forward_path(&ctx, &stack) >= 0) {
		err = nfto_path(&stack, way);
		dev_fill_forward_path_release(&stack);
	}
out:
	rcu_read_unlock();
	dst_release(dst);
	return err;
}

/* In a namespace that is being destroyed, IPv6 may have freed its data. */
int nfto_flow_way(const struct flow_offload *flow, unsigned int dir, u32 mark,
		  struct nfto_way *way)
{
	struct net *net = maybe_get_net(nf_ct_net(flow->ct));
	int err;

	memset(way, 0, sizeof(*way));
	if (!net)
		return -EHOSTUNREACH;
	err = nfto_flow_way_in(net, flow, dir, mark, way);
	put_net(net);
	return err;
}

/* Whether there are policy rules other than the default ones of a namespace. */
bool nfto_net_has_rules(const struct net *net, u8 family)
{
	if (family == NFPROTO_IPV4)
#ifdef CONFIG_IP_MULTIPLE_TABLES
		return READ_ONCE(net->ipv4.fib_has_custom_rules);
#else
		return false;
#endif
#ifdef CONFIG_IPV6_MULTIPLE_TABLES
	return READ_ONCE(net->ipv6.fib6_has_custom_rules);
#else
	return false;
#endif
}

/*
 * Returns two numbers that change with each change of routing; 0 in a namespace
 * that is being destroyed.
 */
u64 nfto_net_routing(struct net *net)
{
	u32 forwarding;
	u64 routing;

	if (!maybe_get_net(net))
		return 0;
	forwarding = READ_ONCE(net->ipv6.devconf_all->forwarding) != 0;
	routing = (u64)rt_genid_ipv4(net) << 32 |
		  (((u32)rt_genid_ipv6(net) << 1) | forwarding);
	put_net(net);
	return routing;
}
