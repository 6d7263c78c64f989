// SPDX-License-Identifier: GPL-2.0
/* See rule_text.h. */
#include <linux/tc_act/tc_csum.h>
#include <net/flow_offload.h>
#include <net/ip_tunnels.h>
#include <net/pkt_cls.h>

#include "rule_text.h"

static bool all(const u8 *bytes, size_t len, u8 value)
{
	return !memchr_inv(bytes, value, len);
}

/*
 * A field in the order of its bytes. One that is not looked at and is zero is
 * not printed; a mask is, unless it is all ones.
 */
static void bytes(struct seq_buf *out, const char *name, const void *key,
		  const void *mask, size_t len)
{
	if (all(key, len, 0) && all(mask, len, 0))
		return;
	seq_buf_printf(out, " %s %*phN", name, (int)len, key);
	if (!all(mask, len, 0xff))
		seq_buf_printf(out, "/%*phN", (int)len, mask);
}

#define BYTES(out, key, mask, field) \
	bytes(out, #field, &(key)->field, &(mask)->field, sizeof((key)->field))

/* A field in host order; full is the mask that stands for all of it. */
static void number(struct seq_buf *out, const char *name, u32 key, u32 mask,
		   u32 full)
{
	if (!key && !mask)
		return;
	seq_buf_printf(out, " %s %u", name, key);
	if (mask != full)
		seq_buf_printf(out, "/%x", mask);
}

static void device(struct seq_buf *out, const char *name, int ifindex, u32 mask,
		   const char *(*name_of)(int ifindex))
{
	seq_buf_printf(out, " %s %s", name, name_of(ifindex));
	if (mask != U32_MAX)
		seq_buf_printf(out, "/%x", mask);
}

static void *key_of(const struct flow_rule *rule, unsigned int id)
{
	return skb_flow_dissector_target(rule->match.dissector, id,
					 rule->match.key);
}

static void *mask_of(const struct flow_rule *rule, unsigned int id)
{
	return skb_flow_dissector_target(rule->match.dissector, id,
					 rule->match.mask);
}

static void print_vlan(struct seq_buf *out,
		       const struct flow_dissector_key_vlan *key,
		       const struct flow_dissector_key_vlan *mask)
{
	seq_buf_printf(out, " id %u", key->vlan_id);
	if (mask->vlan_id != VLAN_VID_MASK)
		seq_buf_printf(out, "/%x", mask->vlan_id);
	number(out, "dei", key->vlan_dei, mask->vlan_dei, 1);
	number(out, "priority", key->vlan_priority, mask->vlan_priority, 7);
	bytes(out, "tpid", &key->vlan_tpid, &mask->vlan_tpid, 2);
	bytes(out, "eth_type", &key->vlan_eth_type, &mask->vlan_eth_type, 2);
}

static void print_control(struct seq_buf *out,
			  const struct flow_dissector_key_control *key,
			  const struct flow_dissector_key_control *mask)
{
	number(out, "thoff", key->thoff, mask->thoff, U16_MAX);
	number(out, "addr_type", key->addr_type, mask->addr_type, U16_MAX);
	number(out, "flags", key->flags, mask->flags, U32_MAX);
}

static void print_key(struct seq_buf *out, const struct flow_rule *rule,
		      unsigned int id, const char *(*name_of)(int ifindex))
{
	const void *k = key_of(rule, id), *m = mask_of(rule, id);

#define KEY(name, type)							\
	const struct flow_dissector_key_##type *key = k, *mask = m;	\
	seq_buf_puts(out, "match " name)

	switch (id) {
	case FLOW_DISSECTOR_KEY_META: {
		KEY("meta", meta);
		device(out, "ingress", key->ingress_ifindex,
		       mask->ingress_ifindex, name_of);
		BYTES(out, key, mask, ingress_iftype);
		BYTES(out, key, mask, l2_miss);
		break;
	}
	case FLOW_DISSECTOR_KEY_CONTROL: {
		KEY("control", control);
		print_control(out, key, mask);
		break;
	}
	case FLOW_DISSECTOR_KEY_ENC_CONTROL: {
		KEY("enc_control", control);
		print_control(out, key, mask);
		break;
	}
	case FLOW_DISSECTOR_KEY_BASIC: {
		KEY("basic", basic);
		BYTES(out, key, mask, n_proto);
		number(out, "ip_proto", key->ip_proto, mask->ip_proto, U8_MAX);
		break;
	}
	case FLOW_DISSECTOR_KEY_IPV4_ADDRS: {
		KEY("ipv4", ipv4_addrs);
		BYTES(out, key, mask, src);
		BYTES(out, key, mask, dst);
		break;
	}
	case FLOW_DISSECTOR_KEY_ENC_IPV4_ADDRS: {
		KEY("enc_ipv4", ipv4_addrs);
		BYTES(out, key, mask, src);
		BYTES(out, key, mask, dst);
		break;
	}
	case FLOW_DISSECTOR_KEY_IPV6_ADDRS: {
		KEY("ipv6", ipv6_addrs);
		BYTES(out, key, mask, src);
		BYTES(out, key, mask, dst);
		break;
	}
	case FLOW_DISSECTOR_KEY_ENC_IPV6_ADDRS: {
		KEY("enc_ipv6", ipv6_addrs);
		BYTES(out, key, mask, src);
		BYTES(out, key, mask, dst);
		break;
	}
	case FLOW_DISSECTOR_KEY_PORTS: {
		KEY("ports", ports);
		BYTES(out, key, mask, src);
		BYTES(out, key, mask, dst);
		break;
	}
	case FLOW_DISSECTOR_KEY_ENC_PORTS: {
		KEY("enc_ports", ports);
		BYTES(out, key, mask, src);
		BYTES(out, key, mask, dst);
		break;
	}
	case FLOW_DISSECTOR_KEY_TCP: {
		KEY("tcp", tcp);
		BYTES(out, key, mask, flags);
		break;
	}
	case FLOW_DISSECTOR_KEY_IP: {
		KEY("ip", ip);
		BYTES(out, key, mask, tos);
		BYTES(out, key, mask, ttl);
		break;
	}
	case FLOW_DISSECTOR_KEY_ENC_IP: {
		KEY("enc_ip", ip);
		BYTES(out, key, mask, tos);
		BYTES(out, key, mask, ttl);
		break;
	}
	case FLOW_DISSECTOR_KEY_ENC_KEYID: {
		KEY("enc_keyid", keyid);
		BYTES(out, key, mask, keyid);
		break;
	}
	case FLOW_DISSECTOR_KEY_VLAN: {
		KEY("vlan", vlan);
		print_vlan(out, key, mask);
		break;
	}
	case FLOW_DISSECTOR_KEY_CVLAN: {
		KEY("cvlan", vlan);
		print_vlan(out, key, mask);
		break;
	}
	case FLOW_DISSECTOR_KEY_NUM_OF_VLANS: {
		KEY("num_of_vlans", num_of_vlans);
		BYTES(out, key, mask, num_of_vlans);
		break;
	}
	case FLOW_DISSECTOR_KEY_PPPOE: {
		KEY("pppoe", pppoe);
		BYTES(out, key, mask, session_id);
		BYTES(out, key, mask, ppp_proto);
		BYTES(out, key, mask, type);
		break;
	}
	case FLOW_DISSECTOR_KEY_ETH_ADDRS: {
		KEY("eth", eth_addrs);
		BYTES(out, key, mask, src);
		BYTES(out, key, mask, dst);
		break;
	}
	default:
		seq_buf_printf(out, "match key number %u", id);
	}
#undef KEY
	seq_buf_putc(out, '\n');
}

static void print_word(struct seq_buf *out, const char *what,
		       const struct flow_action_entry *entry)
{
	static const char * const headers[] = {
		[FLOW_ACT_MANGLE_UNSPEC] = "unspec",
		[FLOW_ACT_MANGLE_HDR_TYPE_ETH] = "eth",
		[FLOW_ACT_MANGLE_HDR_TYPE_IP4] = "ip4",
		[FLOW_ACT_MANGLE_HDR_TYPE_IP6] = "ip6",
		[FLOW_ACT_MANGLE_HDR_TYPE_TCP] = "tcp",
		[FLOW_ACT_MANGLE_HDR_TYPE_UDP] = "udp",
	};
	unsigned int header = entry->mangle.htype;

	seq_buf_printf(out, "%s %s+%u keep %4phN value %4phN", what,
		       header < ARRAY_SIZE(headers) ? headers[header] : "?",
		       entry->mangle.offset, &entry->mangle.mask,
		       &entry->mangle.val);
}

static void print_csum(struct seq_buf *out, u32 flags)
{
	static const struct {
		u32 flag;
		const char *name;
	} known[] = {
		{ TCA_CSUM_UPDATE_FLAG_IPV4HDR, "ip4" },
		{ TCA_CSUM_UPDATE_FLAG_TCP, "tcp" },
		{ TCA_CSUM_UPDATE_FLAG_UDP, "udp" },
	};
	unsigned int i;

	seq_buf_puts(out, "csum");
	for (i = 0; i < ARRAY_SIZE(known); i++) {
		if (flags & known[i].flag)
			seq_buf_printf(out, " %s", known[i].name);
		flags &= ~known[i].flag;
	}
	if (flags)
		seq_buf_printf(out, " 0x%x", flags);
}

static void print_tunnel(struct seq_buf *out, const struct ip_tunnel_info *info)
{
	const struct ip_tunnel_key *key = &info->key;

	seq_buf_printf(out, "tunnel_encap id %8phN", &key->tun_id);
	if (info->mode & IP_TUNNEL_INFO_IPV6)
		seq_buf_printf(out, " src %pI6c dst %pI6c", &key->u.ipv6.src,
			       &key->u.ipv6.dst);
	else
		seq_buf_printf(out, " src %pI4 dst %pI4", &key->u.ipv4.src,
			       &key->u.ipv4.dst);
	seq_buf_printf(out, " tos %u ttl %u port %u mode %u", key->tos,
		       key->ttl, ntohs(key->tp_dst), info->mode);
}

static void print_action(struct seq_buf *out, unsigned int index,
			 const struct flow_action_entry *entry,
			 const char *(*name_of)(int ifindex))
{
	seq_buf_printf(out, "%u. ", index);
	switch (entry->id) {
	case FLOW_ACTION_ACCEPT:
		seq_buf_puts(out, "accept");
		break;
	case FLOW_ACTION_REDIRECT:
		seq_buf_printf(out, "redirect %s", name_of(entry->dev->ifindex));
		break;
	case FLOW_ACTION_MANGLE:
		print_word(out, "mangle", entry);
		break;
	case FLOW_ACTION_ADD:
		print_word(out, "add", entry);
		break;
	case FLOW_ACTION_CSUM:
		print_csum(out, entry->csum_flags);
		break;
	case FLOW_ACTION_VLAN_PUSH:
		seq_buf_printf(out, "vlan_push id %u proto %2phN priority %u",
			       entry->vlan.vid, &entry->vlan.proto,
			       entry->vlan.prio);
		break;
	case FLOW_ACTION_VLAN_POP:
		seq_buf_puts(out, "vlan_pop");
		break;
	case FLOW_ACTION_PPPOE_PUSH:
		seq_buf_printf(out, "pppoe_push session 0x%x",
			       entry->pppoe.sid);
		break;
	case FLOW_ACTION_TUNNEL_ENCAP:
		print_tunnel(out, entry->tunnel);
		break;
	case FLOW_ACTION_TUNNEL_DECAP:
		seq_buf_puts(out, "tunnel_decap");
		break;
	default:
		seq_buf_printf(out, "action number %u", entry->id);
	}
	if (entry->hw_stats != FLOW_ACTION_HW_STATS_DONT_CARE)
		seq_buf_printf(out, " hw_stats %u", entry->hw_stats);
	if (entry->hw_index || entry->cookie || entry->miss_cookie ||
	    entry->destructor || entry->user_cookie)
		seq_buf_puts(out, " and more");
	seq_buf_putc(out, '\n');
}

void rule_text(struct seq_buf *out, const struct flow_cls_offload *cls,
	       const char *(*name_of)(int ifindex))
{
	const struct flow_rule *rule = cls->rule;
	const struct flow_action_entry *entry;
	unsigned int id;
	int i;

	seq_buf_printf(out, "protocol %2phN\n", &cls->common.protocol);
	seq_buf_printf(out, "prio %u\n", cls->common.prio);
	if (cls->common.chain_index || cls->common.skip_sw || cls->classid)
		seq_buf_printf(out, "chain %u skip_sw %u classid %u\n",
			       cls->common.chain_index, cls->common.skip_sw,
			       cls->classid);
	for (id = 0; id < FLOW_DISSECTOR_KEY_MAX; id++) {
		if (flow_rule_match_key(rule, id))
			print_key(out, rule, id, name_of);
	}
	if (rule->match.dissector->used_keys >> FLOW_DISSECTOR_KEY_MAX)
		seq_buf_printf(out, "match used_keys %llx\n",
			       (u64)rule->match.dissector->used_keys);
	flow_action_for_each(i, entry, &rule->action)
		print_action(out, i + 1, entry, name_of);
}
