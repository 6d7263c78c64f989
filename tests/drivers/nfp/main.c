// SPDX-License-Identifier: GPL-2.0
/*
 * What stands for the rest of Netronome's driver around its flow offload (the
 * files in flower/, which are the kernel's): a PCI device and its firmware.
 *
 * The fake begins where a message is handed to the control queue (nfp_ctrl_tx()):
 * firmware.c executes the rules. Ports are representors of
 * physical ports, as after nfp_flower_spawn_phy_reprs(). Tunnels, link
 * aggregation, meters and openvswitch's internal ports, which no rule of a
 * flowtable has, are left out.
 *
 * Parameters:
 *   features	what the firmware can do (NFP_FL_FEATS_*)
 *   hop_limit	0: the driver gets the rules as they are. Otherwise "minus one to
 *		the hop limit", which the driver does not have, becomes what it does
 *		have: a match on this hop limit, and a write of the next lower one
 *   form	with hop_limit, what differs from that: split, the ports are rewritten
 *		after the addresses, with a checksum action between; csum, the checksums
 *		stay as they are in the rule; keep, the rule leaves the hop limit alone
 *   contexts	the rules that the firmware has room for
 *
 * Files in the debugfs directory nfto_drivers, beside those of ports.c:
 *   messages	each message to the firmware, in hexadecimal; a write to
 *		clear_messages empties it
 *   left	what is left: rules of the driver, rules of the firmware
 */
#include <linux/debugfs.h>
#include <linux/etherdevice.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/slab.h>
#include <net/dst_metadata.h>
#include <net/tc_act/tc_csum.h>

#include "flower/cmsg.h"
#include "flower/main.h"
#include "nfp_app.h"
#include "nfp_net_repr.h"
#include "nfp_port.h"

#include "firmware.h"
#include "ports.h"

#define PORTS		2
/* nfp_flower_init(): CONFIG_FC_HOST_CTX_SPLIT */
#define MEMORIES	1

static ulong features;
module_param(features, ulong, 0444);
static u8 hop_limit;
module_param(hop_limit, byte, 0444);
static char *form = "";
module_param(form, charp, 0444);
/* nfp_flower_init(): CONFIG_FC_HOST_CTX_COUNT */
static uint contexts = 4096;
module_param(contexts, uint, 0444);

static const char *const names[PORTS] = { "lan", "wan" };

static struct platform_device *pdev;
static struct nfp_app *app;
static struct nfp_port *ports;

/* The operations of ports.c and those that the driver's have beside them. The driver knows its
 * representors by the address. */
struct net_device_ops repr_ops __asm__("nfp_repr_netdev_ops");

/* ---- the firmware ---- */

struct sk_buff *nfp_app_ctrl_msg_alloc(struct nfp_app *a, unsigned int size, gfp_t gfp)
{
	return alloc_skb(size, gfp);
}

bool nfp_ctrl_tx(struct nfp_net *nn, struct sk_buff *skb)
{
	firmware_message(skb);
	consume_skb(skb);
	return false;
}

struct net_device *nfp_port_of(u32 port)
{
	unsigned int i;

	for (i = 0; i < PORTS; i++)
		if (port == nfp_flower_cmsg_phys_port(i))
			return ports_get(i);
	return NULL;
}

/* Statistics come as a message, as in nfp_ctrl_rx_one(). */
static bool receive(struct net_device *dev, struct sk_buff *skb)
{
	struct sk_buff *stats = NULL;

	if (!firmware_receive(nfp_repr_get_port_id(dev), skb, &stats))
		return false;
	if (stats)
		nfp_flower_cmsg_rx(app, stats);
	return true;
}

static int messages_show(struct seq_file *s, void *v)
{
	firmware_show_messages(s);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(messages);

static int clear_messages_set(void *data, u64 value)
{
	firmware_clear_messages();
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(clear_messages_fops, NULL, clear_messages_set, "%llu\n");

/* ---- what the driver has in other files ---- */

/* nfp_port.c */
struct nfp_port *nfp_port_from_netdev(struct net_device *dev)
{
	struct nfp_repr *repr = netdev_priv(dev);

	return nfp_netdev_is_nfp_repr(dev) ? repr->port : NULL;
}

static int port_parent_id(struct net_device *dev, struct netdev_phys_item_id *id)
{
	id->id_len = ETH_ALEN;
	memcpy(id->id, (const u8[ETH_ALEN]){ 2, 0, 0, 0, 0, 0 }, ETH_ALEN);
	return 0;
}

/* flower/main.c */
u32 nfp_flower_get_port_id_from_netdev(struct nfp_app *a, struct net_device *dev)
{
	return nfp_netdev_is_nfp_repr(dev) ? nfp_repr_get_port_id(dev) : 0;
}

/* nfp_app.c */
void nfp_check_rhashtable_empty(void *ptr, void *arg)
{
	WARN_ON_ONCE(1);
}

/* nfpcore/nfp_cppcore.c */
struct device *nfp_cpp_device(struct nfp_cpp *cpp)
{
	return &pdev->dev;
}

/* flower/lag_conf.c: no device is an aggregate of ports. */
int nfp_flower_lag_populate_pre_action(struct nfp_app *a, struct net_device *master,
				       struct nfp_fl_pre_lag *pre, struct netlink_ext_ack *extack)
{
	return -EOPNOTSUPP;
}

int nfp_flower_lag_get_output_id(struct nfp_app *a, struct net_device *master)
{
	return -ENOENT;
}

bool nfp_flower_lag_unprocessed_msg(struct nfp_app *a, struct sk_buff *skb)
{
	return false;
}

/* flower/qos_conf.c: no meters. */
struct nfp_meter_entry *nfp_flower_search_meter_entry(struct nfp_app *a, u32 id)
{
	return NULL;
}

int nfp_flower_setup_qos_offload(struct nfp_app *a, struct net_device *dev,
				 struct tc_cls_matchall_offload *flow)
{
	return -EOPNOTSUPP;
}

int nfp_setup_tc_act_offload(struct nfp_app *a, struct flow_offload_action *act)
{
	return -EOPNOTSUPP;
}

void nfp_flower_stats_rlim_reply(struct nfp_app *a, struct sk_buff *skb) { }

/* flower/tunnel_conf.c: no tunnels. */
int nfp_flower_xmit_pre_tun_flow(struct nfp_app *a, struct nfp_fl_payload *flow)
{
	return -EOPNOTSUPP;
}

int nfp_flower_xmit_pre_tun_del_flow(struct nfp_app *a, struct nfp_fl_payload *flow)
{
	return -EOPNOTSUPP;
}

struct nfp_ipv6_addr_entry *nfp_tunnel_add_ipv6_off(struct nfp_app *a, struct in6_addr *addr)
{
	return NULL;
}

void nfp_tun_link_and_update_nn_entries(struct nfp_app *a, struct nfp_predt_entry *predt) { }
void nfp_tun_unlink_and_update_nn_entries(struct nfp_app *a, struct nfp_predt_entry *predt) { }
void nfp_tunnel_add_ipv4_off(struct nfp_app *a, __be32 addr) { }
void nfp_tunnel_del_ipv4_off(struct nfp_app *a, __be32 addr) { }
void nfp_tunnel_put_ipv6_off(struct nfp_app *a, struct nfp_ipv6_addr_entry *entry) { }
void nfp_tunnel_keep_alive(struct nfp_app *a, struct sk_buff *skb) { }
void nfp_tunnel_keep_alive_v6(struct nfp_app *a, struct sk_buff *skb) { }
void nfp_tunnel_request_route_v4(struct nfp_app *a, struct sk_buff *skb) { }
void nfp_tunnel_request_route_v6(struct nfp_app *a, struct sk_buff *skb) { }

/* ---- rules with a hop limit that the driver can express ---- */

/* The sizes of the keys that a flowtable's rules have. */
static const u8 key_size[FLOW_DISSECTOR_KEY_MAX] = {
	[FLOW_DISSECTOR_KEY_CONTROL]	= sizeof(struct flow_dissector_key_control),
	[FLOW_DISSECTOR_KEY_BASIC]	= sizeof(struct flow_dissector_key_basic),
	[FLOW_DISSECTOR_KEY_IPV4_ADDRS]	= sizeof(struct flow_dissector_key_ipv4_addrs),
	[FLOW_DISSECTOR_KEY_IPV6_ADDRS]	= sizeof(struct flow_dissector_key_ipv6_addrs),
	[FLOW_DISSECTOR_KEY_PORTS]	= sizeof(struct flow_dissector_key_ports),
	[FLOW_DISSECTOR_KEY_TCP]	= sizeof(struct flow_dissector_key_tcp),
	[FLOW_DISSECTOR_KEY_VLAN]	= sizeof(struct flow_dissector_key_vlan),
	[FLOW_DISSECTOR_KEY_CVLAN]	= sizeof(struct flow_dissector_key_vlan),
	[FLOW_DISSECTOR_KEY_META]	= sizeof(struct flow_dissector_key_meta),
	[FLOW_DISSECTOR_KEY_IP]		= sizeof(struct flow_dissector_key_ip),
};

#define KEY_ROOM	64

static struct {
	struct flow_dissector dissector;
	u8 key[FLOW_DISSECTOR_KEY_MAX][KEY_ROOM];
	u8 mask[FLOW_DISSECTOR_KEY_MAX][KEY_ROOM];
} match;
/* The rule that the driver has got last. It keeps nothing of it. */
static struct flow_rule *rule;

static bool copy_match(const struct flow_match *from)
{
	unsigned int id;

	memset(&match, 0, sizeof(match));
	match.dissector.used_keys = from->dissector->used_keys | BIT_ULL(FLOW_DISSECTOR_KEY_IP);
	for (id = 0; id < FLOW_DISSECTOR_KEY_MAX; id++) {
		struct flow_dissector_key_ip *ip;

		if (!(match.dissector.used_keys & BIT_ULL(id)))
			continue;
		if (WARN_ON(!key_size[id] || key_size[id] > KEY_ROOM))
			return false;
		match.dissector.offset[id] = id * KEY_ROOM;
		if (id == FLOW_DISSECTOR_KEY_IP) {
			ip = (void *)match.key[id];
			ip->ttl = hop_limit;
			ip = (void *)match.mask[id];
			ip->ttl = 0xff;
			continue;
		}
		memcpy(match.key[id], from->key + from->dissector->offset[id], key_size[id]);
		memcpy(match.mask[id], from->mask + from->dissector->offset[id], key_size[id]);
	}
	return true;
}

static struct flow_action_entry *append(enum flow_action_id id)
{
	struct flow_action_entry *a = &rule->action.entries[rule->action.num_entries++];

	memset(a, 0, sizeof(*a));
	a->id = id;
	a->hw_stats = FLOW_ACTION_HW_STATS_DONT_CARE;
	return a;
}

static bool is_port(const struct flow_action_entry *a)
{
	return a->id == FLOW_ACTION_MANGLE &&
	       (a->mangle.htype == FLOW_ACT_MANGLE_HDR_TYPE_TCP ||
		a->mangle.htype == FLOW_ACT_MANGLE_HDR_TYPE_UDP);
}

static bool has_ports(const struct flow_action *actions)
{
	unsigned int i;

	for (i = 0; i < actions->num_entries; i++)
		if (is_port(&actions->entries[i]))
			return true;
	return false;
}

/*
 * The firmware corrects the checksums of TCP and UDP whatever it rewrites, and
 * the driver insists on an action that names all that it corrects.
 */
static void express(struct flow_cls_offload *f)
{
	const struct flow_action *from = &f->rule->action;
	const struct flow_dissector_key_basic *basic;
	bool split = !strcmp(form, "split"), as_is = !strcmp(form, "csum"), keep = !strcmp(form, "keep");
	bool ports = has_ports(from), v4, ended = as_is || keep;
	struct flow_action_entry *a;
	unsigned int i;
	u32 l4, csum;

	kfree(rule);
	rule = flow_rule_alloc(from->num_entries + 2);
	if (!rule || !copy_match(&f->rule->match))
		return;
	rule->match = (struct flow_match){ &match.dissector, match.mask, match.key };
	rule->action.num_entries = 0;
	basic = (void *)match.key[FLOW_DISSECTOR_KEY_BASIC];
	v4 = basic->n_proto == htons(ETH_P_IP);
	l4 = basic->ip_proto == IPPROTO_TCP ? TCA_CSUM_UPDATE_FLAG_TCP :
	     basic->ip_proto == IPPROTO_UDP ? TCA_CSUM_UPDATE_FLAG_UDP : 0;
	csum = l4 | (v4 ? TCA_CSUM_UPDATE_FLAG_IPV4HDR : 0);

	for (i = 0; i < from->num_entries; i++) {
		const struct flow_action_entry *e = &from->entries[i];

		/* The rewrites end before the tags, the way out, or the rule's own checksums. */
		if (!ended && (e->id == FLOW_ACTION_CSUM || e->id == FLOW_ACTION_VLAN_PUSH ||
			       e->id == FLOW_ACTION_REDIRECT)) {
			ended = true;
			append(FLOW_ACTION_CSUM)->csum_flags = csum;
			if (split && ports) {
				unsigned int k;

				for (k = 0; k < i; k++)
					if (is_port(&from->entries[k]))
						*append(FLOW_ACTION_MANGLE) = from->entries[k];
				append(FLOW_ACTION_CSUM)->csum_flags = l4;
			}
		}
		if ((e->id == FLOW_ACTION_CSUM && !as_is && !keep) || (split && is_port(e)) ||
		    (e->id == FLOW_ACTION_ADD && keep))
			continue;
		a = append(e->id);
		*a = *e;
		if (e->id == FLOW_ACTION_ADD) {
			a->id = FLOW_ACTION_MANGLE;
			a->mangle.val = ~e->mangle.mask & (0x01010101 * (u8)(hop_limit - 1));
		}
	}
	f->rule = rule;
}

static void express_rule(struct net_device *dev, struct flow_cls_offload *f)
{
	if (hop_limit && f->command == FLOW_CLS_REPLACE)
		express(f);
}

/* ---- what is in the tables ---- */

static struct nfp_flower_priv *flower(void)
{
	return app->priv;
}

static void show_rule(struct seq_file *s, const void *of)
{
	const struct nfp_fl_payload *flow = of;
	const u8 *key = flow->unmasked_data;
	const struct nfp_flower_tp_ports *ports;
	u8 layers = key[0], proto;

	key += sizeof(struct nfp_flower_meta_tci) + sizeof(struct nfp_flower_in_port);
	if (layers & NFP_FLOWER_LAYER_EXT_META)
		key += sizeof(struct nfp_flower_ext_meta);
	if (layers & NFP_FLOWER_LAYER_MAC)
		key += sizeof(struct nfp_flower_mac_mpls);
	ports = (const void *)key;
	if (layers & NFP_FLOWER_LAYER_TP)
		key += sizeof(*ports);
	if (layers & NFP_FLOWER_LAYER_IPV4) {
		const struct nfp_flower_ipv4 *ip = (const void *)key;

		proto = ip->ip_ext.proto;
		seq_printf(s, "src=%pI4 dst=%pI4", &ip->ipv4_src, &ip->ipv4_dst);
	} else {
		const struct nfp_flower_ipv6 *ip = (const void *)key;

		proto = ip->ip_ext.proto;
		seq_printf(s, "src=%pI6 dst=%pI6", &ip->ipv6_src, &ip->ipv6_dst);
	}
	seq_printf(s, " sport=%u dport=%u proto=%s packets=%llu\n", ntohs(ports->port_src),
		   ntohs(ports->port_dst), proto == IPPROTO_UDP ? "udp" : "tcp",
		   firmware_packets(flow->meta.host_ctx_id));
}

static int left_show(struct seq_file *s, void *v)
{
	seq_printf(s, "rules %d queued 0 bound %u\n",
		   atomic_read(&flower()->flow_table.nelems), firmware_rules());
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(left);

/* ---- probe ---- */

/* As nfp_flower_spawn_phy_reprs() and nfp_repr_init(). */
static void port_init(struct net_device *dev, unsigned int i)
{
	struct nfp_repr *repr = netdev_priv(dev);

	repr_ops = *dev->netdev_ops;
	repr_ops.ndo_get_port_parent_id = port_parent_id;
	dev->netdev_ops = &repr_ops;
	repr->netdev = dev;
	repr->app = app;
	repr->port = &ports[i];
	ports[i].netdev = dev;
	ports[i].type = NFP_PORT_PHYS_PORT;
	ports[i].app = app;
	repr->app_priv = kzalloc(sizeof(struct nfp_flower_repr_priv), GFP_KERNEL);
	repr->dst = metadata_dst_alloc(0, METADATA_HW_PORT_MUX, GFP_KERNEL);
	if (repr->dst)
		repr->dst->u.port_info.port_id = nfp_flower_cmsg_phys_port(i);
}

static int setup_tc(struct net_device *dev, enum tc_setup_type type, void *type_data)
{
	/* As nfp_port_setup_tc() */
	return nfp_flower_setup_tc(app, dev, type, type_data);
}

static const struct ports_driver ports_driver = {
	.priv_size	= sizeof(struct nfp_repr),
	.init		= port_init,
	.setup_tc	= setup_tc,
	.receive	= receive,
	.before		= express_rule,
	.show_rule	= show_rule,
};

static int probe(struct platform_device *p)
{
	struct nfp_flower_priv *priv;
	struct dentry *dir;
	unsigned int i;
	int err;

	pdev = p;
	/* As nfp_flower_init() */
	priv = app->priv;
	priv->app = app;
	priv->total_mem_units = MEMORIES;
	priv->stats_ring_size = roundup_pow_of_two(contexts);
	priv->flower_ext_feats = features & NFP_FL_FEATS_HOST;
	INIT_LIST_HEAD(&priv->indr_block_cb_priv);
	INIT_LIST_HEAD(&priv->non_repr_priv);
	err = nfp_flower_metadata_init(app, contexts, MEMORIES);
	if (err)
		return err;
	err = ports_create(&ports_driver, &priv->flow_table, &p->dev, names, PORTS);
	if (err)
		return err;
	for (i = 0; i < PORTS; i++) {
		struct nfp_repr *repr = netdev_priv(ports_get(i));

		if (!repr->dst || !repr->app_priv)
			return -ENOMEM;
	}
	dir = ports_dir();
	debugfs_create_file("messages", 0400, dir, NULL, &messages_fops);
	debugfs_create_file("clear_messages", 0200, dir, NULL, &clear_messages_fops);
	debugfs_create_file("left", 0400, dir, NULL, &left_fops);
	return 0;
}

static void remove(struct platform_device *p)
{
	struct metadata_dst *dst[PORTS];
	void *app_priv[PORTS];
	unsigned int i;

	for (i = 0; i < PORTS; i++) {
		struct nfp_repr *repr = netdev_priv(ports_get(i));

		dst[i] = repr->dst;
		app_priv[i] = repr->app_priv;
		WARN_ON(ports[i].tc_offload_cnt);
	}
	ports_destroy();
	for (i = 0; i < PORTS; i++) {
		dst_release((struct dst_entry *)dst[i]);
		kfree(app_priv[i]);
	}
	nfp_flower_metadata_cleanup(app);
	firmware_stop();
}

/* nft_offload knows the driver by this name. */
static struct platform_driver platform_driver = {
	.probe	= probe,
	.remove	= remove,
	.driver	= { .name = "nfp" },
};

static void release(void)
{
	if (app)
		kvfree(app->priv);
	kfree(app);
	kfree(ports);
	kfree(rule);
}

static int __init nfp_start(void)
{
	struct platform_device *p;
	int err = -ENOMEM;

	app = kzalloc(sizeof(*app), GFP_KERNEL);
	ports = kcalloc(PORTS, sizeof(*ports), GFP_KERNEL);
	if (app)
		app->priv = kvzalloc(sizeof(struct nfp_flower_priv), GFP_KERNEL);
	if (!app || !ports || !app->priv)
		goto free;
	err = platform_driver_register(&platform_driver);
	if (err)
		goto free;
	p = platform_device_register_simple("nfp", PLATFORM_DEVID_NONE, NULL, 0);
	err = PTR_ERR_OR_ZERO(p);
	if (!err)
		return 0;
	platform_driver_unregister(&platform_driver);
free:
	release();
	return err;
}
module_init(nfp_start);

static void __exit nfp_stop(void)
{
	platform_device_unregister(pdev);
	platform_driver_unregister(&platform_driver);
	/* The driver frees its rules after a grace period. */
	rcu_barrier();
	release();
}
module_exit(nfp_stop);

MODULE_DESCRIPTION("Netronome's flow offload without a NIC, for tests of nft_offload");
MODULE_LICENSE("GPL");
