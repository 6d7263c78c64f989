// SPDX-License-Identifier: GPL-2.0
/*
 * Profile tc: no particular NIC, but a strict one. Actions run in the order of
 * the rule, as net/sched defines them, and nothing happens without a rule.
 *
 * Accepts
 *   match    META (ingress_ifindex: this port), CONTROL, BASIC, IPV4_ADDRS or
 *            IPV6_ADDRS, PORTS (TCP, UDP; GRE has none), TCP (no FIN, SYN, RST),
 *            VLAN, CVLAN, PPPOE, all exact, with what follows each tag
 *            (vlan_eth_type): without that, another tag might; "no fragment". A
 *            header that a rule does not match must be absent: no VLAN key
 *            means an untagged frame, no PPPOE key a frame without PPPoE.
 *   actions  MANGLE, ADD (TTL, hop limit), CSUM, VLAN_POP, VLAN_PUSH,
 *            PPPOE_PUSH, REDIRECT as the last one
 *   prio 1..65535, chain 0, protocol ETH_P_ALL (in a tc block: an Ethertype);
 *   one binding for a port
 * Refuses, with an extack
 *   everything else, including ENC_* keys, TUNNEL_ENCAP and TUNNEL_DECAP: no
 *   tunnels
 *   -EEXIST for an existing cookie or match, -ENOSPC if full, -ENOENT for an
 *   unknown cookie
 * Does without a rule
 *   no change to any frame. There is no action that removes a PPPoE header:
 *   where a rule matches one, it stays.
 *   To the CPU: what NICs do not offload (IPv4 options, IPv6 extension headers,
 *   fragments, a bad IPv4 header checksum, TTL 1, more than the egress port's
 *   MTU, PPPoE counted), TCP SYN, FIN, RST regardless of the rule, and GRE of a
 *   version other than 0, for which tc has no key.
 */

#include <linux/if_vlan.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/netdevice.h>
#include <linux/ppp_defs.h>
#include <linux/string.h>
#include <linux/tc_act/tc_csum.h>
#include <net/flow_offload.h>
#include <net/pkt_cls.h>
#include <net/tcp.h>

#include "netdevsim.h"
#include "flow_profile.h"

#define NSIM_FLOW_TC_MAX_PRIO	0xffff

static int nsim_flow_tc_tag(struct nsim_flow_key *key,
			    const struct flow_match_vlan *match,
			    __be16 next_proto, const char *name,
			    struct netlink_ext_ack *extack)
{
	struct nsim_flow_tag *tag = &key->tag[key->n_tags];

	if (match->mask->vlan_id != VLAN_VID_MASK ||
	    match->mask->vlan_tpid != htons(0xffff))
		return nsim_flow_refuse(extack, -EOPNOTSUPP,
					"%s: vid and tpid must be exact", name);
	if (match->mask->vlan_dei || match->mask->vlan_priority)
		return nsim_flow_refuse(extack, -EOPNOTSUPP,
					"%s: no match on priority or dei",
					name);
	if (match->mask->vlan_eth_type != htons(0xffff) ||
	    match->key->vlan_eth_type != next_proto)
		return nsim_flow_refuse(extack, -EOPNOTSUPP,
					"%s: what follows must be exact", name);
	if (!eth_type_vlan(match->key->vlan_tpid))
		return nsim_flow_refuse(extack, -EOPNOTSUPP,
					"%s: tpid 0x%04x is no tag", name,
					ntohs(match->key->vlan_tpid));

	tag->tpid = match->key->vlan_tpid;
	tag->vid = htons(match->key->vlan_id);
	key->n_tags++;
	return 0;
}

static int nsim_flow_tc_tags(struct nsim_flow_key *key,
			     const struct flow_rule *rule,
			     struct netlink_ext_ack *extack)
{
	__be16 payload = key->pppoe ? htons(ETH_P_PPP_SES) : key->n_proto;
	u64 used = rule->match.dissector->used_keys;
	struct flow_match_vlan outer, inner;
	int err;

	if (!(used & NSIM_FLOW_KEY(VLAN))) {
		if (used & NSIM_FLOW_KEY(CVLAN))
			return nsim_flow_refuse(extack, -EOPNOTSUPP,
						"cvlan: no vlan key with it");
		return 0;
	}

	flow_rule_match_vlan(rule, &outer);
	if (!(used & NSIM_FLOW_KEY(CVLAN)))
		return nsim_flow_tc_tag(key, &outer, payload, "vlan", extack);

	flow_rule_match_cvlan(rule, &inner);
	err = nsim_flow_tc_tag(key, &outer, inner.key->vlan_tpid, "vlan",
			       extack);
	if (err)
		return err;
	return nsim_flow_tc_tag(key, &inner, payload, "cvlan", extack);
}

/* As in fl_set_key_pppoe(): n_proto is the protocol that PPP carries. */
static int nsim_flow_tc_pppoe(struct nsim_flow_key *key,
			      const struct flow_rule *rule,
			      struct netlink_ext_ack *extack)
{
	struct flow_match_pppoe match;
	u16 ppp;

	if (!flow_rule_match_key(rule, FLOW_DISSECTOR_KEY_PPPOE))
		return 0;

	flow_rule_match_pppoe(rule, &match);
	if (match.mask->session_id != htons(0xffff) ||
	    match.mask->ppp_proto != htons(0xffff) ||
	    match.mask->type != htons(0xffff))
		return nsim_flow_refuse(extack, -EOPNOTSUPP,
					"pppoe: sid, protocol, type must be exact");
	ppp = key->n_proto == htons(ETH_P_IP) ? PPP_IP : PPP_IPV6;
	if (match.key->type != htons(ETH_P_PPP_SES) ||
	    match.key->ppp_proto != htons(ppp))
		return nsim_flow_refuse(extack, -EOPNOTSUPP,
					"pppoe: type 0x%04x proto 0x%04x, n_proto 0x%04x",
					ntohs(match.key->type),
					ntohs(match.key->ppp_proto),
					ntohs(key->n_proto));

	key->pppoe = 1;
	key->pppoe_sid = match.key->session_id;
	return 0;
}

static int nsim_flow_tc_addrs(struct nsim_flow_key *key,
			      const struct flow_rule *rule,
			      struct netlink_ext_ack *extack)
{
	u64 used = rule->match.dissector->used_keys;
	struct flow_match_control control;

	flow_rule_match_control(rule, &control);
	if (control.mask->addr_type != 0xffff)
		return nsim_flow_refuse(extack, -EOPNOTSUPP,
					"control: addr_type must be exact");
	if (control.mask->thoff)
		return nsim_flow_refuse(extack, -EOPNOTSUPP,
					"control: no match on thoff");
	if (control.mask->flags & ~FLOW_DIS_IS_FRAGMENT ||
	    control.key->flags & control.mask->flags)
		return nsim_flow_refuse(extack, -EOPNOTSUPP,
					"control: flags 0x%x/0x%x",
					control.key->flags,
					control.mask->flags);

	if (!(used & NSIM_FLOW_KEY(IPV4_ADDRS)) ==
	    !(used & NSIM_FLOW_KEY(IPV6_ADDRS)))
		return nsim_flow_refuse(extack, -EOPNOTSUPP,
					"addresses: want one of ipv4, ipv6");

	if (used & NSIM_FLOW_KEY(IPV4_ADDRS)) {
		struct flow_match_ipv4_addrs match;

		flow_rule_match_ipv4_addrs(rule, &match);
		if (control.key->addr_type != FLOW_DISSECTOR_KEY_IPV4_ADDRS ||
		    key->n_proto != htons(ETH_P_IP))
			return nsim_flow_refuse(extack, -EOPNOTSUPP,
						"ipv4: addr_type %u, n_proto 0x%04x",
						control.key->addr_type,
						ntohs(key->n_proto));
		if (~match.mask->src || ~match.mask->dst)
			return nsim_flow_refuse(extack, -EOPNOTSUPP,
						"ipv4: addresses must be exact");
		key->src[0] = match.key->src;
		key->dst[0] = match.key->dst;
	} else {
		struct flow_match_ipv6_addrs match;

		flow_rule_match_ipv6_addrs(rule, &match);
		if (control.key->addr_type != FLOW_DISSECTOR_KEY_IPV6_ADDRS ||
		    key->n_proto != htons(ETH_P_IPV6))
			return nsim_flow_refuse(extack, -EOPNOTSUPP,
						"ipv6: addr_type %u, n_proto 0x%04x",
						control.key->addr_type,
						ntohs(key->n_proto));
		if (memchr_inv(match.mask, 0xff, sizeof(*match.mask)))
			return nsim_flow_refuse(extack, -EOPNOTSUPP,
						"ipv6: addresses must be exact");
		memcpy(key->src, &match.key->src, sizeof(key->src));
		memcpy(key->dst, &match.key->dst, sizeof(key->dst));
	}
	return 0;
}

static int nsim_flow_tc_l4(struct nsim_flow_key *key,
			   const struct flow_rule *rule,
			   struct netlink_ext_ack *extack)
{
	u64 used = rule->match.dissector->used_keys;
	bool has_ports = used & NSIM_FLOW_KEY(PORTS);

	switch (key->ip_proto) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
		if (!has_ports)
			return nsim_flow_refuse(extack, -EOPNOTSUPP,
						"ports: missing");
		break;
	case IPPROTO_GRE:
		if (has_ports)
			return nsim_flow_refuse(extack, -EOPNOTSUPP,
						"ports: GRE has none");
		break;
	default:
		return nsim_flow_refuse(extack, -EOPNOTSUPP,
					"basic: ip_proto %u", key->ip_proto);
	}

	if (has_ports) {
		struct flow_match_ports ports;

		flow_rule_match_ports(rule, &ports);
		if (ports.mask->src != htons(0xffff) ||
		    ports.mask->dst != htons(0xffff))
			return nsim_flow_refuse(extack, -EOPNOTSUPP,
						"ports: must be exact");
		key->sport = ports.key->src;
		key->dport = ports.key->dst;
	}

	if (used & NSIM_FLOW_KEY(TCP)) {
		struct flow_match_tcp tcp;

		flow_rule_match_tcp(rule, &tcp);
		if (key->ip_proto != IPPROTO_TCP)
			return nsim_flow_refuse(extack, -EOPNOTSUPP,
						"tcp: ip_proto is %u",
						key->ip_proto);
		if (tcp.mask->flags != htons(TCPHDR_FIN | TCPHDR_SYN |
					     TCPHDR_RST) ||
		    tcp.key->flags & tcp.mask->flags)
			return nsim_flow_refuse(extack, -EOPNOTSUPP,
						"tcp: flags 0x%04x/0x%04x, want 0/0x0007",
						ntohs(tcp.key->flags),
						ntohs(tcp.mask->flags));
	}
	return 0;
}

static int nsim_flow_tc_match(struct nsim_flow_key *key, int ifindex,
			      const struct flow_rule *rule,
			      struct netlink_ext_ack *extack)
{
	const u64 need = NSIM_FLOW_KEY(META) | NSIM_FLOW_KEY(CONTROL) |
			 NSIM_FLOW_KEY(BASIC);
	const u64 take = need | NSIM_FLOW_KEY(IPV4_ADDRS) |
			 NSIM_FLOW_KEY(IPV6_ADDRS) | NSIM_FLOW_KEY(PORTS) |
			 NSIM_FLOW_KEY(TCP) | NSIM_FLOW_KEY(VLAN) |
			 NSIM_FLOW_KEY(CVLAN) | NSIM_FLOW_KEY(PPPOE);
	const u64 tunnel = NSIM_FLOW_KEY(ENC_KEYID) |
			   NSIM_FLOW_KEY(ENC_IPV4_ADDRS) |
			   NSIM_FLOW_KEY(ENC_IPV6_ADDRS) |
			   NSIM_FLOW_KEY(ENC_CONTROL) |
			   NSIM_FLOW_KEY(ENC_PORTS) | NSIM_FLOW_KEY(ENC_IP) |
			   NSIM_FLOW_KEY(ENC_OPTS);
	u64 used = rule->match.dissector->used_keys;
	struct flow_match_basic basic;
	struct flow_match_meta meta;
	int err;

	if (used & tunnel)
		return nsim_flow_refuse(extack, -EOPNOTSUPP,
					"match: this NIC has no tunnels, keys 0x%llx",
					used & tunnel);
	if (used & ~take)
		return nsim_flow_refuse(extack, -EOPNOTSUPP,
					"match: unsupported keys 0x%llx",
					used & ~take);
	if ((used & need) != need)
		return nsim_flow_refuse(extack, -EOPNOTSUPP,
					"match: missing keys 0x%llx",
					need & ~used);

	flow_rule_match_meta(rule, &meta);
	if (~meta.mask->ingress_ifindex)
		return nsim_flow_refuse(extack, -EOPNOTSUPP,
					"meta: ingress_ifindex must be exact");
	if (meta.mask->ingress_iftype || meta.mask->l2_miss)
		return nsim_flow_refuse(extack, -EOPNOTSUPP,
					"meta: no match on iftype or l2_miss");
	if (meta.key->ingress_ifindex != ifindex)
		return nsim_flow_refuse(extack, -EOPNOTSUPP,
					"meta: ingress_ifindex %d, this port is %d",
					meta.key->ingress_ifindex, ifindex);

	flow_rule_match_basic(rule, &basic);
	if (basic.mask->n_proto != htons(0xffff) ||
	    basic.mask->ip_proto != 0xff)
		return nsim_flow_refuse(extack, -EOPNOTSUPP,
					"basic: protocols must be exact");
	key->n_proto = basic.key->n_proto;
	key->ip_proto = basic.key->ip_proto;

	err = nsim_flow_tc_addrs(key, rule, extack);
	if (err)
		return err;
	err = nsim_flow_tc_l4(key, rule, extack);
	if (err)
		return err;
	err = nsim_flow_tc_pppoe(key, rule, extack);
	if (err)
		return err;
	return nsim_flow_tc_tags(key, rule, extack);
}

/* Returns whether a rewrite that keeps @mask changes no byte other than @i. */
static bool nsim_flow_only_byte(u32 mask, unsigned int i)
{
	u8 keep[sizeof(mask)];

	memcpy(keep, &mask, sizeof(mask));
	keep[i] = 0xff;
	return !memchr_inv(keep, 0xff, sizeof(keep));
}

static int nsim_flow_tc_mangle(struct nsim_flow_op *op,
			       const struct nsim_flow_key *key,
			       const struct flow_action_entry *entry,
			       struct netlink_ext_ack *extack)
{
	bool add = entry->id == FLOW_ACTION_ADD;
	u32 offset = entry->mangle.offset;
	u32 mask = entry->mangle.mask;
	bool hit = false, ok = false;

	switch (entry->mangle.htype) {
	case FLOW_ACT_MANGLE_HDR_TYPE_ETH:
		hit = true;
		ok = !add && (offset == 0 || offset == 4 || offset == 8);
		break;
	case FLOW_ACT_MANGLE_HDR_TYPE_IP4:
		hit = key->n_proto == htons(ETH_P_IP);
		if (offset == offsetof(struct iphdr, ttl))
			ok = nsim_flow_only_byte(mask, 0);
		else
			ok = !add && (offset == offsetof(struct iphdr, saddr) ||
				      offset == offsetof(struct iphdr, daddr));
		break;
	case FLOW_ACT_MANGLE_HDR_TYPE_IP6:
		hit = key->n_proto == htons(ETH_P_IPV6);
		if (offset == offsetof(struct ipv6hdr, payload_len))
			ok = nsim_flow_only_byte(mask, 3);
		else
			ok = !add && !(offset % 4) &&
			     offset >= offsetof(struct ipv6hdr, saddr) &&
			     offset < sizeof(struct ipv6hdr);
		break;
	case FLOW_ACT_MANGLE_HDR_TYPE_TCP:
		hit = key->ip_proto == IPPROTO_TCP;
		ok = !add && offset == 0;
		break;
	case FLOW_ACT_MANGLE_HDR_TYPE_UDP:
		hit = key->ip_proto == IPPROTO_UDP;
		ok = !add && offset == 0;
		break;
	default:
		break;
	}

	if (!hit)
		return nsim_flow_refuse(extack, -EOPNOTSUPP,
					"%s: header type %u is not matched",
					add ? "add" : "mangle",
					entry->mangle.htype);
	if (!ok)
		return nsim_flow_refuse(extack, -EOPNOTSUPP,
					"%s: header %u offset %u mask 0x%08x",
					add ? "add" : "mangle",
					entry->mangle.htype, offset, mask);

	op->mangle.htype = entry->mangle.htype;
	op->mangle.offset = offset;
	op->mangle.mask = mask;
	op->mangle.val = entry->mangle.val;
	return 0;
}

static int nsim_flow_tc_csum(struct nsim_flow_op *op,
			     const struct nsim_flow_key *key,
			     const struct flow_action_entry *entry,
			     struct netlink_ext_ack *extack)
{
	u32 take = 0;

	if (key->n_proto == htons(ETH_P_IP))
		take |= TCA_CSUM_UPDATE_FLAG_IPV4HDR;
	if (key->ip_proto == IPPROTO_TCP)
		take |= TCA_CSUM_UPDATE_FLAG_TCP;
	if (key->ip_proto == IPPROTO_UDP)
		take |= TCA_CSUM_UPDATE_FLAG_UDP;

	if (!entry->csum_flags || entry->csum_flags & ~take)
		return nsim_flow_refuse(extack, -EOPNOTSUPP,
					"csum: flags 0x%x, this match takes 0x%x",
					entry->csum_flags, take);
	op->csum_flags = entry->csum_flags;
	return 0;
}

static int nsim_flow_tc_push(struct nsim_flow_op *op, unsigned int n_tags,
			     const struct flow_action_entry *entry,
			     struct netlink_ext_ack *extack)
{
	if (n_tags == NSIM_FLOW_MAX_TAGS)
		return nsim_flow_refuse(extack, -EOPNOTSUPP,
					"push: more than %u tags",
					NSIM_FLOW_MAX_TAGS);
	if (!eth_type_vlan(entry->vlan.proto))
		return nsim_flow_refuse(extack, -EOPNOTSUPP,
					"push: tpid 0x%04x is no tag",
					ntohs(entry->vlan.proto));
	if (entry->vlan.vid >= VLAN_N_VID || entry->vlan.prio > 7)
		return nsim_flow_refuse(extack, -EINVAL,
					"push: vid %u prio %u",
					entry->vlan.vid, entry->vlan.prio);

	op->vlan.proto = entry->vlan.proto;
	op->vlan.tci = entry->vlan.vid | entry->vlan.prio << VLAN_PRIO_SHIFT;
	return 0;
}

static int nsim_flow_tc_pppoe_push(struct nsim_flow_op *op,
				   const struct nsim_flow_draft *d,
				   unsigned int n_tags,
				   const struct flow_action_entry *entry,
				   struct netlink_ext_ack *extack)
{
	if (d->pppoe_out)
		return nsim_flow_refuse(extack, -EOPNOTSUPP,
					"pppoe push: there is a header");
	if (n_tags)
		return nsim_flow_refuse(extack, -EOPNOTSUPP,
					"pppoe push: outside of a tag");
	if (!entry->pppoe.sid)
		return nsim_flow_refuse(extack, -EINVAL,
					"pppoe push: session 0");

	op->sid = entry->pppoe.sid;
	return 0;
}

static int nsim_flow_tc_redirect(struct nsim_flow_draft *d,
				 const struct flow_action_entry *entry)
{
	if (!entry->dev || (!netdev_is_nsim(entry->dev) &&
			    !netif_is_lag_master(entry->dev)))
		return nsim_flow_refuse(d->extack, -EOPNOTSUPP,
					"redirect: %s is no port of this NIC",
					entry->dev ? entry->dev->name : "none");
	if (!nsim_flow_same_switch(d, entry->dev))
		return nsim_flow_refuse(d->extack, -EOPNOTSUPP,
					"redirect: %s is on another switch",
					entry->dev->name);
	return nsim_flow_set_egress(d, entry->dev);
}

static enum nsim_flow_op_id nsim_flow_tc_op(enum flow_action_id id)
{
	switch (id) {
	case FLOW_ACTION_MANGLE:
		return NSIM_FLOW_OP_SET;
	case FLOW_ACTION_ADD:
		return NSIM_FLOW_OP_ADD;
	case FLOW_ACTION_CSUM:
		return NSIM_FLOW_OP_CSUM;
	case FLOW_ACTION_VLAN_POP:
		return NSIM_FLOW_OP_POP;
	case FLOW_ACTION_VLAN_PUSH:
		return NSIM_FLOW_OP_PUSH;
	case FLOW_ACTION_PPPOE_PUSH:
		return NSIM_FLOW_OP_PPPOE_PUSH;
	default:
		return NSIM_FLOW_OP_OUT;
	}
}

/*
 * pedit and csum start from the network header, which a second tag moves: the
 * first tag is beside the packet data, the second one in it (skb_vlan_push()).
 */
static bool nsim_flow_tc_behind_tags(const struct flow_action_entry *entry,
				     unsigned int n_tags)
{
	switch (entry->id) {
	case FLOW_ACTION_MANGLE:
	case FLOW_ACTION_ADD:
		return n_tags > 1 &&
		       entry->mangle.htype != FLOW_ACT_MANGLE_HDR_TYPE_ETH;
	case FLOW_ACTION_CSUM:
		return n_tags > 1;
	default:
		return false;
	}
}

static int nsim_flow_tc_actions(struct nsim_flow_draft *d)
{
	const struct flow_action *action = &d->f->rule->action;
	const u32 hw_stats = FLOW_ACTION_HW_STATS_IMMEDIATE |
			     FLOW_ACTION_HW_STATS_DISABLED;
	struct netlink_ext_ack *extack = d->extack;
	unsigned int n_tags = d->key.n_tags;
	const struct flow_action_entry *entry;
	unsigned int i;
	int err = 0;

	d->pppoe_out = d->key.pppoe;
	flow_action_for_each(i, entry, action) {
		struct nsim_flow_op *op;

		if (!entry->hw_stats)
			return nsim_flow_refuse(extack, -EINVAL,
						"action %u: hw_stats not set",
						i);
		if (!(entry->hw_stats & hw_stats))
			return nsim_flow_refuse(extack, -EOPNOTSUPP,
						"action %u: hw_stats 0x%x",
						i, entry->hw_stats);
		if (d->egress)
			return nsim_flow_refuse(extack, -EOPNOTSUPP,
						"action %u: after redirect",
						i);

		if (nsim_flow_tc_behind_tags(entry, n_tags))
			return nsim_flow_refuse(extack, -EOPNOTSUPP,
						"action %u: a rewrite behind two tags",
						i);

		/* There is room: NSIM_FLOW_MAX_ACTIONS at most. */
		op = nsim_flow_add_op(d, nsim_flow_tc_op(entry->id));
		switch (entry->id) {
		case FLOW_ACTION_MANGLE:
		case FLOW_ACTION_ADD:
			err = nsim_flow_tc_mangle(op, &d->key, entry, extack);
			break;
		case FLOW_ACTION_CSUM:
			err = nsim_flow_tc_csum(op, &d->key, entry, extack);
			break;
		case FLOW_ACTION_VLAN_POP:
			if (!n_tags)
				return nsim_flow_refuse(extack, -EOPNOTSUPP,
							"pop: no tag there");
			n_tags--;
			break;
		case FLOW_ACTION_VLAN_PUSH:
			err = nsim_flow_tc_push(op, n_tags++, entry, extack);
			break;
		case FLOW_ACTION_PPPOE_PUSH:
			err = nsim_flow_tc_pppoe_push(op, d, n_tags, entry,
						      extack);
			d->pppoe_out++;
			break;
		case FLOW_ACTION_REDIRECT:
			err = nsim_flow_tc_redirect(d, entry);
			break;
		case FLOW_ACTION_TUNNEL_ENCAP:
		case FLOW_ACTION_TUNNEL_DECAP:
			return nsim_flow_refuse(extack, -EOPNOTSUPP,
						"action %u: this NIC has no tunnels",
						i);
		default:
			return nsim_flow_refuse(extack, -EOPNOTSUPP,
						"action %u: unsupported id %u",
						i, entry->id);
		}
		if (err)
			return err;
	}

	if (!d->egress)
		return nsim_flow_refuse(extack, -EOPNOTSUPP,
					"no redirect in %u actions",
					action->num_entries);
	return 0;
}

static int nsim_flow_tc_gate(struct nsim_flow_draft *d)
{
	const struct flow_cls_common_offload *common = &d->f->common;

	if (d->f->command != FLOW_CLS_REPLACE)
		return 0;
	if (!common->prio || common->prio > NSIM_FLOW_TC_MAX_PRIO)
		return nsim_flow_refuse(d->extack, -EOPNOTSUPP,
					"prio %u is not in 1..%u",
					common->prio, NSIM_FLOW_TC_MAX_PRIO);
	if (common->chain_index)
		return nsim_flow_refuse(d->extack, -EOPNOTSUPP, "chain %u",
					common->chain_index);
	if (nsim_flow_is_tc_block(d)) {
		if (!eth_proto_is_802_3(common->protocol))
			return nsim_flow_refuse(d->extack, -EOPNOTSUPP,
						"protocol 0x%04x is no Ethertype",
						ntohs(common->protocol));
		return 0;
	}
	if (common->protocol != htons(ETH_P_ALL))
		return nsim_flow_refuse(d->extack, -EOPNOTSUPP,
					"protocol 0x%04x is not ETH_P_ALL",
					ntohs(common->protocol));
	return 0;
}

static int nsim_flow_tc_parse(struct nsim_flow_draft *d)
{
	const struct flow_rule *rule = d->f->rule;
	unsigned int n = rule->action.num_entries;
	int err;

	if (!n || n > NSIM_FLOW_MAX_ACTIONS)
		return nsim_flow_refuse(d->extack, -EOPNOTSUPP,
					"%u actions, want 1..%u", n,
					NSIM_FLOW_MAX_ACTIONS);

	err = nsim_flow_tc_match(&d->key, d->dev->ifindex, rule, d->extack);
	if (err)
		return err;
	return nsim_flow_tc_actions(d);
}

const struct nsim_flow_profile nsim_flow_profile_tc = {
	.gate			= nsim_flow_tc_gate,
	.parse			= nsim_flow_tc_parse,
	.known_text		= "cookie is in the table",
	.unknown_errno		= -ENOENT,
	.talks			= true,
	.trap_tcp		= true,
	.trap_gre_version	= true,
	.stats_type		= FLOW_ACTION_HW_STATS_IMMEDIATE,
};
