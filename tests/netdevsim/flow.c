// SPDX-License-Identifier: GPL-2.0
/*
 * The simulated switch NIC: what a flowtable rule meets when there is no NIC.
 *
 * The kernel's netdevsim accepts TC_SETUP_FT and binds nothing. This file makes
 * every netdevsim device one switch ASIC. Its ports share a rule table that is
 * filled through real flow_block callbacks and checked as strictly as a strict
 * driver would, and a datapath: a frame that comes in on the wire of a port
 * (from its link_device peer) and hits a rule is rewritten by the rule's
 * actions, in order, as tc defines them, and leaves on the wire of the egress
 * port; the host stack of the router never sees it. Everything else, and every
 * exception that a NIC leaves to the CPU, takes the way it always took.
 *
 * It is written from tc's definitions and from what drivers do. It shares no
 * code and no table with the module that it tests.
 *
 * Locks: nsim_flow::lock (mutex) guards the table, the bindings and the life of
 * the ports; it nests inside RTNL, the devlink lock and nft's commit_mutex, and
 * nothing is taken inside it but the allocator's. The datapath takes no lock:
 * it finds rules under RCU, and a port waits for a grace period before it goes.
 *
 * debugfs: /sys/kernel/debug/netdevsim/netdevsimN/flow/
 */

#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/etherdevice.h>
#include <linux/ethtool.h>
#include <linux/if_vlan.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/jiffies.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/netdevice.h>
#include <linux/rhashtable.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/tc_act/tc_csum.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <linux/unaligned.h>
#include <net/flow_offload.h>
#include <net/gre.h>
#include <net/gso.h>
#include <net/ip.h>
#include <net/ip6_checksum.h>
#include <net/pkt_cls.h>
#include <net/tcp.h>

#include "netdevsim.h"

#define NSIM_FLOW_CAPACITY	65536
#define NSIM_FLOW_MAX_ACTIONS	32
#define NSIM_FLOW_MAX_TAGS	2
#define NSIM_FLOW_MAX_PRIO	0xffff
#define NSIM_FLOW_MAX_HOPS	4	/* switches one frame may cross in a row */
#define NSIM_FLOW_LIE_SHIFT	(3600UL * HZ)

/* Set the extack text, give the errno. The text has 68 characters. */
#define nsim_flow_refuse(extack, err, fmt, ...)				\
({									\
	NL_SET_ERR_MSG_FMT_MOD(extack, fmt, ##__VA_ARGS__);		\
	err;								\
})

enum nsim_flow_counter {
	NSIM_FLOW_BINDS,
	NSIM_FLOW_UNBINDS,
	NSIM_FLOW_ADDS,
	NSIM_FLOW_DELS,
	NSIM_FLOW_QUERIES,
	NSIM_FLOW_REFUSED,
	NSIM_FLOW_INJECTED,
	NSIM_FLOW_UNKNOWN_COOKIE,
	NSIM_FLOW_STALE,
	NSIM_FLOW_LEAKED_BINDINGS,
	NSIM_FLOW_FORWARDED,
	NSIM_FLOW_CPU_NOT_IP,
	NSIM_FLOW_CPU_MALFORMED,
	NSIM_FLOW_CPU_TAGS,
	NSIM_FLOW_CPU_IP4_OPTIONS,
	NSIM_FLOW_CPU_IP4_CSUM,
	NSIM_FLOW_CPU_IP6_EXT,
	NSIM_FLOW_CPU_FRAGMENT,
	NSIM_FLOW_CPU_NO_RULE,
	NSIM_FLOW_CPU_TTL,
	NSIM_FLOW_CPU_TCP_SYN,
	NSIM_FLOW_CPU_TCP_FIN_RST,
	NSIM_FLOW_CPU_MTU,
	NSIM_FLOW_DROP_EGRESS_DOWN,
	NSIM_FLOW_DROP_NO_PEER,
	NSIM_FLOW_DROP_PEER,
	NSIM_FLOW_DROP_NOMEM,
	NSIM_FLOW_DROP_LOOP,
	NSIM_FLOW_COUNTERS
};

static const char * const nsim_flow_counter_names[NSIM_FLOW_COUNTERS] = {
	[NSIM_FLOW_BINDS]		= "binds",
	[NSIM_FLOW_UNBINDS]		= "unbinds",
	[NSIM_FLOW_ADDS]		= "adds",
	[NSIM_FLOW_DELS]		= "dels",
	[NSIM_FLOW_QUERIES]		= "queries",
	[NSIM_FLOW_REFUSED]		= "refused",
	[NSIM_FLOW_INJECTED]		= "injected",
	[NSIM_FLOW_UNKNOWN_COOKIE]	= "unknown_cookie",
	[NSIM_FLOW_STALE]		= "stale_at_unbind",
	[NSIM_FLOW_LEAKED_BINDINGS]	= "leaked_bindings",
	[NSIM_FLOW_FORWARDED]		= "forwarded",
	[NSIM_FLOW_CPU_NOT_IP]		= "cpu_not_ip",
	[NSIM_FLOW_CPU_MALFORMED]	= "cpu_malformed",
	[NSIM_FLOW_CPU_TAGS]		= "cpu_tags",
	[NSIM_FLOW_CPU_IP4_OPTIONS]	= "cpu_ip4_options",
	[NSIM_FLOW_CPU_IP4_CSUM]	= "cpu_ip4_csum",
	[NSIM_FLOW_CPU_IP6_EXT]		= "cpu_ip6_ext",
	[NSIM_FLOW_CPU_FRAGMENT]	= "cpu_fragment",
	[NSIM_FLOW_CPU_NO_RULE]		= "cpu_no_rule",
	[NSIM_FLOW_CPU_TTL]		= "cpu_ttl",
	[NSIM_FLOW_CPU_TCP_SYN]		= "cpu_tcp_syn",
	[NSIM_FLOW_CPU_TCP_FIN_RST]	= "cpu_tcp_fin_rst",
	[NSIM_FLOW_CPU_MTU]		= "cpu_mtu",
	[NSIM_FLOW_DROP_EGRESS_DOWN]	= "drop_egress_down",
	[NSIM_FLOW_DROP_NO_PEER]	= "drop_no_peer",
	[NSIM_FLOW_DROP_PEER]		= "drop_peer",
	[NSIM_FLOW_DROP_NOMEM]		= "drop_nomem",
	[NSIM_FLOW_DROP_LOOP]		= "drop_loop",
};

/* Per port, and in this order what `ethtool -S` shows. */
enum nsim_flow_port_counter {
	NSIM_FLOW_PORT_RX_PACKETS,
	NSIM_FLOW_PORT_RX_BYTES,
	NSIM_FLOW_PORT_TX_PACKETS,
	NSIM_FLOW_PORT_TX_BYTES,
	NSIM_FLOW_PORT_TO_CPU,
	NSIM_FLOW_PORT_DROPPED,
	NSIM_FLOW_PORT_RULES,
	NSIM_FLOW_PORT_ADDS,
	NSIM_FLOW_PORT_DELS,
	NSIM_FLOW_PORT_REFUSED,
	NSIM_FLOW_PORT_COUNTERS
};

static const char * const
nsim_flow_port_counter_names[NSIM_FLOW_PORT_COUNTERS] = {
	[NSIM_FLOW_PORT_RX_PACKETS]	= "offload_rx_packets",
	[NSIM_FLOW_PORT_RX_BYTES]	= "offload_rx_bytes",
	[NSIM_FLOW_PORT_TX_PACKETS]	= "offload_tx_packets",
	[NSIM_FLOW_PORT_TX_BYTES]	= "offload_tx_bytes",
	[NSIM_FLOW_PORT_TO_CPU]		= "offload_to_cpu",
	[NSIM_FLOW_PORT_DROPPED]	= "offload_dropped",
	[NSIM_FLOW_PORT_RULES]		= "offload_rules",
	[NSIM_FLOW_PORT_ADDS]		= "offload_adds",
	[NSIM_FLOW_PORT_DELS]		= "offload_dels",
	[NSIM_FLOW_PORT_REFUSED]	= "offload_refused",
};

/* Which command the injected failures hit. */
enum nsim_flow_cmd {
	NSIM_FLOW_CMD_ANY,
	NSIM_FLOW_CMD_BIND,
	NSIM_FLOW_CMD_REPLACE,
	NSIM_FLOW_CMD_DESTROY,
	NSIM_FLOW_CMD_STATS,
};

static const char * const nsim_flow_cmd_names[] = {
	[NSIM_FLOW_CMD_ANY]	= "any",
	[NSIM_FLOW_CMD_BIND]	= "bind",
	[NSIM_FLOW_CMD_REPLACE]	= "replace",
	[NSIM_FLOW_CMD_DESTROY]	= "destroy",
	[NSIM_FLOW_CMD_STATS]	= "stats",
};

/* How the NIC says one thing and does another. */
enum nsim_flow_lie {
	NSIM_FLOW_LIE_NONE,
	NSIM_FLOW_LIE_LASTUSED_FUTURE,
	NSIM_FLOW_LIE_LASTUSED_STALE,
	NSIM_FLOW_LIE_STATS_ERROR,
	NSIM_FLOW_LIE_SILENT,
	NSIM_FLOW_LIE_DESTROY_KEEPS,
};

static const char * const nsim_flow_lie_names[] = {
	[NSIM_FLOW_LIE_NONE]		= "none",
	[NSIM_FLOW_LIE_LASTUSED_FUTURE]	= "lastused_future",
	[NSIM_FLOW_LIE_LASTUSED_STALE]	= "lastused_stale",
	[NSIM_FLOW_LIE_STATS_ERROR]	= "stats_error",
	[NSIM_FLOW_LIE_SILENT]		= "silent",
	[NSIM_FLOW_LIE_DESTROY_KEEPS]	= "destroy_keeps",
};

/* A debugfs file that holds one word out of a list. */
struct nsim_flow_choice {
	const char * const *names;
	unsigned int n;
	unsigned int val;
};

/* One 802.1Q or 802.1ad tag as it is matched, in network order. */
struct nsim_flow_tag {
	__be16 tpid;
	__be16 vid;
};

/* What a rule matches and a frame is looked up by; exact, no padding. */
struct nsim_flow_key {
	struct nsim_flow_port *port;
	__be32 src[4];			/* an IPv4 address is in [0] */
	__be32 dst[4];
	__be16 sport;
	__be16 dport;
	struct nsim_flow_tag tag[NSIM_FLOW_MAX_TAGS];	/* outermost first */
	__be16 n_proto;
	u8 ip_proto;
	u8 n_tags;
};

/* One action, ready to run: the parts of flow_action_entry that we keep. */
struct nsim_flow_act {
	enum flow_action_id id;
	union {
		struct {
			enum flow_action_mangle_base htype;
			u32 offset;
			u32 mask;	/* bits to keep, as they lie in memory */
			u32 val;
		} mangle;
		struct {
			__be16 proto;
			u16 tci;
		} vlan;
		u32 csum_flags;
	};
};

struct nsim_flow_rule {
	struct rhash_head match_node;
	struct rhash_head cookie_node;
	struct list_head list;
	struct rcu_head rcu;

	struct nsim_flow_key key;
	unsigned long cookie;
	const struct nsim_flow_profile *profile;
	struct netdevsim *egress;	/* valid under RCU and under the lock */
	bool in_datapath;

	atomic64_t packets;
	atomic64_t bytes;
	unsigned long lastused;
	u64 reported_packets;
	u64 reported_bytes;

	unsigned int n_acts;
	struct nsim_flow_act acts[] __counted_by(n_acts);
};

/* One switch. */
struct nsim_flow {
	struct kref ref;
	struct mutex lock;		/* see the top of the file */
	struct rhashtable by_match;
	struct rhashtable by_cookie;
	struct list_head rules;
	struct list_head bindings;
	unsigned int n_bound;
	struct dentry *ddir;

	bool enabled;
	u32 count;
	u32 high_water;
	u32 capacity;
	u32 orphans;
	u32 delay_us;
	s32 fail_errno;
	atomic_t fail_next;
	struct nsim_flow_choice fail_cmd;
	struct nsim_flow_choice lie;
	struct nsim_flow_choice profile;

	atomic64_t counters[NSIM_FLOW_COUNTERS];
};

/* One port. It outlives its netdev where a binding outlives it. */
struct nsim_flow_port {
	struct kref ref;
	struct nsim_flow *fl;
	struct netdevsim *ns;		/* NULL once the port is gone */
	bool bound;
	atomic64_t counters[NSIM_FLOW_PORT_COUNTERS];
};

/* What a kind of hardware takes and what it does on its own. */
struct nsim_flow_profile {
	int (*parse_match)(struct nsim_flow_key *key, int ifindex,
			   const struct flow_rule *rule,
			   struct netlink_ext_ack *extack);
	int (*parse_actions)(struct nsim_flow_rule *rule,
			     struct nsim_flow_port *port,
			     const struct flow_rule *flow_rule,
			     struct netlink_ext_ack *extack);
	bool implicit_fixups;	/* decrements TTL, corrects checksums */
};

static const struct rhashtable_params nsim_flow_match_params = {
	.key_offset	= offsetof(struct nsim_flow_rule, key),
	.key_len	= sizeof(struct nsim_flow_key),
	.head_offset	= offsetof(struct nsim_flow_rule, match_node),
	.automatic_shrinking = true,
};

static const struct rhashtable_params nsim_flow_cookie_params = {
	.key_offset	= offsetof(struct nsim_flow_rule, cookie),
	.key_len	= sizeof(unsigned long),
	.head_offset	= offsetof(struct nsim_flow_rule, cookie_node),
	.automatic_shrinking = true,
};

static void nsim_flow_inc(struct nsim_flow *fl, enum nsim_flow_counter c)
{
	atomic64_inc(&fl->counters[c]);
}

static void nsim_flow_port_inc(struct nsim_flow_port *port,
			       enum nsim_flow_port_counter c)
{
	atomic64_inc(&port->counters[c]);
}

/* ---- profile tc: sequential actions, nothing implicit ---- */

#define NSIM_FLOW_KEY(name)	BIT_ULL(FLOW_DISSECTOR_KEY_##name)

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
	if (match->mask->vlan_eth_type &&
	    (match->mask->vlan_eth_type != htons(0xffff) ||
	     match->key->vlan_eth_type != next_proto))
		return nsim_flow_refuse(extack, -EOPNOTSUPP,
					"%s: inner type is not what follows",
					name);
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
		return nsim_flow_tc_tag(key, &outer, key->n_proto, "vlan",
					extack);

	flow_rule_match_cvlan(rule, &inner);
	err = nsim_flow_tc_tag(key, &outer, inner.key->vlan_tpid, "vlan",
			       extack);
	if (err)
		return err;
	return nsim_flow_tc_tag(key, &inner, key->n_proto, "cvlan", extack);
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
		if (tcp.mask->flags != htons(TCPHDR_FIN | TCPHDR_RST) ||
		    tcp.key->flags & tcp.mask->flags)
			return nsim_flow_refuse(extack, -EOPNOTSUPP,
						"tcp: flags 0x%04x/0x%04x, want 0/0x0005",
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
			 NSIM_FLOW_KEY(CVLAN);
	u64 used = rule->match.dissector->used_keys;
	struct flow_match_basic basic;
	struct flow_match_meta meta;
	int err;

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
	return nsim_flow_tc_tags(key, rule, extack);
}

/* Does a rewrite that keeps the bits of @mask leave alone all but byte @i? */
static bool nsim_flow_only_byte(u32 mask, unsigned int i)
{
	u8 keep[sizeof(mask)];

	memcpy(keep, &mask, sizeof(mask));
	keep[i] = 0xff;
	return !memchr_inv(keep, 0xff, sizeof(keep));
}

static int nsim_flow_tc_mangle(struct nsim_flow_act *act,
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

	act->mangle.htype = entry->mangle.htype;
	act->mangle.offset = offset;
	act->mangle.mask = mask;
	act->mangle.val = entry->mangle.val;
	return 0;
}

static int nsim_flow_tc_csum(struct nsim_flow_act *act,
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
	act->csum_flags = entry->csum_flags;
	return 0;
}

static int nsim_flow_tc_push(struct nsim_flow_act *act, unsigned int n_tags,
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

	act->vlan.proto = entry->vlan.proto;
	act->vlan.tci = entry->vlan.vid | entry->vlan.prio << VLAN_PRIO_SHIFT;
	return 0;
}

static int nsim_flow_tc_redirect(struct nsim_flow_rule *rule,
				 struct nsim_flow_port *port,
				 const struct flow_action_entry *entry,
				 struct netlink_ext_ack *extack)
{
	struct netdevsim *egress;

	if (!entry->dev || !netdev_is_nsim(entry->dev))
		return nsim_flow_refuse(extack, -EOPNOTSUPP,
					"redirect: %s is no port of this NIC",
					entry->dev ? entry->dev->name : "none");
	egress = netdev_priv(entry->dev);
	if (egress->nsim_dev != port->ns->nsim_dev)
		return nsim_flow_refuse(extack, -EOPNOTSUPP,
					"redirect: %s is on another switch",
					entry->dev->name);
	/* The port is being removed. */
	if (!egress->flow)
		return nsim_flow_refuse(extack, -ENODEV,
					"redirect: %s is gone",
					entry->dev->name);

	rule->egress = egress;
	return 0;
}

static int nsim_flow_tc_actions(struct nsim_flow_rule *rule,
				struct nsim_flow_port *port,
				const struct flow_rule *flow_rule,
				struct netlink_ext_ack *extack)
{
	unsigned int n = flow_rule->action.num_entries;
	unsigned int n_tags = rule->key.n_tags;
	const struct flow_action_entry *entry;
	const u32 hw_stats = FLOW_ACTION_HW_STATS_IMMEDIATE |
			     FLOW_ACTION_HW_STATS_DISABLED;
	unsigned int i;
	int err = 0;

	flow_action_for_each(i, entry, &flow_rule->action) {
		struct nsim_flow_act *act = &rule->acts[i];

		if (!entry->hw_stats)
			return nsim_flow_refuse(extack, -EINVAL,
						"action %u: hw_stats not set",
						i);
		if (!(entry->hw_stats & hw_stats))
			return nsim_flow_refuse(extack, -EOPNOTSUPP,
						"action %u: hw_stats 0x%x",
						i, entry->hw_stats);
		if (rule->egress)
			return nsim_flow_refuse(extack, -EOPNOTSUPP,
						"action %u: after redirect",
						i);

		act->id = entry->id;
		switch (entry->id) {
		case FLOW_ACTION_MANGLE:
		case FLOW_ACTION_ADD:
			err = nsim_flow_tc_mangle(act, &rule->key, entry,
						  extack);
			break;
		case FLOW_ACTION_CSUM:
			err = nsim_flow_tc_csum(act, &rule->key, entry,
						extack);
			break;
		case FLOW_ACTION_VLAN_POP:
			if (!n_tags)
				return nsim_flow_refuse(extack, -EOPNOTSUPP,
							"pop: no tag there");
			n_tags--;
			break;
		case FLOW_ACTION_VLAN_PUSH:
			err = nsim_flow_tc_push(act, n_tags++, entry, extack);
			break;
		case FLOW_ACTION_REDIRECT:
			err = nsim_flow_tc_redirect(rule, port, entry, extack);
			break;
		default:
			return nsim_flow_refuse(extack, -EOPNOTSUPP,
						"action %u: unsupported id %u",
						i, entry->id);
		}
		if (err)
			return err;
	}

	if (!rule->egress)
		return nsim_flow_refuse(extack, -EOPNOTSUPP,
					"no redirect in %u actions", n);
	return 0;
}

static const char * const nsim_flow_profile_names[] = { "tc" };

static const struct nsim_flow_profile nsim_flow_profiles[] = {
	{
		.parse_match	= nsim_flow_tc_match,
		.parse_actions	= nsim_flow_tc_actions,
	},
};

static_assert(ARRAY_SIZE(nsim_flow_profile_names) ==
	      ARRAY_SIZE(nsim_flow_profiles));

/* ---- rule table: process context, under nsim_flow::lock ---- */

static void nsim_flow_rule_remove(struct nsim_flow *fl,
				  struct nsim_flow_rule *rule)
{
	if (rule->in_datapath)
		rhashtable_remove_fast(&fl->by_match, &rule->match_node,
				       nsim_flow_match_params);
	rhashtable_remove_fast(&fl->by_cookie, &rule->cookie_node,
			       nsim_flow_cookie_params);
	list_del(&rule->list);
	fl->count--;
	atomic64_dec(&rule->key.port->counters[NSIM_FLOW_PORT_RULES]);
	kfree_rcu(rule, rcu);
}

static int nsim_flow_rule_insert(struct nsim_flow *fl,
				 struct nsim_flow_rule *rule,
				 struct netlink_ext_ack *extack)
{
	int err;

	if (rhashtable_lookup_fast(&fl->by_match, &rule->key,
				   nsim_flow_match_params))
		return nsim_flow_refuse(extack, -EEXIST,
					"another rule has this match");
	if (fl->count >= READ_ONCE(fl->capacity))
		return nsim_flow_refuse(extack, -ENOSPC,
					"table full: %u rules", fl->count);

	err = rhashtable_insert_fast(&fl->by_cookie, &rule->cookie_node,
				     nsim_flow_cookie_params);
	if (err)
		return nsim_flow_refuse(extack, err, "no memory for the rule");

	if (READ_ONCE(fl->lie.val) != NSIM_FLOW_LIE_SILENT) {
		/* The datapath may use the rule from here on. */
		rule->in_datapath = true;
		err = rhashtable_insert_fast(&fl->by_match, &rule->match_node,
					     nsim_flow_match_params);
		if (err) {
			rhashtable_remove_fast(&fl->by_cookie,
					       &rule->cookie_node,
					       nsim_flow_cookie_params);
			return nsim_flow_refuse(extack, err,
						"no memory for the rule");
		}
	}

	list_add_tail(&rule->list, &fl->rules);
	fl->count++;
	fl->high_water = max(fl->high_water, fl->count);
	nsim_flow_port_inc(rule->key.port, NSIM_FLOW_PORT_RULES);
	return 0;
}

static int nsim_flow_replace(struct nsim_flow_port *port,
			     struct flow_cls_offload *f)
{
	struct netlink_ext_ack *extack = f->common.extack;
	const struct nsim_flow_profile *profile;
	struct nsim_flow *fl = port->fl;
	struct nsim_flow_rule *rule;
	unsigned int n;
	int err;

	if (!port->ns)
		return nsim_flow_refuse(extack, -ENODEV, "the port is gone");
	if (!f->rule)
		return nsim_flow_refuse(extack, -EINVAL, "no rule");
	if (!f->common.prio || f->common.prio > NSIM_FLOW_MAX_PRIO)
		return nsim_flow_refuse(extack, -EOPNOTSUPP,
					"prio %u is not in 1..%u",
					f->common.prio, NSIM_FLOW_MAX_PRIO);
	if (f->common.chain_index)
		return nsim_flow_refuse(extack, -EOPNOTSUPP, "chain %u",
					f->common.chain_index);
	if (f->common.protocol != htons(ETH_P_ALL))
		return nsim_flow_refuse(extack, -EOPNOTSUPP,
					"protocol 0x%04x is not ETH_P_ALL",
					ntohs(f->common.protocol));
	if (rhashtable_lookup_fast(&fl->by_cookie, &f->cookie,
				   nsim_flow_cookie_params))
		return nsim_flow_refuse(extack, -EEXIST,
					"cookie 0x%lx is in the table",
					f->cookie);

	n = f->rule->action.num_entries;
	if (!n || n > NSIM_FLOW_MAX_ACTIONS)
		return nsim_flow_refuse(extack, -EOPNOTSUPP,
					"%u actions, want 1..%u", n,
					NSIM_FLOW_MAX_ACTIONS);

	rule = kzalloc(struct_size(rule, acts, n), GFP_KERNEL);
	if (!rule)
		return nsim_flow_refuse(extack, -ENOMEM,
					"no memory for the rule");
	rule->n_acts = n;
	rule->cookie = f->cookie;
	rule->key.port = port;
	rule->lastused = jiffies;

	profile = &nsim_flow_profiles[READ_ONCE(fl->profile.val)];
	rule->profile = profile;
	err = profile->parse_match(&rule->key, port->ns->netdev->ifindex,
				   f->rule, extack);
	if (!err)
		err = profile->parse_actions(rule, port, f->rule, extack);
	if (!err)
		err = nsim_flow_rule_insert(fl, rule, extack);
	if (err) {
		kfree(rule);
		return err;
	}

	nsim_flow_inc(fl, NSIM_FLOW_ADDS);
	nsim_flow_port_inc(port, NSIM_FLOW_PORT_ADDS);
	return 0;
}

/* The table is the switch's: whichever of its ports is asked finds the rule. */
static struct nsim_flow_rule *
nsim_flow_rule_find(struct nsim_flow_port *port, struct flow_cls_offload *f)
{
	struct nsim_flow_rule *rule;

	rule = rhashtable_lookup_fast(&port->fl->by_cookie, &f->cookie,
				      nsim_flow_cookie_params);
	if (rule)
		return rule;

	nsim_flow_inc(port->fl, NSIM_FLOW_UNKNOWN_COOKIE);
	NL_SET_ERR_MSG_FMT_MOD(f->common.extack, "cookie 0x%lx is unknown",
			       f->cookie);
	return NULL;
}

static int nsim_flow_destroy(struct nsim_flow_port *port,
			     struct flow_cls_offload *f)
{
	struct nsim_flow_rule *rule = nsim_flow_rule_find(port, f);

	if (!rule)
		return -ENOENT;
	if (READ_ONCE(port->fl->lie.val) == NSIM_FLOW_LIE_DESTROY_KEEPS)
		return 0;

	nsim_flow_inc(port->fl, NSIM_FLOW_DELS);
	nsim_flow_port_inc(rule->key.port, NSIM_FLOW_PORT_DELS);
	nsim_flow_rule_remove(port->fl, rule);
	return 0;
}

static int nsim_flow_stats(struct nsim_flow_port *port,
			   struct flow_cls_offload *f)
{
	struct nsim_flow_rule *rule = nsim_flow_rule_find(port, f);
	u64 packets, bytes, lastused;

	if (!rule)
		return -ENOENT;
	nsim_flow_inc(port->fl, NSIM_FLOW_QUERIES);

	lastused = READ_ONCE(rule->lastused);
	switch (READ_ONCE(port->fl->lie.val)) {
	case NSIM_FLOW_LIE_STATS_ERROR:
		return nsim_flow_refuse(f->common.extack, -EIO,
					"counters cannot be read");
	case NSIM_FLOW_LIE_LASTUSED_FUTURE:
		lastused = jiffies + NSIM_FLOW_LIE_SHIFT;
		break;
	case NSIM_FLOW_LIE_LASTUSED_STALE:
		lastused = jiffies - NSIM_FLOW_LIE_SHIFT;
		break;
	}

	packets = atomic64_read(&rule->packets);
	bytes = atomic64_read(&rule->bytes);
	flow_stats_update(&f->stats, bytes - rule->reported_bytes,
			  packets - rule->reported_packets, 0, lastused,
			  FLOW_ACTION_HW_STATS_IMMEDIATE);
	rule->reported_packets = packets;
	rule->reported_bytes = bytes;
	return 0;
}

/* Must this command fail? The errno goes out as it was written, even 0. */
static bool nsim_flow_inject(struct nsim_flow *fl, enum nsim_flow_cmd cmd,
			     struct netlink_ext_ack *extack, int *err)
{
	unsigned int want = READ_ONCE(fl->fail_cmd.val);

	if (want != NSIM_FLOW_CMD_ANY && want != cmd)
		return false;
	if (atomic_dec_if_positive(&fl->fail_next) < 0)
		return false;

	nsim_flow_inc(fl, NSIM_FLOW_INJECTED);
	*err = READ_ONCE(fl->fail_errno);
	NL_SET_ERR_MSG_FMT_MOD(extack, "injected failure %d of %s", *err,
			       nsim_flow_cmd_names[cmd]);
	return true;
}

static void nsim_flow_delay(struct nsim_flow *fl)
{
	u32 delay = READ_ONCE(fl->delay_us);

	if (delay)
		fsleep(delay);
}

static int nsim_flow_block_cb(enum tc_setup_type type, void *type_data,
			      void *cb_priv)
{
	struct flow_cls_offload *f = type_data;
	struct nsim_flow_port *port = cb_priv;
	struct nsim_flow *fl = port->fl;
	enum nsim_flow_cmd cmd;
	int err;

	might_sleep();

	if (type != TC_SETUP_CLSFLOWER)
		return -EOPNOTSUPP;

	switch (f->command) {
	case FLOW_CLS_REPLACE:
		cmd = NSIM_FLOW_CMD_REPLACE;
		break;
	case FLOW_CLS_DESTROY:
		cmd = NSIM_FLOW_CMD_DESTROY;
		break;
	case FLOW_CLS_STATS:
		cmd = NSIM_FLOW_CMD_STATS;
		break;
	default:
		return nsim_flow_refuse(f->common.extack, -EOPNOTSUPP,
					"flower command %d", f->command);
	}

	nsim_flow_delay(fl);

	mutex_lock(&fl->lock);
	if (!nsim_flow_inject(fl, cmd, f->common.extack, &err)) {
		switch (f->command) {
		case FLOW_CLS_REPLACE:
			err = nsim_flow_replace(port, f);
			break;
		case FLOW_CLS_DESTROY:
			err = nsim_flow_destroy(port, f);
			break;
		default:
			err = nsim_flow_stats(port, f);
			break;
		}
	}
	if (err && cmd == NSIM_FLOW_CMD_REPLACE) {
		nsim_flow_inc(fl, NSIM_FLOW_REFUSED);
		nsim_flow_port_inc(port, NSIM_FLOW_PORT_REFUSED);
	}
	mutex_unlock(&fl->lock);

	return err;
}

/* ---- bindings ---- */

static void nsim_flow_free(struct kref *ref)
{
	struct nsim_flow *fl = container_of(ref, struct nsim_flow, ref);

	WARN_ON(!list_empty(&fl->rules));
	rhashtable_destroy(&fl->by_cookie);
	rhashtable_destroy(&fl->by_match);
	mutex_destroy(&fl->lock);
	kfree(fl);
}

static void nsim_flow_port_free(struct kref *ref)
{
	struct nsim_flow_port *port;

	port = container_of(ref, struct nsim_flow_port, ref);
	kref_put(&port->fl->ref, nsim_flow_free);
	kfree(port);
}

static void nsim_flow_port_put(void *cb_priv)
{
	struct nsim_flow_port *port = cb_priv;

	kref_put(&port->ref, nsim_flow_port_free);
}

static int nsim_flow_bind(struct nsim_flow_port *port,
			  struct flow_block_offload *bo)
{
	struct nsim_flow *fl = port->fl;
	struct flow_block_cb *block_cb;
	int err;

	if (nsim_flow_inject(fl, NSIM_FLOW_CMD_BIND, bo->extack, &err))
		return err;
	if (flow_block_cb_is_busy(nsim_flow_block_cb, port, &fl->bindings))
		return nsim_flow_refuse(bo->extack, -EBUSY,
					"the port is bound to a block");

	block_cb = flow_block_cb_alloc(nsim_flow_block_cb, port, port,
				       nsim_flow_port_put);
	if (IS_ERR(block_cb))
		return nsim_flow_refuse(bo->extack, PTR_ERR(block_cb),
					"no memory for the binding");

	kref_get(&port->ref);
	flow_block_cb_add(block_cb, bo);
	list_add_tail(&block_cb->driver_list, &fl->bindings);
	port->bound = true;
	WRITE_ONCE(fl->n_bound, fl->n_bound + 1);
	nsim_flow_inc(fl, NSIM_FLOW_BINDS);
	return 0;
}

/* Rules of the port stay where they are, as in mtk and mlx5: no flush. */
static int nsim_flow_unbind(struct nsim_flow_port *port,
			    struct flow_block_offload *bo)
{
	struct nsim_flow *fl = port->fl;
	struct flow_block_cb *block_cb;

	block_cb = flow_block_cb_lookup(bo->block, nsim_flow_block_cb, port);
	if (!block_cb)
		return -ENOENT;

	flow_block_cb_remove(block_cb, bo);
	list_del(&block_cb->driver_list);
	port->bound = false;
	WRITE_ONCE(fl->n_bound, fl->n_bound - 1);
	nsim_flow_inc(fl, NSIM_FLOW_UNBINDS);
	atomic64_add(atomic64_read(&port->counters[NSIM_FLOW_PORT_RULES]),
		     &fl->counters[NSIM_FLOW_STALE]);
	return 0;
}

int nsim_flow_setup_ft(struct netdevsim *ns, struct flow_block_offload *bo)
{
	struct nsim_flow_port *port = ns->flow;
	struct nsim_flow *fl = port->fl;
	int err;

	if (bo->binder_type != FLOW_BLOCK_BINDER_TYPE_CLSACT_INGRESS)
		return nsim_flow_refuse(bo->extack, -EOPNOTSUPP,
					"binder type %d is not clsact ingress",
					bo->binder_type);

	bo->driver_block_list = &fl->bindings;
	if (bo->command == FLOW_BLOCK_BIND)
		nsim_flow_delay(fl);

	mutex_lock(&fl->lock);
	switch (bo->command) {
	case FLOW_BLOCK_BIND:
		err = nsim_flow_bind(port, bo);
		break;
	case FLOW_BLOCK_UNBIND:
		err = nsim_flow_unbind(port, bo);
		break;
	default:
		err = -EOPNOTSUPP;
		break;
	}
	mutex_unlock(&fl->lock);

	return err;
}

/* ---- datapath: softirq or BH off, under RCU ---- */

struct nsim_flow_pkt {
	struct nsim_flow_key key;
	unsigned int nhoff;		/* from skb->data, the MAC header */
	unsigned int thoff;
	unsigned int l3_len;		/* IP header and payload */
	unsigned int l4_hlen;		/* of it, what a rule may rewrite */
	u8 ttl;
	u8 tcp_flags;
};

static int nsim_flow_parse_ip4(struct sk_buff *skb, struct nsim_flow_pkt *pkt)
{
	const struct iphdr *iph;

	if (!pskb_may_pull(skb, pkt->nhoff + sizeof(*iph)))
		return NSIM_FLOW_CPU_MALFORMED;
	iph = (struct iphdr *)(skb->data + pkt->nhoff);
	if (iph->version != 4 || iph->ihl < 5)
		return NSIM_FLOW_CPU_MALFORMED;
	if (iph->ihl > 5)
		return NSIM_FLOW_CPU_IP4_OPTIONS;

	pkt->l3_len = ntohs(iph->tot_len);
	if (pkt->l3_len < sizeof(*iph) || pkt->l3_len > skb->len - pkt->nhoff)
		return NSIM_FLOW_CPU_MALFORMED;
	if (ip_fast_csum(iph, iph->ihl))
		return NSIM_FLOW_CPU_IP4_CSUM;
	if (ip_is_fragment(iph))
		return NSIM_FLOW_CPU_FRAGMENT;

	pkt->thoff = pkt->nhoff + sizeof(*iph);
	pkt->ttl = iph->ttl;
	pkt->key.ip_proto = iph->protocol;
	pkt->key.src[0] = iph->saddr;
	pkt->key.dst[0] = iph->daddr;
	return 0;
}

static int nsim_flow_parse_ip6(struct sk_buff *skb, struct nsim_flow_pkt *pkt)
{
	const struct ipv6hdr *ip6h;

	if (!pskb_may_pull(skb, pkt->nhoff + sizeof(*ip6h)))
		return NSIM_FLOW_CPU_MALFORMED;
	ip6h = (struct ipv6hdr *)(skb->data + pkt->nhoff);
	if (ip6h->version != 6)
		return NSIM_FLOW_CPU_MALFORMED;

	pkt->l3_len = sizeof(*ip6h) + ntohs(ip6h->payload_len);
	if (pkt->l3_len > skb->len - pkt->nhoff)
		return NSIM_FLOW_CPU_MALFORMED;

	switch (ip6h->nexthdr) {
	case NEXTHDR_FRAGMENT:
		return NSIM_FLOW_CPU_FRAGMENT;
	case NEXTHDR_HOP:
	case NEXTHDR_ROUTING:
	case NEXTHDR_ESP:
	case NEXTHDR_AUTH:
	case NEXTHDR_NONE:
	case NEXTHDR_DEST:
	case NEXTHDR_MOBILITY:
		return NSIM_FLOW_CPU_IP6_EXT;
	}

	pkt->thoff = pkt->nhoff + sizeof(*ip6h);
	pkt->ttl = ip6h->hop_limit;
	pkt->key.ip_proto = ip6h->nexthdr;
	memcpy(pkt->key.src, &ip6h->saddr, sizeof(pkt->key.src));
	memcpy(pkt->key.dst, &ip6h->daddr, sizeof(pkt->key.dst));
	return 0;
}

static int nsim_flow_parse_l4(struct sk_buff *skb, struct nsim_flow_pkt *pkt)
{
	unsigned int l4_len = pkt->l3_len - (pkt->thoff - pkt->nhoff);
	const struct tcphdr *tcph;
	const struct udphdr *udph;

	switch (pkt->key.ip_proto) {
	case IPPROTO_TCP:
		pkt->l4_hlen = sizeof(*tcph);
		break;
	case IPPROTO_UDP:
		pkt->l4_hlen = sizeof(*udph);
		break;
	default:
		return 0;
	}

	if (l4_len < pkt->l4_hlen ||
	    !pskb_may_pull(skb, pkt->thoff + pkt->l4_hlen))
		return NSIM_FLOW_CPU_MALFORMED;

	/* The ports of TCP and UDP lie at the same place. */
	udph = (struct udphdr *)(skb->data + pkt->thoff);
	pkt->key.sport = udph->source;
	pkt->key.dport = udph->dest;

	if (pkt->key.ip_proto == IPPROTO_TCP) {
		tcph = (struct tcphdr *)udph;
		if (tcph->doff < 5 || tcph->doff * 4 > l4_len)
			return NSIM_FLOW_CPU_MALFORMED;
		pkt->tcp_flags = tcp_flag_byte(tcph);
	}
	return 0;
}

/* Read the headers of a frame. 0, or the counter of why the CPU must see it. */
static int nsim_flow_parse(struct sk_buff *skb, struct nsim_flow_port *port,
			   struct nsim_flow_pkt *pkt)
{
	struct nsim_flow_key *key = &pkt->key;
	unsigned int off = ETH_HLEN;
	__be16 proto;
	int err;

	memset(pkt, 0, sizeof(*pkt));
	key->port = port;

	if (!pskb_may_pull(skb, off))
		return NSIM_FLOW_CPU_MALFORMED;
	proto = ((struct ethhdr *)skb->data)->h_proto;

	while (eth_type_vlan(proto)) {
		const struct vlan_hdr *vh;

		if (key->n_tags == NSIM_FLOW_MAX_TAGS)
			return NSIM_FLOW_CPU_TAGS;
		if (!pskb_may_pull(skb, off + VLAN_HLEN))
			return NSIM_FLOW_CPU_MALFORMED;
		vh = (struct vlan_hdr *)(skb->data + off);
		key->tag[key->n_tags].tpid = proto;
		key->tag[key->n_tags].vid = vh->h_vlan_TCI &
					    htons(VLAN_VID_MASK);
		key->n_tags++;
		proto = vh->h_vlan_encapsulated_proto;
		off += VLAN_HLEN;
	}

	key->n_proto = proto;
	pkt->nhoff = off;
	if (proto == htons(ETH_P_IP))
		err = nsim_flow_parse_ip4(skb, pkt);
	else if (proto == htons(ETH_P_IPV6))
		err = nsim_flow_parse_ip6(skb, pkt);
	else
		err = NSIM_FLOW_CPU_NOT_IP;
	if (err)
		return err;

	return nsim_flow_parse_l4(skb, pkt);
}

/* A rule is there. 0, or the counter of why the CPU must see the frame. */
static int nsim_flow_exception(const struct nsim_flow_rule *rule,
			       const struct nsim_flow_pkt *pkt)
{
	if (pkt->ttl <= 1)
		return NSIM_FLOW_CPU_TTL;
	if (pkt->tcp_flags & TCPHDR_SYN)
		return NSIM_FLOW_CPU_TCP_SYN;
	if (pkt->tcp_flags & (TCPHDR_FIN | TCPHDR_RST))
		return NSIM_FLOW_CPU_TCP_FIN_RST;
	if (pkt->l3_len > READ_ONCE(rule->egress->netdev->mtu))
		return NSIM_FLOW_CPU_MTU;
	return 0;
}

/* As act_csum: computed anew, and UDP over IPv4 without a checksum stays so. */
static void nsim_flow_csum(struct sk_buff *skb, const struct nsim_flow_pkt *pkt,
			   u32 flags)
{
	unsigned int l4_len = pkt->l3_len - (pkt->thoff - pkt->nhoff);
	u8 *nh = skb->data + pkt->nhoff, *th = skb->data + pkt->thoff;
	bool v4 = pkt->key.n_proto == htons(ETH_P_IP);
	struct ipv6hdr *ip6h = (struct ipv6hdr *)nh;
	struct iphdr *iph = (struct iphdr *)nh;
	bool udp = false;
	__sum16 *check;
	__wsum sum;

	if (flags & TCA_CSUM_UPDATE_FLAG_IPV4HDR)
		ip_send_check(iph);

	if (flags & TCA_CSUM_UPDATE_FLAG_TCP) {
		check = &((struct tcphdr *)th)->check;
	} else if (flags & TCA_CSUM_UPDATE_FLAG_UDP) {
		struct udphdr *udph = (struct udphdr *)th;

		if ((v4 && !udph->check) || ntohs(udph->len) != l4_len)
			return;
		check = &udph->check;
		udp = true;
	} else {
		return;
	}

	*check = 0;
	sum = skb_checksum(skb, pkt->thoff, l4_len, 0);
	if (v4)
		*check = csum_tcpudp_magic(iph->saddr, iph->daddr, l4_len,
					   pkt->key.ip_proto, sum);
	else
		*check = csum_ipv6_magic(&ip6h->saddr, &ip6h->daddr, l4_len,
					 pkt->key.ip_proto, sum);
	if (udp && !*check)
		*check = CSUM_MANGLED_0;
}

/* pedit's arithmetic on the word as it lies in memory. */
static void nsim_flow_mangle(struct sk_buff *skb,
			     const struct nsim_flow_pkt *pkt,
			     const struct nsim_flow_act *act)
{
	u32 mask = act->mangle.mask, val = act->mangle.val;
	unsigned int base;
	u32 word, *at;

	switch (act->mangle.htype) {
	case FLOW_ACT_MANGLE_HDR_TYPE_IP4:
	case FLOW_ACT_MANGLE_HDR_TYPE_IP6:
		base = pkt->nhoff;
		break;
	case FLOW_ACT_MANGLE_HDR_TYPE_TCP:
	case FLOW_ACT_MANGLE_HDR_TYPE_UDP:
		base = pkt->thoff;
		break;
	default:
		base = 0;
		break;
	}

	at = (u32 *)(skb->data + base + act->mangle.offset);
	word = get_unaligned(at);
	if (act->id == FLOW_ACTION_ADD)
		val += word;
	put_unaligned((word & mask) | (val & ~mask), at);
}

static void nsim_flow_pop(struct sk_buff *skb, struct nsim_flow_pkt *pkt)
{
	memmove(skb->data + VLAN_HLEN, skb->data, 2 * ETH_ALEN);
	__skb_pull(skb, VLAN_HLEN);
	pkt->nhoff -= VLAN_HLEN;
	pkt->thoff -= VLAN_HLEN;
}

static void nsim_flow_push(struct sk_buff *skb, struct nsim_flow_pkt *pkt,
			   const struct nsim_flow_act *act)
{
	struct vlan_ethhdr *veth = __skb_push(skb, VLAN_HLEN);

	memmove(veth, (u8 *)veth + VLAN_HLEN, 2 * ETH_ALEN);
	veth->h_vlan_proto = act->vlan.proto;
	veth->h_vlan_TCI = htons(act->vlan.tci);
	pkt->nhoff += VLAN_HLEN;
	pkt->thoff += VLAN_HLEN;
}

static void nsim_flow_implicit(struct sk_buff *skb,
			       const struct nsim_flow_pkt *pkt)
{
	u8 *nh = skb->data + pkt->nhoff;
	u32 flags = 0;

	if (pkt->key.n_proto == htons(ETH_P_IP)) {
		((struct iphdr *)nh)->ttl--;
		flags |= TCA_CSUM_UPDATE_FLAG_IPV4HDR;
	} else {
		((struct ipv6hdr *)nh)->hop_limit--;
	}
	if (pkt->key.ip_proto == IPPROTO_TCP)
		flags |= TCA_CSUM_UPDATE_FLAG_TCP;
	else if (pkt->key.ip_proto == IPPROTO_UDP)
		flags |= TCA_CSUM_UPDATE_FLAG_UDP;
	nsim_flow_csum(skb, pkt, flags);
}

static int nsim_flow_apply(const struct nsim_flow_rule *rule,
			   struct sk_buff *skb, struct nsim_flow_pkt *pkt)
{
	unsigned int i;

	if (skb_cow(skb, NSIM_FLOW_MAX_TAGS * VLAN_HLEN) ||
	    skb_ensure_writable(skb, pkt->thoff + pkt->l4_hlen))
		return -ENOMEM;

	for (i = 0; i < rule->n_acts; i++) {
		const struct nsim_flow_act *act = &rule->acts[i];

		switch (act->id) {
		case FLOW_ACTION_MANGLE:
		case FLOW_ACTION_ADD:
			nsim_flow_mangle(skb, pkt, act);
			break;
		case FLOW_ACTION_CSUM:
			nsim_flow_csum(skb, pkt, act->csum_flags);
			break;
		case FLOW_ACTION_VLAN_POP:
			nsim_flow_pop(skb, pkt);
			break;
		case FLOW_ACTION_VLAN_PUSH:
			nsim_flow_push(skb, pkt, act);
			break;
		default:	/* redirect, the last one */
			break;
		}
	}

	if (rule->profile->implicit_fixups)
		nsim_flow_implicit(skb, pkt);
	skb_reset_mac_header(skb);
	return 0;
}

static int nsim_flow_drop(struct nsim_flow_port *port, struct sk_buff *skb,
			  enum nsim_flow_counter why)
{
	nsim_flow_inc(port->fl, why);
	nsim_flow_port_inc(port, NSIM_FLOW_PORT_DROPPED);
	kfree_skb(skb);
	return NET_RX_DROP;
}

static int nsim_flow_wire(struct net_device *tx_dev, struct netdevsim *rx_ns,
			  struct sk_buff *skb, struct nsim_rq *rq,
			  unsigned int hops);

/* Out of the egress port, to whatever its wire leads to. */
static int nsim_flow_xmit(struct nsim_flow_port *port,
			  struct netdevsim *egress, struct sk_buff *skb,
			  unsigned int hops)
{
	struct net_device *dev = egress->netdev;
	struct nsim_flow_port *out = egress->flow;
	struct netdevsim *peer;
	struct nsim_rq *rq;
	unsigned int len;
	u16 queue;

	if (!netif_running(dev))
		return nsim_flow_drop(port, skb, NSIM_FLOW_DROP_EGRESS_DOWN);
	peer = rcu_dereference(egress->peer);
	if (!peer)
		return nsim_flow_drop(port, skb, NSIM_FLOW_DROP_NO_PEER);
	if (hops >= NSIM_FLOW_MAX_HOPS)
		return nsim_flow_drop(port, skb, NSIM_FLOW_DROP_LOOP);

	/* nsim_forward_skb() stops the TX queue of this index when the ring of
	 * the peer is full: it has to exist.
	 */
	queue = skb_get_queue_mapping(skb) % peer->netdev->num_rx_queues;
	rq = peer->rq[queue];
	skb_set_queue_mapping(skb, queue % dev->real_num_tx_queues);
	skb->dev = dev;
	skb_clear_hash(skb);
	len = skb->len;

	if (nsim_flow_wire(dev, peer, skb, rq, hops) == NET_RX_DROP) {
		nsim_flow_inc(port->fl, NSIM_FLOW_DROP_PEER);
		nsim_flow_port_inc(port, NSIM_FLOW_PORT_DROPPED);
		return NET_RX_DROP;
	}
	if (!hrtimer_active(&rq->napi_timer))
		hrtimer_start(&rq->napi_timer, us_to_ktime(5),
			      HRTIMER_MODE_REL);

	nsim_flow_inc(port->fl, NSIM_FLOW_FORWARDED);
	if (out) {
		nsim_flow_port_inc(out, NSIM_FLOW_PORT_TX_PACKETS);
		atomic64_add(len, &out->counters[NSIM_FLOW_PORT_TX_BYTES]);
	}
	return NET_RX_SUCCESS;
}

/* One frame, as it is on a wire, arrives at a port. */
static int nsim_flow_frame(struct net_device *tx_dev, struct netdevsim *rx_ns,
			   struct sk_buff *skb, struct nsim_rq *rq,
			   unsigned int hops)
{
	struct nsim_flow_port *port = rx_ns->flow;
	struct nsim_flow_rule *rule;
	struct nsim_flow_pkt pkt;
	int why;

	why = nsim_flow_parse(skb, port, &pkt);
	if (why)
		goto to_cpu;

	rule = rhashtable_lookup(&port->fl->by_match, &pkt.key,
				 nsim_flow_match_params);
	why = rule ? nsim_flow_exception(rule, &pkt) : NSIM_FLOW_CPU_NO_RULE;
	if (why)
		goto to_cpu;

	atomic64_inc(&rule->packets);
	atomic64_add(skb->len, &rule->bytes);
	WRITE_ONCE(rule->lastused, jiffies);
	nsim_flow_port_inc(port, NSIM_FLOW_PORT_RX_PACKETS);
	atomic64_add(skb->len, &port->counters[NSIM_FLOW_PORT_RX_BYTES]);

	if (nsim_flow_apply(rule, skb, &pkt))
		return nsim_flow_drop(port, skb, NSIM_FLOW_DROP_NOMEM);
	return nsim_flow_xmit(port, rule->egress, skb, hops + 1);

to_cpu:
	nsim_flow_inc(port->fl, why);
	nsim_flow_port_inc(port, NSIM_FLOW_PORT_TO_CPU);
	return nsim_forward_skb(tx_dev, rx_ns->netdev, skb, rq, NULL);
}

/* What a stack may leave to its NIC is not on the wire: checksums, tags. */
static struct sk_buff *nsim_flow_to_frame(struct sk_buff *skb)
{
	if (skb->ip_summed == CHECKSUM_PARTIAL &&
	    skb_csum_hwoffload_help(skb, 0)) {
		kfree_skb(skb);
		return NULL;
	}
	skb->ip_summed = CHECKSUM_NONE;
	skb->encapsulation = 0;

	if (skb_vlan_tag_present(skb))
		skb = __vlan_hwaccel_push_inside(skb);
	return skb;
}

static bool nsim_flow_active(const struct netdevsim *ns)
{
	const struct nsim_flow *fl = ns->flow ? ns->flow->fl : NULL;

	return fl && READ_ONCE(fl->enabled) &&
	       (READ_ONCE(fl->n_bound) || READ_ONCE(fl->count)) &&
	       netif_running(ns->netdev);
}

static int nsim_flow_wire(struct net_device *tx_dev, struct netdevsim *rx_ns,
			  struct sk_buff *skb, struct nsim_rq *rq,
			  unsigned int hops)
{
	struct sk_buff *segs, *next;
	int ret = NET_RX_DROP;

	if (!nsim_flow_active(rx_ns))
		return nsim_forward_skb(tx_dev, rx_ns->netdev, skb, rq, NULL);

	skb = skb_share_check(skb, GFP_ATOMIC);
	if (!skb)
		return NET_RX_DROP;

	if (skb_is_gso(skb)) {
		segs = skb_gso_segment(skb, 0);
		if (IS_ERR_OR_NULL(segs))
			return nsim_flow_drop(rx_ns->flow, skb,
					      NSIM_FLOW_DROP_NOMEM);
		consume_skb(skb);
		skb = segs;
	}

	skb_list_walk_safe(skb, segs, next) {
		skb_mark_not_on_list(segs);
		segs = nsim_flow_to_frame(segs);
		if (!segs) {
			nsim_flow_inc(rx_ns->flow->fl, NSIM_FLOW_DROP_NOMEM);
			nsim_flow_port_inc(rx_ns->flow, NSIM_FLOW_PORT_DROPPED);
			continue;
		}
		if (nsim_flow_frame(tx_dev, rx_ns, segs, rq, hops) !=
		    NET_RX_DROP)
			ret = NET_RX_SUCCESS;
	}
	return ret;
}

int nsim_flow_rx(struct net_device *tx_dev, struct netdevsim *rx_ns,
		 struct sk_buff *skb, struct nsim_rq *rq,
		 struct skb_ext *psp_ext)
{
	/* PSP has taken the frame for its own receiver. */
	if (psp_ext)
		return nsim_forward_skb(tx_dev, rx_ns->netdev, skb, rq,
					psp_ext);
	return nsim_flow_wire(tx_dev, rx_ns, skb, rq, 0);
}

/* ---- debugfs ---- */

static void *nsim_flow_rules_start(struct seq_file *s, loff_t *pos)
{
	struct nsim_flow *fl = s->private;

	mutex_lock(&fl->lock);
	return seq_list_start(&fl->rules, *pos);
}

static void *nsim_flow_rules_next(struct seq_file *s, void *v, loff_t *pos)
{
	struct nsim_flow *fl = s->private;

	return seq_list_next(v, &fl->rules, pos);
}

static void nsim_flow_rules_stop(struct seq_file *s, void *v)
{
	struct nsim_flow *fl = s->private;

	mutex_unlock(&fl->lock);
}

static void nsim_flow_show_act(struct seq_file *s,
			       const struct nsim_flow_rule *rule,
			       const struct nsim_flow_act *act)
{
	static const char * const hdr[] = {
		[FLOW_ACT_MANGLE_HDR_TYPE_ETH]	= "eth",
		[FLOW_ACT_MANGLE_HDR_TYPE_IP4]	= "ip4",
		[FLOW_ACT_MANGLE_HDR_TYPE_IP6]	= "ip6",
		[FLOW_ACT_MANGLE_HDR_TYPE_TCP]	= "tcp",
		[FLOW_ACT_MANGLE_HDR_TYPE_UDP]	= "udp",
	};

	switch (act->id) {
	case FLOW_ACTION_MANGLE:
	case FLOW_ACTION_ADD:
		seq_printf(s, "%s(%s+%u,val=%4phN,keep=%4phN)",
			   act->id == FLOW_ACTION_ADD ? "add" : "set",
			   hdr[act->mangle.htype], act->mangle.offset,
			   &act->mangle.val, &act->mangle.mask);
		break;
	case FLOW_ACTION_CSUM:
		seq_printf(s, "csum(0x%x)", act->csum_flags);
		break;
	case FLOW_ACTION_VLAN_POP:
		seq_puts(s, "pop");
		break;
	case FLOW_ACTION_VLAN_PUSH:
		seq_printf(s, "push(vid=%u,proto=0x%04x,prio=%u)",
			   act->vlan.tci & VLAN_VID_MASK,
			   ntohs(act->vlan.proto),
			   act->vlan.tci >> VLAN_PRIO_SHIFT);
		break;
	default:
		seq_printf(s, "redirect(%s)", rule->egress->netdev->name);
		break;
	}
}

static int nsim_flow_rules_show(struct seq_file *s, void *v)
{
	const struct nsim_flow_rule *rule;
	const struct nsim_flow_key *key;
	unsigned int i;

	rule = list_entry(v, struct nsim_flow_rule, list);
	key = &rule->key;

	seq_printf(s, "cookie=0x%lx in=%s out=%s ", rule->cookie,
		   key->port->ns->netdev->name, rule->egress->netdev->name);
	switch (key->ip_proto) {
	case IPPROTO_TCP:
		seq_puts(s, "proto=tcp");
		break;
	case IPPROTO_UDP:
		seq_puts(s, "proto=udp");
		break;
	default:
		seq_printf(s, "proto=%u", key->ip_proto);
		break;
	}
	if (key->n_proto == htons(ETH_P_IP))
		seq_printf(s, " src=%pI4 dst=%pI4", key->src, key->dst);
	else
		seq_printf(s, " src=%pI6c dst=%pI6c", key->src, key->dst);
	seq_printf(s, " sport=%u dport=%u vlan=", ntohs(key->sport),
		   ntohs(key->dport));
	if (!key->n_tags)
		seq_puts(s, "none");
	for (i = 0; i < key->n_tags; i++)
		seq_printf(s, "%s%u/0x%04x", i ? "," : "",
			   ntohs(key->tag[i].vid), ntohs(key->tag[i].tpid));

	seq_printf(s, " state=%s actions=",
		   !rule->in_datapath ? "silent" :
		   key->port->bound ? "live" : "stale");
	for (i = 0; i < rule->n_acts; i++) {
		if (i)
			seq_putc(s, ';');
		nsim_flow_show_act(s, rule, &rule->acts[i]);
	}
	seq_printf(s, " packets=%lld bytes=%lld\n",
		   (s64)atomic64_read(&rule->packets),
		   (s64)atomic64_read(&rule->bytes));
	return 0;
}

static const struct seq_operations nsim_flow_rules_sops = {
	.start	= nsim_flow_rules_start,
	.next	= nsim_flow_rules_next,
	.stop	= nsim_flow_rules_stop,
	.show	= nsim_flow_rules_show,
};
DEFINE_SEQ_ATTRIBUTE(nsim_flow_rules);

static int nsim_flow_stats_show(struct seq_file *s, void *v)
{
	struct nsim_flow *fl = s->private;
	unsigned int i;

	for (i = 0; i < NSIM_FLOW_COUNTERS; i++)
		seq_printf(s, "%s %lld\n", nsim_flow_counter_names[i],
			   (s64)atomic64_read(&fl->counters[i]));
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(nsim_flow_stats);

static ssize_t nsim_flow_choice_read(struct file *file, char __user *data,
				     size_t count, loff_t *ppos)
{
	struct nsim_flow_choice *choice = file->private_data;
	char buf[32];
	int len;

	len = scnprintf(buf, sizeof(buf), "%s\n",
			choice->names[READ_ONCE(choice->val)]);
	return simple_read_from_buffer(data, count, ppos, buf, len);
}

static ssize_t nsim_flow_choice_write(struct file *file,
				      const char __user *data,
				      size_t count, loff_t *ppos)
{
	struct nsim_flow_choice *choice = file->private_data;
	char buf[32];
	int i;

	if (*ppos || count >= sizeof(buf))
		return -EINVAL;
	if (copy_from_user(buf, data, count))
		return -EFAULT;
	buf[count] = '\0';

	i = match_string(choice->names, choice->n, strim(buf));
	if (i < 0)
		return -EINVAL;
	WRITE_ONCE(choice->val, i);
	*ppos += count;
	return count;
}

static const struct file_operations nsim_flow_choice_fops = {
	.open = simple_open,
	.read = nsim_flow_choice_read,
	.write = nsim_flow_choice_write,
	.llseek = generic_file_llseek,
	.owner = THIS_MODULE,
};

static int nsim_flow_fail_errno_get(void *data, u64 *val)
{
	*val = READ_ONCE(*(s32 *)data);
	return 0;
}

static int nsim_flow_fail_errno_set(void *data, u64 val)
{
	s64 errno = val;

	if (errno < S32_MIN || errno > S32_MAX)
		return -ERANGE;
	WRITE_ONCE(*(s32 *)data, errno);
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE_SIGNED(nsim_flow_fail_errno_fops,
				nsim_flow_fail_errno_get,
				nsim_flow_fail_errno_set, "%lld\n");

static void nsim_flow_choice_create(const char *name,
				    struct nsim_flow_choice *choice,
				    const char * const *names, unsigned int n,
				    struct dentry *ddir)
{
	choice->names = names;
	choice->n = n;
	debugfs_create_file(name, 0600, ddir, choice, &nsim_flow_choice_fops);
}

static void nsim_flow_debugfs_init(struct nsim_flow *fl)
{
	struct dentry *ddir = fl->ddir;

	debugfs_create_bool("enabled", 0600, ddir, &fl->enabled);
	debugfs_create_file("rules", 0400, ddir, fl, &nsim_flow_rules_fops);
	debugfs_create_file("stats", 0400, ddir, fl, &nsim_flow_stats_fops);
	debugfs_create_u32("count", 0400, ddir, &fl->count);
	debugfs_create_u32("high_water", 0600, ddir, &fl->high_water);
	debugfs_create_u32("orphans", 0600, ddir, &fl->orphans);
	debugfs_create_u32("capacity", 0600, ddir, &fl->capacity);
	debugfs_create_u32("delay_us", 0600, ddir, &fl->delay_us);
	debugfs_create_file_unsafe("fail_errno", 0600, ddir, &fl->fail_errno,
				   &nsim_flow_fail_errno_fops);
	debugfs_create_atomic_t("fail_next", 0600, ddir, &fl->fail_next);
	nsim_flow_choice_create("fail_cmd", &fl->fail_cmd, nsim_flow_cmd_names,
				ARRAY_SIZE(nsim_flow_cmd_names), ddir);
	nsim_flow_choice_create("lie", &fl->lie, nsim_flow_lie_names,
				ARRAY_SIZE(nsim_flow_lie_names), ddir);
	nsim_flow_choice_create("profile", &fl->profile,
				nsim_flow_profile_names,
				ARRAY_SIZE(nsim_flow_profile_names), ddir);
}

/* ---- ethtool -S ---- */

int nsim_flow_get_sset_count(struct net_device *dev, int sset)
{
	return sset == ETH_SS_STATS ? NSIM_FLOW_PORT_COUNTERS : -EOPNOTSUPP;
}

void nsim_flow_get_strings(struct net_device *dev, u32 sset, u8 *data)
{
	unsigned int i;

	if (sset != ETH_SS_STATS)
		return;
	for (i = 0; i < NSIM_FLOW_PORT_COUNTERS; i++)
		ethtool_puts(&data, nsim_flow_port_counter_names[i]);
}

void nsim_flow_get_ethtool_stats(struct net_device *dev,
				 struct ethtool_stats *stats, u64 *data)
{
	struct netdevsim *ns = netdev_priv(dev);
	unsigned int i;

	for (i = 0; i < NSIM_FLOW_PORT_COUNTERS; i++)
		data[i] = atomic64_read(&ns->flow->counters[i]);
}

/* ---- life of a port and of a switch ---- */

int nsim_flow_port_init(struct netdevsim *ns)
{
	struct nsim_flow *fl = ns->nsim_dev->flow;
	struct nsim_flow_port *port;

	port = kzalloc_obj(*port);
	if (!port)
		return -ENOMEM;

	kref_init(&port->ref);
	kref_get(&fl->ref);
	port->fl = fl;
	port->ns = ns;
	ns->flow = port;
	return 0;
}

/*
 * Whoever put rules into this port, or rules that lead to it, had all of
 * unregister_netdevice() to take them out; what is left is orphaned. The
 * counters are for a test to find that out, the removal is for us to survive.
 */
void nsim_flow_port_exit(struct netdevsim *ns)
{
	struct nsim_flow_port *port = ns->flow;
	struct flow_block_cb *block_cb, *next;
	struct nsim_flow_rule *rule, *tmp;
	struct nsim_flow *fl;

	if (!port)
		return;
	fl = port->fl;

	mutex_lock(&fl->lock);
	list_for_each_entry_safe(rule, tmp, &fl->rules, list) {
		if (rule->key.port != port && rule->egress != ns)
			continue;
		nsim_flow_rule_remove(fl, rule);
		fl->orphans++;
	}
	list_for_each_entry_safe(block_cb, next, &fl->bindings, driver_list) {
		if (block_cb->cb_priv != port)
			continue;
		list_del_init(&block_cb->driver_list);
		port->bound = false;
		WRITE_ONCE(fl->n_bound, fl->n_bound - 1);
		nsim_flow_inc(fl, NSIM_FLOW_LEAKED_BINDINGS);
	}
	port->ns = NULL;
	ns->flow = NULL;
	mutex_unlock(&fl->lock);

	/* A frame that found one of these rules may still be on its way. */
	synchronize_rcu();
	nsim_flow_port_put(port);
}

int nsim_flow_init(struct nsim_dev *nsim_dev)
{
	struct nsim_flow *fl;
	int err;

	fl = kzalloc_obj(*fl);
	if (!fl)
		return -ENOMEM;

	kref_init(&fl->ref);
	mutex_init(&fl->lock);
	INIT_LIST_HEAD(&fl->rules);
	INIT_LIST_HEAD(&fl->bindings);
	fl->enabled = true;
	fl->capacity = NSIM_FLOW_CAPACITY;
	fl->fail_errno = -EIO;

	err = rhashtable_init(&fl->by_match, &nsim_flow_match_params);
	if (err)
		goto err_free;
	err = rhashtable_init(&fl->by_cookie, &nsim_flow_cookie_params);
	if (err)
		goto err_match;

	fl->ddir = debugfs_create_dir("flow", nsim_dev->ddir);
	if (IS_ERR(fl->ddir)) {
		err = PTR_ERR(fl->ddir);
		goto err_cookie;
	}
	nsim_flow_debugfs_init(fl);

	nsim_dev->flow = fl;
	return 0;

err_cookie:
	rhashtable_destroy(&fl->by_cookie);
err_match:
	rhashtable_destroy(&fl->by_match);
err_free:
	mutex_destroy(&fl->lock);
	kfree(fl);
	return err;
}

void nsim_flow_exit(struct nsim_dev *nsim_dev)
{
	struct nsim_flow *fl = nsim_dev->flow;

	debugfs_remove_recursive(fl->ddir);
	nsim_dev->flow = NULL;
	kref_put(&fl->ref, nsim_flow_free);
}
