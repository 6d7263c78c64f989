// SPDX-License-Identifier: GPL-2.0
/*
 * Profile sfc: an EF100 as its driver drives it, drivers/net/ethernet/sfc/tc.c,
 * tc_bindings.c and mae.c, with firmware that matches any bits of any field.
 *
 * Accepts
 *   binding  TC_SETUP_BLOCK only, any number for a port; no unlocked_driver_cb,
 *            which is the matter of the file locked_driver_cb here
 *   match    any of CONTROL BASIC ETH_ADDRS VLAN CVLAN IPV4_ADDRS IPV6_ADDRS
 *            PORTS TCP IP CT ENC_* (efx_tc_flower_parse_match); the addresses
 *            that addr_type of CONTROL names. CONTROL: FLOW_DIS_IS_FRAGMENT and
 *            FLOW_DIS_FIRST_FRAG
 *   actions  MANGLE of the MAC addresses, each as a whole (efx_tc_mangle,
 *            efx_tc_incomplete_mangle); ADD of minus one to TTL and hop limit,
 *            once (efx_tc_pedit_add); VLAN POP and PUSH, two of each at most,
 *            any type; REDIRECT as the last one, to a port of this NIC
 *            (efx_tc_flower_replace)
 *   any prio, any protocol, chain 0
 * Refuses, with the driver's extack where there is one
 *   -EOPNOTSUPP  hw-tc-offload off, REPLACE only; META, PPPOE; other control
 *                flags; MANGLE of IPv4, IPv6 other than TTL and hop limit, TCP
 *                and UDP; CSUM, PPPOE_PUSH, all other actions; half a MAC
 *                address; a port of another NIC
 *   -EINVAL      L3 or L4 keys without an Ethertype of IP, PORTS and TCP
 *                without TCP or UDP; three pops or pushes, a pop after a push
 *                of another rule's tag; an action after REDIRECT
 *   -EEXIST      the cookie exists
 *   -ENOENT      unknown cookie, for DESTROY and STATS
 * Does without a rule
 *   the engine executes one hop, MAC addresses, pops, pushes, in this order, and
 *   corrects the checksum of IPv4. Of two tags that are pushed, the first is the
 *   outer one (efx_mae_alloc_action_set), unlike in tc.
 *
 * Unlike the hardware: the table has exact entries only, of TCP and UDP with
 * ports and of GRE; masks of addresses, ports and tags that are not exact are
 * refused as "not simulated", and so are tunnels, conntrack, mirroring and a
 * match on the first fragment. No VLAN key fits untagged frames only; the engine
 * does not look at tags then. TTL 1, options and frames that are too long go to
 * the CPU as in profile tc: what the engine does with them is not in the driver.
 * A second rule with the same match gets -EEXIST, which the firmware decides.
 */

#include <linux/if_vlan.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/netdevice.h>
#include <linux/string.h>
#include <net/flow_offload.h>
#include <net/pkt_cls.h>

#include "netdevsim.h"
#include "flow_profile.h"

#define NSIM_FLOW_SFC_TAGS	2

/* A refusal by the simulation, distinct from those of the driver. */
#define nsim_flow_sfc_lacks(d, fmt, ...)				\
	nsim_flow_refuse((d)->extack, -EOPNOTSUPP,			\
			 "not simulated: " fmt, ##__VA_ARGS__)

/* efx_tc_setup(), efx_ef100_rep_setup_tc() */
static int nsim_flow_sfc_gate(struct nsim_flow_draft *d)
{
	if (!nsim_flow_is_tc_block(d))
		return nsim_flow_quiet(d, -EOPNOTSUPP, "no TC_SETUP_FT");
	return 0;
}

/* ---- match: efx_tc_flower_parse_match() ---- */

static int nsim_flow_sfc_tag(struct nsim_flow_draft *d,
			     const struct flow_match_vlan *match)
{
	struct nsim_flow_tag *tag = &d->key.tag[d->key.n_tags++];

	if (match->mask->vlan_id != VLAN_VID_MASK ||
	    match->mask->vlan_tpid != htons(0xffff))
		return nsim_flow_sfc_lacks(d, "masks of tags");
	if (match->mask->vlan_priority) {
		if (d->key.n_tags > 1)
			return nsim_flow_sfc_lacks(d, "inner priority");
		d->extra.prio = match->key->vlan_priority;
		d->extra.prio_mask = match->mask->vlan_priority;
	}
	tag->tpid = match->key->vlan_tpid;
	tag->vid = htons(match->key->vlan_id);
	return 0;
}

static int nsim_flow_sfc_tags(struct nsim_flow_draft *d,
			      const struct flow_rule *rule)
{
	struct flow_match_vlan match;
	int err;

	if (flow_rule_match_key(rule, FLOW_DISSECTOR_KEY_VLAN)) {
		flow_rule_match_vlan(rule, &match);
		err = nsim_flow_sfc_tag(d, &match);
		if (err)
			return err;
	}
	if (flow_rule_match_key(rule, FLOW_DISSECTOR_KEY_CVLAN)) {
		if (!d->key.n_tags)
			return nsim_flow_sfc_lacks(d, "cvlan without vlan");
		flow_rule_match_cvlan(rule, &match);
		return nsim_flow_sfc_tag(d, &match);
	}
	return 0;
}

static int nsim_flow_sfc_control(struct nsim_flow_draft *d,
				 const struct flow_rule *rule, u16 *addr_type)
{
	const u32 take = FLOW_DIS_IS_FRAGMENT | FLOW_DIS_FIRST_FRAG;
	struct flow_match_control match;

	if (!flow_rule_match_key(rule, FLOW_DISSECTOR_KEY_CONTROL))
		return 0;
	flow_rule_match_control(rule, &match);
	if (match.mask->addr_type == 0xffff)
		*addr_type = match.key->addr_type;
	if (match.mask->flags & ~take)
		return nsim_flow_refuse(d->extack, -EOPNOTSUPP,
					"Unsupported match on control.flags %#x",
					match.mask->flags);
	if (match.mask->flags & FLOW_DIS_FIRST_FRAG ||
	    match.key->flags & match.mask->flags)
		return nsim_flow_sfc_lacks(d, "a match on fragments");
	return 0;
}

static int nsim_flow_sfc_addrs(struct nsim_flow_draft *d,
			       const struct flow_rule *rule, u16 addr_type)
{
	if (addr_type == FLOW_DISSECTOR_KEY_IPV4_ADDRS &&
	    flow_rule_match_key(rule, FLOW_DISSECTOR_KEY_IPV4_ADDRS)) {
		struct flow_match_ipv4_addrs match;

		flow_rule_match_ipv4_addrs(rule, &match);
		if (~match.mask->src || ~match.mask->dst)
			return nsim_flow_sfc_lacks(d, "masks of addresses");
		d->key.src[0] = match.key->src;
		d->key.dst[0] = match.key->dst;
		return 0;
	}
	if (addr_type == FLOW_DISSECTOR_KEY_IPV6_ADDRS &&
	    flow_rule_match_key(rule, FLOW_DISSECTOR_KEY_IPV6_ADDRS)) {
		struct flow_match_ipv6_addrs match;

		flow_rule_match_ipv6_addrs(rule, &match);
		if (memchr_inv(match.mask, 0xff, sizeof(*match.mask)))
			return nsim_flow_sfc_lacks(d, "masks of addresses");
		memcpy(d->key.src, &match.key->src, sizeof(d->key.src));
		memcpy(d->key.dst, &match.key->dst, sizeof(d->key.dst));
		return 0;
	}
	return nsim_flow_sfc_lacks(d, "no addresses");
}

static int nsim_flow_sfc_l4(struct nsim_flow_draft *d,
			    const struct flow_rule *rule)
{
	const u64 l4 = NSIM_FLOW_KEY(PORTS) | NSIM_FLOW_KEY(TCP);
	u64 used = rule->match.dissector->used_keys;
	bool tcp_udp = d->key.ip_proto == IPPROTO_TCP ||
		       d->key.ip_proto == IPPROTO_UDP;

	if (!tcp_udp) {
		if (used & l4)
			return nsim_flow_refuse(d->extack, -EINVAL,
						"L4 flower keys %#llx require ipproto udp or tcp",
						used);
		if (d->key.ip_proto != IPPROTO_GRE)
			return nsim_flow_sfc_lacks(d, "protocol %u",
						   d->key.ip_proto);
		return 0;
	}
	if (used & NSIM_FLOW_KEY(PORTS)) {
		struct flow_match_ports match;

		flow_rule_match_ports(rule, &match);
		if (match.mask->src != htons(0xffff) ||
		    match.mask->dst != htons(0xffff))
			return nsim_flow_sfc_lacks(d, "masks of ports");
		d->key.sport = match.key->src;
		d->key.dport = match.key->dst;
	} else {
		return nsim_flow_sfc_lacks(d, "TCP, UDP without ports");
	}
	if (used & NSIM_FLOW_KEY(TCP)) {
		struct flow_match_tcp match;

		flow_rule_match_tcp(rule, &match);
		d->extra.tcp_flags = ntohs(match.key->flags);
		d->extra.tcp_flags_mask = ntohs(match.mask->flags);
	}
	return 0;
}

static void nsim_flow_sfc_extra(struct nsim_flow_draft *d,
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

static int nsim_flow_sfc_match(struct nsim_flow_draft *d)
{
	const u64 enc = NSIM_FLOW_KEY(ENC_KEYID) | NSIM_FLOW_KEY(ENC_PORTS) |
			NSIM_FLOW_KEY(ENC_IPV4_ADDRS) |
			NSIM_FLOW_KEY(ENC_IPV6_ADDRS) |
			NSIM_FLOW_KEY(ENC_CONTROL) | NSIM_FLOW_KEY(ENC_IP);
	const u64 l3 = NSIM_FLOW_KEY(IPV4_ADDRS) | NSIM_FLOW_KEY(IPV6_ADDRS) |
		       NSIM_FLOW_KEY(PORTS) | NSIM_FLOW_KEY(TCP) |
		       NSIM_FLOW_KEY(IP);
	const u64 take = NSIM_FLOW_KEY(CONTROL) | NSIM_FLOW_KEY(BASIC) |
			 NSIM_FLOW_KEY(ETH_ADDRS) | NSIM_FLOW_KEY(VLAN) |
			 NSIM_FLOW_KEY(CVLAN) | NSIM_FLOW_KEY(CT) | l3 | enc;
	const struct flow_rule *rule = d->f->rule;
	u64 used = rule->match.dissector->used_keys;
	struct flow_match_basic basic;
	u16 addr_type = 0;
	int err;

	err = nsim_flow_sfc_control(d, rule, &addr_type);
	if (err)
		return err;
	if (used & ~take)
		return nsim_flow_refuse(d->extack, -EOPNOTSUPP,
					"Unsupported flower keys %#llx", used);
	if (!(used & NSIM_FLOW_KEY(BASIC)))
		return nsim_flow_sfc_lacks(d, "any protocol");
	flow_rule_match_basic(rule, &basic);
	if (basic.mask->n_proto != htons(0xffff) ||
	    (basic.key->n_proto != htons(ETH_P_IP) &&
	     basic.key->n_proto != htons(ETH_P_IPV6))) {
		if (used & l3)
			return nsim_flow_refuse(d->extack, -EINVAL,
						"L3/L4 flower keys %#llx require protocol ipv[46]",
						used);
		return nsim_flow_sfc_lacks(d, "any protocol");
	}
	if (basic.mask->ip_proto != 0xff)
		return nsim_flow_sfc_lacks(d, "any protocol");
	d->key.n_proto = basic.key->n_proto;
	d->key.ip_proto = basic.key->ip_proto;
	nsim_flow_sfc_extra(d, rule);

	err = nsim_flow_sfc_tags(d, rule);
	if (err)
		return err;
	err = nsim_flow_sfc_l4(d, rule);
	if (err)
		return err;
	err = nsim_flow_sfc_addrs(d, rule, addr_type);
	if (err)
		return err;
	if (used & enc)
		return nsim_flow_refuse(d->extack, -EOPNOTSUPP,
					"Ingress enc_key matches not supported");
	if (used & NSIM_FLOW_KEY(CT))
		return nsim_flow_sfc_lacks(d, "conntrack");
	return 0;
}

/* ---- actions: efx_tc_flower_replace() ---- */

/* struct efx_tc_action_set: what is done to the original packet. */
struct nsim_flow_sfc_set {
	bool ttl;
	u8 mac[2 * ETH_ALEN];		/* as on the wire: dst, src */
	u8 written[2 * ETH_ALEN];	/* 0xff for each byte that is */
	unsigned int pops, pushes;
	struct {
		__be16 proto;
		u16 tci;
	} vlan[NSIM_FLOW_SFC_TAGS];
	bool done;
};

/* efx_tc_pedit_add() */
static int nsim_flow_sfc_add(struct nsim_flow_draft *d,
			     struct nsim_flow_sfc_set *set,
			     const struct flow_action_entry *act)
{
	enum flow_action_mangle_base htype = act->mangle.htype;
	u32 offset = act->mangle.offset;
	u8 keep[sizeof(u32)], val[sizeof(u32)];
	unsigned int i = 0;

	if (htype == FLOW_ACT_MANGLE_HDR_TYPE_IP4 &&
	    offset == offsetof(struct iphdr, ttl))
		i = 0;
	else if (htype == FLOW_ACT_MANGLE_HDR_TYPE_IP6 &&
		 offset == offsetof(struct ipv6hdr, payload_len))
		i = 3;
	else
		goto refuse;
	memcpy(keep, &act->mangle.mask, sizeof(keep));
	memcpy(val, &act->mangle.val, sizeof(val));
	if (keep[i] || val[i] != 0xff)
		goto refuse;
	keep[i] = 0xff;
	if (memchr_inv(keep, 0xff, sizeof(keep)))
		goto refuse;
	if (set->ttl)
		return nsim_flow_refuse(d->extack, -EOPNOTSUPP,
					"multiple dec ttl are not supported");
	set->ttl = true;
	return 0;
refuse:
	return nsim_flow_refuse(d->extack, -EOPNOTSUPP,
				"ttl add action type %x %x %x/%x is not supported",
				htype, offset, act->mangle.val,
				act->mangle.mask);
}

/* efx_tc_mangle() */
static int nsim_flow_sfc_mangle(struct nsim_flow_draft *d,
				struct nsim_flow_sfc_set *set,
				const struct flow_action_entry *act)
{
	u8 keep[sizeof(u32)], val[sizeof(u32)];
	u32 offset = act->mangle.offset;
	unsigned int i;

	switch (act->mangle.htype) {
	case FLOW_ACT_MANGLE_HDR_TYPE_ETH:
		break;
	case FLOW_ACT_MANGLE_HDR_TYPE_IP4:
		if (offset == offsetof(struct iphdr, ttl))
			return nsim_flow_sfc_lacks(d, "a TTL that is set");
		return nsim_flow_refuse(d->extack, -EOPNOTSUPP,
					"only support mangle on the ttl field (offset is %u)",
					offset);
	case FLOW_ACT_MANGLE_HDR_TYPE_IP6:
		if (offset == offsetof(struct ipv6hdr, payload_len))
			return nsim_flow_sfc_lacks(d, "a hop limit that is set");
		return nsim_flow_refuse(d->extack, -EOPNOTSUPP,
					"only support mangle on the hop_limit field");
	default:
		return nsim_flow_refuse(d->extack, -EOPNOTSUPP,
					"Unhandled mangle htype %u for action rule",
					act->mangle.htype);
	}
	memcpy(keep, &act->mangle.mask, sizeof(keep));
	memcpy(val, &act->mangle.val, sizeof(val));
	if ((offset == 0 || offset == 8) && act->mangle.mask)
		return nsim_flow_refuse(d->extack, -EOPNOTSUPP,
					"mask (%#x) of eth.%s32 mangle is not supported",
					act->mangle.mask,
					offset ? "src" : "dst");
	if (offset == 4 && (keep[0] != keep[1] || keep[2] != keep[3] ||
			    (keep[0] ^ keep[2]) != 0xff))
		return nsim_flow_refuse(d->extack, -EOPNOTSUPP,
					"mask (%#x) of eth+4 mangle is not high or low 16b",
					act->mangle.mask);
	if (offset != 0 && offset != 4 && offset != 8)
		return nsim_flow_refuse(d->extack, -EOPNOTSUPP,
					"mangle eth+%u %x/%x is not supported",
					offset, act->mangle.val,
					act->mangle.mask);
	for (i = 0; i < sizeof(keep); i++) {
		if (keep[i])
			continue;
		set->mac[offset + i] = val[i];
		set->written[offset + i] = 0xff;
	}
	return 0;
}

/* efx_tc_incomplete_mangle(); returns whether an address is written. */
static int nsim_flow_sfc_mac(struct nsim_flow_draft *d,
			     const struct nsim_flow_sfc_set *set, bool source)
{
	const u8 *written = set->written + (source ? ETH_ALEN : 0);

	if (!memchr_inv(written, 0xff, ETH_ALEN))
		return true;
	if (!memchr_inv(written, 0, ETH_ALEN))
		return false;
	return nsim_flow_refuse(d->extack, -EOPNOTSUPP,
				"Incomplete pedit of %s MAC address",
				source ? "source" : "destination");
}

static int nsim_flow_sfc_pop(struct nsim_flow_draft *d,
			     struct nsim_flow_sfc_set *set)
{
	if (set->pushes) {
		set->pushes--;
		return 0;
	}
	if (set->pops == NSIM_FLOW_SFC_TAGS)
		return nsim_flow_refuse(d->extack, -EINVAL,
					"More than two VLAN pops, or action order violated");
	if (set->pops == d->key.n_tags)
		return nsim_flow_sfc_lacks(d, "a pop without a tag");
	set->pops++;
	return 0;
}

static int nsim_flow_sfc_push(struct nsim_flow_draft *d,
			      struct nsim_flow_sfc_set *set,
			      const struct flow_action_entry *act)
{
	if (set->pushes == NSIM_FLOW_SFC_TAGS)
		return nsim_flow_refuse(d->extack, -EINVAL,
					"More than two VLAN pushes, or action order violated");
	set->vlan[set->pushes].proto = act->vlan.proto;
	set->vlan[set->pushes].tci = (act->vlan.vid & VLAN_VID_MASK) |
				     act->vlan.prio << VLAN_PRIO_SHIFT;
	set->pushes++;
	return 0;
}

static int nsim_flow_sfc_redirect(struct nsim_flow_draft *d,
				  struct nsim_flow_sfc_set *set,
				  const struct flow_action_entry *act)
{
	if (act->hw_stats && !(act->hw_stats & FLOW_ACTION_HW_STATS_DELAYED))
		return nsim_flow_refuse(d->extack, -EOPNOTSUPP,
					"hw_stats_type %u not supported (only 'delayed')",
					act->hw_stats);
	if (!act->dev || !nsim_flow_same_switch(d, act->dev) ||
	    netif_is_lag_master(act->dev))
		return nsim_flow_refuse(d->extack, -EOPNOTSUPP,
					"Mirred egress device not on switch");
	set->done = true;
	return nsim_flow_set_egress(d, act->dev);
}

static int nsim_flow_sfc_action(struct nsim_flow_draft *d,
				struct nsim_flow_sfc_set *set,
				const struct flow_action_entry *act)
{
	if (set->done)
		return nsim_flow_refuse(d->extack, -EINVAL,
					"Action follows non-pipe action");
	switch (act->id) {
	case FLOW_ACTION_ADD:
		return nsim_flow_sfc_add(d, set, act);
	case FLOW_ACTION_MANGLE:
		return nsim_flow_sfc_mangle(d, set, act);
	case FLOW_ACTION_VLAN_POP:
		return nsim_flow_sfc_pop(d, set);
	case FLOW_ACTION_VLAN_PUSH:
		return nsim_flow_sfc_push(d, set, act);
	case FLOW_ACTION_REDIRECT:
		return nsim_flow_sfc_redirect(d, set, act);
	case FLOW_ACTION_TUNNEL_DECAP:
		return nsim_flow_refuse(d->extack, -EOPNOTSUPP,
					"Cannot offload tunnel decap action without tunnel device");
	case FLOW_ACTION_DROP:
	case FLOW_ACTION_MIRRED:
	case FLOW_ACTION_TUNNEL_ENCAP:
	case FLOW_ACTION_CT:
	case FLOW_ACTION_GOTO:
		return nsim_flow_sfc_lacks(d, "action %u", act->id);
	default:
		return nsim_flow_refuse(d->extack, -EOPNOTSUPP,
					"Unhandled action %u", act->id);
	}
}

/* The word of a MAC address at @offset, of which @mask is kept. */
static bool nsim_flow_sfc_set_word(struct nsim_flow_draft *d,
				   const struct nsim_flow_sfc_set *set,
				   unsigned int offset, const u8 keep[4])
{
	struct nsim_flow_op *op = nsim_flow_add_op(d, NSIM_FLOW_OP_SET);
	u8 val[4];
	unsigned int i;

	if (!op)
		return false;
	for (i = 0; i < sizeof(val); i++)
		val[i] = keep[i] ? 0 : set->mac[offset + i];
	op->mangle.htype = FLOW_ACT_MANGLE_HDR_TYPE_ETH;
	op->mangle.offset = offset;
	memcpy(&op->mangle.mask, keep, sizeof(op->mangle.mask));
	memcpy(&op->mangle.val, val, sizeof(op->mangle.val));
	return true;
}

/* efx_mae_alloc_action_set(): in the engine's order. */
static int nsim_flow_sfc_ops(struct nsim_flow_draft *d,
			     const struct nsim_flow_sfc_set *set)
{
	static const u8 all[4], first[4] = { 0, 0, 0xff, 0xff };
	static const u8 last[4] = { 0xff, 0xff, 0, 0 };
	int dst = nsim_flow_sfc_mac(d, set, false);
	int src = nsim_flow_sfc_mac(d, set, true);
	struct nsim_flow_op *op;
	unsigned int i;

	if (dst < 0)
		return dst;
	if (src < 0)
		return src;
	if (set->ttl && !nsim_flow_add_op(d, NSIM_FLOW_OP_TTL))
		goto full;
	if (dst && (!nsim_flow_sfc_set_word(d, set, 0, all) ||
		    !nsim_flow_sfc_set_word(d, set, 4, first)))
		goto full;
	if (src && (!nsim_flow_sfc_set_word(d, set, 4, last) ||
		    !nsim_flow_sfc_set_word(d, set, 8, all)))
		goto full;
	for (i = 0; i < set->pops; i++)
		if (!nsim_flow_add_op(d, NSIM_FLOW_OP_POP))
			goto full;
	/* The last one first, which the others are put in front of. */
	for (i = set->pushes; i; i--) {
		op = nsim_flow_add_op(d, NSIM_FLOW_OP_PUSH);
		if (!op)
			goto full;
		op->vlan.proto = set->vlan[i - 1].proto;
		op->vlan.tci = set->vlan[i - 1].tci;
	}
	if (!nsim_flow_add_op(d, NSIM_FLOW_OP_FIX) ||
	    !nsim_flow_add_op(d, NSIM_FLOW_OP_OUT))
		goto full;
	return 0;
full:
	return nsim_flow_sfc_lacks(d, "so many actions");
}

static int nsim_flow_sfc_parse(struct nsim_flow_draft *d)
{
	const struct flow_action *action = &d->f->rule->action;
	const struct flow_action_entry *act;
	struct nsim_flow_sfc_set set = {};
	unsigned int i;
	int err;

	if (!tc_can_offload_extack(d->dev, d->extack))
		return -EOPNOTSUPP;
	if (d->f->common.chain_index)
		return nsim_flow_sfc_lacks(d, "chain %u",
					   d->f->common.chain_index);
	err = nsim_flow_sfc_match(d);
	if (err)
		return err;
	flow_action_for_each(i, act, action) {
		err = nsim_flow_sfc_action(d, &set, act);
		if (err)
			return err;
	}
	if (!set.done)
		return nsim_flow_sfc_lacks(d, "no redirect");
	return nsim_flow_sfc_ops(d, &set);
}

const struct nsim_flow_profile nsim_flow_profile_sfc = {
	.gate		= nsim_flow_sfc_gate,
	.parse		= nsim_flow_sfc_parse,
	.known_text	= "Rule already offloaded",
	.unknown_errno	= -ENOENT,
	.shared_bind	= true,
	.stats_type	= FLOW_ACTION_HW_STATS_DELAYED,
};
