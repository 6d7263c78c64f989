// SPDX-License-Identifier: GPL-2.0
/*
 * Profile mlx5: a ConnectX in switchdev mode, its representors as mlx5_core
 * drives them, drivers/net/ethernet/mellanox/mlx5/core/en/rep/tc.c, en_tc.c and
 * en/tc/act/, on a device without ignore_flow_level. Every port is a VF's
 * representor: that of the uplink does not support TC_SETUP_FT.
 *
 * Accepts
 *   match    any of META CONTROL BASIC ETH_ADDRS VLAN CVLAN IPV4_ADDRS
 *            IPV6_ADDRS PORTS TCP IP (__parse_cls_flower); ENC_* are ignored,
 *            the port is no tunnel. META: this port (mlx5e_flower_parse_meta).
 *            No VLAN key: untagged frames only. VLAN: 802.1ad by the tpid of
 *            the key, all else is 802.1Q. VLAN without CVLAN: a second tag may
 *            follow, unless vlan_eth_type is matched, with whatever value.
 *            CONTROL: FLOW_DIS_IS_FRAGMENT.
 *   actions  MANGLE and ADD (mlx5e_tc_act_pedit), CSUM after one of them, VLAN
 *            POP and PUSH, two at most, 802.1ad too; REDIRECT; ACCEPT: to the
 *            CPU, with a REDIRECT too (esw_setup_dests)
 *   fields   of MANGLE and ADD (fields[] in en_tc.c): MAC addresses, ethertype,
 *            DSCP, TTL and hop limit, IP addresses, ports, TCP flags. TTL and
 *            hop limit in one action with no other bit of their word.
 *   prio 0..15, chain 0, any protocol (mlx5e_rep_setup_ft_cb, every command)
 * Refuses, with the driver's extack where there is one
 *   -EOPNOTSUPP  other prios and chains, silently; hw-tc-offload off, REPLACE
 *                only; "Unsupported key": PPPOE too; "Not implemented offload
 *                action": PPPOE_PUSH too; the same bits twice; set and add of
 *                one field; a field that is not in the list; an IP header other
 *                than TTL or hop limit rewritten unless it is TCP, UDP or ICMP;
 *                CSUM with no rewrite before it; more than two tags; a port of
 *                another switch; the ingress port, silently; no REDIRECT
 *   -EINVAL      no action; PORTS that are not TCP or UDP; unknown cookie, for
 *                DESTROY and STATS, silently
 *   -ENOENT      META with an ifindex that is no device of the netns
 *   -EEXIST      the cookie exists on this port (rpriv->tc_ht); another rule
 *                has the match (check_conflicting_ftes; one with exactly the
 *                same actions would pass)
 *   -ENOSPC      more than 16 fields to rewrite; full
 *   -EBUSY       a second binding (flow_block_cb_setup_simple), silently
 * Does without a rule
 *   updates checksums after every rewrite, with or without CSUM. The TTL does
 *   not change unless the rule changes it. A push after a pop is no push: the
 *   present tag gets the new VID and keeps its priority, and is 802.1Q
 *   regardless of the action (tc_act_parse_vlan); it needs a match on 802.1Q.
 *
 * Unlike the hardware: the table has exact entries only, of TCP and UDP with
 * ports; masks of addresses, ports and tags that are not exact are refused as
 * "not simulated", and so are a tag with any other behind it, tunnels,
 * mirroring and the actions that no flowtable rule has. Fragments, options, TTL
 * 1 and frames that are too long go to the CPU as in profile tc: what a ConnectX
 * does with them is not in the driver. Counters are current, not those of the
 * last second. The firmware decides that ADD accepts only TTL and hop limit, and
 * that tags cannot be pushed and popped in any mix.
 */

#include <linux/etherdevice.h>
#include <linux/if_vlan.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/netdevice.h>
#include <linux/string.h>
#include <linux/tc_act/tc_csum.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <linux/unaligned.h>
#include <net/flow_offload.h>
#include <net/pkt_cls.h>

#include "netdevsim.h"
#include "flow_profile.h"

#define NSIM_FLOW_MLX5_PRIOS	16	/* FDB_TC_MAX_PRIO */
#define NSIM_FLOW_MLX5_FIELDS	16	/* max_modify_header_actions */
#define NSIM_FLOW_MLX5_TAGS	2	/* MLX5_FS_VLAN_DEPTH */

/* A refusal by the simulation, distinct from those of the driver. */
#define nsim_flow_mlx5_lacks(d, fmt, ...)				\
	nsim_flow_refuse((d)->extack, -EOPNOTSUPP,			\
			 "not simulated: " fmt, ##__VA_ARGS__)

/* mlx5e_rep_setup_ft_cb() */
static int nsim_flow_mlx5_gate(struct nsim_flow_draft *d)
{
	if (d->f->common.prio >= NSIM_FLOW_MLX5_PRIOS)
		return nsim_flow_quiet(d, -EOPNOTSUPP, "prio %u",
				       d->f->common.prio);
	if (d->f->common.chain_index)
		return nsim_flow_quiet(d, -EOPNOTSUPP, "chain %u",
				       d->f->common.chain_index);
	return 0;
}

/* ---- match: __parse_cls_flower() ---- */

static int nsim_flow_mlx5_meta(struct nsim_flow_draft *d,
			       const struct flow_rule *rule)
{
	struct flow_match_meta match;
	bool known;

	if (!flow_rule_match_key(rule, FLOW_DISSECTOR_KEY_META))
		return 0;

	flow_rule_match_meta(rule, &match);
	if (match.mask->l2_miss)
		return nsim_flow_refuse(d->extack, -EOPNOTSUPP,
					"Can't match on \"l2_miss\"");
	if (!match.mask->ingress_ifindex)
		return 0;
	if (match.mask->ingress_ifindex != 0xFFFFFFFF)
		return nsim_flow_refuse(d->extack, -EOPNOTSUPP,
					"Unsupported ingress ifindex mask");
	if (match.key->ingress_ifindex == d->dev->ifindex)
		return 0;

	rcu_read_lock();
	known = dev_get_by_index_rcu(dev_net(d->dev),
				     match.key->ingress_ifindex);
	rcu_read_unlock();
	if (!known)
		return nsim_flow_refuse(d->extack, -ENOENT,
					"Can't find the ingress port to match on");
	return nsim_flow_refuse(d->extack, -EOPNOTSUPP,
				"Can't match on the ingress filter port");
}

static int nsim_flow_mlx5_tag(struct nsim_flow_draft *d,
			      const struct flow_match_vlan *match)
{
	struct nsim_flow_tag *tag = &d->key.tag[d->key.n_tags++];

	/* dei is not read at all: __parse_cls_flower() */
	if (match->mask->vlan_id != VLAN_VID_MASK)
		return nsim_flow_mlx5_lacks(d, "masks of tags");
	if (match->mask->vlan_priority) {
		if (d->key.n_tags > 1)
			return nsim_flow_mlx5_lacks(d, "inner priority");
		d->extra.prio = match->key->vlan_priority;
		d->extra.prio_mask = match->mask->vlan_priority;
	}
	tag->tpid = match->key->vlan_tpid == htons(ETH_P_8021AD) ?
		    htons(ETH_P_8021AD) : htons(ETH_P_8021Q);
	tag->vid = htons(match->key->vlan_id);
	return 0;
}

static int nsim_flow_mlx5_tags(struct nsim_flow_draft *d,
			       const struct flow_rule *rule)
{
	struct flow_match_vlan match;
	int err;

	if (flow_rule_match_key(rule, FLOW_DISSECTOR_KEY_VLAN)) {
		flow_rule_match_vlan(rule, &match);
		if (!match.mask->vlan_eth_type &&
		    !flow_rule_match_key(rule, FLOW_DISSECTOR_KEY_CVLAN))
			return nsim_flow_mlx5_lacks(d, "a tag and any other");
		err = nsim_flow_mlx5_tag(d, &match);
		if (err)
			return err;
	}
	if (flow_rule_match_key(rule, FLOW_DISSECTOR_KEY_CVLAN)) {
		if (!d->key.n_tags)
			return nsim_flow_mlx5_lacks(d, "cvlan without vlan");
		flow_rule_match_cvlan(rule, &match);
		return nsim_flow_mlx5_tag(d, &match);
	}
	return 0;
}

static int nsim_flow_mlx5_addrs(struct nsim_flow_draft *d,
				const struct flow_rule *rule, u16 addr_type)
{
	struct nsim_flow_key *key = &d->key;

	if (addr_type == FLOW_DISSECTOR_KEY_IPV4_ADDRS &&
	    key->n_proto == htons(ETH_P_IP)) {
		struct flow_match_ipv4_addrs match;

		flow_rule_match_ipv4_addrs(rule, &match);
		if (~match.mask->src || ~match.mask->dst)
			return nsim_flow_mlx5_lacks(d, "masks of addresses");
		key->src[0] = match.key->src;
		key->dst[0] = match.key->dst;
		return 0;
	}
	if (addr_type == FLOW_DISSECTOR_KEY_IPV6_ADDRS &&
	    key->n_proto == htons(ETH_P_IPV6)) {
		struct flow_match_ipv6_addrs match;

		flow_rule_match_ipv6_addrs(rule, &match);
		if (memchr_inv(match.mask, 0xff, sizeof(*match.mask)))
			return nsim_flow_mlx5_lacks(d, "masks of addresses");
		memcpy(key->src, &match.key->src, sizeof(key->src));
		memcpy(key->dst, &match.key->dst, sizeof(key->dst));
		return 0;
	}
	return nsim_flow_mlx5_lacks(d, "addr_type %u with 0x%04x", addr_type,
				    ntohs(key->n_proto));
}

static int nsim_flow_mlx5_l4(struct nsim_flow_draft *d,
			     const struct flow_rule *rule)
{
	struct nsim_flow_key *key = &d->key;
	bool tcp_udp = key->ip_proto == IPPROTO_TCP ||
		       key->ip_proto == IPPROTO_UDP;

	if (flow_rule_match_key(rule, FLOW_DISSECTOR_KEY_PORTS)) {
		struct flow_match_ports match;

		if (!tcp_udp)
			return nsim_flow_refuse(d->extack, -EINVAL,
						"Only UDP and TCP transports are supported for L4 matching");
		flow_rule_match_ports(rule, &match);
		if (match.mask->src != htons(0xffff) ||
		    match.mask->dst != htons(0xffff))
			return nsim_flow_mlx5_lacks(d, "masks of ports");
		key->sport = match.key->src;
		key->dport = match.key->dst;
	} else if (tcp_udp) {
		return nsim_flow_mlx5_lacks(d, "TCP, UDP without ports");
	}

	if (flow_rule_match_key(rule, FLOW_DISSECTOR_KEY_TCP)) {
		struct flow_match_tcp match;

		flow_rule_match_tcp(rule, &match);
		d->extra.tcp_flags = ntohs(match.key->flags);
		d->extra.tcp_flags_mask = ntohs(match.mask->flags);
	}
	if (flow_rule_match_key(rule, FLOW_DISSECTOR_KEY_ICMP))
		return nsim_flow_refuse(d->extack, -EINVAL,
					"Code and type matching only with ICMP and ICMPv6");
	return 0;
}

static int nsim_flow_mlx5_control(struct nsim_flow_draft *d,
				  const struct flow_rule *rule, u16 *addr_type)
{
	struct flow_match_control match;

	if (!flow_rule_match_key(rule, FLOW_DISSECTOR_KEY_CONTROL))
		return 0;

	flow_rule_match_control(rule, &match);
	*addr_type = match.key->addr_type;
	if (!flow_rule_is_supp_control_flags(FLOW_DIS_IS_FRAGMENT,
					     match.mask->flags, d->extack))
		return -EOPNOTSUPP;
	if (match.key->flags & match.mask->flags)
		return nsim_flow_mlx5_lacks(d, "a match on fragments");
	return 0;
}

static void nsim_flow_mlx5_extra(struct nsim_flow_draft *d,
				 const struct flow_rule *rule)
{
	struct nsim_flow_extra *extra = &d->extra;

	if (flow_rule_match_key(rule, FLOW_DISSECTOR_KEY_ETH_ADDRS)) {
		struct flow_match_eth_addrs match;

		flow_rule_match_eth_addrs(rule, &match);
		ether_addr_copy(extra->eth, match.key->dst);
		ether_addr_copy(extra->eth + ETH_ALEN, match.key->src);
		ether_addr_copy(extra->eth_mask, match.mask->dst);
		ether_addr_copy(extra->eth_mask + ETH_ALEN, match.mask->src);
	}
	if (flow_rule_match_key(rule, FLOW_DISSECTOR_KEY_IP)) {
		struct flow_match_ip match;

		flow_rule_match_ip(rule, &match);
		extra->tos = match.key->tos;
		extra->tos_mask = match.mask->tos;
		extra->ttl = match.key->ttl;
		extra->ttl_mask = match.mask->ttl;
	}
}

static int nsim_flow_mlx5_match(struct nsim_flow_draft *d)
{
	const u64 enc = NSIM_FLOW_KEY(ENC_KEYID) | NSIM_FLOW_KEY(ENC_PORTS) |
			NSIM_FLOW_KEY(ENC_IPV4_ADDRS) |
			NSIM_FLOW_KEY(ENC_IPV6_ADDRS) |
			NSIM_FLOW_KEY(ENC_CONTROL) | NSIM_FLOW_KEY(ENC_IP) |
			NSIM_FLOW_KEY(ENC_OPTS);
	const u64 take = NSIM_FLOW_KEY(META) | NSIM_FLOW_KEY(CONTROL) |
			 NSIM_FLOW_KEY(BASIC) | NSIM_FLOW_KEY(ETH_ADDRS) |
			 NSIM_FLOW_KEY(VLAN) | NSIM_FLOW_KEY(CVLAN) |
			 NSIM_FLOW_KEY(IPV4_ADDRS) | NSIM_FLOW_KEY(IPV6_ADDRS) |
			 NSIM_FLOW_KEY(PORTS) | NSIM_FLOW_KEY(TCP) |
			 NSIM_FLOW_KEY(IP) | NSIM_FLOW_KEY(CT) |
			 NSIM_FLOW_KEY(ICMP) | NSIM_FLOW_KEY(MPLS) | enc;
	const struct flow_rule *rule = d->f->rule;
	struct flow_match_basic basic;
	u16 addr_type = 0;
	int err;

	if (rule->match.dissector->used_keys & ~take)
		return nsim_flow_refuse(d->extack, -EOPNOTSUPP,
					"Unsupported key");

	err = nsim_flow_mlx5_meta(d, rule);
	if (err)
		return err;

	if (!flow_rule_match_key(rule, FLOW_DISSECTOR_KEY_BASIC))
		return nsim_flow_mlx5_lacks(d, "any protocol");
	flow_rule_match_basic(rule, &basic);
	if (basic.mask->n_proto != htons(0xffff) ||
	    basic.mask->ip_proto != 0xff)
		return nsim_flow_mlx5_lacks(d, "any protocol");
	d->key.n_proto = basic.key->n_proto;
	d->key.ip_proto = basic.key->ip_proto;

	err = nsim_flow_mlx5_tags(d, rule);
	if (err)
		return err;
	nsim_flow_mlx5_extra(d, rule);
	err = nsim_flow_mlx5_control(d, rule, &addr_type);
	if (err)
		return err;
	err = nsim_flow_mlx5_addrs(d, rule, addr_type);
	if (err)
		return err;
	err = nsim_flow_mlx5_l4(d, rule);
	if (err)
		return err;

	if (flow_rule_match_key(rule, FLOW_DISSECTOR_KEY_MPLS))
		return nsim_flow_refuse(d->extack, -EOPNOTSUPP,
					"Matching on MPLS is supported only for MPLS over UDP");
	if (flow_rule_match_key(rule, FLOW_DISSECTOR_KEY_CT))
		return nsim_flow_mlx5_lacks(d, "conntrack");
	return 0;
}

/* ---- actions: parse_tc_fdb_actions() ---- */

/* struct pedit_headers, for bits to set and for bits to add. */
struct nsim_flow_mlx5_hdrs {
	struct ethhdr eth;
	struct vlan_hdr vlan;
	struct iphdr ip4;
	struct ipv6hdr ip6;
	struct tcphdr tcp;
	struct udphdr udp;
} __packed;

struct nsim_flow_mlx5_field {
	u8 offset;			/* in nsim_flow_mlx5_hdrs */
	u8 size;			/* in bytes */
	u32 mask;			/* of it, host order */
};

#define NSIM_FLOW_MLX5_FIELD(hdr, off, size, mask) \
	{ offsetof(struct nsim_flow_mlx5_hdrs, hdr) + (off), size, mask }

static const struct nsim_flow_mlx5_field nsim_flow_mlx5_fields[] = {
	NSIM_FLOW_MLX5_FIELD(eth, 0, 4, U32_MAX),	/* DMAC_47_16 */
	NSIM_FLOW_MLX5_FIELD(eth, 4, 2, U16_MAX),	/* DMAC_15_0 */
	NSIM_FLOW_MLX5_FIELD(eth, 6, 4, U32_MAX),	/* SMAC_47_16 */
	NSIM_FLOW_MLX5_FIELD(eth, 10, 2, U16_MAX),	/* SMAC_15_0 */
	NSIM_FLOW_MLX5_FIELD(eth, 12, 2, U16_MAX),	/* ETHERTYPE */
	NSIM_FLOW_MLX5_FIELD(vlan, 0, 2, U16_MAX),	/* FIRST_VID */
	NSIM_FLOW_MLX5_FIELD(ip4, 1, 1, 0xfc),		/* IP_DSCP */
	NSIM_FLOW_MLX5_FIELD(ip4, 8, 1, U8_MAX),	/* IP_TTL */
	NSIM_FLOW_MLX5_FIELD(ip4, 12, 4, U32_MAX),	/* SIPV4 */
	NSIM_FLOW_MLX5_FIELD(ip4, 16, 4, U32_MAX),	/* DIPV4 */
	NSIM_FLOW_MLX5_FIELD(ip6, 8, 4, U32_MAX),	/* SIPV6_127_96 */
	NSIM_FLOW_MLX5_FIELD(ip6, 12, 4, U32_MAX),
	NSIM_FLOW_MLX5_FIELD(ip6, 16, 4, U32_MAX),
	NSIM_FLOW_MLX5_FIELD(ip6, 20, 4, U32_MAX),	/* SIPV6_31_0 */
	NSIM_FLOW_MLX5_FIELD(ip6, 24, 4, U32_MAX),	/* DIPV6_127_96 */
	NSIM_FLOW_MLX5_FIELD(ip6, 28, 4, U32_MAX),
	NSIM_FLOW_MLX5_FIELD(ip6, 32, 4, U32_MAX),
	NSIM_FLOW_MLX5_FIELD(ip6, 36, 4, U32_MAX),	/* DIPV6_31_0 */
	NSIM_FLOW_MLX5_FIELD(ip6, 7, 1, U8_MAX),	/* IPV6_HOPLIMIT */
	NSIM_FLOW_MLX5_FIELD(ip6, 0, 2, 0x0fc0),	/* IP_DSCP */
	NSIM_FLOW_MLX5_FIELD(tcp, 0, 2, U16_MAX),	/* TCP_SPORT */
	NSIM_FLOW_MLX5_FIELD(tcp, 2, 2, U16_MAX),	/* TCP_DPORT */
	NSIM_FLOW_MLX5_FIELD(tcp, 13, 1, U8_MAX),	/* TCP_FLAGS */
	NSIM_FLOW_MLX5_FIELD(udp, 0, 2, U16_MAX),	/* UDP_SPORT */
	NSIM_FLOW_MLX5_FIELD(udp, 2, 2, U16_MAX),	/* UDP_DPORT */
};

/* The state of the actions parsed so far. */
struct nsim_flow_mlx5_state {
	union {
		struct nsim_flow_mlx5_hdrs hdrs;
		u8 bytes[sizeof(struct nsim_flow_mlx5_hdrs)];
	} set, add;
	bool mod_hdr;			/* MLX5_FLOW_CONTEXT_ACTION_MOD_HDR */
	bool mod_ip;
	bool accept;
	bool pop, pop_2, push, push_2;	/* ..._VLAN_POP and so on */
	bool new_vid;
	u16 vid;
	unsigned int total_vlan;
	struct {
		__be16 proto;
		u16 tci;
	} vlan[NSIM_FLOW_MLX5_TAGS];
	struct net_device *out;
};

/* Returns the offset of a header in nsim_flow_mlx5_hdrs, and its size. */
static unsigned int nsim_flow_mlx5_header(enum flow_action_mangle_base htype,
					  unsigned int *size)
{
	switch (htype) {
	case FLOW_ACT_MANGLE_HDR_TYPE_ETH:
		*size = VLAN_ETH_HLEN;
		return offsetof(struct nsim_flow_mlx5_hdrs, eth);
	case FLOW_ACT_MANGLE_HDR_TYPE_IP4:
		*size = sizeof(struct iphdr);
		return offsetof(struct nsim_flow_mlx5_hdrs, ip4);
	case FLOW_ACT_MANGLE_HDR_TYPE_IP6:
		*size = sizeof(struct ipv6hdr);
		return offsetof(struct nsim_flow_mlx5_hdrs, ip6);
	case FLOW_ACT_MANGLE_HDR_TYPE_TCP:
		*size = sizeof(struct tcphdr);
		return offsetof(struct nsim_flow_mlx5_hdrs, tcp);
	default:
		*size = sizeof(struct udphdr);
		return offsetof(struct nsim_flow_mlx5_hdrs, udp);
	}
}

/* Returns whether the frame has the header, and so the fields of the header. */
static bool nsim_flow_mlx5_has(const struct nsim_flow_key *key,
			       enum flow_action_mangle_base htype)
{
	switch (htype) {
	case FLOW_ACT_MANGLE_HDR_TYPE_IP4:
		return key->n_proto == htons(ETH_P_IP);
	case FLOW_ACT_MANGLE_HDR_TYPE_IP6:
		return key->n_proto == htons(ETH_P_IPV6);
	case FLOW_ACT_MANGLE_HDR_TYPE_TCP:
		return key->ip_proto == IPPROTO_TCP;
	case FLOW_ACT_MANGLE_HDR_TYPE_UDP:
		return key->ip_proto == IPPROTO_UDP;
	default:
		return true;
	}
}

/* is_flow_action_modify_ip_header() */
static bool nsim_flow_mlx5_mod_ip(const struct flow_action_entry *act)
{
	u32 mask = ~act->mangle.mask;
	u8 bytes[sizeof(mask)];

	memcpy(bytes, &mask, sizeof(mask));
	switch (act->mangle.htype) {
	case FLOW_ACT_MANGLE_HDR_TYPE_IP4:
		return act->mangle.offset != offsetof(struct iphdr, ttl) ||
		       bytes[1] || bytes[2] || bytes[3];
	case FLOW_ACT_MANGLE_HDR_TYPE_IP6:
		return act->mangle.offset !=
		       offsetof(struct ipv6hdr, payload_len) ||
		       bytes[0] || bytes[1] || bytes[2];
	default:
		return false;
	}
}

/* mlx5e_tc_act_pedit_parse_action() */
static int nsim_flow_mlx5_pedit(struct nsim_flow_draft *d,
				struct nsim_flow_mlx5_state *st,
				const struct flow_action_entry *act)
{
	bool add = act->id == FLOW_ACTION_ADD;
	struct nsim_flow_op *op;
	unsigned int base, size;
	u32 mask, seen;
	u8 *at;

	if (act->mangle.htype == FLOW_ACT_MANGLE_UNSPEC)
		return nsim_flow_refuse(d->extack, -EOPNOTSUPP,
					"legacy pedit isn't offloaded");

	/* The driver does not check the offset. */
	base = nsim_flow_mlx5_header(act->mangle.htype, &size);
	if (act->mangle.offset > size - sizeof(u32))
		return nsim_flow_mlx5_lacks(d, "offset %u of header %u",
					    act->mangle.offset,
					    act->mangle.htype);

	at = (add ? st->add.bytes : st->set.bytes) + base + act->mangle.offset;
	mask = ~act->mangle.mask;
	seen = get_unaligned((u32 *)at);
	if (seen & mask)
		return nsim_flow_refuse(d->extack, -EOPNOTSUPP,
					"curr_pmask and new mask same. Acting twice on same location");
	put_unaligned(seen | mask, (u32 *)at);
	st->mod_hdr = true;
	if (nsim_flow_mlx5_mod_ip(act))
		st->mod_ip = true;

	if (!nsim_flow_mlx5_has(&d->key, act->mangle.htype))
		return 0;
	op = nsim_flow_add_op(d, add ? NSIM_FLOW_OP_ADD : NSIM_FLOW_OP_SET);
	if (!op)
		return nsim_flow_mlx5_lacks(d, "so many actions");
	op->mangle.htype = act->mangle.htype;
	op->mangle.offset = act->mangle.offset;
	op->mangle.mask = act->mangle.mask;
	op->mangle.val = act->mangle.val;
	return 0;
}

static u32 nsim_flow_mlx5_field_get(const u8 *at,
				    const struct nsim_flow_mlx5_field *f)
{
	switch (f->size) {
	case 4:
		return get_unaligned_be32(at) & f->mask;
	case 2:
		return get_unaligned_be16(at) & f->mask;
	default:
		return *at & f->mask;
	}
}

static void nsim_flow_mlx5_field_clear(u8 *at,
				       const struct nsim_flow_mlx5_field *f)
{
	switch (f->size) {
	case 4:
		put_unaligned_be32(get_unaligned_be32(at) & ~f->mask, at);
		break;
	case 2:
		put_unaligned_be16(get_unaligned_be16(at) & ~f->mask, at);
		break;
	default:
		*at &= ~f->mask;
		break;
	}
}

/* offload_pedit_fields(), verify_offload_pedit_fields() */
static int nsim_flow_mlx5_fields_fit(struct nsim_flow_draft *d,
				     struct nsim_flow_mlx5_state *st)
{
	const struct nsim_flow_mlx5_field *f;
	unsigned int i, n = st->new_vid;
	u32 set, add, mask;

	for (i = 0; i < ARRAY_SIZE(nsim_flow_mlx5_fields); i++) {
		f = &nsim_flow_mlx5_fields[i];
		set = nsim_flow_mlx5_field_get(st->set.bytes + f->offset, f);
		add = nsim_flow_mlx5_field_get(st->add.bytes + f->offset, f);
		if (!set && !add)
			continue;
		if (set && add)
			return nsim_flow_refuse(d->extack, -EOPNOTSUPP,
						"can't set and add to the same HW field");
		if (add && f->offset != offsetof(struct nsim_flow_mlx5_hdrs,
						 ip4.ttl) &&
		    f->offset != offsetof(struct nsim_flow_mlx5_hdrs,
					  ip6.hop_limit))
			return nsim_flow_quiet(d, -EINVAL,
					       "firmware: add, field %u", i);
		nsim_flow_mlx5_field_clear(st->set.bytes + f->offset, f);
		nsim_flow_mlx5_field_clear(st->add.bytes + f->offset, f);

		mask = (set | add) >> __ffs(set | add);
		if (mask & (mask + 1))
			return nsim_flow_refuse(d->extack, -EOPNOTSUPP,
						"rewrite of few sub-fields isn't supported");
		if (++n > NSIM_FLOW_MLX5_FIELDS)
			return nsim_flow_refuse(d->extack, -ENOSPC,
						"too many pedit actions, can't offload");
	}

	if (memchr_inv(&st->set, 0, sizeof(st->set)) ||
	    memchr_inv(&st->add, 0, sizeof(st->add)))
		return nsim_flow_refuse(d->extack, -EOPNOTSUPP,
					"attempt to offload an unsupported field");
	if (st->mod_ip && d->key.ip_proto != IPPROTO_TCP &&
	    d->key.ip_proto != IPPROTO_UDP && d->key.ip_proto != IPPROTO_ICMP)
		return nsim_flow_refuse(d->extack, -EOPNOTSUPP,
					"can't offload re-write of non TCP/UDP");
	return 0;
}

/* mlx5e_tc_act_vlan_add_rewrite_action(): sets the VID of the present tag. */
static int nsim_flow_mlx5_rewrite_vid(struct nsim_flow_draft *d,
				      struct nsim_flow_mlx5_state *st,
				      const struct flow_action_entry *act)
{
	if (!d->key.n_tags || d->key.tag[0].tpid != htons(ETH_P_8021Q))
		return nsim_flow_refuse(d->extack, -EOPNOTSUPP,
					"VLAN rewrite action must have VLAN protocol match");
	if (act->vlan.prio != (d->extra.prio & d->extra.prio_mask))
		return nsim_flow_refuse(d->extack, -EOPNOTSUPP,
					"Changing VLAN prio is not supported");
	st->new_vid = true;
	st->vid = act->vlan.vid & VLAN_VID_MASK;
	st->mod_hdr = true;
	return 0;
}

/* tc_act_parse_vlan(), parse_tc_vlan_action() */
static int nsim_flow_mlx5_vlan(struct nsim_flow_draft *d,
			       struct nsim_flow_mlx5_state *st,
			       const struct flow_action_entry *act)
{
	unsigned int i = st->total_vlan;

	if (act->id == FLOW_ACTION_VLAN_PUSH && st->pop) {
		st->pop = false;
		return nsim_flow_mlx5_rewrite_vid(d, st, act);
	}
	if (i >= NSIM_FLOW_MLX5_TAGS)
		return nsim_flow_refuse(d->extack, -EOPNOTSUPP,
					"Total vlans used is greater than supported");

	if (act->id == FLOW_ACTION_VLAN_POP) {
		*(i ? &st->pop_2 : &st->pop) = true;
	} else {
		*(i ? &st->push_2 : &st->push) = true;
		st->vlan[i].proto = act->vlan.proto ?: htons(ETH_P_8021Q);
		st->vlan[i].tci = act->vlan.vid |
				  act->vlan.prio << VLAN_PRIO_SHIFT;
	}
	st->total_vlan++;
	return 0;
}

/*
 * Adds the operations for the flags that the actions have left: pops, the new
 * VID, pushes. Two pops and a push leave POP_2 and a VID: one pop, and the
 * inner tag gets the VID.
 */
static int nsim_flow_mlx5_vlan_ops(struct nsim_flow_draft *d,
				   const struct nsim_flow_mlx5_state *st)
{
	unsigned int pops = st->pop + st->pop_2, i;
	struct nsim_flow_op *op;

	if ((st->push_2 && !st->push) ||
	    (st->pop_2 && !st->pop && !st->new_vid) ||
	    pops + st->new_vid > d->key.n_tags)
		return nsim_flow_quiet(d, -EINVAL, "firmware: vlan actions");

	for (i = 0; i < pops; i++)
		if (!nsim_flow_add_op(d, NSIM_FLOW_OP_POP))
			goto full;
	if (st->new_vid) {
		op = nsim_flow_add_op(d, NSIM_FLOW_OP_VID);
		if (!op)
			goto full;
		op->vlan.tci = st->vid;
	}
	for (i = 0; i < st->push + st->push_2; i++) {
		op = nsim_flow_add_op(d, NSIM_FLOW_OP_PUSH);
		if (!op)
			goto full;
		op->vlan.proto = st->vlan[i].proto;
		op->vlan.tci = st->vlan[i].tci;
	}
	return 0;
full:
	return nsim_flow_mlx5_lacks(d, "so many actions");
}

/* csum_offload_supported() */
static int nsim_flow_mlx5_csum(struct nsim_flow_draft *d,
			       const struct nsim_flow_mlx5_state *st,
			       const struct flow_action_entry *act)
{
	const u32 take = TCA_CSUM_UPDATE_FLAG_IPV4HDR |
			 TCA_CSUM_UPDATE_FLAG_TCP | TCA_CSUM_UPDATE_FLAG_UDP;

	if (!st->mod_hdr)
		return nsim_flow_refuse(d->extack, -EOPNOTSUPP,
					"TC csum action is only offloaded with pedit");
	if (act->csum_flags & ~take)
		return nsim_flow_refuse(d->extack, -EOPNOTSUPP,
					"can't offload TC csum action for some header/s");
	return 0;
}

/* tc_act_can_offload_mirred(), parse_mirred() */
static int nsim_flow_mlx5_redirect(struct nsim_flow_draft *d,
				   struct nsim_flow_mlx5_state *st,
				   const struct flow_action_entry *act)
{
	if (!act->dev)
		return nsim_flow_quiet(d, -EOPNOTSUPP, "redirect to no device");
	if (act->dev == d->dev)
		return nsim_flow_quiet(d, -EOPNOTSUPP,
				       "redirect to the ingress port");
	if (!nsim_flow_same_switch(d, act->dev))
		return nsim_flow_refuse(d->extack, -EOPNOTSUPP,
					"devices are not on same switch HW, can't offload forwarding");
	if (act->dev == st->out)
		return nsim_flow_refuse(d->extack, -EOPNOTSUPP,
					"can't duplicate output to same device");
	if (st->out)
		return nsim_flow_mlx5_lacks(d, "a second destination");
	st->out = act->dev;
	return nsim_flow_set_egress(d, act->dev);
}

static int nsim_flow_mlx5_action(struct nsim_flow_draft *d,
				 struct nsim_flow_mlx5_state *st,
				 const struct flow_action_entry *act)
{
	if (st->out && act->id != FLOW_ACTION_REDIRECT &&
	    act->id != FLOW_ACTION_ACCEPT)
		return nsim_flow_mlx5_lacks(d, "action %u after redirect",
					    act->id);

	switch (act->id) {
	case FLOW_ACTION_ACCEPT:
		st->accept = true;
		return 0;
	case FLOW_ACTION_MANGLE:
	case FLOW_ACTION_ADD:
		return nsim_flow_mlx5_pedit(d, st, act);
	case FLOW_ACTION_CSUM:
		return nsim_flow_mlx5_csum(d, st, act);
	case FLOW_ACTION_VLAN_POP:
	case FLOW_ACTION_VLAN_PUSH:
		return nsim_flow_mlx5_vlan(d, st, act);
	case FLOW_ACTION_REDIRECT:
		return nsim_flow_mlx5_redirect(d, st, act);
	case FLOW_ACTION_DROP:
	case FLOW_ACTION_TRAP:
	case FLOW_ACTION_GOTO:
	case FLOW_ACTION_MIRRED:
	case FLOW_ACTION_REDIRECT_INGRESS:
	case FLOW_ACTION_VLAN_MANGLE:
	case FLOW_ACTION_TUNNEL_ENCAP:
	case FLOW_ACTION_TUNNEL_DECAP:
	case FLOW_ACTION_PTYPE:
	case FLOW_ACTION_SAMPLE:
	case FLOW_ACTION_POLICE:
	case FLOW_ACTION_CT:
	case FLOW_ACTION_MPLS_PUSH:
	case FLOW_ACTION_MPLS_POP:
	case FLOW_ACTION_VLAN_PUSH_ETH:
	case FLOW_ACTION_VLAN_POP_ETH:
		return nsim_flow_mlx5_lacks(d, "action %u", act->id);
	default:
		return nsim_flow_refuse(d->extack, -EOPNOTSUPP,
					"Not implemented offload action");
	}
}

static int nsim_flow_mlx5_actions(struct nsim_flow_draft *d)
{
	const struct flow_action *action = &d->f->rule->action;
	struct nsim_flow_mlx5_state st = {};
	const struct flow_action_entry *act;
	unsigned int i;
	int err;

	if (!flow_action_has_entries(action))
		return nsim_flow_refuse(d->extack, -EINVAL,
					"Flow action doesn't have any entries");
	if (!flow_action_hw_stats_check(action, d->extack,
					FLOW_ACTION_HW_STATS_DELAYED_BIT)) {
		NL_SET_ERR_MSG_MOD(d->extack,
				   "Flow action HW stats type is not supported");
		return -EOPNOTSUPP;
	}

	flow_action_for_each(i, act, action) {
		err = nsim_flow_mlx5_action(d, &st, act);
		if (err)
			return err;
	}

	err = nsim_flow_mlx5_fields_fit(d, &st);
	if (err)
		return err;
	if (!st.out && !st.accept)
		return nsim_flow_refuse(d->extack, -EOPNOTSUPP,
					"Rule must have at least one forward/drop action");
	err = nsim_flow_mlx5_vlan_ops(d, &st);
	if (err)
		return err;
	if ((st.mod_hdr && !nsim_flow_add_op(d, NSIM_FLOW_OP_FIX)) ||
	    !nsim_flow_add_op(d, NSIM_FLOW_OP_OUT))
		return nsim_flow_mlx5_lacks(d, "so many actions");
	if (st.accept)
		d->egress = NULL;
	return 0;
}

static int nsim_flow_mlx5_parse(struct nsim_flow_draft *d)
{
	int err;

	if (!tc_can_offload_extack(d->dev, d->extack))
		return -EOPNOTSUPP;
	err = nsim_flow_mlx5_match(d);
	if (err)
		return err;
	return nsim_flow_mlx5_actions(d);
}

const struct nsim_flow_profile nsim_flow_profile_mlx5 = {
	.gate			= nsim_flow_mlx5_gate,
	.parse			= nsim_flow_mlx5_parse,
	.known_text		= "flow cookie already exists, ignoring",
	.unknown_errno		= -EINVAL,
	.cookie_per_port	= true,
	.stats_type		= FLOW_ACTION_HW_STATS_DELAYED,
};
