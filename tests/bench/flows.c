// SPDX-License-Identifier: GPL-2.0
/* Makes flows of the flowtable core, without packets. */
#include <linux/etherdevice.h>
#include <linux/if_vlan.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <net/ip.h>
#include <net/netfilter/nf_conntrack.h>
#include <net/netfilter/nf_conntrack_acct.h>
#include <net/netfilter/nf_conntrack_core.h>
#include <net/netfilter/nf_conntrack_zones.h>
#include "bench.h"

struct bench_shape {
	const char *name;
	u8 l3proto;
	u8 l4proto;
	bool snat;
	bool dnat;
	/* Encapsulations on the side of the client, outermost first. */
	struct {
		u16 proto;
		u16 id;
	} encap[NF_FLOW_TABLE_ENCAP_MAX];
};

static const struct bench_shape shapes[] = {
	{ "v4tcp", NFPROTO_IPV4, IPPROTO_TCP },
	{ "v4udp", NFPROTO_IPV4, IPPROTO_UDP },
	{ "v4snat", NFPROTO_IPV4, IPPROTO_TCP, .snat = true },
	{ "v6tcp", NFPROTO_IPV6, IPPROTO_TCP },
	{ "v6udp", NFPROTO_IPV6, IPPROTO_UDP },
	{ "v6nat", NFPROTO_IPV6, IPPROTO_TCP, .snat = true, .dnat = true },
	{ "vlan", NFPROTO_IPV4, IPPROTO_TCP, .encap = { { ETH_P_8021Q, 10 } } },
	{ "v4udpvlan", NFPROTO_IPV4, IPPROTO_UDP, .encap = { { ETH_P_8021Q, 10 } } },
	{ "v6udpvlan", NFPROTO_IPV6, IPPROTO_UDP, .encap = { { ETH_P_8021Q, 10 } } },
	{ "qinq", NFPROTO_IPV4, IPPROTO_TCP,
	  .encap = { { ETH_P_8021Q, 100 }, { ETH_P_8021Q, 10 } } },
	{ "vlanpppoe", NFPROTO_IPV4, IPPROTO_TCP,
	  .encap = { { ETH_P_8021Q, 10 }, { ETH_P_PPP_SES, 0x1234 } } },
};

/* The shapes in "mix". */
static const struct bench_shape mix = { "mix" };
static const unsigned int in_mix[] = { 0, 2, 1, 3, 6, 2, 5, 4 };

/* The owner of an address, as its first byte. */
enum role {
	CLIENT = 10,
	SERVER = 11,
	OUTSIDE = 12,	/* what the client becomes by SNAT */
	VIRTUAL = 13,	/* what the client dials, with DNAT */
};

const struct bench_shape *bench_shape(const char *name)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(shapes); i++) {
		if (!strcmp(name, shapes[i].name))
			return &shapes[i];
	}
	return strcmp(name, mix.name) ? NULL : &mix;
}

/* A client has 256 connections; flows of different numbers have different tuples. */
static void address(union nf_inet_addr *addr, const struct bench_shape *shape,
		    unsigned int i, enum role role)
{
	__be32 ipv4 = htonl(role << 24 | (i >> 8));

	if (shape->l3proto == NFPROTO_IPV4) {
		addr->ip = ipv4;
	} else {
		addr->ip6[0] = htonl(0xfd000000 | role);
		addr->ip6[3] = ipv4;
	}
}

static __be16 port(unsigned int i, enum role role)
{
	switch (role) {
	case CLIENT:
	case OUTSIDE:
		return htons(20000 + (i & 0xff) * 128 + role);
	default:
		return htons(role == SERVER ? 443 : 8443);
	}
}

static struct nf_conntrack_tuple tuple(const struct bench_shape *shape, unsigned int i,
				       enum role from, enum role to)
{
	struct nf_conntrack_tuple t = {};

	address(&t.src.u3, shape, i, from);
	address(&t.dst.u3, shape, i, to);
	t.src.u.all = port(i, from);
	t.dst.u.all = port(i, to);
	t.src.l3num = shape->l3proto;
	t.dst.protonum = shape->l4proto;
	return t;
}

/* Creates a connection that has seen packets in both directions. */
static struct nf_conn *conntrack(const struct bench_shape *shape, unsigned int i,
				 unsigned int packets)
{
	struct nf_conntrack_tuple original, reply;
	struct nf_conn_acct *acct;
	struct nf_conn *ct;

	original = tuple(shape, i, CLIENT, shape->dnat ? VIRTUAL : SERVER);
	reply = tuple(shape, i, SERVER, shape->snat ? OUTSIDE : CLIENT);
	ct = nf_conntrack_alloc(&init_net, &nf_ct_zone_dflt, &original, &reply, GFP_KERNEL);
	if (IS_ERR(ct))
		return ct;
	/* If accounting is enabled (nf_conntrack_acct); not after the entry is confirmed. */
	acct = nf_ct_acct_ext_add(ct, GFP_KERNEL);
	if (acct) {
		atomic64_set(&acct->counter[IP_CT_DIR_ORIGINAL].packets, packets);
		atomic64_set(&acct->counter[IP_CT_DIR_REPLY].packets, packets);
	}
	ct->status = IPS_CONFIRMED | IPS_SEEN_REPLY | IPS_ASSURED | IPS_OFFLOAD;
	if (shape->snat)
		ct->status |= IPS_SRC_NAT;
	if (shape->dnat)
		ct->status |= IPS_DST_NAT;
	if (shape->l4proto == IPPROTO_TCP)
		ct->proto.tcp.state = TCP_CONNTRACK_ESTABLISHED;
	refcount_set(&ct->ct_general.use, 1);
	return ct;
}

static void fill(struct flow_offload_tuple *t, const struct bench_shape *shape,
		 const struct net_device *in, const struct net_device *out, bool encap)
{
	static const u8 next_hop[ETH_ALEN] = { 0x02, 0xbe, 0x2c, 0x22, 0x33, 0x44 };
	unsigned int i;

	t->iifidx = in->ifindex;
	t->mtu = out->mtu;
	for (i = 0; encap && i < NF_FLOW_TABLE_ENCAP_MAX && shape->encap[i].proto; i++) {
		t->encap[i].proto = htons(shape->encap[i].proto);
		t->encap[i].id = shape->encap[i].id;
		t->encap_num = i + 1;
	}
	t->xmit_type = FLOW_OFFLOAD_XMIT_DIRECT;
	t->out.ifidx = out->ifindex;
	ether_addr_copy(t->out.h_source, out->dev_addr);
	ether_addr_copy(t->out.h_dest, next_hop);
}

struct flow_offload *bench_flow_new(const struct bench_shape *shape, unsigned int i,
				    unsigned int packets)
{
	unsigned int pair = i % ((bench_port_count() - bench_driver.spare) / 2);
	struct net_device *lan = bench_port(2 * pair), *wan = bench_port(2 * pair + 1);
	struct flow_offload *flow;
	struct nf_conn *ct;

	if (shape == &mix)
		shape = &shapes[in_mix[i % ARRAY_SIZE(in_mix)]];
	ct = conntrack(shape, i, packets);
	if (IS_ERR(ct))
		return ERR_CAST(ct);
	flow = flow_offload_alloc(ct);
	/* The flow holds its own reference. */
	nf_ct_put(ct);
	if (!flow)
		return ERR_PTR(-ENOMEM);
	flow->type = NF_FLOW_OFFLOAD_ROUTE;
	__set_bit(NF_FLOW_HW_BIDIRECTIONAL, &flow->flags);
	fill(&flow->tuplehash[FLOW_OFFLOAD_DIR_ORIGINAL].tuple, shape, lan, wan, true);
	fill(&flow->tuplehash[FLOW_OFFLOAD_DIR_REPLY].tuple, shape, wan, lan, false);
	return flow;
}

/* The bytes after the header of UDP or TCP. */
#define PAYLOAD	64

static void udp_header(struct sk_buff *skb, const struct flow_offload_tuple *t)
{
	struct udphdr *udp = skb_put_zero(skb, sizeof(*udp));

	udp->source = t->src_port;
	udp->dest = t->dst_port;
	udp->len = htons(sizeof(*udp) + PAYLOAD);
}

static void tcp_header(struct sk_buff *skb, const struct flow_offload_tuple *t)
{
	struct tcphdr *tcp = skb_put_zero(skb, sizeof(*tcp));

	tcp->source = t->src_port;
	tcp->dest = t->dst_port;
	tcp->doff = sizeof(*tcp) / 4;
	tcp->ack = 1;
}

struct sk_buff *bench_packet_new(const struct flow_offload *flow, struct net_device *in)
{
	const struct flow_offload_tuple *t = &flow->tuplehash[FLOW_OFFLOAD_DIR_ORIGINAL].tuple;
	bool tcp = t->l4proto == IPPROTO_TCP;
	unsigned int ip_len = t->l3proto == NFPROTO_IPV4 ? sizeof(struct iphdr) :
							   sizeof(struct ipv6hdr);
	unsigned int len = (tcp ? sizeof(struct tcphdr) : sizeof(struct udphdr)) + PAYLOAD;
	struct sk_buff *skb;

	skb = alloc_skb(NET_SKB_PAD + LL_MAX_HEADER + ip_len + len, GFP_KERNEL);
	if (!skb)
		return NULL;
	skb_reserve(skb, NET_SKB_PAD + LL_MAX_HEADER - ETH_HLEN);
	skb_reset_mac_header(skb);
	memset(skb_put(skb, ETH_HLEN), 0, ETH_HLEN);
	skb_pull(skb, ETH_HLEN);
	skb_reset_network_header(skb);
	skb->mac_len = ETH_HLEN;
	skb->dev = in;
	skb->pkt_type = PACKET_HOST;
	if (t->l3proto == NFPROTO_IPV4) {
		struct iphdr *ip = skb_put_zero(skb, ip_len);

		ip->version = 4;
		ip->ihl = ip_len / 4;
		ip->tot_len = htons(ip_len + len);
		ip->ttl = 64;
		ip->protocol = t->l4proto;
		ip->saddr = t->src_v4.s_addr;
		ip->daddr = t->dst_v4.s_addr;
		ip_send_check(ip);
		skb->protocol = htons(ETH_P_IP);
	} else {
		struct ipv6hdr *ip = skb_put_zero(skb, ip_len);

		ip->version = 6;
		ip->payload_len = htons(len);
		ip->hop_limit = 64;
		ip->nexthdr = t->l4proto;
		ip->saddr = t->src_v6;
		ip->daddr = t->dst_v6;
		skb->protocol = htons(ETH_P_IPV6);
	}
	if (tcp)
		tcp_header(skb, t);
	else
		udp_header(skb, t);
	skb_put_zero(skb, PAYLOAD);
	if (t->encap_num)
		__vlan_hwaccel_put_tag(skb, t->encap[0].proto, t->encap[0].id);
	return skb;
}
