// SPDX-License-Identifier: GPL-2.0
/* See generate_rule.h. */
#include <linux/etherdevice.h>
#include <linux/if_vlan.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/slab.h>
#include <linux/tc_act/tc_csum.h>

#include "generate_rule.h"

#define ACTIONS_MAX	32
#define PPP_IP		0x21
#define PPP_IPV6	0x57

struct key {
	/* What a driver reads that does not check whether a key is there. */
	u8 zero[64];
	struct flow_dissector_key_meta meta;
	struct flow_dissector_key_control control;
	struct flow_dissector_key_basic basic;
	struct flow_dissector_key_ipv4_addrs ipv4;
	struct flow_dissector_key_ipv6_addrs ipv6;
	struct flow_dissector_key_ports ports;
	struct flow_dissector_key_tcp tcp;
	struct flow_dissector_key_vlan vlan;
	struct flow_dissector_key_vlan cvlan;
	struct flow_dissector_key_pppoe pppoe;
	struct flow_dissector_key_ip ip;
	struct flow_dissector_key_eth_addrs eth;
	struct flow_dissector_key_icmp icmp;
	struct flow_dissector_key_arp arp;
	struct flow_dissector_key_mpls mpls;
	struct flow_dissector_key_ct ct;
	struct flow_dissector_key_keyid enc_keyid;
	struct flow_dissector_key_control enc_control;
	struct flow_dissector_key_ipv4_addrs enc_ipv4;
	struct flow_dissector_key_ports enc_ports;
	struct flow_dissector_key_num_of_vlans num_of_vlans;
};

#define KEY(name, member)							\
	{									\
		FLOW_DISSECTOR_KEY_##name, offsetof(struct key, member),	\
		sizeof_field(struct key, member)				\
	}

static const struct {
	enum flow_dissector_key_id id;
	u16 at, size;
} keys[] = {
	KEY(META, meta),
	KEY(CONTROL, control),
	KEY(BASIC, basic),
	KEY(IPV4_ADDRS, ipv4),
	KEY(IPV6_ADDRS, ipv6),
	KEY(PORTS, ports),
	KEY(TCP, tcp),
	KEY(VLAN, vlan),
	KEY(CVLAN, cvlan),
	KEY(PPPOE, pppoe),
	KEY(IP, ip),
	KEY(ETH_ADDRS, eth),
	KEY(ICMP, icmp),
	KEY(ARP, arp),
	KEY(MPLS, mpls),
	KEY(CT, ct),
	KEY(ENC_KEYID, enc_keyid),
	KEY(ENC_CONTROL, enc_control),
	KEY(ENC_IPV4_ADDRS, enc_ipv4),
	KEY(ENC_PORTS, enc_ports),
	KEY(NUM_OF_VLANS, num_of_vlans),
};

/* The rule in progress. */
static struct flow_dissector dissector;
static struct key key, mask;
static struct flow_rule *rule;
static struct generate_style style;
static const struct generate_devices *devices;

/* ---- numbers ---- */

static u64 state;

/* SplitMix64: seeds that follow each other have nothing in common. */
static u64 number(void)
{
	u64 z = state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static unsigned int below(unsigned int n)
{
	return (number() >> 32) % n;
}

static bool one_in(unsigned int n)
{
	return !below(n);
}

static void fill(void *to, size_t len)
{
	u8 *at = to;

	while (len--)
		*at++ = number();
}

#define PICK(array)	((array)[below(ARRAY_SIZE(array))])

/* ---- the match of a flow ---- */

static void use(enum flow_dissector_key_id id, size_t at)
{
	dissector.used_keys |= BIT_ULL(id);
	dissector.offset[id] = at;
}

/* Uses a key of the rule, all bits of which have to match; a pointer to it. */
#define EXACT(name, member)							\
({										\
	use(FLOW_DISSECTOR_KEY_##name, offsetof(struct key, member));		\
	memset(&mask.member, 0xff, sizeof(mask.member));			\
	&key.member;								\
})

/* How packets arrive, or how they leave: outermost first. */
struct side {
	struct {
		__be16 proto;
		u16 vid;
		u8 prio;
	} tag[2];
	unsigned int tags;
	bool pppoe;
	u16 session;
};

static void make_side(struct side *s)
{
	unsigned int i;

	s->tags = one_in(2) ? 0 : 1 + below(2);
	for (i = 0; i < s->tags; i++) {
		s->tag[i].proto = htons(style.service_tags && one_in(3) ? ETH_P_8021AD :
									  ETH_P_8021Q);
		s->tag[i].vid = below(VLAN_VID_MASK + 1);
		s->tag[i].prio = one_in(4) ? below(8) : 0;
	}
	s->pppoe = style.pppoe && s->tags < 2 && one_in(3);
	s->session = number();
}

static void match_tag(struct flow_dissector_key_vlan *k, struct flow_dissector_key_vlan *m,
		      const struct side *s, unsigned int i)
{
	memset(m, 0, sizeof(*m));
	k->vlan_id = s->tag[i].vid;
	m->vlan_id = VLAN_VID_MASK;
	k->vlan_tpid = s->tag[i].proto;
	m->vlan_tpid = htons(0xffff);
}

static void match_flow(const struct net_device *in, const struct side *s, bool v6, u8 proto)
{
	memset(&dissector, 0, sizeof(dissector));
	memset(&key, 0, sizeof(key));
	memset(&mask, 0, sizeof(mask));
	EXACT(META, meta)->ingress_ifindex = in->ifindex;
	mask.meta = (struct flow_dissector_key_meta){ .ingress_ifindex = -1 };
	EXACT(CONTROL, control)->addr_type = v6 ? FLOW_DISSECTOR_KEY_IPV6_ADDRS :
						  FLOW_DISSECTOR_KEY_IPV4_ADDRS;
	mask.control = (struct flow_dissector_key_control){ .addr_type = 0xffff };
	if (style.no_fragments)
		mask.control.flags = FLOW_DIS_IS_FRAGMENT;
	EXACT(BASIC, basic)->n_proto = htons(v6 ? ETH_P_IPV6 : ETH_P_IP);
	key.basic.ip_proto = proto;
	mask.basic.padding = 0;
	if (v6)
		fill(EXACT(IPV6_ADDRS, ipv6), sizeof(key.ipv6));
	else
		fill(EXACT(IPV4_ADDRS, ipv4), sizeof(key.ipv4));
	if (proto != IPPROTO_GRE)
		fill(EXACT(PORTS, ports), sizeof(key.ports));
	if (proto == IPPROTO_TCP) {
		EXACT(TCP, tcp)->flags = 0;
		/* FIN, RST */
		mask.tcp.flags = htons(style.no_syn ? 0x07 : 0x05);
	}
	if (s->tags)
		match_tag(EXACT(VLAN, vlan), &mask.vlan, s, 0);
	if (s->tags > 1)
		match_tag(EXACT(CVLAN, cvlan), &mask.cvlan, s, 1);
	if (s->pppoe) {
		EXACT(PPPOE, pppoe)->session_id = htons(s->session);
		key.pppoe.ppp_proto = htons(v6 ? PPP_IPV6 : PPP_IP);
		key.pppoe.type = htons(ETH_P_PPP_SES);
	}
}

/* ---- its actions ---- */

/* The rule has room for it, else it is dropped. */
static struct flow_action_entry *act(enum flow_action_id id)
{
	static struct flow_action_entry none;
	struct flow_action_entry *a = &none;

	if (rule->action.num_entries < ACTIONS_MAX)
		a = &rule->action.entries[rule->action.num_entries++];
	memset(a, 0, sizeof(*a));
	a->id = id;
	a->hw_stats = FLOW_ACTION_HW_STATS_DONT_CARE;
	return a;
}

/* A word as it lies in the packet; the bits of keep stay. */
static void word(enum flow_action_id id, enum flow_action_mangle_base header, u32 offset,
		 const u8 *keep, const u8 *val)
{
	struct flow_action_entry *a = act(id);

	a->mangle.htype = header;
	a->mangle.offset = offset;
	memcpy(&a->mangle.mask, keep, 4);
	memcpy(&a->mangle.val, val, 4);
}

static const u8 keep_none[4], keep_first[4] = { 0xff, 0xff }, keep_second[4] = { 0, 0, 0xff, 0xff };

/* Now and then one that no frame has as its source. */
static void make_mac(u8 *mac)
{
	fill(mac, ETH_ALEN);
	if (!one_in(64))
		mac[0] &= ~1;
	else if (one_in(2))
		memset(mac, 0, ETH_ALEN);
}

static void write_macs(void)
{
	u8 src[ETH_ALEN], dst[ETH_ALEN], w[4] = {};
	enum flow_action_id id = FLOW_ACTION_MANGLE;

	make_mac(src);
	make_mac(dst);
	memcpy(w + 2, src, 2);
	word(id, FLOW_ACT_MANGLE_HDR_TYPE_ETH, 4, keep_first, w);
	word(id, FLOW_ACT_MANGLE_HDR_TYPE_ETH, 8, keep_none, src + 2);
	word(id, FLOW_ACT_MANGLE_HDR_TYPE_ETH, 0, keep_none, dst);
	memcpy(w, dst + 4, 2);
	memset(w + 2, 0, 2);
	word(id, FLOW_ACT_MANGLE_HDR_TYPE_ETH, 4, keep_second, w);
}

static void write_hop_limit(bool v6)
{
	static const u8 keep4[] = { 0, 0xff, 0xff, 0xff }, minus4[] = { 0xff, 0, 0, 0 };
	static const u8 keep6[] = { 0xff, 0xff, 0xff, 0 }, minus6[] = { 0, 0, 0, 0xff };

	if (v6)
		word(FLOW_ACTION_ADD, FLOW_ACT_MANGLE_HDR_TYPE_IP6, 4, keep6, minus6);
	else
		word(FLOW_ACTION_ADD, FLOW_ACT_MANGLE_HDR_TYPE_IP4, 8, keep4, minus4);
}

/* Another address and port. */
static void translate(bool v6, u8 proto, bool source)
{
	u32 offset = source ? offsetof(struct iphdr, saddr) : offsetof(struct iphdr, daddr);
	u8 addr[16], port[4] = {};
	unsigned int i;

	fill(addr, sizeof(addr));
	if (v6) {
		offset = source ? offsetof(struct ipv6hdr, saddr) : offsetof(struct ipv6hdr, daddr);
		for (i = 0; i < sizeof(addr); i += 4)
			word(FLOW_ACTION_MANGLE, FLOW_ACT_MANGLE_HDR_TYPE_IP6, offset + i,
			     keep_none, addr + i);
	} else {
		word(FLOW_ACTION_MANGLE, FLOW_ACT_MANGLE_HDR_TYPE_IP4, offset, keep_none, addr);
	}
	fill(port + (source ? 0 : 2), 2);
	word(FLOW_ACTION_MANGLE,
	     proto == IPPROTO_UDP ? FLOW_ACT_MANGLE_HDR_TYPE_UDP : FLOW_ACT_MANGLE_HDR_TYPE_TCP,
	     0, source ? keep_second : keep_first, port);
}

static void write_checksums(bool v6, u8 proto, bool nat)
{
	u32 flags = 0;

	if (!v6 && (nat || (style.hop_limit && style.checksums)))
		flags |= TCA_CSUM_UPDATE_FLAG_IPV4HDR;
	if (nat && (!v6 || style.checksums))
		flags |= proto == IPPROTO_UDP ? TCA_CSUM_UPDATE_FLAG_UDP : TCA_CSUM_UPDATE_FLAG_TCP;
	if (flags)
		act(FLOW_ACTION_CSUM)->csum_flags = flags;
}

static void push_tag(const struct side *s, unsigned int i)
{
	struct flow_action_entry *a = act(FLOW_ACTION_VLAN_PUSH);

	a->vlan.vid = s->tag[i].vid;
	a->vlan.proto = s->tag[i].proto;
	a->vlan.prio = s->tag[i].prio;
}

static void push_headers(const struct side *s)
{
	unsigned int i;

	if (s->pppoe && style.inner_first)
		act(FLOW_ACTION_PPPOE_PUSH)->pppoe.sid = s->session;
	for (i = 0; i < s->tags; i++)
		push_tag(s, style.inner_first ? s->tags - 1 - i : i);
	if (s->pppoe && !style.inner_first)
		act(FLOW_ACTION_PPPOE_PUSH)->pppoe.sid = s->session;
}

static void write_flow(void)
{
	static const u8 protos[] = { IPPROTO_TCP, IPPROTO_UDP };
	struct net_device *in = devices->own[below(devices->n_own)];
	struct net_device *out = devices->own[below(devices->n_own)];
	bool v6 = one_in(2), snat, dnat;
	u8 proto = style.gre && one_in(8) ? IPPROTO_GRE : PICK(protos);
	struct side from, to;
	unsigned int i;

	make_side(&from);
	make_side(&to);
	match_flow(in, &from, v6, proto);
	snat = proto != IPPROTO_GRE && (!v6 || style.nat6) && one_in(2);
	dnat = proto != IPPROTO_GRE && (!v6 || style.nat6) && one_in(2);
	write_macs();
	for (i = 0; i < from.tags; i++)
		act(FLOW_ACTION_VLAN_POP);
	if (style.hop_limit)
		write_hop_limit(v6);
	if (snat)
		translate(v6, proto, true);
	if (dnat)
		translate(v6, proto, false);
	write_checksums(v6, proto, snat || dnat);
	push_headers(&to);
	act(FLOW_ACTION_REDIRECT)->dev = out;
}

/* ---- changes of the match ---- */

/* One of the keys that the rule has, or has not; -1 if there is none. */
static int pick_key(bool used)
{
	unsigned int i, n = 0, found[ARRAY_SIZE(keys)];

	for (i = 0; i < ARRAY_SIZE(keys); i++)
		if (!(dissector.used_keys & BIT_ULL(keys[i].id)) != used)
			found[n++] = i;
	return n ? found[below(n)] : -1;
}

static void drop_key(void)
{
	int i = pick_key(true);

	if (i < 0)
		return;
	dissector.used_keys &= ~BIT_ULL(keys[i].id);
	dissector.offset[keys[i].id] = 0;
}

static void add_key(void)
{
	int i = pick_key(false);

	if (i < 0)
		return;
	use(keys[i].id, keys[i].at);
	fill((void *)&key + keys[i].at, keys[i].size);
	if (one_in(2))
		memset((void *)&mask + keys[i].at, 0xff, keys[i].size);
	else
		fill((void *)&mask + keys[i].at, keys[i].size);
}

static void change_bytes(void *at, size_t size)
{
	switch (below(4)) {
	case 0:
		memset(at, 0, size);
		break;
	case 1:
		fill(at, size);
		break;
	default:
		((u8 *)at)[below(size)] ^= BIT(below(8));
		break;
	}
}

static void change_mask(void)
{
	int i = pick_key(true);

	if (i >= 0)
		change_bytes((void *)&mask + keys[i].at, keys[i].size);
}

static void change_key(void)
{
	static const u16 types[] = {
		0, FLOW_DISSECTOR_KEY_IPV4_ADDRS, FLOW_DISSECTOR_KEY_IPV6_ADDRS,
		FLOW_DISSECTOR_KEY_TIPC, FLOW_DISSECTOR_KEY_MAX,
	};
	static const u8 protos[] = { 0, IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_GRE,
				     IPPROTO_ICMPV6, IPPROTO_SCTP, 0xff };
	int i;

	switch (below(4)) {
	case 0:
		key.control.addr_type = PICK(types);
		break;
	case 1:
		key.basic.ip_proto = PICK(protos);
		break;
	default:
		i = pick_key(true);
		if (i >= 0)
			change_bytes((void *)&key + keys[i].at, keys[i].size);
		break;
	}
}

/* ---- changes of the actions ---- */

static struct flow_action_entry *pick_action(void)
{
	unsigned int n = rule->action.num_entries;

	return n ? &rule->action.entries[below(n)] : NULL;
}

static void move(struct flow_action_entry *a, struct flow_action_entry *b)
{
	struct flow_action_entry c = *a;

	*a = *b;
	*b = c;
}

static void drop_action(void)
{
	struct flow_action_entry *end = rule->action.entries + rule->action.num_entries;
	struct flow_action_entry *a = pick_action();

	if (!a)
		return;
	memmove(a, a + 1, (void *)end - (void *)(a + 1));
	rule->action.num_entries--;
}

/* Lets the last action, a new one, come earlier. */
static void insert_last(void)
{
	unsigned int n = rule->action.num_entries, at = below(n), i;

	for (i = n - 1; i > at; i--)
		move(&rule->action.entries[i], &rule->action.entries[i - 1]);
}

static void double_action(void)
{
	struct flow_action_entry *a = pick_action(), copy;

	if (!a)
		return;
	copy = *a;
	*act(copy.id) = copy;
	insert_last();
}

static void swap_actions(void)
{
	struct flow_action_entry *a = pick_action(), *b = pick_action();

	if (a)
		move(a, b);
}

static void shuffle(void)
{
	unsigned int i;

	for (i = 1; i < rule->action.num_entries; i++)
		move(&rule->action.entries[i], &rule->action.entries[below(i + 1)]);
}

static struct net_device *any_device(void)
{
	return devices->n_foreign && one_in(3) ? devices->foreign[below(devices->n_foreign)] :
						 devices->own[below(devices->n_own)];
}

static void any_word(struct flow_action_entry *a)
{
	static const enum flow_action_mangle_base headers[] = {
		FLOW_ACT_MANGLE_UNSPEC, FLOW_ACT_MANGLE_HDR_TYPE_ETH,
		FLOW_ACT_MANGLE_HDR_TYPE_IP4, FLOW_ACT_MANGLE_HDR_TYPE_IP6,
		FLOW_ACT_MANGLE_HDR_TYPE_TCP, FLOW_ACT_MANGLE_HDR_TYPE_UDP,
	};
	static const u8 offsets[] = {
		0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 12, 14, 16, 18, 20, 24, 36, 40,
	};
	static const u32 masks[] = { 0, 0xffff, 0xffff0000, 0xff, 0xff000000, 0xffffffff };

	switch (below(5)) {
	case 0:
		a->mangle.htype = PICK(headers);
		break;
	case 1:
		a->mangle.offset = one_in(8) ? number() : PICK(offsets);
		break;
	case 2:
		a->mangle.mask = one_in(8) ? number() : PICK(masks);
		break;
	case 3:
		a->mangle.val = one_in(4) ? 0 : number();
		break;
	default:
		a->mangle.htype = PICK(headers);
		a->mangle.offset = PICK(offsets);
		a->mangle.mask = PICK(masks);
		a->mangle.val = number();
		break;
	}
}

static void any_tag(struct flow_action_entry *a)
{
	static const u16 protos[] = { ETH_P_8021Q, ETH_P_8021AD, ETH_P_QINQ1, ETH_P_IP, 0 };

	switch (below(3)) {
	case 0:
		a->vlan.vid = one_in(2) ? number() : below(VLAN_VID_MASK + 1);
		break;
	case 1:
		a->vlan.proto = htons(PICK(protos));
		break;
	default:
		a->vlan.prio = number();
		break;
	}
}

/* Another value of an action. */
static void change_values(struct flow_action_entry *a)
{
	switch (a->id) {
	case FLOW_ACTION_MANGLE:
	case FLOW_ACTION_ADD:
		any_word(a);
		break;
	case FLOW_ACTION_VLAN_PUSH:
	case FLOW_ACTION_VLAN_MANGLE:
		any_tag(a);
		break;
	case FLOW_ACTION_PPPOE_PUSH:
		a->pppoe.sid = number();
		break;
	case FLOW_ACTION_CSUM:
		a->csum_flags = number();
		break;
	case FLOW_ACTION_REDIRECT:
	case FLOW_ACTION_MIRRED:
	case FLOW_ACTION_REDIRECT_INGRESS:
	case FLOW_ACTION_MIRRED_INGRESS:
		a->dev = any_device();
		break;
	default:
		fill(&a->mark, sizeof(a->mark));
		break;
	}
}

static void change_action(void)
{
	static const enum flow_action_hw_stats stats[] = {
		FLOW_ACTION_HW_STATS_IMMEDIATE, FLOW_ACTION_HW_STATS_DELAYED,
		FLOW_ACTION_HW_STATS_ANY, FLOW_ACTION_HW_STATS_DISABLED,
	};
	struct flow_action_entry *a = pick_action();

	if (!a)
		return;
	if (one_in(16))
		a->hw_stats = PICK(stats);
	else
		change_values(a);
}

/* Any action whose values are no pointers, except for devices. */
static void add_action(void)
{
	static const enum flow_action_id ids[] = {
		FLOW_ACTION_ACCEPT, FLOW_ACTION_DROP, FLOW_ACTION_TRAP, FLOW_ACTION_GOTO,
		FLOW_ACTION_MIRRED, FLOW_ACTION_REDIRECT_INGRESS, FLOW_ACTION_MIRRED_INGRESS,
		FLOW_ACTION_VLAN_MANGLE, FLOW_ACTION_TUNNEL_DECAP, FLOW_ACTION_MARK,
		FLOW_ACTION_PTYPE, FLOW_ACTION_PRIORITY, FLOW_ACTION_QUEUE,
		FLOW_ACTION_MPLS_POP, FLOW_ACTION_JUMP,
		FLOW_ACTION_PIPE, FLOW_ACTION_VLAN_POP_ETH, FLOW_ACTION_CONTINUE, NUM_FLOW_ACTIONS,
	}, ours[] = {
		FLOW_ACTION_REDIRECT, FLOW_ACTION_VLAN_PUSH, FLOW_ACTION_VLAN_POP,
		FLOW_ACTION_MANGLE, FLOW_ACTION_ADD, FLOW_ACTION_CSUM,
		FLOW_ACTION_PPPOE_PUSH,
	};
	struct flow_action_entry *a = act(one_in(3) ? PICK(ids) : PICK(ours));

	if (a->id == FLOW_ACTION_VLAN_PUSH) {
		a->vlan.proto = htons(ETH_P_8021Q);
		a->vlan.vid = below(VLAN_VID_MASK + 1);
	}
	do {
		change_values(a);
	} while (one_in(2));
	insert_last();
}

/* ---- the rest ---- */

static void change_common(struct flow_cls_offload *f)
{
	switch (below(3)) {
	case 0:
		f->common.protocol = one_in(2) ? htons(ETH_P_IP) : (__force __be16)number();
		break;
	case 1:
		f->common.prio = number();
		break;
	default:
		f->common.chain_index = number();
		break;
	}
}

static void change(struct flow_cls_offload *f)
{
	static void (*const changes[])(void) = {
		drop_key, add_key, change_mask, change_key, drop_action, double_action,
		swap_actions, shuffle, change_action, change_action, add_action, add_action,
	};

	if (one_in(16))
		change_common(f);
	else
		PICK(changes)();
}

/* None, one, some, or so many that more than one is wrong. */
static unsigned int changes_of_rule(void)
{
	switch (below(8)) {
	case 0:
	case 1:
		return 0;
	case 2:
		return 2 + below(2);
	case 3:
		return 4 + below(5);
	default:
		return 1;
	}
}

/* That of another driver now and then. */
static void choose_style(const struct generate_style *usual)
{
	style = *usual;
	if (!one_in(8))
		return;
	style.hop_limit = one_in(2);
	style.checksums = one_in(2);
	style.inner_first = one_in(2);
	style.no_fragments = one_in(2);
	style.no_syn = one_in(2);
	style.pppoe = one_in(2);
	style.service_tags = one_in(2);
	style.nat6 = one_in(2);
	style.gre = one_in(2);
}

int generate_rule(u64 seed, const struct generate_style *usual,
		  const struct generate_devices *all, struct flow_cls_offload *f)
{
	unsigned int n;

	if (!rule)
		rule = flow_rule_alloc(ACTIONS_MAX);
	if (!rule)
		return -ENOMEM;
	state = seed;
	devices = all;
	rule->match = (struct flow_match){ &dissector, &mask, &key };
	rule->action.num_entries = 0;
	memset(f, 0, sizeof(*f));
	f->rule = rule;
	f->common.protocol = htons(ETH_P_ALL);
	f->common.prio = 1;
	choose_style(usual);
	write_flow();
	for (n = changes_of_rule(); n; n--)
		change(f);
	return 0;
}

void generate_rule_stop(void)
{
	kfree(rule);
	rule = NULL;
}
