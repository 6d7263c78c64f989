// SPDX-License-Identifier: GPL-2.0
/*
 * The match-action engine (MAE) of an EF100, and the firmware in front of it: it
 * reads the requests (MCDI) of the driver, and nothing else of it. The layout
 * below is written from the protocol's description of the messages, not with the
 * driver's macros.
 *
 * A frame that an action rule matches goes through the rule's action set, in the
 * engine's own order: one hop, the MAC addresses, pops, pushes, delivery. The
 * checksum of IPv4 follows the hop. Of several rules that match, the one with the
 * lowest priority number counts, and of those the oldest. A rule that says
 * nothing of tags matches frames with any tags. A frame that is delivered to the
 * function itself or to the representors, is none of IP, or has one hop left, goes
 * to the CPU.
 *
 * Unlike the hardware: counters are reported at once; a MAC address, a counter or
 * an action set can be freed while it is in use, which is reported; what the
 * engine does with one hop left is not known.
 *
 * Each request is kept in the file "messages" with the answer: the command, the
 * length of the request, both in network order, then request and answer.
 */
#include <linux/etherdevice.h>
#include <linux/if_vlan.h>
#include <linux/ip.h>
#include <linux/list.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <net/checksum.h>

#include "sfc/net_driver.h"
#include "sfc/mcdi.h"
#include "engine.h"
#include "messages.h"
#include "ports.h"

enum {
	GET_CAPS	= 0x140,
	GET_AR_CAPS	= 0x141,
	GET_OR_CAPS	= 0x142,
	COUNTER_ALLOC	= 0x143,
	COUNTER_FREE	= 0x144,
	SET_ALLOC	= 0x14d,
	SET_FREE	= 0x14e,
	RULE_DELETE	= 0x155,
	RULE_INSERT	= 0x15c,
	MAC_ALLOC	= 0x15e,
	MAC_FREE	= 0x15f,
	MPORT_ALLOC	= 0x163,
	MPORT_FREE	= 0x164,
	TABLE_LIST	= 0x1c9,
};

#define FIELDS		0x55
#define FIELD_TCP_FLAGS	0x34
/* How a field can be matched: not at all, as a whole or not at all, by any bits. */
#define NEVER		1
#define OPTIONAL	3
#define ANY_MASK	5
/* The fields that the engine's action rules have. */
static const u8 known_fields[] = {
	0x00, 0x02, 0x03, 0x21, 0x22, 0x23, 0x24, 0x25, 0x28, 0x29, 0x2a, 0x2b, 0x2c, 0x2d, 0x2e, 0x2f, 0x30,
	0x32, 0x33, 0x34, 0x35, 0x36,
};

#define PRIORITIES	2
#define NONE		0xffffffff
#define MATCH		372
#define REPRESENTORS	0x77

/* The fields of a match, and their masks. */
static const struct field {
	u16 value, mask, len;
} fields[] = {
	{ 0, 4, 4 }, { 16, 18, 2 }, { 20, 22, 2 }, { 24, 26, 2 }, { 28, 30, 2 }, { 32, 34, 2 },
	{ 36, 42, 6 }, { 48, 54, 6 }, { 60, 64, 4 }, { 68, 84, 16 }, { 100, 104, 4 }, { 108, 124, 16 },
	{ 140, 141, 1 }, { 142, 143, 1 }, { 144, 145, 1 }, { 156, 158, 2 }, { 160, 162, 2 },
	{ 164, 166, 2 }, { 344, 348, 4 }, { 368, 370, 1 },
};

enum table { RULES, SETS, MACS, COUNTERS, TABLES };

/* An entry of one of the tables; not every table uses all of it. */
struct entry {
	struct list_head list;
	u32 id;
	/* RULES */
	u32 priority, set;
	u8 match[MATCH];
	/* SETS: the request, and the entries that it refers to. MACS: the address. */
	u8 data[44];
	unsigned int users;
	/* COUNTERS */
	u32 generation;
};

static struct list_head tables[TABLES] = {
	LIST_HEAD_INIT(tables[RULES]), LIST_HEAD_INIT(tables[SETS]), LIST_HEAD_INIT(tables[MACS]),
	LIST_HEAD_INIT(tables[COUNTERS]),
};
static unsigned int entries[TABLES], at_start[TABLES];
static u32 last_id, generation;
/* The rules of the driver itself are there, which the limit does not count. */
static bool started;
static DEFINE_SPINLOCK(engine_lock);

/* ---- the tables ---- */

static struct entry *find(enum table table, u32 id)
{
	struct entry *e;

	list_for_each_entry(e, &tables[table], list)
		if (e->id == id)
			return e;
	return NULL;
}

/* No two entries have the same number, of whatever table they are. */
static void add(enum table table, struct entry *e)
{
	e->id = ++last_id;
	list_add_tail(&e->list, &tables[table]);
	entries[table]++;
}

static bool use(enum table table, u32 id, int users)
{
	struct entry *e;

	if (id == NONE)
		return true;
	e = find(table, id);
	if (!e)
		return false;
	e->users += users;
	return true;
}

/* The entries that an action set refers to: counter, source and destination MAC. */
static bool use_parts(const struct entry *set, int users)
{
	return use(COUNTERS, get_unaligned_le32(set->data + 28), users) &&
	       use(MACS, get_unaligned_le32(set->data + 36), users) &&
	       use(MACS, get_unaligned_le32(set->data + 40), users);
}

static int remove(enum table table, u32 id)
{
	struct entry *e = find(table, id);

	if (WARN_ON(!e))
		return -ENOENT;
	if (WARN_ON(e->users))
		return -EBUSY;
	if (table == SETS)
		WARN_ON(!use_parts(e, -1));
	if (table == RULES)
		WARN_ON(!use(SETS, e->set, -1));
	list_del(&e->list);
	entries[table]--;
	kfree(e);
	return 0;
}

/* ---- requests ---- */

static int insert_set(struct entry *e, const u8 *in, size_t inlen)
{
	if (WARN_ON(inlen != sizeof(e->data)))
		return -EINVAL;
	memcpy(e->data, in, inlen);
	/* Only a counter, not a list of them; no header to add. */
	if (WARN_ON(get_unaligned_le32(in + 16) != NONE || get_unaligned_le32(in + 24) != NONE))
		return -EINVAL;
	if (WARN_ON(!use_parts(e, 1)))
		return -ENOENT;
	add(SETS, e);
	return 0;
}

/* Whether a rule matches on something that is not among the fields. */
static bool matches_more(const u8 *match)
{
	u8 rest[MATCH];
	unsigned int i;

	memcpy(rest, match, MATCH);
	for (i = 0; i < ARRAY_SIZE(fields); i++) {
		memset(rest + fields[i].value, 0, fields[i].len);
		memset(rest + fields[i].mask, 0, fields[i].len);
	}
	return memchr_inv(rest, 0, MATCH);
}

static int insert_rule(struct entry *e, const u8 *in, size_t inlen)
{
	if (WARN_ON(inlen != 28 + MATCH || matches_more(in + 28)))
		return -EINVAL;
	e->priority = get_unaligned_le32(in);
	e->set = get_unaligned_le32(in + 8);
	/* One action set, not a list of them. */
	if (WARN_ON(e->priority >= PRIORITIES || get_unaligned_le32(in + 4) != NONE))
		return -EINVAL;
	if (started && engine_rules && entries[RULES] - at_start[RULES] >= engine_rules)
		return -ENOSPC;
	if (WARN_ON(!use(SETS, e->set, 1)))
		return -ENOENT;
	memcpy(e->match, in + 28, MATCH);
	add(RULES, e);
	return 0;
}

static void capabilities(u8 *out, size_t outlen, bool action_rules)
{
	unsigned int i;

	put_unaligned_le32(FIELDS, out);
	for (i = 0; i < FIELDS && 4 * i + 8 <= outlen; i++)
		out[4 * i + 4] = NEVER;
	if (!action_rules)
		return;
	for (i = 0; i < ARRAY_SIZE(known_fields); i++)
		out[4 * known_fields[i] + 4] = ANY_MASK;
	if (engine_exact)
		out[4 * FIELD_TCP_FLAGS + 4] = OPTIONAL;
}

/* Answers a request into @out, which is all zeros; returns the length of the answer. */
static int answer(unsigned int cmd, const u8 *in, size_t inlen, u8 *out, size_t outlen, struct entry **e)
{
	struct entry *new = *e;
	int err;

	switch (cmd) {
	case GET_CAPS:
		put_unaligned_le32(FIELDS, out);
		put_unaligned_le32(PRIORITIES, out + 40);
		return 52;
	case GET_AR_CAPS:
	case GET_OR_CAPS:
		capabilities(out, outlen, cmd == GET_AR_CAPS);
		return 4 + 4 * FIELDS;
	case MPORT_ALLOC:
		put_unaligned_le32(REPRESENTORS, out);
		put_unaligned_le32(REPRESENTORS, out + 20);
		return 24;
	case MPORT_FREE:
		return 0;
	case TABLE_LIST:
		/* There is none, so no conntrack. */
		return 4;
	case COUNTER_ALLOC:
		new->generation = ++generation;
		add(COUNTERS, new);
		*e = NULL;
		put_unaligned_le32(generation, out);
		put_unaligned_le32(1, out + 4);
		put_unaligned_le32(new->id, out + 8);
		return 12;
	case COUNTER_FREE:
		err = remove(COUNTERS, get_unaligned_le32(in + 4));
		put_unaligned_le32(generation, out);
		put_unaligned_le32(1, out + 4);
		memcpy(out + 8, in + 4, 4);
		return err ?: 12;
	case MAC_ALLOC:
		memcpy(new->data, in, ETH_ALEN);
		add(MACS, new);
		break;
	case SET_ALLOC:
		err = insert_set(new, in, inlen);
		if (err)
			return err;
		break;
	case RULE_INSERT:
		err = insert_rule(new, in, inlen);
		if (err)
			return err;
		break;
	case MAC_FREE:
	case SET_FREE:
	case RULE_DELETE:
		err = remove(cmd == MAC_FREE ? MACS : cmd == SET_FREE ? SETS : RULES,
			     get_unaligned_le32(in));
		memcpy(out, in, 4);
		return err ?: 4;
	default:
		WARN(1, "request %#x is not known\n", cmd);
		return -ENOSYS;
	}
	*e = NULL;
	put_unaligned_le32(new->id, out);
	return 4;
}

static void keep(unsigned int cmd, const void *in, size_t inlen, const void *out, size_t outlen)
{
	u8 *m = kmalloc(8 + inlen + outlen, GFP_KERNEL);

	if (WARN_ON(!m))
		return;
	put_unaligned_be32(cmd, m);
	put_unaligned_be32(inlen, m + 4);
	memcpy(m + 8, in, inlen);
	memcpy(m + 8 + inlen, out, outlen);
	messages_add(m, 8 + inlen + outlen);
	kfree(m);
}

/* mcdi.c */
int efx_mcdi_rpc(struct efx_nic *efx, unsigned int cmd, const efx_dword_t *inbuf, size_t inlen,
		 efx_dword_t *outbuf, size_t outlen, size_t *outlen_actual)
{
	struct entry *e = kzalloc(sizeof(*e), GFP_KERNEL);
	u8 out[4 + 4 * FIELDS] = {};
	int len;

	if (!e)
		return -ENOMEM;
	spin_lock_bh(&engine_lock);
	len = answer(cmd, (const u8 *)inbuf, inlen, out, sizeof(out), &e);
	spin_unlock_bh(&engine_lock);
	kfree(e);
	if (len < 0)
		return len;
	keep(cmd, inbuf, inlen, out, len);
	memcpy(outbuf, out, min_t(size_t, len, outlen));
	if (outlen_actual)
		*outlen_actual = len;
	return 0;
}

void engine_started(void)
{
	memcpy(at_start, entries, sizeof(at_start));
	started = true;
}

void engine_left(unsigned int *rules, unsigned int *others)
{
	unsigned int i;

	spin_lock_bh(&engine_lock);
	*rules = entries[RULES] - at_start[RULES];
	*others = 0;
	for (i = SETS; i < TABLES; i++)
		*others += entries[i] - at_start[i];
	spin_unlock_bh(&engine_lock);
}

void engine_stop(void)
{
	struct entry *e, *next;
	unsigned int i;

	for (i = 0; i < TABLES; i++) {
		WARN_ON(entries[i]);
		list_for_each_entry_safe(e, next, &tables[i], list) {
			list_del(&e->list);
			kfree(e);
		}
	}
	messages_clear();
}

/* ---- frames ---- */

/* Where the headers of a frame begin. */
struct parsed {
	unsigned int tags, l3, l4;
	u16 type;
	u8 proto;
	/* without the Ethernet trailer */
	unsigned int len;
};

static bool parse(const u8 *data, unsigned int len, struct parsed *p)
{
	unsigned int at = ETH_HLEN;

	memset(p, 0, sizeof(*p));
	if (len < ETH_HLEN)
		return false;
	p->type = get_unaligned_be16(data + 12);
	while (p->type == ETH_P_8021Q || p->type == ETH_P_8021AD) {
		if (len < at + VLAN_HLEN || p->tags == 2)
			return false;
		p->type = get_unaligned_be16(data + at + 2);
		at += VLAN_HLEN;
		p->tags++;
	}
	p->l3 = at;
	if (p->type == ETH_P_IP && len >= at + 20) {
		p->proto = data[at + 9];
		p->l4 = at + 4 * (data[at] & 0xf);
		p->len = at + get_unaligned_be16(data + at + 2);
	} else if (p->type == ETH_P_IPV6 && len >= at + 40) {
		p->proto = data[at + 6];
		p->l4 = at + 40;
		p->len = at + 40 + get_unaligned_be16(data + at + 4);
	} else {
		return false;
	}
	return p->len <= len;
}

/* Writes the values of a frame's fields to @to, which is all zeros. */
static void describe(const u8 *data, const struct parsed *p, u32 selector, u8 *to)
{
	const u8 *l3 = data + p->l3, *l4 = data + p->l4;
	bool later = false;
	unsigned int i;

	put_unaligned_le32(selector, to);
	put_unaligned_be16(p->type, to + 16);
	for (i = 0; i < p->tags; i++) {
		memcpy(to + 20 + 8 * i, data + 14 + 4 * i, 2);
		memcpy(to + 24 + 8 * i, data + 12 + 4 * i, 2);
	}
	memcpy(to + 36, data + 6, ETH_ALEN);
	memcpy(to + 48, data, ETH_ALEN);
	to[140] = p->proto;
	if (p->type == ETH_P_IP) {
		u16 fragment = get_unaligned_be16(l3 + 6);

		memcpy(to + 60, l3 + 12, 4);
		memcpy(to + 100, l3 + 16, 4);
		to[142] = l3[1];
		to[144] = l3[8];
		to[344] = !!(fragment & 0x3fff);
		later = fragment & 0x1fff;
	} else {
		memcpy(to + 68, l3 + 8, 16);
		memcpy(to + 108, l3 + 24, 16);
		to[142] = get_unaligned_be16(l3) >> 4;
		to[144] = l3[7];
	}
	if (later || p->len < p->l4 + 8)
		return;
	if (p->proto == IPPROTO_TCP || p->proto == IPPROTO_UDP) {
		memcpy(to + 156, l4, 2);
		memcpy(to + 160, l4 + 2, 2);
	}
	if (p->proto == IPPROTO_TCP && p->len >= p->l4 + 20)
		put_unaligned_be16(get_unaligned_be16(l4 + 12) & 0x0fff, to + 164);
}

static bool matches(const struct entry *rule, const u8 *frame)
{
	const struct field *f;
	unsigned int i;

	for (f = fields; f < fields + ARRAY_SIZE(fields); f++)
		for (i = 0; i < f->len; i++)
			if ((frame[f->value + i] ^ rule->match[f->value + i]) & rule->match[f->mask + i])
				return false;
	return true;
}

static const struct entry *look_up(const u8 *frame)
{
	const struct entry *best = NULL, *e;

	list_for_each_entry(e, &tables[RULES], list)
		if (matches(e, frame) && (!best || e->priority < best->priority))
			best = e;
	return best;
}

static void push(struct sk_buff *skb, const u8 *tci, const u8 *type)
{
	skb_push(skb, VLAN_HLEN);
	memmove(skb->data, skb->data + VLAN_HLEN, 12);
	memcpy(skb->data + 12, type, 2);
	memcpy(skb->data + 14, tci, 2);
}

/* Executes an action set; false if it makes no sense for the frame. */
static bool execute(const struct entry *set, struct sk_buff *skb, const struct parsed *p)
{
	const u8 *a = set->data;
	u32 flags = get_unaligned_le32(a), pushes = flags & 3, pops = flags >> 4 & 3;
	const struct entry *source = find(MACS, get_unaligned_le32(a + 36));
	const struct entry *destination = find(MACS, get_unaligned_le32(a + 40));
	unsigned int i;

	/* Neither decapsulation nor NAT, nor what the driver has no name for. */
	if (flags & ~(3 | 3 << 4 | 1 << 12) || pops > p->tags || pushes > 2)
		return false;
	if (flags & 1 << 12) {
		if (p->type == ETH_P_IP)
			ip_decrease_ttl((struct iphdr *)(skb->data + p->l3));
		else
			skb->data[p->l3 + 7]--;
	}
	if (destination)
		ether_addr_copy(skb->data, destination->data);
	if (source)
		ether_addr_copy(skb->data + ETH_ALEN, source->data);
	for (i = 0; i < pops; i++) {
		memmove(skb->data + VLAN_HLEN, skb->data, 12);
		skb_pull(skb, VLAN_HLEN);
	}
	/* The first one of the request is the outer one. */
	if (pushes == 2)
		push(skb, a + 8, a + 10);
	if (pushes)
		push(skb, a + 4, a + 6);
	return true;
}

bool engine_receive(u32 selector, struct sk_buff *skb, struct engine_count *count)
{
	const struct entry *rule, *set, *counter;
	struct net_device *out = NULL;
	struct sk_buff *copy = NULL;
	u8 frame[MATCH] = {};
	struct parsed p;

	if (!parse(skb->data, skb->len, &p))
		return false;
	describe(skb->data, &p, selector, frame);
	spin_lock_bh(&engine_lock);
	rule = look_up(frame);
	set = rule ? find(SETS, rule->set) : NULL;
	if (set)
		out = sfc_port_of(get_unaligned_le32(set->data + 20));
	if (!out || frame[144] < 2)
		goto to_cpu;
	copy = alloc_skb(NET_SKB_PAD + p.len + 2 * VLAN_HLEN, GFP_ATOMIC);
	if (!copy)
		goto to_cpu;
	skb_reserve(copy, NET_SKB_PAD + 2 * VLAN_HLEN - NET_IP_ALIGN);
	skb_put_data(copy, skb->data, p.len);
	if (!execute(set, copy, &p))
		goto to_cpu;
	memset(count, 0, sizeof(*count));
	counter = find(COUNTERS, get_unaligned_le32(set->data + 28));
	if (counter)
		*count = (struct engine_count){ counter->id, counter->generation, 1, skb->len };
	spin_unlock_bh(&engine_lock);
	skb_reset_mac_header(copy);
	ports_transmit(out, copy);
	consume_skb(skb);
	return true;
to_cpu:
	spin_unlock_bh(&engine_lock);
	kfree_skb(copy);
	return false;
}
