// SPDX-License-Identifier: GPL-2.0
/*
 * The datapath of the simulated switch NIC: a frame arrives on the wire of a
 * port, is looked up, rewritten and sent out of another port, or it goes to the
 * host as in plain netdevsim. Softirq or BH off, under RCU.
 */

#include <linux/etherdevice.h>
#include <linux/if_pppox.h>
#include <linux/if_vlan.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/jiffies.h>
#include <linux/netdevice.h>
#include <linux/ppp_defs.h>
#include <linux/string.h>
#include <linux/tc_act/tc_csum.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <linux/unaligned.h>
#include <net/checksum.h>
#include <net/gre.h>
#include <net/gso.h>
#include <net/ip.h>
#include <net/ip6_checksum.h>
#include <net/tcp.h>

#include "netdevsim.h"
#include "flow_priv.h"

#define NSIM_FLOW_MAX_HOPS	4	/* switches that a frame may cross */

/* pppoe_hdr followed by the PPP protocol, PPPOE_SES_HLEN bytes. */
struct nsim_flow_pppoe {
	u8 ver_type;
	u8 code;
	__be16 sid;
	__be16 length;			/* of the PPP protocol and what follows */
	__be16 proto;
};

static_assert(sizeof(struct nsim_flow_pppoe) == PPPOE_SES_HLEN);

/* The original of what a checksum of a frame covers and a rule may rewrite. */
struct nsim_flow_orig {
	u8 addrs[2 * sizeof(struct in6_addr)];
	u8 l4[offsetof(struct tcphdr, check)];
};

struct nsim_flow_pkt {
	struct nsim_flow_key key;
	unsigned int nhoff;		/* from skb->data, the MAC header */
	unsigned int thoff;
	unsigned int l3_len;		/* IP header and payload */
	unsigned int l4_hlen;		/* of it, what a rule may rewrite */
	unsigned int ppp_len;		/* length in the PPPoE header */
	u8 prio;			/* of the outer tag */
	u8 tos;
	u8 ttl;
	u8 tcp_flags;
	u8 gre_version;
};

static int nsim_flow_parse_ip4(struct sk_buff *skb, struct nsim_flow_pkt *pkt)
{
	const struct iphdr *iph;

	if (!pskb_may_pull(skb, pkt->nhoff + sizeof(*iph)))
		return NSIM_FLOW_CPU_MALFORMED;
	iph = (struct iphdr *)(skb->data + pkt->nhoff);
	if (iph->version != 4 || iph->ihl < 5)
		return NSIM_FLOW_CPU_MALFORMED;
	if (iph->ihl > 5)
		return NSIM_FLOW_CPU_IP4_OPTIONS;

	pkt->l3_len = ntohs(iph->tot_len);
	if (pkt->l3_len < sizeof(*iph) || pkt->l3_len > skb->len - pkt->nhoff)
		return NSIM_FLOW_CPU_MALFORMED;
	if (ip_fast_csum(iph, iph->ihl))
		return NSIM_FLOW_CPU_IP4_CSUM;
	if (ip_is_fragment(iph))
		return NSIM_FLOW_CPU_FRAGMENT;

	pkt->thoff = pkt->nhoff + sizeof(*iph);
	pkt->tos = iph->tos;
	pkt->ttl = iph->ttl;
	pkt->key.ip_proto = iph->protocol;
	pkt->key.src[0] = iph->saddr;
	pkt->key.dst[0] = iph->daddr;
	return 0;
}

static int nsim_flow_parse_ip6(struct sk_buff *skb, struct nsim_flow_pkt *pkt)
{
	const struct ipv6hdr *ip6h;

	if (!pskb_may_pull(skb, pkt->nhoff + sizeof(*ip6h)))
		return NSIM_FLOW_CPU_MALFORMED;
	ip6h = (struct ipv6hdr *)(skb->data + pkt->nhoff);
	if (ip6h->version != 6)
		return NSIM_FLOW_CPU_MALFORMED;

	pkt->l3_len = sizeof(*ip6h) + ntohs(ip6h->payload_len);
	if (pkt->l3_len > skb->len - pkt->nhoff)
		return NSIM_FLOW_CPU_MALFORMED;

	switch (ip6h->nexthdr) {
	case NEXTHDR_FRAGMENT:
		return NSIM_FLOW_CPU_FRAGMENT;
	case NEXTHDR_HOP:
	case NEXTHDR_ROUTING:
	case NEXTHDR_ESP:
	case NEXTHDR_AUTH:
	case NEXTHDR_NONE:
	case NEXTHDR_DEST:
	case NEXTHDR_MOBILITY:
		return NSIM_FLOW_CPU_IP6_EXT;
	}

	pkt->thoff = pkt->nhoff + sizeof(*ip6h);
	pkt->tos = ipv6_get_dsfield(ip6h);
	pkt->ttl = ip6h->hop_limit;
	pkt->key.ip_proto = ip6h->nexthdr;
	memcpy(pkt->key.src, &ip6h->saddr, sizeof(pkt->key.src));
	memcpy(pkt->key.dst, &ip6h->daddr, sizeof(pkt->key.dst));
	return 0;
}

static int nsim_flow_parse_l4(struct sk_buff *skb, struct nsim_flow_pkt *pkt)
{
	unsigned int l4_len = pkt->l3_len - (pkt->thoff - pkt->nhoff);
	const struct tcphdr *tcph;
	const struct udphdr *udph;
	const u8 *greh;

	switch (pkt->key.ip_proto) {
	case IPPROTO_TCP:
		pkt->l4_hlen = sizeof(*tcph);
		break;
	case IPPROTO_UDP:
		pkt->l4_hlen = sizeof(*udph);
		break;
	case IPPROTO_GRE:
		if (l4_len < sizeof(struct gre_base_hdr) ||
		    !pskb_may_pull(skb, pkt->thoff + sizeof(struct gre_base_hdr)))
			return NSIM_FLOW_CPU_MALFORMED;
		greh = skb->data + pkt->thoff;
		pkt->gre_version = greh[1] & 0x7;
		return 0;
	default:
		return 0;
	}

	if (l4_len < pkt->l4_hlen ||
	    !pskb_may_pull(skb, pkt->thoff + pkt->l4_hlen))
		return NSIM_FLOW_CPU_MALFORMED;

	/* The ports of TCP and UDP have the same offset. */
	udph = (struct udphdr *)(skb->data + pkt->thoff);
	pkt->key.sport = udph->source;
	pkt->key.dport = udph->dest;

	if (pkt->key.ip_proto == IPPROTO_TCP) {
		tcph = (struct tcphdr *)udph;
		if (tcph->doff < 5 || tcph->doff * 4 > l4_len)
			return NSIM_FLOW_CPU_MALFORMED;
		pkt->tcp_flags = tcp_flag_byte(tcph);
	}
	return 0;
}

/* Reads the PPPoE header at @off. Returns 0 and sets *@proto, or a counter. */
static int nsim_flow_parse_pppoe(struct sk_buff *skb, struct nsim_flow_pkt *pkt,
				 unsigned int off, __be16 *proto)
{
	const struct nsim_flow_pppoe *ph;

	if (!pskb_may_pull(skb, off + sizeof(*ph)))
		return NSIM_FLOW_CPU_MALFORMED;
	ph = (struct nsim_flow_pppoe *)(skb->data + off);
	if (ph->ver_type != 0x11 || ph->code)
		return NSIM_FLOW_CPU_PPPOE;
	pkt->ppp_len = ntohs(ph->length);
	if (pkt->ppp_len > skb->len - off - offsetof(struct nsim_flow_pppoe, proto))
		return NSIM_FLOW_CPU_MALFORMED;

	/* Everything else, such as LCP, and protocols of one byte. */
	if (ph->proto == htons(PPP_IP))
		*proto = htons(ETH_P_IP);
	else if (ph->proto == htons(PPP_IPV6))
		*proto = htons(ETH_P_IPV6);
	else
		return NSIM_FLOW_CPU_PPPOE;

	pkt->key.pppoe = 1;
	pkt->key.pppoe_sid = ph->sid;
	return 0;
}

/*
 * Reads the headers of a frame. Returns 0, or the counter of why the CPU must
 * see it.
 */
static int nsim_flow_parse(struct sk_buff *skb, struct nsim_flow_port *port,
			   struct nsim_flow_pkt *pkt)
{
	struct nsim_flow_key *key = &pkt->key;
	unsigned int off = ETH_HLEN;
	__be16 proto;
	int err;

	memset(pkt, 0, sizeof(*pkt));
	key->port = port;

	if (!pskb_may_pull(skb, off))
		return NSIM_FLOW_CPU_MALFORMED;
	proto = ((struct ethhdr *)skb->data)->h_proto;

	while (eth_type_vlan(proto)) {
		const struct vlan_hdr *vh;

		if (key->n_tags == NSIM_FLOW_MAX_TAGS)
			return NSIM_FLOW_CPU_TAGS;
		if (!pskb_may_pull(skb, off + VLAN_HLEN))
			return NSIM_FLOW_CPU_MALFORMED;
		vh = (struct vlan_hdr *)(skb->data + off);
		if (!key->n_tags)
			pkt->prio = ntohs(vh->h_vlan_TCI) >> VLAN_PRIO_SHIFT;
		key->tag[key->n_tags].tpid = proto;
		key->tag[key->n_tags].vid = vh->h_vlan_TCI &
					    htons(VLAN_VID_MASK);
		key->n_tags++;
		proto = vh->h_vlan_encapsulated_proto;
		off += VLAN_HLEN;
	}

	if (proto == htons(ETH_P_PPP_SES)) {
		err = nsim_flow_parse_pppoe(skb, pkt, off, &proto);
		if (err)
			return err;
		off += PPPOE_SES_HLEN;
	}

	key->n_proto = proto;
	pkt->nhoff = off;
	if (proto == htons(ETH_P_IP))
		err = nsim_flow_parse_ip4(skb, pkt);
	else if (proto == htons(ETH_P_IPV6))
		err = nsim_flow_parse_ip6(skb, pkt);
	else
		err = NSIM_FLOW_CPU_NOT_IP;
	if (err)
		return err;
	if (key->pppoe && pkt->ppp_len != pkt->l3_len + sizeof(proto))
		return NSIM_FLOW_CPU_MALFORMED;

	return nsim_flow_parse_l4(skb, pkt);
}

static bool nsim_flow_extra_fits(const struct nsim_flow_extra *extra,
				 const struct sk_buff *skb,
				 const struct nsim_flow_pkt *pkt)
{
	unsigned int i;

	for (i = 0; i < sizeof(extra->eth); i++)
		if ((skb->data[i] ^ extra->eth[i]) & extra->eth_mask[i])
			return false;
	return !((pkt->prio ^ extra->prio) & extra->prio_mask) &&
	       !((pkt->tos ^ extra->tos) & extra->tos_mask) &&
	       !((pkt->ttl ^ extra->ttl) & extra->ttl_mask) &&
	       !((pkt->tcp_flags ^ extra->tcp_flags) & extra->tcp_flags_mask);
}

/*
 * Looks up the rule for a frame, in *@found. Returns 0, or the counter of why
 * the CPU must see the frame: there is no rule, or the hardware has not learnt
 * it yet.
 */
static int nsim_flow_find(struct nsim_flow *fl, const struct nsim_flow_pkt *pkt,
			  struct nsim_flow_rule **found)
{
	struct nsim_flow_key key = pkt->key;
	struct nsim_flow_rule *rule;
	struct rhlist_head *list;
	struct net_device *dev;

	if (nsim_flow_profile(fl)->ppe) {
		key.port = NULL;
		key.n_tags = 0;
		memset(key.tag, 0, sizeof(key.tag));
		key.pppoe = 0;
		key.pppoe_sid = 0;
	}

	list = rhltable_lookup(&fl->by_match, &key, nsim_flow_match_params);
	if (!list && key.port && !list_empty(&fl->uppers)) {
		/* Try the rules of the LAG that the port is in. */
		dev = netdev_master_upper_dev_get_rcu(key.port->ns->netdev);
		key.port = nsim_flow_upper(fl, dev);
		if (key.port)
			list = rhltable_lookup(&fl->by_match, &key,
					       nsim_flow_match_params);
	}
	if (!list)
		return NSIM_FLOW_CPU_NO_RULE;
	*found = container_of(list, struct nsim_flow_rule, match_node);
	if (READ_ONCE((*found)->bound))
		return 0;

	rule = nsim_flow_ppe_bind(fl, list, READ_ONCE(fl->bind_after));
	if (!rule)
		return NSIM_FLOW_CPU_UNBOUND;
	*found = rule;
	return 0;
}

/*
 * Checks a frame for which there is a rule. Returns 0, or the counter of why
 * the CPU must see the frame.
 */
static int nsim_flow_exception(const struct nsim_flow_rule *rule,
			       const struct sk_buff *skb,
			       const struct nsim_flow_pkt *pkt)
{
	const struct nsim_flow_profile *profile = rule->profile;
	u8 fin_rst = pkt->tcp_flags & (TCPHDR_FIN | TCPHDR_RST);

	if (pkt->ttl <= 1)
		return NSIM_FLOW_CPU_TTL;
	if (pkt->tcp_flags & TCPHDR_SYN &&
	    (profile->trap_tcp || rule->extra.tcp_flags_mask & TCPHDR_SYN))
		return NSIM_FLOW_CPU_TCP_SYN;
	if (fin_rst & (profile->trap_tcp ? 0xff : rule->extra.tcp_flags_mask))
		return NSIM_FLOW_CPU_TCP_FIN_RST;
	if (profile->trap_gre_version && pkt->gre_version)
		return NSIM_FLOW_CPU_GRE_VERSION;
	if (!nsim_flow_extra_fits(&rule->extra, skb, pkt))
		return NSIM_FLOW_CPU_NO_RULE;
	if (rule->egress && pkt->l3_len + rule->pppoe_out * PPPOE_SES_HLEN >
	    READ_ONCE(rule->egress->netdev->mtu))
		return NSIM_FLOW_CPU_MTU;
	return 0;
}

/* As act_csum: recomputes it, but not for UDP over IPv4 without a checksum. */
static void nsim_flow_csum(struct sk_buff *skb, const struct nsim_flow_pkt *pkt,
			   u32 flags)
{
	unsigned int l4_len = pkt->l3_len - (pkt->thoff - pkt->nhoff);
	u8 *nh = skb->data + pkt->nhoff, *th = skb->data + pkt->thoff;
	bool v4 = pkt->key.n_proto == htons(ETH_P_IP);
	struct ipv6hdr *ip6h = (struct ipv6hdr *)nh;
	struct iphdr *iph = (struct iphdr *)nh;
	bool udp = false;
	__sum16 *check;
	__wsum sum;

	if (flags & TCA_CSUM_UPDATE_FLAG_IPV4HDR)
		ip_send_check(iph);

	if (flags & TCA_CSUM_UPDATE_FLAG_TCP) {
		check = &((struct tcphdr *)th)->check;
	} else if (flags & TCA_CSUM_UPDATE_FLAG_UDP) {
		struct udphdr *udph = (struct udphdr *)th;

		if ((v4 && !udph->check) || ntohs(udph->len) != l4_len)
			return;
		check = &udph->check;
		udp = true;
	} else {
		return;
	}

	*check = 0;
	sum = skb_checksum(skb, pkt->thoff, l4_len, 0);
	if (v4)
		*check = csum_tcpudp_magic(iph->saddr, iph->daddr, l4_len,
					   pkt->key.ip_proto, sum);
	else
		*check = csum_ipv6_magic(&ip6h->saddr, &ip6h->daddr, l4_len,
					 pkt->key.ip_proto, sum);
	if (udp && !*check)
		*check = CSUM_MANGLED_0;
}

/* Applies pedit's arithmetic to the word as it lies in memory. */
static void nsim_flow_mangle(struct sk_buff *skb,
			     const struct nsim_flow_pkt *pkt,
			     const struct nsim_flow_op *op)
{
	u32 mask = op->mangle.mask, val = op->mangle.val;
	unsigned int base;
	u32 word, *at;

	switch (op->mangle.htype) {
	case FLOW_ACT_MANGLE_HDR_TYPE_IP4:
	case FLOW_ACT_MANGLE_HDR_TYPE_IP6:
		base = pkt->nhoff;
		break;
	case FLOW_ACT_MANGLE_HDR_TYPE_TCP:
	case FLOW_ACT_MANGLE_HDR_TYPE_UDP:
		base = pkt->thoff;
		break;
	default:
		base = 0;
		break;
	}

	at = (u32 *)(skb->data + base + op->mangle.offset);
	word = get_unaligned(at);
	if (op->id == NSIM_FLOW_OP_ADD)
		val += word;
	put_unaligned((word & mask) | (val & ~mask), at);
}

/* Moves both MAC addresses, and updates the offsets of the headers. */
static void nsim_flow_grow(struct sk_buff *skb, struct nsim_flow_pkt *pkt,
			   unsigned int len)
{
	u8 *mac = __skb_push(skb, len);

	memmove(mac, mac + len, 2 * ETH_ALEN);
	pkt->nhoff += len;
	pkt->thoff += len;
}

static void nsim_flow_shrink(struct sk_buff *skb, struct nsim_flow_pkt *pkt,
			     unsigned int len)
{
	memmove(skb->data + len, skb->data, 2 * ETH_ALEN);
	__skb_pull(skb, len);
	pkt->nhoff -= len;
	pkt->thoff -= len;
}

static void nsim_flow_push(struct sk_buff *skb, struct nsim_flow_pkt *pkt,
			   const struct nsim_flow_op *op)
{
	struct vlan_ethhdr *veth;

	nsim_flow_grow(skb, pkt, VLAN_HLEN);
	veth = (struct vlan_ethhdr *)skb->data;
	veth->h_vlan_proto = op->vlan.proto;
	veth->h_vlan_TCI = htons(op->vlan.tci);
}

static void nsim_flow_vid(struct sk_buff *skb, const struct nsim_flow_op *op)
{
	struct vlan_ethhdr *veth = (struct vlan_ethhdr *)skb->data;

	veth->h_vlan_TCI &= htons((u16)~VLAN_VID_MASK);
	veth->h_vlan_TCI |= htons(op->vlan.tci & VLAN_VID_MASK);
}

/* The frame has no tag and no PPPoE header: IP is next to Ethernet. */
static void nsim_flow_pppoe_push(struct sk_buff *skb, struct nsim_flow_pkt *pkt,
				 const struct nsim_flow_op *op)
{
	bool v4 = pkt->key.n_proto == htons(ETH_P_IP);
	struct nsim_flow_pppoe *ph;

	nsim_flow_grow(skb, pkt, PPPOE_SES_HLEN);
	((struct ethhdr *)skb->data)->h_proto = htons(ETH_P_PPP_SES);
	ph = (struct nsim_flow_pppoe *)(skb->data + ETH_HLEN);
	ph->ver_type = 0x11;
	ph->code = 0;
	ph->sid = htons(op->sid);
	ph->length = htons(pkt->l3_len + sizeof(ph->proto));
	ph->proto = htons(v4 ? PPP_IP : PPP_IPV6);
}

static void nsim_flow_strip(struct sk_buff *skb, struct nsim_flow_pkt *pkt)
{
	nsim_flow_shrink(skb, pkt, pkt->nhoff - ETH_HLEN);
	((struct ethhdr *)skb->data)->h_proto = pkt->key.n_proto;
}

static void nsim_flow_ttl(struct sk_buff *skb, const struct nsim_flow_pkt *pkt)
{
	u8 *nh = skb->data + pkt->nhoff;

	if (pkt->key.n_proto == htons(ETH_P_IP))
		((struct iphdr *)nh)->ttl--;
	else
		((struct ipv6hdr *)nh)->hop_limit--;
}

/* Returns the addresses, source followed by destination. */
static u8 *nsim_flow_addrs(struct sk_buff *skb, const struct nsim_flow_pkt *pkt,
			   unsigned int *len)
{
	u8 *nh = skb->data + pkt->nhoff;

	if (pkt->key.n_proto == htons(ETH_P_IP)) {
		*len = 2 * sizeof(__be32);
		return nh + offsetof(struct iphdr, saddr);
	}
	*len = 2 * sizeof(struct in6_addr);
	return nh + offsetof(struct ipv6hdr, saddr);
}

/* Returns the length of the transport header up to before the checksum. */
static unsigned int nsim_flow_l4_len(const struct nsim_flow_pkt *pkt)
{
	switch (pkt->key.ip_proto) {
	case IPPROTO_TCP:
		return offsetof(struct tcphdr, check);
	case IPPROTO_UDP:
		return offsetof(struct udphdr, len);
	default:
		return 0;
	}
}

static void nsim_flow_remember(struct sk_buff *skb,
			       const struct nsim_flow_pkt *pkt,
			       struct nsim_flow_orig *orig)
{
	unsigned int len;
	u8 *addrs;

	addrs = nsim_flow_addrs(skb, pkt, &len);
	memcpy(orig->addrs, addrs, len);
	memcpy(orig->l4, skb->data + pkt->thoff, nsim_flow_l4_len(pkt));
}

/*
 * Updates the checksums as hardware does: recomputes that of the IPv4 header,
 * and adjusts that of the transport by the difference, so that a wrong one
 * stays wrong. UDP without a checksum stays without one.
 */
static void nsim_flow_fix(struct sk_buff *skb, const struct nsim_flow_pkt *pkt,
			  const struct nsim_flow_orig *orig)
{
	bool udp = pkt->key.ip_proto == IPPROTO_UDP;
	unsigned int l4_len = nsim_flow_l4_len(pkt);
	u8 *th = skb->data + pkt->thoff;
	unsigned int len;
	__sum16 *check;
	__wsum diff;
	u8 *addrs;

	if (pkt->key.n_proto == htons(ETH_P_IP))
		ip_send_check((struct iphdr *)(skb->data + pkt->nhoff));
	if (!l4_len)
		return;

	check = udp ? &((struct udphdr *)th)->check :
		      &((struct tcphdr *)th)->check;
	if (udp && !*check)
		return;

	addrs = nsim_flow_addrs(skb, pkt, &len);
	diff = csum_sub(csum_partial(addrs, len, 0),
			csum_partial(orig->addrs, len, 0));
	diff = csum_add(diff, csum_sub(csum_partial(th, l4_len, 0),
				       csum_partial(orig->l4, l4_len, 0)));
	*check = csum_fold(csum_add(diff, ~csum_unfold(*check)));
	if (udp && !*check)
		*check = CSUM_MANGLED_0;
}

static int nsim_flow_apply(const struct nsim_flow_rule *rule,
			   struct sk_buff *skb, struct nsim_flow_pkt *pkt)
{
	struct nsim_flow_orig orig;
	unsigned int i;

	if (skb_cow(skb, NSIM_FLOW_MAX_TAGS * VLAN_HLEN + PPPOE_SES_HLEN) ||
	    skb_ensure_writable(skb, pkt->thoff + pkt->l4_hlen))
		return -ENOMEM;
	nsim_flow_remember(skb, pkt, &orig);

	for (i = 0; i < rule->n_ops; i++) {
		const struct nsim_flow_op *op = &rule->ops[i];

		switch (op->id) {
		case NSIM_FLOW_OP_SET:
		case NSIM_FLOW_OP_ADD:
			nsim_flow_mangle(skb, pkt, op);
			break;
		case NSIM_FLOW_OP_CSUM:
			nsim_flow_csum(skb, pkt, op->csum_flags);
			break;
		case NSIM_FLOW_OP_POP:
			nsim_flow_shrink(skb, pkt, VLAN_HLEN);
			break;
		case NSIM_FLOW_OP_PUSH:
			nsim_flow_push(skb, pkt, op);
			break;
		case NSIM_FLOW_OP_VID:
			nsim_flow_vid(skb, op);
			break;
		case NSIM_FLOW_OP_PPPOE_PUSH:
			nsim_flow_pppoe_push(skb, pkt, op);
			break;
		case NSIM_FLOW_OP_STRIP:
			nsim_flow_strip(skb, pkt);
			break;
		case NSIM_FLOW_OP_TTL:
			nsim_flow_ttl(skb, pkt);
			break;
		case NSIM_FLOW_OP_FIX:
			nsim_flow_fix(skb, pkt, &orig);
			break;
		case NSIM_FLOW_OP_PORT_SMAC:
			ether_addr_copy(((struct ethhdr *)skb->data)->h_source,
					rule->egress->netdev->dev_addr);
			break;
		case NSIM_FLOW_OP_OUT:
			break;
		}
	}

	skb_reset_mac_header(skb);
	return 0;
}

static int nsim_flow_drop(struct nsim_flow_port *port, struct sk_buff *skb,
			  enum nsim_flow_counter why)
{
	nsim_flow_inc(port->fl, why);
	nsim_flow_port_inc(port, NSIM_FLOW_PORT_DROPPED);
	kfree_skb(skb);
	return NET_RX_DROP;
}

static int nsim_flow_wire(struct net_device *tx_dev, struct netdevsim *rx_ns,
			  struct sk_buff *skb, struct nsim_rq *rq,
			  unsigned int hops);

/*
 * Schedules the host's poll of the receive queue: after 5 us, as in netdevsim,
 * or after the time set with ethtool -C PORT rx-usecs.
 */
void nsim_flow_interrupt(struct netdevsim *ns, struct nsim_rq *rq)
{
	u32 us = READ_ONCE(ns->ethtool.coalesce.rx_coalesce_usecs) ?: 5;

	if (!hrtimer_active(&rq->napi_timer))
		hrtimer_start(&rq->napi_timer, us_to_ktime(us),
			      HRTIMER_MODE_REL);
}

/* Sends a frame out of the egress port, to the peer at the end of its wire. */
static int nsim_flow_xmit(struct nsim_flow_port *port,
			  struct netdevsim *egress, struct sk_buff *skb,
			  unsigned int hops)
{
	struct net_device *dev = egress->netdev;
	struct nsim_flow_port *out = egress->flow;
	struct netdevsim *peer;
	struct nsim_rq *rq;
	unsigned int len;
	u16 queue;

	if (!netif_running(dev))
		return nsim_flow_drop(port, skb, NSIM_FLOW_DROP_EGRESS_DOWN);
	peer = rcu_dereference(egress->peer);
	if (!peer)
		return nsim_flow_drop(port, skb, NSIM_FLOW_DROP_NO_PEER);
	if (hops >= NSIM_FLOW_MAX_HOPS)
		return nsim_flow_drop(port, skb, NSIM_FLOW_DROP_LOOP);

	/* nsim_forward_skb() stops the TX queue of this index when the ring of
	 * the peer is full: it has to exist.
	 */
	queue = skb_get_queue_mapping(skb) % peer->netdev->num_rx_queues;
	rq = peer->rq[queue];
	skb_set_queue_mapping(skb, queue % dev->real_num_tx_queues);
	skb->dev = dev;
	skb_clear_hash(skb);
	len = skb->len;

	if (nsim_flow_wire(dev, peer, skb, rq, hops) == NET_RX_DROP) {
		nsim_flow_inc(port->fl, NSIM_FLOW_DROP_PEER);
		nsim_flow_port_inc(port, NSIM_FLOW_PORT_DROPPED);
		return NET_RX_DROP;
	}
	nsim_flow_interrupt(peer, rq);

	nsim_flow_inc(port->fl, NSIM_FLOW_FORWARDED);
	if (out) {
		nsim_flow_port_inc(out, NSIM_FLOW_PORT_TX_PACKETS);
		atomic64_add(len, &out->counters[NSIM_FLOW_PORT_TX_BYTES]);
	}
	return NET_RX_SUCCESS;
}

/* Receives one frame at a port, in the form that it has on a wire. */
static int nsim_flow_frame(struct net_device *tx_dev, struct netdevsim *rx_ns,
			   struct sk_buff *skb, struct nsim_rq *rq,
			   unsigned int hops)
{
	struct nsim_flow_port *port = rx_ns->flow;
	struct nsim_flow_rule *rule;
	struct nsim_flow_pkt pkt;
	int why;

	why = nsim_flow_parse(skb, port, &pkt);
	if (why)
		goto to_cpu;

	why = nsim_flow_find(port->fl, &pkt, &rule);
	if (!why)
		why = nsim_flow_exception(rule, skb, &pkt);
	if (why)
		goto to_cpu;

	atomic64_inc(&rule->packets);
	atomic64_add(skb->len, &rule->bytes);
	WRITE_ONCE(rule->lastused, jiffies);
	nsim_flow_port_inc(port, NSIM_FLOW_PORT_RX_PACKETS);
	atomic64_add(skb->len, &port->counters[NSIM_FLOW_PORT_RX_BYTES]);

	if (nsim_flow_apply(rule, skb, &pkt))
		return nsim_flow_drop(port, skb, NSIM_FLOW_DROP_NOMEM);
	if (rule->egress)
		return nsim_flow_xmit(port, rule->egress, skb, hops + 1);
	why = NSIM_FLOW_CPU_NO_EGRESS;

to_cpu:
	nsim_flow_inc(port->fl, why);
	nsim_flow_port_inc(port, NSIM_FLOW_PORT_TO_CPU);
	return nsim_forward_skb(tx_dev, rx_ns->netdev, skb, rq, NULL);
}

/* Completes what a stack leaves to its NIC, as on the wire: checksums, tags. */
static struct sk_buff *nsim_flow_to_frame(struct sk_buff *skb)
{
	if (skb->ip_summed == CHECKSUM_PARTIAL &&
	    skb_csum_hwoffload_help(skb, 0)) {
		kfree_skb(skb);
		return NULL;
	}
	skb->ip_summed = CHECKSUM_NONE;
	skb->encapsulation = 0;

	if (skb_vlan_tag_present(skb))
		skb = __vlan_hwaccel_push_inside(skb);
	return skb;
}

static bool nsim_flow_active(const struct netdevsim *ns)
{
	const struct nsim_flow *fl = ns->flow ? ns->flow->fl : NULL;

	return fl && READ_ONCE(fl->enabled) &&
	       (READ_ONCE(fl->n_bound) || READ_ONCE(fl->count)) &&
	       netif_running(ns->netdev);
}

static int nsim_flow_wire(struct net_device *tx_dev, struct netdevsim *rx_ns,
			  struct sk_buff *skb, struct nsim_rq *rq,
			  unsigned int hops)
{
	struct sk_buff *segs, *next;
	int ret = NET_RX_DROP;

	if (!nsim_flow_active(rx_ns))
		return nsim_forward_skb(tx_dev, rx_ns->netdev, skb, rq, NULL);

	skb = skb_share_check(skb, GFP_ATOMIC);
	if (!skb)
		return NET_RX_DROP;

	if (skb_is_gso(skb)) {
		segs = skb_gso_segment(skb, 0);
		if (IS_ERR_OR_NULL(segs))
			return nsim_flow_drop(rx_ns->flow, skb,
					      NSIM_FLOW_DROP_NOMEM);
		consume_skb(skb);
		skb = segs;
	}

	skb_list_walk_safe(skb, segs, next) {
		skb_mark_not_on_list(segs);
		segs = nsim_flow_to_frame(segs);
		if (!segs) {
			nsim_flow_inc(rx_ns->flow->fl, NSIM_FLOW_DROP_NOMEM);
			nsim_flow_port_inc(rx_ns->flow, NSIM_FLOW_PORT_DROPPED);
			continue;
		}
		if (nsim_flow_frame(tx_dev, rx_ns, segs, rq, hops) !=
		    NET_RX_DROP)
			ret = NET_RX_SUCCESS;
	}
	return ret;
}

int nsim_flow_rx(struct net_device *tx_dev, struct netdevsim *rx_ns,
		 struct sk_buff *skb, struct nsim_rq *rq,
		 struct skb_ext *psp_ext)
{
	/* PSP has taken the frame for its own receiver. */
	if (psp_ext)
		return nsim_forward_skb(tx_dev, rx_ns->netdev, skb, rq,
					psp_ext);
	return nsim_flow_wire(tx_dev, rx_ns, skb, rq, 0);
}
