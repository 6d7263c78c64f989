// SPDX-License-Identifier: GPL-2.0
/*
 * Reads the packets of the ingress hook: whether they take the slow path, and
 * whether they end a connection that is in hardware.
 */
#include <linux/if_pppox.h>
#include <linux/if_vlan.h>
#include <linux/tcp.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include "bindings_helper.h"
#include "flowtable.h"

/*
 * Whether the packet is multicast or broadcast. Its Ethernet header may not
 * show it: a tunnel has none, and the one of PPPoE is always unicast. The
 * header inside an IP tunnel is checked as well, as the core decapsulates it.
 */
static bool nfto_skb_to_many(const struct sk_buff *skb)
{
	int at = skb_network_offset(skb);
	const struct ipv6hdr *ip6;
	const struct iphdr *ip;
	struct ipv6hdr _ip6;
	struct iphdr _ip;

	if (skb->pkt_type == PACKET_MULTICAST ||
	    skb->pkt_type == PACKET_BROADCAST)
		return true;
	if (skb->protocol == htons(ETH_P_8021Q))
		at += VLAN_HLEN;
	else if (skb->protocol == htons(ETH_P_PPP_SES))
		at += PPPOE_SES_HLEN;
	ip = skb_header_pointer(skb, at, sizeof(_ip), &_ip);
	if (ip && ip->version == 4 && unlikely(ip->protocol == IPPROTO_IPIP)) {
		at += ip->ihl * 4;
		ip = skb_header_pointer(skb, at, sizeof(_ip), &_ip);
	}
	if (!ip)
		return false;
	if (ip->version == 4)
		return ipv4_is_multicast(ip->daddr);
	if (ip->version != 6)
		return false;
	ip6 = skb_header_pointer(skb, at, sizeof(_ip6), &_ip6);
	if (ip6 && unlikely(ip6->nexthdr == IPPROTO_IPV6)) {
		at += sizeof(*ip6);
		ip6 = skb_header_pointer(skb, at, sizeof(_ip6), &_ip6);
	}
	return ip6 && ipv6_addr_is_multicast(&ip6->daddr);
}

/*
 * Reads an IP header into the key of a flow. Returns the offset of its end; 0
 * if there is no IP header, or for a fragment, which the core ignores.
 */
static int nfto_skb_ip(const struct sk_buff *skb, int at,
		       struct flow_offload_tuple *tuple)
{
	const struct ipv6hdr *ip6;
	const struct iphdr *ip;
	struct ipv6hdr _ip6;
	struct iphdr _ip;

	ip = skb_header_pointer(skb, at, sizeof(_ip), &_ip);
	if (!ip)
		return 0;
	if (ip->version == 4) {
		if (ip->ihl < 5 || ip_is_fragment(ip))
			return 0;
		tuple->l3proto = NFPROTO_IPV4;
		tuple->l4proto = ip->protocol;
		tuple->src_v4.s_addr = ip->saddr;
		tuple->dst_v4.s_addr = ip->daddr;
		return at + ip->ihl * 4;
	}
	ip6 = skb_header_pointer(skb, at, sizeof(_ip6), &_ip6);
	if (ip->version != 6 || !ip6)
		return 0;
	tuple->l3proto = NFPROTO_IPV6;
	tuple->l4proto = ip6->nexthdr;
	tuple->src_v6 = ip6->saddr;
	tuple->dst_v6 = ip6->daddr;
	return at + sizeof(*ip6);
}

/*
 * Reads the key by which the core looks up a packet (nf_flow_tuple_ip(),
 * nf_flow_tuple_encap()): with its tags and with the outer header of an IP
 * tunnel. Packets that the core ignores may have a key as well.
 */
static bool nfto_skb_tuple(const struct sk_buff *skb,
			   const struct net_device *in,
			   struct flow_offload_tuple *key)
{
	struct flow_offload_tuple outer, tuple = {};
	int at = skb_network_offset(skb);
	const struct pppoe_hdr *pppoe;
	const struct flow_ports *ports;
	const struct vlan_hdr *vlan;
	struct flow_ports _ports;
	struct pppoe_hdr _pppoe;
	struct vlan_hdr _vlan;
	unsigned int i = 0;

	tuple.iifidx = in->ifindex;
	if (skb_vlan_tag_present(skb)) {
		tuple.encap[i].id = skb_vlan_tag_get_id(skb);
		tuple.encap[i++].proto = skb->vlan_proto;
	}
	if (skb->protocol == htons(ETH_P_8021Q)) {
		vlan = skb_header_pointer(skb, at, sizeof(_vlan), &_vlan);
		if (!vlan)
			return false;
		tuple.encap[i].id = ntohs(vlan->h_vlan_TCI) & VLAN_VID_MASK;
		tuple.encap[i].proto = skb->protocol;
		at += VLAN_HLEN;
	} else if (skb->protocol == htons(ETH_P_PPP_SES)) {
		pppoe = skb_header_pointer(skb, at, sizeof(_pppoe), &_pppoe);
		if (!pppoe)
			return false;
		tuple.encap[i].id = ntohs(pppoe->sid);
		tuple.encap[i].proto = skb->protocol;
		at += PPPOE_SES_HLEN;
	}
	at = nfto_skb_ip(skb, at, &tuple);
	if (at && tuple.l4proto == (tuple.l3proto == NFPROTO_IPV4 ?
				    IPPROTO_IPIP : IPPROTO_IPV6)) {
		outer = tuple;
		tuple.tun.src_v6 = outer.src_v6;
		tuple.tun.dst_v6 = outer.dst_v6;
		*nfto_tunnel_proto(&tuple.tun) = outer.l4proto;
		memset(&tuple.src_v6, 0, sizeof(tuple.src_v6));
		memset(&tuple.dst_v6, 0, sizeof(tuple.dst_v6));
		at = nfto_skb_ip(skb, at, &tuple);
	}
	if (!at)
		return false;
	if (tuple.l4proto != IPPROTO_GRE) {
		if (tuple.l4proto != IPPROTO_TCP &&
		    tuple.l4proto != IPPROTO_UDP)
			return false;
		ports = skb_header_pointer(skb, at, sizeof(_ports), &_ports);
		if (!ports)
			return false;
		tuple.src_port = ports->source;
		tuple.dst_port = ports->dest;
	}
	*key = tuple;
	return true;
}

/* Returns the flow of a packet, if the core finds one. */
static const struct flow_offload *nfto_skb_flow(const struct sk_buff *skb,
						struct nf_flowtable *ft,
						const struct net_device *in)
{
	struct flow_offload_tuple_rhash *found = NULL;
	struct flow_offload_tuple key;

	if (nfto_skb_tuple(skb, in, &key))
		found = flow_offload_lookup(ft, &key);
	return found ? nfto_flow_of(found) : NULL;
}

/*
 * Whether the core would lose the packet in an IP tunnel. That can only happen
 * in a flowtable with flags offload, or in 7.2 with a tunnel over IPv6:
 * otherwise the packet is not examined.
 */
static bool nfto_skb_is_mishandled(const struct sk_buff *skb,
				   struct nf_flowtable *ft,
				   const struct nf_hook_state *state)
{
	const struct flow_offload *flow;
	const struct nfto_net *of;

	if (likely(!atomic_read(&nfto_tunnels)))
		return false;
	of = nfto_net(state->net);
	if (!atomic_read(&of->tunnels[1]) &&
	    (!nf_flowtable_hw_offload(ft) || !atomic_read(&of->tunnels[0])))
		return false;
	flow = nfto_skb_flow(skb, ft, state->in);
	return flow && nfto_flow_is_mishandled(flow);
}

/* Whether a packet ends a TCP connection: with FIN or RST. */
static bool nfto_skb_ends(const struct sk_buff *skb)
{
	int at = skb_network_offset(skb);
	struct flow_offload_tuple tuple;
	const struct tcphdr *tcp;
	struct tcphdr _tcp;

	if (skb->protocol == htons(ETH_P_8021Q))
		at += VLAN_HLEN;
	else if (skb->protocol == htons(ETH_P_PPP_SES))
		at += PPPOE_SES_HLEN;
	at = nfto_skb_ip(skb, at, &tuple);
	if (!at || tuple.l4proto != IPPROTO_TCP)
		return false;
	tcp = skb_header_pointer(skb, at, sizeof(_tcp), &_tcp);
	return tcp && (tcp->fin || tcp->rst);
}

/*
 * Returns the flow of a packet that ends its connection, if the core has it in
 * hardware; otherwise NULL. A flow that the core does not find for the packet
 * is torn down here: it would outlive its connection. Under RCU.
 */
const struct flow_offload *nfto_skb_flow_in_hw(const struct sk_buff *skb,
					       struct nf_flowtable *ft,
					       const struct nf_hook_state *state)
{
	struct flow_offload_tuple key;
	struct flow_offload *flow;

	if (!nfto_skb_tuple(skb, state->in, &key))
		return NULL;
	flow = nfto_flow_live(ft, &key);
	if (!flow || !test_bit(NF_FLOW_HW, &flow->flags))
		return NULL;
	if (!flow_offload_lookup(ft, &key))
		nfto_teardown(flow);
	return flow;
}

/* Whether a TCP header, after IP in linear data, ends no connection. */
static bool nfto_tcp_is_plain(const void *header, int left)
{
	const struct tcphdr *tcp = header;

	return left >= (int)sizeof(*tcp) && !tcp->fin && !tcp->rst;
}

static bool nfto_ip_is_plain(const void *header, int left, bool hw)
{
	const struct iphdr *ip = header;

	if (left < (int)sizeof(*ip) || ip->version != 4 ||
	    ip->protocol == IPPROTO_IPIP || ipv4_is_multicast(ip->daddr))
		return false;
	return ip->protocol != IPPROTO_TCP || !hw ||
	       (ip->ihl == 5 && !ip_is_fragment(ip) &&
		nfto_tcp_is_plain(ip + 1, left - (int)sizeof(*ip)));
}

static bool nfto_ip6_is_plain(const void *header, int left, bool hw)
{
	const struct ipv6hdr *ip6 = header;

	if (left < (int)sizeof(*ip6) || ip6->version != 6 ||
	    ip6->nexthdr == IPPROTO_IPV6 ||
	    ipv6_addr_is_multicast(&ip6->daddr))
		return false;
	return ip6->nexthdr != IPPROTO_TCP || !hw ||
	       nfto_tcp_is_plain(ip6 + 1, left - (int)sizeof(*ip6));
}

/*
 * Called once per packet. Returns the IP version of a packet that the core
 * handles as it should: no tag has a priority, the packet has one receiver, and
 * it ends no connection that may be in hardware. Returns 0 for any other packet,
 * and where that needs a closer look (nfto_skb_head()).
 */
unsigned int nfto_skb_plain(const struct sk_buff *skb, struct nf_flowtable *ft)
{
	int left = skb_headlen(skb) - skb_network_offset(skb);
	const void *at = skb_network_header(skb);
	__be16 protocol = skb->protocol;
	const struct vlan_hdr *vlan;

	if (atomic_read(&nfto_tunnels) || skb->pkt_type == PACKET_MULTICAST ||
	    skb->pkt_type == PACKET_BROADCAST)
		return 0;
	if (skb_vlan_tag_present(skb) && skb_vlan_tag_get(skb) & ~VLAN_VID_MASK)
		return 0;
	if (protocol == htons(ETH_P_8021Q)) {
		vlan = at;
		if (left < (int)sizeof(*vlan) ||
		    vlan->h_vlan_TCI & htons(~VLAN_VID_MASK))
			return 0;
		protocol = vlan->h_vlan_encapsulated_proto;
		at += sizeof(*vlan);
		left -= sizeof(*vlan);
	}
	if (protocol == htons(ETH_P_IP))
		return nfto_ip_is_plain(at, left, nf_flowtable_hw_offload(ft)) ?
		       4 : 0;
	if (protocol == htons(ETH_P_IPV6))
		return nfto_ip6_is_plain(at, left, nf_flowtable_hw_offload(ft)) ?
		       6 : 0;
	return 0;
}

/*
 * Called for packets that are not plain. Returns the protocol in the low half;
 * above it, whether there are tags, whether the packet takes the slow path, and
 * whether it ends a connection that may be in hardware.
 */
u32 nfto_skb_head(const struct sk_buff *skb, struct nf_flowtable *ft,
		  const struct nf_hook_state *state)
{
	bool tags = skb_vlan_tag_present(skb) ||
		    skb->protocol == htons(ETH_P_8021Q);
	bool slow = nfto_skb_to_many(skb) ||
		    nfto_skb_is_mishandled(skb, ft, state);
	bool ends = nf_flowtable_hw_offload(ft) && nfto_skb_ends(skb);

	return ntohs(skb->protocol) | tags << 16 | slow << 17 | ends << 18;
}
