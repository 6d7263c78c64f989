// SPDX-License-Identifier: GPL-2.0
/* See frame.h. */
#include <linux/etherdevice.h>
#include <linux/if_vlan.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/slab.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <net/checksum.h>
#include <net/ip.h>

#include "frame.h"

bool frame_parse(const struct sk_buff *skb, unsigned int tag_len,
		 struct frame *f)
{
	const u8 *data = skb->data, *l4;
	unsigned int at = ETH_HLEN + tag_len, len = skb->len, tags = 0, i;
	u16 type = get_unaligned_be16(data + at - 2), ports[2];
	const struct ipv6hdr *ip6;
	const struct iphdr *ip;
	u8 proto;

	memset(f, 0, sizeof(*f));
	if (is_multicast_ether_addr(data))
		return false;
	while ((type == ETH_P_8021Q || type == ETH_P_8021AD) && tags++ < 2) {
		if (len < at + VLAN_HLEN)
			return false;
		type = get_unaligned_be16(data + at + 2);
		at += VLAN_HLEN;
	}
	if (type == ETH_P_PPP_SES) {
		if (len < at + 8)
			return false;
		type = get_unaligned_be16(data + at + 6) == 0x21 ? ETH_P_IP :
		       get_unaligned_be16(data + at + 6) == 0x57 ? ETH_P_IPV6 : 0;
		at += 8;
	}
	f->l3 = at;
	f->v6 = type == ETH_P_IPV6;
	if (type == ETH_P_IP && len >= at + sizeof(*ip)) {
		ip = (const struct iphdr *)(data + at);
		if (ip->ihl != 5 || ip->frag_off & htons(IP_MF | IP_OFFSET))
			return false;
		f->cpu = ip->ttl <= 1;
		proto = ip->protocol;
		at += sizeof(*ip);
		f->key[0] = be32_to_cpu(ip->saddr);
		f->key[1] = be32_to_cpu(ip->daddr);
		f->keys = 3;
	} else if (type == ETH_P_IPV6 && len >= at + sizeof(*ip6)) {
		ip6 = (const struct ipv6hdr *)(data + at);
		f->cpu = ip6->hop_limit <= 1;
		proto = ip6->nexthdr;
		at += sizeof(*ip6);
		for (i = 0; i < 4; i++) {
			f->key[i] = be32_to_cpu(ip6->saddr.s6_addr32[i]);
			f->key[4 + i] = be32_to_cpu(ip6->daddr.s6_addr32[i]);
		}
		f->keys = 9;
	} else {
		return false;
	}
	l4 = data + at;
	f->udp = proto == IPPROTO_UDP;
	if (proto == IPPROTO_TCP && len >= at + sizeof(struct tcphdr))
		f->cpu |= l4[13] & 0x07;
	else if (!f->udp || len < at + sizeof(struct udphdr))
		return false;
	ports[0] = get_unaligned_be16(l4);
	ports[1] = get_unaligned_be16(l4 + 2);
	f->key[f->keys - 1] = (u32)ports[0] << 16 | ports[1];
	return true;
}

unsigned int frame_ip_len(const struct frame *f, const struct sk_buff *skb)
{
	const u8 *l3 = skb->data + f->l3;

	return f->v6 ? get_unaligned_be16(l3 + 4) + sizeof(struct ipv6hdr) :
		       get_unaligned_be16(l3 + 2);
}

struct sk_buff *frame_rebuild(const struct frame *f, const struct sk_buff *skb,
			      const u8 *head, unsigned int len)
{
	unsigned int ip_len = frame_ip_len(f, skb);
	struct sk_buff *copy = alloc_skb(NET_SKB_PAD + len + ip_len, GFP_ATOMIC);

	if (!copy)
		return NULL;
	skb_reserve(copy, NET_SKB_PAD);
	skb_put_data(copy, head, len);
	skb_put_data(copy, skb->data + f->l3, ip_len);
	skb_reset_mac_header(copy);
	return copy;
}

static void replace16(__sum16 *sum, __be16 *at, u16 value)
{
	__be16 new = cpu_to_be16(value);

	if (sum)
		csum_replace2(sum, *at, new);
	*at = new;
}

static void replace32(__sum16 *sum1, __sum16 *sum2, __be32 *at, u32 value)
{
	__be32 new = cpu_to_be32(value);

	csum_replace4(sum1, *at, new);
	if (sum2)
		csum_replace4(sum2, *at, new);
	*at = new;
}

void frame_rewrite4(const struct frame *f, u8 *l3, const u32 *key)
{
	struct iphdr *ip = (struct iphdr *)l3;
	__be16 *ports = (__be16 *)(l3 + sizeof(*ip));
	__sum16 *sum = (__sum16 *)(l3 + sizeof(*ip) + (f->udp ? 6 : 16));
	bool none = f->udp && !*sum;

	replace32(&ip->check, none ? NULL : sum, &ip->saddr, key[0]);
	replace32(&ip->check, none ? NULL : sum, &ip->daddr, key[1]);
	replace16(none ? NULL : sum, &ports[0], key[2] >> 16);
	replace16(none ? NULL : sum, &ports[1], key[2]);
	if (f->udp && !none && !*sum)
		*sum = CSUM_MANGLED_0;
}

void frame_age(const struct frame *f, u8 *l3)
{
	struct iphdr *ip = (struct iphdr *)l3;

	if (f->v6) {
		((struct ipv6hdr *)l3)->hop_limit--;
		return;
	}
	csum_replace2(&ip->check, htons(ip->ttl << 8), htons((ip->ttl - 1) << 8));
	ip->ttl--;
}
