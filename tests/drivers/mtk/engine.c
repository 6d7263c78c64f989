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
#include <linux/mm.h>
#include <linux/slab.h>

#include "bound.h"
#include "engine.h"
#include "frame.h"
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

static DEFINE_SPINLOCK(engine_lock);

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
	bound_clear();
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

/* ---- the table ---- */

/* The hash of the hardware, which the driver has to compute as well. */
static unsigned int hash_of(const struct engine *e, const struct frame *p)
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
		      const struct frame *p)
{
	return type_of(e, w[0]) == (p->v6 ? TYPE_ROUTE5 : TYPE_HNAPT) &&
	       !!(w[0] & UDP_BIT) == p->udp &&
	       !memcmp(w + 1, p->key, p->keys * sizeof(u32));
}

/* ---- what a bound entry does ---- */

/*
 * Writes the headers of the entry to @out, without the IP header; returns their
 * length. @layers is what counts as a tag for the limit of the size.
 */
static unsigned int headers(const struct engine *e, const struct frame *p,
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
		frame_put16(&at, l2[i] >> 16);
		frame_put16(&at, l2[i]);
		frame_put16(&at, l2[i + 1] >> 16);
	}
	for (i = 0; i < min(tags, 2U); i++) {
		/* The tag of a switch has the place of the first one. */
		frame_put16(&at, i == 0 && !q ? l2[0] >> 16 : ETH_P_8021Q);
		frame_put16(&at, i == 0 ? l2[0] : l2[2]);
	}
	if (tags && !q)
		frame_put16(&at, pppoe ? ETH_P_PPP_SES : p->v6 ? ETH_P_IPV6 : ETH_P_IP);
	else
		frame_put16(&at, l2[0] >> 16);
	if (pppoe) {
		frame_put16(&at, 0x1100);
		frame_put16(&at, l2[4]);
		frame_put16(&at, ip_len + 2);
		frame_put16(&at, p->v6 ? 0x57 : 0x21);
	}
	return at - out;
}

/* The frame with its new headers, NULL if it has to go to the CPU. */
static struct sk_buff *forward(const struct engine *e, const struct frame *p,
			       const u32 *w, struct sk_buff *skb,
			       struct net_device **port)
{
	unsigned int ip_len = frame_ip_len(p, skb);
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
	copy = frame_rebuild(p, skb, head, len);
	if (!copy)
		return NULL;
	if (w[0] & (e->version == 1 ? BIT(24) : BIT(22)))
		frame_age(p, copy->data + len);
	if (!p->v6)
		frame_rewrite4(p, copy->data + len, w + 5);
	return copy;
}

/* ---- frames ---- */

static void build(const struct engine *e, u32 *w, const struct frame *p)
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
	struct frame p;
	u32 *w;

	if (!e->table || !frame_parse(skb, tag_len, &p))
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
		bound_add(from, i, unbound, w, e->entry_words);
	}
	spin_unlock(&engine_lock);
	return false;
}
