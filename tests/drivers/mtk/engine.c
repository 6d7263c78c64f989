// SPDX-License-Identifier: GPL-2.0
/*
 * What the packet processing engine (PPE) of a MediaTek SoC does to frames: it
 * reads the raw words that the driver has written into the flow table (FOE), and
 * nothing else of the driver. The layout below is written from the hardware, not
 * with the driver's helpers: a helper that puts a value in the wrong place gives
 * a wrong frame here.
 *
 * A frame whose entry is bound goes out as the entry says. Any other one makes
 * an unbound entry and goes to the CPU, as do fragments, IP options, TTL 1, TCP
 * SYN, FIN and RST, and frames that exceed the engine's limit of their size.
 *
 * Unlike the hardware: entries do not age; each frame of an unbound entry
 * reaches the driver, not only those above the bind rate; the destination MAC is
 * not looked at, beyond multicast; short frames are not padded.
 */
#include <linux/etherdevice.h>
#include <linux/if_vlan.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <net/checksum.h>
#include <net/ip.h>

#include "engine.h"
#include "ports.h"

#define ENTRIES		16384

/* Word 0 of an entry, by netsys version 1 and later. */
#define STATE(w)	((w) >> 28 & 3)
#define UNBIND		1
#define BIND		2
#define UDP_BIT		BIT(30)
#define STATIC_BIT	BIT(31)
#define TYPE_HNAPT	0
#define TYPE_ROUTE5	5

/* Registers of the engine. */
#define MTU0		0x30c
#define MTU1		0x310

struct engine engines[ENGINES_MAX];

struct bound {
	struct list_head list;
	char port[IFNAMSIZ];
	unsigned int engine, index, words;
	u32 word[];
};

static LIST_HEAD(bound);
static DEFINE_SPINLOCK(engine_lock);

/* A frame as the parser of the engine sees it. */
struct parsed {
	unsigned int l3;	/* offset of the IP header */
	bool v6, udp;
	bool cpu;		/* a reason to send it to the CPU even if bound */
	u32 key[9];		/* as in the table */
	unsigned int keys;
};

static u32 field(u32 word, unsigned int high, unsigned int low)
{
	return (word & GENMASK(high, low)) >> low;
}

static unsigned int type_of(const struct engine *e, u32 w)
{
	return e->version == 1 ? field(w, 27, 25) : field(w, 27, 23);
}

static u32 *entry_of(const struct engine *e, unsigned int index)
{
	return e->table + index * e->entry_words;
}

u32 engine_clock(void)
{
	return div_u64(get_jiffies_64(), HZ);
}

static u32 clock_mask(const struct engine *e)
{
	return e->version == 1 ? GENMASK(14, 0) : GENMASK(7, 0);
}

int engine_start(unsigned int i, void *table, const u32 *regs,
		 unsigned int version, unsigned int entry_size,
		 unsigned int ways)
{
	struct engine *e = &engines[i];

	e->packets = kvcalloc(ENTRIES, sizeof(u64), GFP_KERNEL);
	e->bytes = kvcalloc(ENTRIES, sizeof(u64), GFP_KERNEL);
	e->total = kvcalloc(ENTRIES, sizeof(u64), GFP_KERNEL);
	if (!e->packets || !e->bytes || !e->total)
		return -ENOMEM;
	e->table = table;
	e->regs = regs;
	e->version = version;
	e->entry_words = entry_size / sizeof(u32);
	e->ways = ways;
	return 0;
}

void engine_stop(void)
{
	unsigned int i;

	for (i = 0; i < ENGINES_MAX; i++) {
		kvfree(engines[i].packets);
		kvfree(engines[i].bytes);
		kvfree(engines[i].total);
	}
	memset(engines, 0, sizeof(engines));
	engine_clear_bound();
}

void engine_count(unsigned int i, unsigned int index, u64 *packets, u64 *bytes)
{
	struct engine *e = &engines[i];

	spin_lock_bh(&engine_lock);
	*packets = e->packets[index];
	*bytes = e->bytes[index];
	e->packets[index] = 0;
	e->bytes[index] = 0;
	spin_unlock_bh(&engine_lock);
}

unsigned int engine_bound(void)
{
	unsigned int i, index, n = 0;

	for (i = 0; i < ENGINES_MAX; i++)
		for (index = 0; engines[i].table && index < ENTRIES; index++)
			n += STATE(*entry_of(&engines[i], index)) == BIND;
	return n;
}

/* ---- the parser ---- */

static bool parse(const struct sk_buff *skb, unsigned int tag_len,
		  struct parsed *p)
{
	const u8 *data = skb->data, *l4;
	unsigned int at = ETH_HLEN + tag_len, len = skb->len, tags = 0, i;
	u16 type = get_unaligned_be16(data + at - 2), ports[2];
	const struct ipv6hdr *ip6;
	const struct iphdr *ip;
	u8 proto;

	memset(p, 0, sizeof(*p));
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
	p->l3 = at;
	p->v6 = type == ETH_P_IPV6;
	if (type == ETH_P_IP && len >= at + sizeof(*ip)) {
		ip = (const struct iphdr *)(data + at);
		if (ip->ihl != 5 || ip->frag_off & htons(IP_MF | IP_OFFSET))
			return false;
		p->cpu = ip->ttl <= 1;
		proto = ip->protocol;
		at += sizeof(*ip);
		p->key[0] = be32_to_cpu(ip->saddr);
		p->key[1] = be32_to_cpu(ip->daddr);
		p->keys = 3;
	} else if (type == ETH_P_IPV6 && len >= at + sizeof(*ip6)) {
		ip6 = (const struct ipv6hdr *)(data + at);
		p->cpu = ip6->hop_limit <= 1;
		proto = ip6->nexthdr;
		at += sizeof(*ip6);
		for (i = 0; i < 4; i++) {
			p->key[i] = be32_to_cpu(ip6->saddr.s6_addr32[i]);
			p->key[4 + i] = be32_to_cpu(ip6->daddr.s6_addr32[i]);
		}
		p->keys = 9;
	} else {
		return false;
	}
	l4 = data + at;
	p->udp = proto == IPPROTO_UDP;
	if (proto == IPPROTO_TCP && len >= at + sizeof(struct tcphdr))
		p->cpu |= l4[13] & 0x07;
	else if (!p->udp || len < at + sizeof(struct udphdr))
		return false;
	ports[0] = get_unaligned_be16(l4);
	ports[1] = get_unaligned_be16(l4 + 2);
	p->key[p->keys - 1] = (u32)ports[0] << 16 | ports[1];
	return true;
}

/* The hash of the hardware, which the driver has to compute as well. */
static unsigned int hash_of(const struct engine *e, const struct parsed *p)
{
	const u32 *k = p->key;
	u32 a, b, c, hash;

	if (p->v6) {
		a = k[3] ^ k[7] ^ k[8];
		b = k[2] ^ k[6] ^ k[4];
		c = k[1] ^ k[5] ^ k[0];
	} else {
		a = k[2];
		b = k[1];
		c = k[0];
	}
	hash = (a & b) | (~a & c);
	hash = hash >> 24 | hash << 8;
	hash ^= a ^ b ^ c;
	hash ^= hash >> 16;
	return hash * e->ways & (ENTRIES - 1);
}

static bool same_flow(const struct engine *e, const u32 *w,
		      const struct parsed *p)
{
	return type_of(e, w[0]) == (p->v6 ? TYPE_ROUTE5 : TYPE_HNAPT) &&
	       !!(w[0] & UDP_BIT) == p->udp &&
	       !memcmp(w + 1, p->key, p->keys * sizeof(u32));
}

/* ---- what a bound entry does ---- */

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

static void rewrite4(const struct parsed *p, u8 *l3, const u32 *new)
{
	struct iphdr *ip = (struct iphdr *)l3;
	__be16 *ports = (__be16 *)(l3 + sizeof(*ip));
	__sum16 *sum = (__sum16 *)(l3 + sizeof(*ip) + (p->udp ? 6 : 16));
	bool none = p->udp && !*sum;

	replace32(&ip->check, none ? NULL : sum, &ip->saddr, new[0]);
	replace32(&ip->check, none ? NULL : sum, &ip->daddr, new[1]);
	replace16(none ? NULL : sum, &ports[0], new[2] >> 16);
	replace16(none ? NULL : sum, &ports[1], new[2]);
	if (p->udp && !none && !*sum)
		*sum = CSUM_MANGLED_0;
}

static void age(const struct parsed *p, u8 *l3)
{
	struct iphdr *ip = (struct iphdr *)l3;

	if (p->v6) {
		((struct ipv6hdr *)l3)->hop_limit--;
		return;
	}
	csum_replace2(&ip->check, htons(ip->ttl << 8), htons((ip->ttl - 1) << 8));
	ip->ttl--;
}

static void put16(u8 **at, u16 value)
{
	put_unaligned_be16(value, *at);
	*at += 2;
}

/*
 * Writes the headers of the entry to @out, without the IP header; returns their
 * length. @layers is what counts as a tag for the limit of the size.
 */
static unsigned int headers(const struct engine *e, const struct parsed *p,
			    const u32 *w, unsigned int ip_len, u8 *out,
			    unsigned int *layers)
{
	/* etype and vlan1; MAC; MAC and vlan2; MAC; MAC and session */
	const u32 *l2 = w + (p->v6 ? 15 : 11);
	unsigned int tags, i;
	bool pppoe, q;
	u8 *at = out;

	if (e->version == 1) {
		tags = field(w[0], 18, 16);
		pppoe = w[0] & BIT(19);
		q = w[0] & BIT(20);
	} else {
		tags = field(w[0], 16, 14);
		pppoe = w[0] & BIT(17);
		q = w[0] & BIT(18);
	}
	*layers = tags + pppoe;
	for (i = 1; i < 4; i += 2) {
		put16(&at, l2[i] >> 16);
		put16(&at, l2[i]);
		put16(&at, l2[i + 1] >> 16);
	}
	for (i = 0; i < min(tags, 2U); i++) {
		/* The tag of a switch has the place of the first one. */
		put16(&at, i == 0 && !q ? l2[0] >> 16 : ETH_P_8021Q);
		put16(&at, i == 0 ? l2[0] : l2[2]);
	}
	if (tags && !q)
		put16(&at, pppoe ? ETH_P_PPP_SES : p->v6 ? ETH_P_IPV6 : ETH_P_IP);
	else
		put16(&at, l2[0] >> 16);
	if (pppoe) {
		put16(&at, 0x1100);
		put16(&at, l2[4]);
		put16(&at, ip_len + 2);
		put16(&at, p->v6 ? 0x57 : 0x21);
	}
	return at - out;
}

/* The frame with its new headers, NULL if it has to go to the CPU. */
static struct sk_buff *forward(const struct engine *e, const struct parsed *p,
			       const u32 *w, struct sk_buff *skb,
			       struct net_device **port)
{
	const __be16 *total = (const __be16 *)(skb->data + p->l3 + (p->v6 ? 4 : 2));
	unsigned int ip_len = be16_to_cpu(*total) + (p->v6 ? 40 : 0);
	u32 info = w[p->v6 ? 14 : 4];
	unsigned int len, layers, limit;
	struct sk_buff *copy;
	u8 head[ETH_HLEN + 16];

	len = headers(e, p, w, ip_len, head, &layers);
	limit = e->regs[(layers < 2 ? MTU0 : MTU1) / sizeof(u32)] >>
		(layers % 2 ? 16 : 0) & GENMASK(13, 0);
	if (layers > 3 || len + ip_len > limit || ip_len > skb->len - p->l3)
		return NULL;
	*port = mtk_port(e->version == 1 ? field(info, 7, 5) : field(info, 12, 9));
	if (!*port)
		return NULL;
	copy = alloc_skb(NET_SKB_PAD + len + ip_len, GFP_ATOMIC);
	if (!copy)
		return NULL;
	skb_reserve(copy, NET_SKB_PAD);
	skb_put_data(copy, head, len);
	skb_put_data(copy, skb->data + p->l3, ip_len);
	if (w[0] & (e->version == 1 ? BIT(24) : BIT(22)))
		age(p, copy->data + len);
	if (!p->v6)
		rewrite4(p, copy->data + len, w + 5);
	skb_reset_mac_header(copy);
	return copy;
}

/* ---- frames ---- */

static void remember(unsigned int i, unsigned int index, const char *port)
{
	struct engine *e = &engines[i];
	struct bound *b = kmalloc(struct_size(b, word, e->entry_words), GFP_ATOMIC);

	if (!b)
		return;
	strscpy(b->port, port);
	b->engine = i;
	b->index = index;
	b->words = e->entry_words;
	memcpy(b->word, entry_of(e, index), e->entry_words * sizeof(u32));
	list_add_tail(&b->list, &bound);
}

static void build(const struct engine *e, u32 *w, const struct parsed *p)
{
	memset(w, 0, e->entry_words * sizeof(u32));
	memcpy(w + 1, p->key, p->keys * sizeof(u32));
	w[0] = UNBIND << 28 | (p->udp ? UDP_BIT : 0) |
	       (p->v6 ? TYPE_ROUTE5 : TYPE_HNAPT) << (e->version == 1 ? 25 : 23);
}

bool engine_receive(unsigned int i, struct sk_buff *skb, const char *from,
		    unsigned int tag_len)
{
	struct engine *e = &engines[i];
	unsigned int way, index, first;
	struct net_device *port;
	struct sk_buff *out;
	int unbound = -1;
	struct parsed p;
	u32 *w;

	if (!e->table || !parse(skb, tag_len, &p))
		return false;
	first = hash_of(e, &p);
	for (way = 0; way < e->ways; way++) {
		index = first + way;
		w = entry_of(e, index);
		if (w[0] & STATIC_BIT)
			continue;
		if (STATE(w[0]) == BIND && same_flow(e, w, &p)) {
			if (p.cpu)
				return false;
			out = forward(e, &p, w, skb, &port);
			if (!out)
				return false;
			w[0] = (w[0] & ~clock_mask(e)) |
			       (engine_clock() & clock_mask(e));
			spin_lock(&engine_lock);
			e->packets[index]++;
			e->total[index]++;
			e->bytes[index] += out->len;
			spin_unlock(&engine_lock);
			ports_transmit(port, out);
			consume_skb(skb);
			return true;
		}
		if (STATE(w[0]) == UNBIND && same_flow(e, w, &p))
			unbound = index;
		else if (STATE(w[0]) != BIND && unbound < 0)
			unbound = index;
	}
	if (unbound < 0 || p.cpu)
		return false;
	w = entry_of(e, unbound);
	build(e, w, &p);
	mtk_trap(i, skb, unbound);
	spin_lock(&engine_lock);
	if (STATE(w[0]) == BIND) {
		e->total[unbound] = 0;
		remember(i, unbound, from);
	}
	spin_unlock(&engine_lock);
	return false;
}

void engine_show_bound(struct seq_file *s)
{
	const struct bound *b;
	unsigned int i;

	spin_lock_bh(&engine_lock);
	list_for_each_entry(b, &bound, list) {
		seq_printf(s, "%s %u %04x", b->port, b->engine, b->index);
		for (i = 0; i < b->words; i++)
			seq_printf(s, " %08x", b->word[i]);
		seq_putc(s, '\n');
	}
	spin_unlock_bh(&engine_lock);
}

void engine_clear_bound(void)
{
	struct bound *b, *next;

	spin_lock_bh(&engine_lock);
	list_for_each_entry_safe(b, next, &bound, list) {
		list_del(&b->list);
		kfree(b);
	}
	spin_unlock_bh(&engine_lock);
}
