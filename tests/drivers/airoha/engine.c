// SPDX-License-Identifier: GPL-2.0
/*
 * What the packet processing engines (PPE) of an Airoha SoC and its NPU do to
 * frames: the raw words that the driver has written into the flow table (FOE) by
 * registers or into DMA memory, and the registers, and nothing else of the driver.
 * The layout below is written from the hardware, not with the driver's helpers.
 *
 * A frame whose entry is bound goes out as the entry says. Any other one makes an
 * unbound entry and goes to the CPU, as do fragments, IP options, TTL 1, TCP SYN,
 * FIN and RST, and frames that exceed the limit of the port that they leave by.
 *
 * Assumptions, where the driver does not tell: where in the table an entry goes,
 * as the driver takes its index from the hardware; that the engines are on after a
 * reset; that both read the same addresses of ports, and the limits of sizes of
 * either; that the tag of a switch is put on behind the engine and does not count
 * for the limit; that the fields VPM and VLAN_LAYER both say the number of tags;
 * that a type of zero is that of the packet.
 *
 * Unlike the hardware: entries age only on demand; each frame of an unbound entry
 * reaches the driver, not only those above the bind rate; the destination MAC is
 * not looked at, beyond multicast; short frames are not padded.
 */
#include <linux/etherdevice.h>
#include <linux/jhash.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "bound.h"
#include "engine.h"
#include "frame.h"
#include "ports.h"
#include "switch.h"

#define ENGINES		2
#define REGISTERS	0x3000
#define SRAM		8192	/* entries of an engine */
#define DRAM		16384
#define ENTRIES		(ENGINES * SRAM + DRAM)
#define WORDS		20	/* of an entry */
#define WAYS		2

/* Registers of the frame engine. */
#define CLOCK		0x10
#define UPLINK_LIMIT	0x2300
/* Registers of an engine. */
#define BASE(i)		((i) ? 0x1c00 : 0xc00)
#define GLOBAL		0x200
#define FLOWS		0x204
#define TABLE_SIZES	0x21c
#define TABLE		0x220
#define SEED		0x244
#define TABLES		0x250
#define LIMITS		0x304
#define RAM_CONTROL	0x31c
#define RAM_WORDS	0x320
#define MAC_CONTROL	0x370
#define MAC_DATA	0x374

/* Word 0 of an entry. */
#define STATE(w)	field(w, 29, 28)
#define UNBIND		1
#define BIND		2
#define STATIC_BIT	BIT(31)
#define UDP_BIT		BIT(30)
#define TYPE(w)		field(w, 27, 25)
#define TTL_BIT		BIT(24)
#define PPPOE_BIT	BIT(22)
#define TIME		GENMASK(14, 0)
#define TYPE_HNAPT	0
#define TYPE_ROUTE5	5

/* The port of the switch fabric to the NPU. */
#define PORT_NPU	6
/* Instead of the number of a port: the source address stays as it is. */
#define KEEP_SOURCE	15

struct mac {
	u8 byte[ETH_ALEN];
};

static u32 registers[REGISTERS / sizeof(u32)];
static struct mac macs[16];
static unsigned int engines;
static bool only_dram;
static u32 *sram;
static u64 *total;
static u32 *npu_low, *npu_high;
static unsigned int npu_count;

static u32 field(u32 word, unsigned int high, unsigned int low)
{
	return (word & GENMASK(high, low)) >> low;
}

static u32 *reg(unsigned int i, unsigned int offset)
{
	return &registers[(BASE(i) + offset) / sizeof(u32)];
}

int engine_start(unsigned int count, bool dram)
{
	unsigned int i;

	engines = count;
	only_dram = dram;
	sram = kvcalloc(ENGINES * SRAM * WORDS, sizeof(u32), GFP_KERNEL);
	total = kvcalloc(ENTRIES, sizeof(u64), GFP_KERNEL);
	if (!sram || !total)
		return -ENOMEM;
	memset(registers, 0, sizeof(registers));
	memset(macs, 0, sizeof(macs));
	/* As after a reset. */
	for (i = 0; i < engines; i++)
		*reg(i, GLOBAL) = BIT(0);
	return 0;
}

void engine_stop(void)
{
	kvfree(sram);
	kvfree(total);
	sram = NULL;
	total = NULL;
	npu_count = 0;
	bound_clear();
}

/* ---- registers ---- */

u32 engine_read(unsigned int offset)
{
	if (offset == CLOCK)
		return div_u64(get_jiffies_64(), HZ);
	return offset < REGISTERS ? registers[offset / sizeof(u32)] : 0;
}

/* Reads or writes an entry of the SRAM, by the words beside the register. */
static u32 access_ram(unsigned int i, u32 val)
{
	unsigned int index = field(val, 23, 8);
	u32 *words = reg(i, RAM_WORDS);

	/* Each engine has its part of the index. */
	if (!(val & BIT(0)) || index / SRAM != i)
		return val;
	if (val & BIT(1))
		memcpy(sram + index * WORDS, words, WORDS * sizeof(u32));
	else
		memcpy(words, sram + index * WORDS, WORDS * sizeof(u32));
	return val | BIT(31);
}

/* The addresses of the ports, in two parts each. */
static void write_mac(u32 val)
{
	struct mac *mac = &macs[field(val, 11, 8)];
	u32 data = *reg(0, MAC_DATA);

	if (!(val & BIT(0)) || !(val & BIT(1)))
		return;
	if (field(val, 7, 4))
		put_unaligned_be16(data, mac->byte);
	else
		put_unaligned_be32(data, mac->byte + 2);
}

void engine_write(unsigned int offset, u32 val)
{
	unsigned int i;

	for (i = 0; i < engines; i++)
		if (offset == BASE(i) + RAM_CONTROL)
			val = access_ram(i, val);
	if (offset == BASE(0) + MAC_CONTROL)
		write_mac(val);
	if (offset < REGISTERS)
		registers[offset / sizeof(u32)] = val;
}

/* ---- the NPU ---- */

void engine_npu_init(void)
{
	unsigned int i;

	for (i = 0; i < engines; i++)
		*reg(i, FLOWS) |= BIT(13) | BIT(12) | BIT(9);
}

void engine_npu_stats(u32 *low, u32 *high, unsigned int count)
{
	npu_low = low;
	npu_high = high;
	npu_count = count;
}

/* A counter is a pair of bytes and packets; its halves are in two memories. */
static void npu_add(unsigned int at, u32 n)
{
	u64 sum = ((u64)npu_high[at] << 32 | npu_low[at]) + n;

	npu_low[at] = lower_32_bits(sum);
	npu_high[at] = upper_32_bits(sum);
}

static void npu_count_frame(unsigned int index, unsigned int len)
{
	unsigned int at = index / SRAM * (SRAM / 2) + index % SRAM;

	if (index % SRAM >= SRAM / 2 || at >= npu_count)
		return;
	npu_add(2 * at, len);
	npu_add(2 * at + 1, 1);
}

/* ---- the table ---- */

static unsigned int dram_first(void)
{
	return engines * SRAM;
}

static u32 *entry_of(unsigned int index)
{
	u32 *table;

	if (index < dram_first())
		return sram + index * WORDS;
	table = airoha_memory(*reg(0, TABLE));
	return table ? table + (index - dram_first()) * WORDS : NULL;
}

unsigned int engine_bound(void)
{
	unsigned int index, n = 0;
	const u32 *w;

	for (index = 0; index < dram_first() + DRAM; index++) {
		w = entry_of(index);
		n += w && STATE(w[0]) == BIND;
	}
	return n;
}

void engine_age(void)
{
	unsigned int index;
	u32 *w;

	for (index = 0; index < dram_first() + DRAM; index++) {
		w = entry_of(index);
		if (w && STATE(w[0]) == BIND)
			w[0] &= ~GENMASK(29, 28);
	}
}

u64 engine_total(unsigned int index)
{
	return index < ENTRIES ? total[index] : 0;
}

/* The places of a flow: in the SRAM of the engine, then in DRAM. */
static unsigned int place(unsigned int i, const struct frame *f, unsigned int way)
{
	u32 sizes = *reg(i, TABLE_SIZES), seed = *reg(i, SEED);
	u32 hash = jhash2(f->key, f->keys, seed ^ (f->udp ? 1 : 0)) + way % WAYS;

	if (way < WAYS)
		return i * SRAM + (hash & ((1024U << field(sizes, 26, 24)) - 1));
	return dram_first() + (hash & ((1024U << field(sizes, 2, 0)) - 1));
}

static bool in_use(unsigned int i, unsigned int way)
{
	if (only_dram)
		return way >= WAYS;
	return *reg(i, TABLES) & (way < WAYS ? BIT(0) : BIT(16));
}

static bool same_flow(const u32 *w, const struct frame *f)
{
	return TYPE(w[0]) == (f->v6 ? TYPE_ROUTE5 : TYPE_HNAPT) &&
	       !!(w[0] & UDP_BIT) == f->udp &&
	       !memcmp(w + 1, f->key, f->keys * sizeof(u32));
}

/* ---- what a bound entry does ---- */

/* The tag of a switch: in front of the rest, or in place of the first VLAN's. */
static bool switch_tag_of(u16 tag, bool vlan, u8 **at)
{
	/* Bit 15: no VLAN. */
	if (tag & ~(BIT(15) | 0x7f) || !(tag & BIT(15)) != vlan)
		return false;
	frame_put16(at, (vlan ? 0x100 : 0) | (tag & 0x7f));
	if (!vlan)
		frame_put16(at, 0);
	return true;
}

/*
 * Writes the headers of the entry to @out, without the IP header; returns their
 * length, 0 if the entry makes no sense.
 */
static unsigned int headers(const struct frame *f, const u32 *w,
			    const struct sk_buff *skb, bool behind_switch, u8 *out)
{
	/* etype and vlan1; MAC; MAC and vlan2; IPv4: MAC; MAC and session */
	const u32 *l2 = w + (f->v6 ? 12 : 11);
	u16 type = l2[0] >> 16, session = f->v6 ? l2[3] : l2[4];
	u16 tag[2] = { l2[0], l2[2] };
	unsigned int tags = field(w[0], 19, 16), i, mac;
	bool pppoe = w[0] & PPPOE_BIT;
	u8 *at = out;

	if (tags > 2 || field(w[0], 21, 20) != tags)
		return 0;
	frame_put16(&at, l2[1] >> 16);
	frame_put16(&at, l2[1]);
	frame_put16(&at, l2[2] >> 16);
	if (f->v6) {
		mac = field(l2[3], 20, 16);
		memcpy(at, mac == KEEP_SOURCE ? skb->data + ETH_ALEN :
					       macs[mac % 16].byte, ETH_ALEN);
		at += ETH_ALEN;
	} else {
		frame_put16(&at, l2[3] >> 16);
		frame_put16(&at, l2[3]);
		frame_put16(&at, l2[4] >> 16);
	}
	/* The driver leaves it out for a bridge. */
	if (!type)
		type = f->v6 ? ETH_P_IPV6 : ETH_P_IP;
	if (behind_switch) {
		if (!switch_tag_of(type, tags, &at))
			return 0;
		type = pppoe ? ETH_P_PPP_SES : f->v6 ? ETH_P_IPV6 : ETH_P_IP;
	}
	for (i = 0; i < tags; i++) {
		if (i || !behind_switch)
			frame_put16(&at, ETH_P_8021Q);
		frame_put16(&at, tag[i]);
	}
	frame_put16(&at, type);
	if (pppoe) {
		frame_put16(&at, 0x1100);
		frame_put16(&at, session);
		frame_put16(&at, frame_ip_len(f, skb) + 2);
		frame_put16(&at, f->v6 ? 0x57 : 0x21);
	}
	return at - out;
}

/* The limit of the size of frames out of a port, where the driver writes it. */
static unsigned int limit_of(unsigned int pse_port)
{
	unsigned int at = pse_port == 9 ? 7 : pse_port, i, limit = 0, word;

	for (i = 0; i < engines; i++) {
		word = *reg(i, LIMITS + at / 2 * sizeof(u32));
		limit = max(limit, at % 2 ? field(word, 29, 16) : field(word, 13, 0));
	}
	/* All uplinks are behind GDM2, which may be no port. */
	if (pse_port == 2)
		limit = max(limit, field(engine_read(UPLINK_LIMIT), 13, 0));
	return limit;
}

/* The frame with its new headers, NULL if it has to go to the CPU. */
static struct sk_buff *forward(const struct frame *f, const u32 *w,
			       const struct sk_buff *skb, struct net_device **port)
{
	unsigned int ip_len = frame_ip_len(f, skb), len, tag_len;
	u32 out = w[f->v6 ? 11 : 4];
	struct sk_buff *copy;
	u8 head[ETH_HLEN + 20];

	/* The NPU takes it, counts it and sends it on by the copy of this word. */
	if (field(out, 8, 5) == PORT_NPU)
		out = w[16] >> 16;
	*port = airoha_port(field(out, 8, 5), field(out, 4, 0));
	if (!*port)
		return NULL;
	tag_len = switch_tag_len(*port);
	len = headers(f, w, skb, tag_len, head);
	if (!len || ip_len > skb->len - f->l3 ||
	    len - tag_len + ip_len > limit_of(field(out, 8, 5)))
		return NULL;
	copy = frame_rebuild(f, skb, head, len);
	if (!copy)
		return NULL;
	if (w[0] & TTL_BIT)
		frame_age(f, copy->data + len);
	if (!f->v6)
		frame_rewrite4(f, copy->data + len, w + 5);
	return copy;
}

/* ---- frames ---- */

static void build(u32 *w, const struct frame *f)
{
	memset(w, 0, WORDS * sizeof(u32));
	memcpy(w + 1, f->key, f->keys * sizeof(u32));
	w[0] = UNBIND << 28 | (f->udp ? UDP_BIT : 0) |
	       (f->v6 ? TYPE_ROUTE5 : TYPE_HNAPT) << 25;
}

bool engine_receive(unsigned int i, struct sk_buff *skb, const char *from)
{
	unsigned int way, index;
	struct net_device *port;
	struct sk_buff *out;
	int unbound = -1;
	struct frame f;
	u32 *w;

	if (!(*reg(i, GLOBAL) & BIT(0)) || !frame_parse(skb, 0, &f))
		return false;
	for (way = 0; way < 2 * WAYS; way++) {
		if (!in_use(i, way))
			continue;
		index = place(i, &f, way);
		w = entry_of(index);
		if (!w || w[0] & STATIC_BIT)
			continue;
		if (STATE(w[0]) == BIND && same_flow(w, &f)) {
			if (f.cpu)
				return false;
			out = forward(&f, w, skb, &port);
			if (!out)
				return false;
			w[0] = (w[0] & ~TIME) | (engine_read(CLOCK) & TIME);
			total[index]++;
			if (field(w[f.v6 ? 11 : 4], 8, 5) == PORT_NPU)
				npu_count_frame(index, out->len);
			ports_transmit(port, out);
			consume_skb(skb);
			return true;
		}
		if (STATE(w[0]) == UNBIND && same_flow(w, &f))
			unbound = index;
		else if (STATE(w[0]) != BIND && unbound < 0)
			unbound = index;
	}
	if (unbound < 0 || f.cpu)
		return false;
	w = entry_of(unbound);
	build(w, &f);
	airoha_trap(skb, unbound);
	if (STATE(w[0]) == BIND) {
		total[unbound] = 0;
		bound_add(from, i, unbound, w, WORDS);
	}
	return false;
}
