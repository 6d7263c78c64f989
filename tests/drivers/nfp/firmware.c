// SPDX-License-Identifier: GPL-2.0
/*
 * What the flower firmware of a Netronome NIC does to frames: it reads the
 * messages that the driver sends, and nothing else of the driver. The layout
 * below is written from the messages, not with the driver's structures.
 *
 * A frame that a rule matches goes through its actions, one after the other, and
 * out of the port. Checksums follow each rewrite. Any other frame goes to the
 * CPU, as do IPv4 options, IPv6 extension headers, and frames whose rule has
 * actions that make no sense.
 *
 * Unlike the hardware: statistics come at once; of several rules that match, the
 * first one counts; what the real firmware does with an action that it does not
 * know is not known.
 */
#include <linux/etherdevice.h>
#include <linux/if_vlan.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/list.h>
#include <linux/slab.h>
#include <net/checksum.h>

#include "firmware.h"
#include "ports.h"

#define MESSAGES_MAX	4096
#define HEAD		4
#define META		28
/* Types of messages. */
#define ADD		0
#define DEL		2
#define STATS		15
/* What follows in the key, by the bits of its first byte, and of the extension. */
#define K_EXTENSION	BIT(0)
#define K_MAC		BIT(2)
#define K_PORTS		BIT(3)
#define K_IPV4		BIT(4)
#define K_IPV6		BIT(5)
#define X_TAGS		BIT(4)
#define KEY_MAX		128
/* Bits of the flags of a key with IP: FIN, SYN, RST, PSH and URG, then fragments. */
#define F_FRAGMENT	BIT(6)
#define F_FIRST		BIT(7)
#define TAG		0x1000

struct message {
	struct list_head list;
	unsigned int len;
	u8 data[];
};

struct rule {
	struct list_head list;
	__be32 context;
	u8 cookie[8];
	u64 packets;
	unsigned int key_len, act_len;
	/* key, mask, actions */
	u8 data[];
};

static LIST_HEAD(messages);
static unsigned int message_count;
static LIST_HEAD(rules);
static unsigned int rule_count;
static DEFINE_SPINLOCK(firmware_lock);

/* ---- messages ---- */

static struct rule *find(__be32 context)
{
	struct rule *r;

	list_for_each_entry(r, &rules, list)
		if (r->context == context)
			return r;
	return NULL;
}

static void add(const u8 *meta, unsigned int len)
{
	unsigned int key_len = meta[0] * 4, act_len = meta[2] * 4;
	struct rule *r;

	if (WARN_ON(meta[0] != meta[1] || len != META + 2 * key_len + act_len))
		return;
	r = kzalloc(struct_size(r, data, 2 * key_len + act_len), GFP_ATOMIC);
	if (!r)
		return;
	memcpy(&r->context, meta + 4, 4);
	memcpy(r->cookie, meta + 8, 8);
	r->key_len = key_len;
	r->act_len = act_len;
	memcpy(r->data, meta + META, 2 * key_len + act_len);
	WARN_ON(find(r->context));
	list_add_tail(&r->list, &rules);
	rule_count++;
}

static void del(const u8 *meta)
{
	struct rule *r;
	__be32 context;

	memcpy(&context, meta + 4, 4);
	r = find(context);
	if (WARN_ON(!r))
		return;
	list_del(&r->list);
	kfree(r);
	rule_count--;
}

void firmware_message(const struct sk_buff *skb)
{
	struct message *m = kmalloc(struct_size(m, data, skb->len), GFP_KERNEL);

	spin_lock_bh(&firmware_lock);
	if (skb->data[2] == ADD)
		add(skb->data + HEAD, skb->len - HEAD);
	else if (skb->data[2] == DEL)
		del(skb->data + HEAD);
	if (m && message_count < MESSAGES_MAX) {
		m->len = skb->len;
		memcpy(m->data, skb->data, skb->len);
		list_add_tail(&m->list, &messages);
		message_count++;
		m = NULL;
	}
	spin_unlock_bh(&firmware_lock);
	kfree(m);
}

void firmware_show_messages(struct seq_file *s)
{
	const struct message *m;

	spin_lock_bh(&firmware_lock);
	list_for_each_entry(m, &messages, list) {
		unsigned int i;

		for (i = 0; i < m->len; i++)
			seq_printf(s, "%02x", m->data[i]);
		seq_putc(s, '\n');
	}
	spin_unlock_bh(&firmware_lock);
}

void firmware_clear_messages(void)
{
	struct message *m, *next;

	spin_lock_bh(&firmware_lock);
	list_for_each_entry_safe(m, next, &messages, list) {
		list_del(&m->list);
		kfree(m);
	}
	message_count = 0;
	spin_unlock_bh(&firmware_lock);
}

u64 firmware_packets(__be32 context)
{
	const struct rule *r;
	u64 packets;

	spin_lock_bh(&firmware_lock);
	r = find(context);
	packets = r ? r->packets : 0;
	spin_unlock_bh(&firmware_lock);
	return packets;
}

unsigned int firmware_rules(void)
{
	return rule_count;
}

/* The rules that are left are in the file "left". */
void firmware_stop(void)
{
	struct rule *r, *next;

	list_for_each_entry_safe(r, next, &rules, list) {
		list_del(&r->list);
		kfree(r);
	}
	firmware_clear_messages();
}

/* ---- the parser ---- */

struct parsed {
	unsigned int tags, l3, l4;
	bool v6;
	u8 proto;
	/* without the Ethernet trailer */
	unsigned int len;
};

static bool parse(const u8 *data, unsigned int len, struct parsed *p)
{
	unsigned int at = ETH_HLEN, total;
	u16 type = get_unaligned_be16(data + 12);

	memset(p, 0, sizeof(*p));
	while ((type == ETH_P_8021Q || type == ETH_P_8021AD) && p->tags < 2) {
		if (len < at + VLAN_HLEN)
			return false;
		type = get_unaligned_be16(data + at + 2);
		at += VLAN_HLEN;
		p->tags++;
	}
	p->l3 = at;
	p->v6 = type == ETH_P_IPV6;
	if (type == ETH_P_IP && len >= at + 20) {
		if (data[at] != 0x45)
			return false;
		p->proto = data[at + 9];
		total = get_unaligned_be16(data + at + 2);
		p->l4 = at + 20;
	} else if (p->v6 && len >= at + 40) {
		p->proto = data[at + 6];
		total = 40 + get_unaligned_be16(data + at + 4);
		p->l4 = at + 40;
	} else {
		return false;
	}
	p->len = at + total;
	return p->len <= len && len >= p->l4 + (p->proto == IPPROTO_TCP ? 20 : 8);
}

static void put16(u8 **at, u16 value)
{
	put_unaligned_be16(value, *at);
	*at += 2;
}

static void put(u8 **at, const u8 *from, unsigned int len)
{
	memcpy(*at, from, len);
	*at += len;
}

/* Tag i of a frame, the outer one first: its type and its TCI. */
static void tag(const u8 *data, const struct parsed *p, unsigned int i, u16 *type, u16 *tci)
{
	*type = i < p->tags ? get_unaligned_be16(data + 12 + 4 * i) : 0;
	*tci = i < p->tags ? get_unaligned_be16(data + 14 + 4 * i) | TAG : 0;
}

/* The bits of TCP's flags are in the same order. PSH and URG follow RST. */
static u8 flags(const u8 *data, const struct parsed *p)
{
	u16 fragment = p->v6 ? 0 : get_unaligned_be16(data + p->l3 + 6);
	u8 f = 0, tcp;

	if (fragment & 0x3fff)
		f |= F_FRAGMENT;
	if (fragment & 0x2000 && !(fragment & 0x1fff))
		f |= F_FIRST;
	if (p->proto == IPPROTO_TCP && !(fragment & 0x1fff)) {
		tcp = data[p->l4 + 13];
		f |= (tcp & 0x0f) | (tcp & 0x20) >> 1;
	}
	return f;
}

/* Writes the key of a frame with the layers of a rule; returns its length, 0 if it has not these. */
static unsigned int key_of(const u8 *data, const struct parsed *p, u32 port, const u8 *rule, u8 *out)
{
	const u8 *l3 = data + p->l3;
	u8 layers = rule[0], *at = out;
	u32 extension = 0;
	u16 type, tci;
	unsigned int i;

	if (layers & K_MAC || !!(layers & K_IPV6) != p->v6 || !!(layers & K_IPV4) == p->v6)
		return 0;
	tag(data, p, 0, &type, &tci);
	put16(&at, get_unaligned_be16(rule));
	put16(&at, tci);
	if (layers & K_EXTENSION) {
		extension = get_unaligned_be32(rule + 4);
		put(&at, rule + 4, 4);
	}
	put_unaligned_be32(port, at);
	at += 4;
	if (layers & K_PORTS)
		put(&at, data + p->l4, 4);
	if (p->v6) {
		*at++ = get_unaligned_be16(l3) >> 4;
		*at++ = p->proto;
		*at++ = l3[7];
		*at++ = flags(data, p);
		put_unaligned_be32(get_unaligned_be32(l3) & 0xfffff, at);
		at += 4;
		put(&at, l3 + 8, 32);
	} else {
		*at++ = l3[1];
		*at++ = p->proto;
		*at++ = l3[8];
		*at++ = flags(data, p);
		put(&at, l3 + 12, 8);
	}
	if (extension & X_TAGS) {
		for (i = 0; i < 2; i++) {
			tag(data, p, i, &type, &tci);
			put16(&at, type);
			put16(&at, tci);
		}
	}
	return at - out;
}

static bool matches(const struct rule *r, const u8 *data, const struct parsed *p, u32 port)
{
	const u8 *mask = r->data + r->key_len;
	u8 key[KEY_MAX];
	unsigned int i;

	if (key_of(data, p, port, r->data, key) != r->key_len)
		return false;
	/* Not the layers and the number of the mask. */
	for (i = 2; i < r->key_len; i++)
		if ((key[i] ^ r->data[i]) & mask[i])
			return false;
	return true;
}

/* ---- actions ---- */

/* Writes the bits of the mask to @at, whose offset in the frame is even, and corrects the checksums. */
static void rewrite(u8 *at, const u8 *mask, const u8 *value, unsigned int len, __sum16 *sum1,
		    __sum16 *sum2)
{
	unsigned int i;

	for (i = 0; i < len; i += 2) {
		__be16 old, new, m, v;

		memcpy(&old, at + i, 2);
		memcpy(&m, mask + i, 2);
		memcpy(&v, value + i, 2);
		new = (old & ~m) | (v & m);
		memcpy(at + i, &new, 2);
		if (sum1)
			csum_replace2(sum1, old, new);
		if (sum2)
			csum_replace2(sum2, old, new);
	}
}

/* Applies the IPv4, IPv6, TCP or UDP action; false if it does not fit the frame. */
static bool set(struct sk_buff *skb, const u8 *a)
{
	const u8 none[2] = {}, *v = a + 4;
	struct parsed p;
	u8 *l3, *l4, word[2], bits[2];
	__sum16 *ip, *sum = NULL;
	unsigned int i;

	if (!parse(skb->data, skb->len, &p))
		return false;
	l3 = skb->data + p.l3;
	l4 = skb->data + p.l4;
	ip = p.v6 ? NULL : (__sum16 *)(l3 + 10);
	if (p.proto == IPPROTO_TCP)
		sum = (__sum16 *)(l4 + 16);
	else if (p.proto == IPPROTO_UDP && get_unaligned((__sum16 *)(l4 + 6)))
		sum = (__sum16 *)(l4 + 6);
	switch (a[0]) {
	case 9:
		if (p.v6)
			return false;
		rewrite(l3 + 12, v, v + 4, 4, ip, sum);
		rewrite(l3 + 16, v + 8, v + 12, 4, ip, sum);
		break;
	case 10:
		if (p.v6)
			return false;
		bits[0] = a[2];
		word[0] = a[4];
		bits[1] = 0;
		word[1] = 0;
		rewrite(l3 + 8, bits, word, 2, ip, NULL);
		bits[0] = 0;
		word[0] = 0;
		bits[1] = a[3];
		word[1] = a[5];
		rewrite(l3, bits, word, 2, ip, NULL);
		break;
	case 11:
	case 12:
		if (!p.v6)
			return false;
		for (i = 0; i < 4; i++)
			rewrite(l3 + (a[0] == 11 ? 8 : 24) + 4 * i, v + 8 * i, v + 8 * i + 4, 4, sum, NULL);
		break;
	case 13:
		/* The traffic class and the flow label are never written. */
		if (!p.v6 || a[2] || memcmp(a + 8, none, 2) || memcmp(a + 10, none, 2))
			return false;
		bits[0] = 0;
		word[0] = 0;
		bits[1] = a[3];
		word[1] = a[7];
		rewrite(l3 + 6, bits, word, 2, NULL, NULL);
		break;
	case 14:
	case 15:
		if (p.proto != (a[0] == 14 ? IPPROTO_UDP : IPPROTO_TCP))
			return false;
		rewrite(l4, v, v + 4, 4, sum, NULL);
		break;
	}
	if (p.proto == IPPROTO_UDP && sum && !*sum)
		*sum = CSUM_MANGLED_0;
	return true;
}

/* Lengths of actions in words, 0 for one that no rule here may have. */
static const u8 words[] = {
	[0] = 2, [1] = 2, [2] = 1, [7] = 7, [9] = 5, [10] = 2, [11] = 9, [12] = 9, [13] = 4,
	[14] = 3, [15] = 3,
};

/* Executes the actions; returns the device to which the last one sends, NULL if they make no sense. */
static struct net_device *execute(const struct rule *r, struct sk_buff *skb)
{
	const u8 *a = r->data + 2 * r->key_len, *end = a + r->act_len, *v;
	unsigned int i;

	while (a + 4 <= end) {
		if (a[0] >= ARRAY_SIZE(words) || !words[a[0]] || a[1] != words[a[0]] ||
		    a + 4 * a[1] > end)
			return NULL;
		v = a + 4;
		switch (a[0]) {
		case 0:
			/* The flag "last" alone. */
			if (get_unaligned_be16(a + 2) != 0x8000 || v + 4 != end)
				return NULL;
			return nfp_port_of(get_unaligned_be32(v));
		case 1:
			skb_push(skb, VLAN_HLEN);
			memmove(skb->data, skb->data + VLAN_HLEN, 12);
			memcpy(skb->data + 12, v, VLAN_HLEN);
			break;
		case 2:
			if (skb->len < ETH_HLEN + VLAN_HLEN)
				return NULL;
			memmove(skb->data + VLAN_HLEN, skb->data, 12);
			skb_pull(skb, VLAN_HLEN);
			break;
		case 7:
			for (i = 0; i < 12; i++)
				skb->data[i] = (skb->data[i] & ~v[i]) | (v[12 + i] & v[i]);
			break;
		default:
			if (!set(skb, a))
				return NULL;
		}
		a += 4 * a[1];
	}
	return NULL;
}

/* ---- frames ---- */

static struct sk_buff *report(const struct rule *r, unsigned int len)
{
	struct sk_buff *skb = alloc_skb(HEAD + 24, GFP_ATOMIC);
	u8 *at;

	if (!skb)
		return NULL;
	at = skb_put_zero(skb, HEAD + 24);
	at[2] = STATS;
	at[3] = 1;
	memcpy(at + 4, &r->context, 4);
	put_unaligned_be32(1, at + 8);
	put_unaligned_be64(len, at + 12);
	memcpy(at + 20, r->cookie, 8);
	return skb;
}

bool firmware_receive(u32 port, struct sk_buff *skb, struct sk_buff **stats)
{
	struct net_device *out = NULL;
	struct sk_buff *copy = NULL;
	struct parsed p;
	struct rule *r;

	if (!parse(skb->data, skb->len, &p))
		return false;
	spin_lock(&firmware_lock);
	list_for_each_entry(r, &rules, list) {
		if (!matches(r, skb->data, &p, port))
			continue;
		copy = alloc_skb(NET_SKB_PAD + p.len + 2 * VLAN_HLEN, GFP_ATOMIC);
		if (!copy)
			break;
		skb_reserve(copy, NET_SKB_PAD + 2 * VLAN_HLEN - NET_IP_ALIGN);
		skb_put_data(copy, skb->data, p.len);
		out = execute(r, copy);
		if (out) {
			r->packets++;
			*stats = report(r, skb->len);
		}
		break;
	}
	spin_unlock(&firmware_lock);
	if (!out) {
		kfree_skb(copy);
		return false;
	}
	skb_reset_mac_header(copy);
	ports_transmit(out, copy);
	consume_skb(skb);
	return true;
}
