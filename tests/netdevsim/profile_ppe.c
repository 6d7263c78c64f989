// SPDX-License-Identifier: GPL-2.0
/*
 * Shared by the profiles mtk and airoha. The two drivers have one origin:
 * airoha_ppe_flow_offload_replace() is mtk_flow_offload_replace() except for
 * the differences in struct nsim_flow_ppe_driver. Both read a rule in two
 * passes, into one hardware entry that describes the resulting frame. The order
 * of the actions therefore does not matter, and a refusal has no extack, except
 * for control.flags.
 *
 * The operations of a draft are what the packet processing engine does to a
 * frame of such an entry: it removes all tags and the PPPoE header, and writes
 * new MAC addresses, for IPv4 new addresses and ports, TTL, checksums and new
 * headers.
 */

#include <linux/etherdevice.h>
#include <linux/ip.h>
#include <linux/netdevice.h>
#include <linux/string.h>
#include <net/flow_offload.h>
#include <net/pkt_cls.h>

#include "netdevsim.h"
#include "profile_ppe.h"

/* mtk_eth_setup_tc_block_cb(), airoha_dev_setup_tc_block_cb(): checks every
 * command, including DESTROY and STATS.
 */
int nsim_flow_ppe_gate(struct nsim_flow_draft *d)
{
	if (d->dev && !tc_can_offload(d->dev))
		return nsim_flow_quiet(d, -EOPNOTSUPP, "hw-tc-offload is off");
	return 0;
}

static int nsim_flow_ppe_match(struct nsim_flow_draft *d,
			       struct nsim_flow_ppe *ppe)
{
	const struct flow_rule *rule = d->f->rule;
	struct flow_match_control control;
	struct flow_match_basic basic;

	/* The value only selects one of several engines, or nothing. */
	if (!flow_rule_match_key(rule, FLOW_DISSECTOR_KEY_META))
		return nsim_flow_quiet(d, -EOPNOTSUPP, "no META key");

	if (!flow_rule_match_key(rule, FLOW_DISSECTOR_KEY_CONTROL))
		return nsim_flow_quiet(d, -EOPNOTSUPP, "no CONTROL key");
	flow_rule_match_control(rule, &control);
	if (flow_rule_has_control_flags(control.mask->flags, d->extack))
		return -EOPNOTSUPP;

	if (!flow_rule_match_key(rule, FLOW_DISSECTOR_KEY_BASIC))
		return nsim_flow_quiet(d, -EOPNOTSUPP, "no BASIC key");
	flow_rule_match_basic(rule, &basic);
	ppe->ip_proto = basic.key->ip_proto;

	switch (control.key->addr_type) {
	case FLOW_DISSECTOR_KEY_IPV4_ADDRS:
		return 0;
	case FLOW_DISSECTOR_KEY_IPV6_ADDRS:
		ppe->v6 = true;
		return 0;
	case 0:
		/* PPE_PKT_TYPE_BRIDGE: not used by flowtable rules. */
		return nsim_flow_quiet(d, -EOPNOTSUPP,
				       "bridge rules are not simulated");
	default:
		return nsim_flow_quiet(d, -EOPNOTSUPP, "addr_type %u",
				       control.key->addr_type);
	}
}

/* mtk_flow_offload_mangle_eth() to the letter: it checks no other mask. */
static void nsim_flow_ppe_eth(const struct flow_action_entry *act, void *eth)
{
	void *dest = eth + act->mangle.offset;
	const void *src = &act->mangle.val;

	if (act->mangle.offset > 8)
		return;

	if (act->mangle.mask == 0xffff) {
		src += 2;
		dest += 2;
	}

	memcpy(dest, src, act->mangle.mask ? 2 : 4);
}

static int nsim_flow_ppe_first_pass(struct nsim_flow_draft *d,
				    struct nsim_flow_ppe *ppe,
				    const struct nsim_flow_ppe_driver *drv)
{
	const struct flow_action_entry *act;
	unsigned int i;

	flow_action_for_each(i, act, &d->f->rule->action) {
		switch (act->id) {
		case FLOW_ACTION_MANGLE:
			if (act->mangle.htype == FLOW_ACT_MANGLE_HDR_TYPE_ETH)
				nsim_flow_ppe_eth(act, &ppe->eth);
			break;
		case FLOW_ACTION_REDIRECT:
			ppe->odev = act->dev;
			break;
		case FLOW_ACTION_CSUM:
		case FLOW_ACTION_VLAN_POP:
			break;
		case FLOW_ACTION_VLAN_PUSH:
			if (!drv->vlan_fits(ppe))
				return nsim_flow_quiet(d, -EOPNOTSUPP,
						       "push %u: too many",
						       i);
			if (act->vlan.proto != htons(ETH_P_8021Q))
				return nsim_flow_quiet(d, -EOPNOTSUPP,
						       "push %u: tpid 0x%04x",
						       i,
						       ntohs(act->vlan.proto));
			ppe->vlan[ppe->n_vlans++] = act->vlan.vid;
			break;
		case FLOW_ACTION_PPPOE_PUSH:
			if (ppe->n_pppoe == 1 || ppe->n_vlans == 2)
				return nsim_flow_quiet(d, -EOPNOTSUPP,
						       "pppoe push %u: too many",
						       i);
			ppe->sid = act->pppoe.sid;
			ppe->n_pppoe++;
			break;
		default:
			return nsim_flow_quiet(d, -EOPNOTSUPP,
					       "action %u: id %u", i, act->id);
		}
	}

	if (!is_valid_ether_addr(ppe->eth.h_source) ||
	    !is_valid_ether_addr(ppe->eth.h_dest))
		return nsim_flow_quiet(d, -EINVAL, "MAC %pM to %pM",
				       ppe->eth.h_source, ppe->eth.h_dest);
	return 0;
}

/* Reads the keys as exact, regardless of their masks. */
static int nsim_flow_ppe_tuple(struct nsim_flow_draft *d,
			       struct nsim_flow_ppe *ppe)
{
	const struct flow_rule *rule = d->f->rule;
	struct flow_match_ipv4_addrs addrs4;
	struct flow_match_ipv6_addrs addrs6;
	struct flow_match_ports ports;

	if (!flow_rule_match_key(rule, FLOW_DISSECTOR_KEY_PORTS))
		return nsim_flow_quiet(d, -EOPNOTSUPP, "no PORTS key");
	flow_rule_match_ports(rule, &ports);
	ppe->sport = ports.key->src;
	ppe->dport = ports.key->dst;
	ppe->new_sport = ppe->sport;
	ppe->new_dport = ppe->dport;

	/* The drivers rely on addr_type for the presence of the key. */
	if (ppe->v6) {
		if (!flow_rule_match_key(rule, FLOW_DISSECTOR_KEY_IPV6_ADDRS))
			return nsim_flow_quiet(d, -EOPNOTSUPP, "no addresses");
		flow_rule_match_ipv6_addrs(rule, &addrs6);
		memcpy(ppe->src, &addrs6.key->src, sizeof(ppe->src));
		memcpy(ppe->dst, &addrs6.key->dst, sizeof(ppe->dst));
	} else {
		if (!flow_rule_match_key(rule, FLOW_DISSECTOR_KEY_IPV4_ADDRS))
			return nsim_flow_quiet(d, -EOPNOTSUPP, "no addresses");
		flow_rule_match_ipv4_addrs(rule, &addrs4);
		ppe->src[0] = addrs4.key->src;
		ppe->dst[0] = addrs4.key->dst;
		ppe->new_src = addrs4.key->src;
		ppe->new_dst = addrs4.key->dst;
	}
	return 0;
}

static int nsim_flow_ppe_ports(const struct flow_action_entry *act,
			       struct nsim_flow_ppe *ppe)
{
	u32 val = be32_to_cpu((__force __be32)act->mangle.val);

	switch (act->mangle.offset) {
	case 0:
		if ((__force __be32)act->mangle.mask == ~cpu_to_be32(0xffff))
			ppe->new_dport = cpu_to_be16(val);
		else
			ppe->new_sport = cpu_to_be16(val >> 16);
		return 0;
	case 2:
		ppe->new_dport = cpu_to_be16(val);
		return 0;
	default:
		return -EINVAL;
	}
}

static int nsim_flow_ppe_second_pass(struct nsim_flow_draft *d,
				     struct nsim_flow_ppe *ppe)
{
	const struct flow_action_entry *act;
	unsigned int i;
	int err;

	flow_action_for_each(i, act, &d->f->rule->action) {
		if (act->id != FLOW_ACTION_MANGLE)
			continue;

		err = 0;
		switch (act->mangle.htype) {
		case FLOW_ACT_MANGLE_HDR_TYPE_TCP:
		case FLOW_ACT_MANGLE_HDR_TYPE_UDP:
			err = nsim_flow_ppe_ports(act, ppe);
			break;
		case FLOW_ACT_MANGLE_HDR_TYPE_IP4:
			if (act->mangle.offset == offsetof(struct iphdr, saddr))
				ppe->new_src = (__force __be32)act->mangle.val;
			else if (act->mangle.offset ==
				 offsetof(struct iphdr, daddr))
				ppe->new_dst = (__force __be32)act->mangle.val;
			else
				err = -EINVAL;
			break;
		case FLOW_ACT_MANGLE_HDR_TYPE_ETH:
			break;
		default:
			err = -EOPNOTSUPP;
			break;
		}
		if (err)
			return nsim_flow_quiet(d, err,
					       "mangle %u: header %u offset %u",
					       i, act->mangle.htype,
					       act->mangle.offset);
	}
	return 0;
}

/* The operations always fit: there are fewer than there is room for. */
static void nsim_flow_ppe_set(struct nsim_flow_draft *d,
			      enum flow_action_mangle_base htype,
			      u32 offset, const void *val)
{
	struct nsim_flow_op *op = nsim_flow_add_op(d, NSIM_FLOW_OP_SET);

	op->mangle.htype = htype;
	op->mangle.offset = offset;
	memcpy(&op->mangle.val, val, sizeof(op->mangle.val));
}

/* airoha: an IPv6 entry has no source, but the number of a port, or none. */
static void nsim_flow_ppe_macs(struct nsim_flow_draft *d,
			       const struct nsim_flow_ppe *ppe,
			       const struct nsim_flow_ppe_driver *drv)
{
	const u8 *mac = ppe->eth.h_dest;
	unsigned int i;

	if (!ppe->v6 || !drv->port_smac6) {
		for (i = 0; i < 2 * ETH_ALEN; i += sizeof(u32))
			nsim_flow_ppe_set(d, FLOW_ACT_MANGLE_HDR_TYPE_ETH, i,
					  mac + i);
		return;
	}
	nsim_flow_ppe_set(d, FLOW_ACT_MANGLE_HDR_TYPE_ETH, 0, mac);
	nsim_flow_ppe_set(d, FLOW_ACT_MANGLE_HDR_TYPE_ETH, 4, mac + 4);
	/* The first half of the source. */
	memset((u8 *)&d->ops[d->n_ops - 1].mangle.mask + 2, 0xff, 2);
	if (d->egress)
		nsim_flow_add_op(d, NSIM_FLOW_OP_PORT_SMAC);
}

static void nsim_flow_ppe_entry(struct nsim_flow_draft *d,
				const struct nsim_flow_ppe *ppe,
				const struct nsim_flow_ppe_driver *drv)
{
	struct nsim_flow_key *key = &d->key;
	struct nsim_flow_op *op;
	__be16 ports[2];
	unsigned int i;

	/* The only bit for the protocol means UDP if set, and TCP otherwise. */
	key->port = NULL;
	key->ip_proto = ppe->ip_proto == IPPROTO_UDP ? IPPROTO_UDP :
						      IPPROTO_TCP;
	key->n_proto = ppe->v6 ? htons(ETH_P_IPV6) : htons(ETH_P_IP);
	memcpy(key->src, ppe->src, sizeof(key->src));
	memcpy(key->dst, ppe->dst, sizeof(key->dst));
	key->sport = ppe->sport;
	key->dport = ppe->dport;

	nsim_flow_add_op(d, NSIM_FLOW_OP_STRIP);
	nsim_flow_ppe_macs(d, ppe, drv);
	if (!ppe->v6) {
		ports[0] = ppe->new_sport;
		ports[1] = ppe->new_dport;
		nsim_flow_ppe_set(d, FLOW_ACT_MANGLE_HDR_TYPE_IP4,
				  offsetof(struct iphdr, saddr),
				  &ppe->new_src);
		nsim_flow_ppe_set(d, FLOW_ACT_MANGLE_HDR_TYPE_IP4,
				  offsetof(struct iphdr, daddr),
				  &ppe->new_dst);
		nsim_flow_ppe_set(d, key->ip_proto == IPPROTO_UDP ?
				  FLOW_ACT_MANGLE_HDR_TYPE_UDP :
				  FLOW_ACT_MANGLE_HDR_TYPE_TCP, 0, ports);
	}
	nsim_flow_add_op(d, NSIM_FLOW_OP_TTL);
	nsim_flow_add_op(d, NSIM_FLOW_OP_FIX);

	if (ppe->n_pppoe) {
		op = nsim_flow_add_op(d, NSIM_FLOW_OP_PPPOE_PUSH);
		op->sid = ppe->sid;
		d->pppoe_out = 1;
	}
	for (i = ppe->n_vlans; i-- > 0;) {
		op = nsim_flow_add_op(d, NSIM_FLOW_OP_PUSH);
		op->vlan.proto = htons(ETH_P_8021Q);
		op->vlan.tci = ppe->vlan[i];
	}
	nsim_flow_add_op(d, NSIM_FLOW_OP_OUT);
}

int nsim_flow_ppe_parse(struct nsim_flow_draft *d,
			const struct nsim_flow_ppe_driver *drv)
{
	struct nsim_flow_ppe ppe = {};
	int err;

	err = nsim_flow_ppe_match(d, &ppe);
	if (!err)
		err = nsim_flow_ppe_first_pass(d, &ppe, drv);
	if (!err && drv->output_first)
		err = drv->output(d, &ppe);
	if (!err)
		err = nsim_flow_ppe_tuple(d, &ppe);
	if (!err)
		err = nsim_flow_ppe_second_pass(d, &ppe);
	if (!err && !drv->output_first)
		err = drv->output(d, &ppe);
	if (!err)
		nsim_flow_ppe_entry(d, &ppe, drv);
	return err;
}
