// SPDX-License-Identifier: GPL-2.0
/*
 * What stands for the rest of the driver of an Airoha SoC (airoha_eth.c) around its
 * flow offload (airoha_ppe.c, airoha_ppe_debugfs.c, which are the kernel's): its
 * probe and open as far as the engines need them, the receive path up to
 * airoha_ppe_check_skb(), registers, DMA memory and the NPU (airoha_npu.c).
 *
 * The data of the SoCs, and what binds a port and writes its address and the limit of
 * its frames, are the kernel's as well: files.sh takes them out of airoha_eth.c, as
 * eth.h.
 *
 * Parameters: soc; gdm, the numbers of the ports lan and wan; dsa=lan or dsa=wan:
 * this port is one of a DSA switch behind the first port, which then is eth0; npu,
 * the state of the NPU; registered=0: as long as a port of the SoC is missing;
 * dram=1: no entry is in SRAM.
 *
 * Files in the debugfs directory nfto_drivers, beside those of ports.c:
 *   bound, clear_bound	see common/bound.h
 *   disagreements	between the profile airoha of the simulated NIC and the driver
 *   generate, generated	see common/generate.h
 *   left	what is left: rules, rules queued for a bucket, bound entries
 *   soc	version, engines, requests for the module of the NPU
 *   registered	a write says that all ports are there
 *   age	a write lets all bound entries age out
 *   bridge	a write adds a rule for frames between two addresses, as tc makes it for
 *		a bridge: "PORT DESTINATION SOURCE"; without them it removes all
 */
#include <linux/debugfs.h>
#include <linux/etherdevice.h>
#include <linux/hex.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/slab.h>
#include <net/pkt_cls.h>

#include "airoha_regs.h"
#include "airoha_eth.h"

/* Policing, which is not there. */
static int airoha_dev_tc_matchall(struct net_device *dev,
				  struct tc_cls_matchall_offload *f)
{
	return -EOPNOTSUPP;
}

#include "eth.h"

#include "bound.h"
#include "compare.h"
#include "engine.h"
#include "generate.h"
#include "ports.h"
#include "profile.h"
#include "switch.h"

#define PORTS		2

static char *soc = "en7581";
module_param(soc, charp, 0444);

static const struct {
	const char *name;
	const struct airoha_eth_soc_data *data;
} socs[] = {
	{ "en7581", &en7581_soc_data },
	{ "an7583", &an7583_soc_data },
};

static unsigned int gdm[PORTS] = { AIROHA_GDM1_IDX, AIROHA_GDM2_IDX };
module_param_array(gdm, uint, NULL, 0444);

static char *dsa = "";
module_param(dsa, charp, 0444);

/* ready; requested: once its module is; none: not at all; dead: it does nothing. */
static char *npu = "ready";
module_param(npu, charp, 0444);

static bool registered = true;
module_param(registered, bool, 0444);

static bool dram;
module_param(dram, bool, 0444);

static const char *names[PORTS] = { "lan", "wan" };

static struct platform_device *pdev;
static struct airoha_eth *eth;
static struct airoha_gdm_port gdm_ports[AIROHA_MAX_NUM_GDM_PORTS];

/* ---- registers and memory ---- */

u32 airoha_rr(void __iomem *base, u32 offset)
{
	return engine_read(offset);
}

void airoha_wr(void __iomem *base, u32 offset, u32 val)
{
	engine_write(offset, val);
}

static struct {
	u32 dma;
	size_t size;
	void *at;
} memory[4];

void *fake_dma_alloc(struct device *dev, size_t size, dma_addr_t *phys, gfp_t gfp)
{
	unsigned int i;
	void *p;

	for (i = 0; i < ARRAY_SIZE(memory) && memory[i].at; i++)
		;
	if (i == ARRAY_SIZE(memory))
		return NULL;
	p = kvzalloc(size, gfp);
	if (p && devm_add_action_or_reset(dev, (void (*)(void *))kvfree, p))
		return NULL;
	memory[i].dma = (i + 1) << 28;
	memory[i].size = size;
	memory[i].at = p;
	*phys = memory[i].dma;
	return p;
}

void *airoha_memory(u32 dma)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(memory); i++)
		if (memory[i].at && dma - memory[i].dma < memory[i].size)
			return memory[i].at + (dma - memory[i].dma);
	return NULL;
}

/* ---- the NPU ---- */

static struct airoha_npu the_npu;
static unsigned int npu_requests;

int fake_request_module(const char *name)
{
	npu_requests++;
	return 0;
}

struct airoha_npu *airoha_npu_get(struct device *dev)
{
	if (!strcmp(npu, "none") || (!strcmp(npu, "requested") && !npu_requests))
		return ERR_PTR(-ENODEV);
	return &the_npu;
}

void airoha_npu_put(struct airoha_npu *n)
{
}

static int npu_ppe_init(struct airoha_npu *n)
{
	if (strcmp(npu, "dead"))
		engine_npu_init();
	return 0;
}

static int npu_ppe_deinit(struct airoha_npu *n)
{
	return 0;
}

static int npu_ppe_init_stats(struct airoha_npu *n, dma_addr_t addr, u32 count)
{
	static_assert(sizeof(struct airoha_foe_stats) == 2 * sizeof(u32));

	n->stats = (struct airoha_foe_stats __iomem __force *)
		   devm_kcalloc(eth->dev, count, sizeof(*n->stats), GFP_KERNEL);
	if (!n->stats)
		return -ENOMEM;
	engine_npu_stats((u32 __force *)n->stats, airoha_memory(addr), count);
	return 0;
}

static struct airoha_npu the_npu = {
	.ops = {
		.ppe_init	= npu_ppe_init,
		.ppe_deinit	= npu_ppe_deinit,
		.ppe_init_stats	= npu_ppe_init_stats,
	},
};

/* ---- frames ---- */

/* As at the end of airoha_qdma_rx_process(), time having passed since the last frame. */
void airoha_trap(struct sk_buff *skb, unsigned int index)
{
	eth->ppe->foe_check_time[index] = (u16)jiffies - HZ;
	skb->protocol = eth_hdr(skb)->h_proto;
	skb_pull(skb, ETH_HLEN);
	airoha_ppe_check_skb(&eth->ppe->dev, skb, index, false);
	skb_push(skb, ETH_HLEN);
}

struct net_device *airoha_port(unsigned int pse_port, unsigned int nbq)
{
	unsigned int number = pse_port == FE_PSE_PORT_GDM4 ? AIROHA_GDM4_IDX : pse_port, i;
	const struct airoha_gdm_dev *dev;

	for (i = 0; i < PORTS; i++) {
		dev = netdev_priv(ports_get(i));
		/* The WAN is behind GDM2, which sends back what it gets (airoha_dev_init). */
		if (airoha_is_lan_gdm_dev((struct airoha_gdm_dev *)dev) ?
		    dev->port->id == number : number == AIROHA_GDM2_IDX)
			return ports_get(i);
	}
	return NULL;
}

/* As airoha_dev_open() leads a port to an engine. */
static bool receive(struct net_device *dev, struct sk_buff *skb)
{
	unsigned int i = !airoha_is_lan_gdm_dev(netdev_priv(dev)) &&
			 airoha_ppe_is_enabled(eth, 1);

	/* The port takes off the tag of a switch before the engine sees the frame. */
	if (engine_receive(i, skb, dev->name))
		return true;
	if (!switch_tag_len(dev))
		return false;
	if (!switch_tag(dev, skb))
		kfree_skb(skb);
	else
		switch_to_cpu(skb);
	return true;
}

/* ---- the ports ---- */

/* As airoha_dev_init() and airoha_alloc_gdm_device(). */
static void port_init(struct net_device *dev, unsigned int i)
{
	struct airoha_gdm_port *port = &gdm_ports[gdm[i] - 1];
	struct airoha_gdm_dev *d = netdev_priv(dev);
	unsigned int other = gdm[!i];

	port->id = gdm[i];
	port->devs[0] = d;
	eth->ports[gdm[i] - 1] = port;
	d->port = port;
	d->eth = eth;
	/* GDM2 is always a WAN, else the first one of GDM3 and GDM4. */
	if (gdm[i] == AIROHA_GDM2_IDX ||
	    (gdm[i] > AIROHA_GDM2_IDX && other != AIROHA_GDM2_IDX &&
	     (other < AIROHA_GDM2_IDX || other > gdm[i])))
		set_bit(AIROHA_DEV_F_WAN, &d->flags);
	rcu_assign_pointer(d->qdma, &eth->qdma[!airoha_is_lan_gdm_dev(d)]);
	airoha_set_macaddr(d, dev->dev_addr);
}

/* airoha_dev_open(), airoha_dev_stop(), airoha_dev_change_mtu(), airoha_dev_set_macaddr() */
static int port_event(struct notifier_block *nb, unsigned long event, void *ptr)
{
	struct net_device *dev = netdev_notifier_info_to_dev(ptr);

	if (dev != ports_get(0) && dev != ports_get(1))
		return NOTIFY_DONE;
	switch (event) {
	case NETDEV_UP:
	case NETDEV_CHANGEMTU:
		airoha_dev_set_xmit_frame_size(dev);
		break;
	case NETDEV_DOWN:
		airoha_ppe_set_xmit_frame_size(netdev_priv(dev));
		break;
	case NETDEV_CHANGEADDR:
		airoha_set_macaddr(netdev_priv(dev), dev->dev_addr);
		break;
	}
	return NOTIFY_DONE;
}

static struct notifier_block notifier = { .notifier_call = port_event };

static int setup_tc(struct net_device *dev, enum tc_setup_type type, void *type_data)
{
	switch (type) {
	case TC_SETUP_BLOCK:
	case TC_SETUP_FT:
		return airoha_dev_setup_tc_block(dev, type_data);
	default:
		return -EOPNOTSUPP;
	}
}

/* ---- what is in the tables ---- */

static void show_rule(struct seq_file *s, const void *rule)
{
	const struct airoha_flow_table_entry *entry = rule;
	const u32 *w = (const u32 *)&entry->data;
	u64 packets = 0;
	int i;

	if (entry->type != FLOW_TYPE_L4)
		return;
	/* Words 1 and on, as in engine.c. */
	if (w[0] >> 25 & 4) {
		__be32 a[8];

		for (i = 0; i < 8; i++)
			a[i] = cpu_to_be32(w[1 + i]);
		seq_printf(s, "src=%pI6 dst=%pI6 sport=%u dport=%u", a, a + 4,
			   w[9] >> 16, w[9] & 0xffff);
	} else {
		seq_printf(s, "src=%pI4h dst=%pI4h sport=%u dport=%u", w + 1,
			   w + 2, w[3] >> 16, w[3] & 0xffff);
	}
	if (entry->hash != 0xffff)
		packets = engine_total(entry->hash);
	seq_printf(s, " proto=%s packets=%llu\n", w[0] & BIT(30) ? "udp" : "tcp", packets);
}

static int left_show(struct seq_file *s, void *v)
{
	unsigned int i, queued;
	struct hlist_node *n;

	mutex_lock(&ports_lock);
	queued = atomic_read(&eth->ppe->l2_flows.nelems);
	for (i = 0; i < airoha_ppe_get_total_num_entries(eth->ppe); i++)
		hlist_for_each(n, &eth->ppe->foe_flow[i])
			queued++;
	seq_printf(s, "rules %d queued %u bound %u\n",
		   atomic_read(&eth->flow_table.nelems), queued, engine_bound());
	mutex_unlock(&ports_lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(left);

static int soc_show(struct seq_file *s, void *v)
{
	seq_printf(s, "%s version %x engines %d requests %u\n", soc, eth->soc->version,
		   eth->soc->num_ppe, npu_requests);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(soc);

static int registered_set(void *data, u64 value)
{
	set_bit(DEV_STATE_REGISTERED, &eth->state);
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(registered_fops, NULL, registered_set, "%llu\n");

static int age_set(void *data, u64 value)
{
	local_bh_disable();
	engine_age();
	local_bh_enable();
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(age_fops, NULL, age_set, "%llu\n");

/* ---- rules of bridges, which nft_offload does not make ---- */

struct bridge_key {
	struct flow_dissector_key_meta meta;
	struct flow_dissector_key_control control;
	struct flow_dissector_key_basic basic;
	struct flow_dissector_key_eth_addrs eth;
};

static unsigned long bridge_rules;

static int bridge_add(struct net_device *out, const struct bridge_key *key)
{
	struct flow_rule *rule = flow_rule_alloc(1);
	struct flow_cls_offload f = {
		.command = FLOW_CLS_REPLACE,
		.cookie = ULONG_MAX - bridge_rules,
		.rule = rule,
	};
	struct flow_dissector dissector = {};
	struct bridge_key mask = {};
	int err;

	if (!rule)
		return -ENOMEM;
	dissector.used_keys = BIT_ULL(FLOW_DISSECTOR_KEY_META) |
			      BIT_ULL(FLOW_DISSECTOR_KEY_CONTROL) |
			      BIT_ULL(FLOW_DISSECTOR_KEY_BASIC) |
			      BIT_ULL(FLOW_DISSECTOR_KEY_ETH_ADDRS);
	dissector.offset[FLOW_DISSECTOR_KEY_META] = offsetof(struct bridge_key, meta);
	dissector.offset[FLOW_DISSECTOR_KEY_CONTROL] = offsetof(struct bridge_key, control);
	dissector.offset[FLOW_DISSECTOR_KEY_BASIC] = offsetof(struct bridge_key, basic);
	dissector.offset[FLOW_DISSECTOR_KEY_ETH_ADDRS] = offsetof(struct bridge_key, eth);
	eth_broadcast_addr(mask.eth.dst);
	eth_broadcast_addr(mask.eth.src);
	rule->match.dissector = &dissector;
	rule->match.key = (void *)key;
	rule->match.mask = &mask;
	rule->action.entries[0].id = FLOW_ACTION_REDIRECT;
	rule->action.entries[0].dev = out;
	err = airoha_ppe_dev_setup_tc_block_cb(&eth->ppe->dev, &f);
	kfree(rule);
	if (!err)
		bridge_rules++;
	return err;
}

static void bridge_remove(void)
{
	struct flow_cls_offload f = { .command = FLOW_CLS_DESTROY };

	while (bridge_rules) {
		f.cookie = ULONG_MAX - --bridge_rules;
		WARN_ON(airoha_ppe_dev_setup_tc_block_cb(&eth->ppe->dev, &f));
	}
}

static ssize_t bridge_write(struct file *file, const char __user *from, size_t len,
			    loff_t *at)
{
	char text[80], port[IFNAMSIZ], dst[20], src[20];
	struct bridge_key key = {};
	unsigned int i;
	int err = 0;

	if (len >= sizeof(text) || copy_from_user(text, from, len))
		return -EINVAL;
	text[len] = 0;
	mutex_lock(&ports_lock);
	if (sscanf(text, "%15s %19s %19s", port, dst, src) != 3) {
		bridge_remove();
	} else {
		i = strcmp(port, "lan") ? 1 : 0;
		err = mac_pton(dst, key.eth.dst) && mac_pton(src, key.eth.src) ?
		      bridge_add(ports_get(i), &key) : -EINVAL;
	}
	mutex_unlock(&ports_lock);
	return err ?: len;
}

static const struct file_operations bridge_fops = {
	.open	= simple_open,
	.write	= bridge_write,
};

/* ---- the profile of the simulated NIC ---- */

bool profile_own_port(const struct net_device *dev)
{
	return dev == ports_get(0) || dev == ports_get(1) || switch_port(dev);
}

static unsigned int gdm_of(const struct net_device *dev)
{
	const struct airoha_gdm_dev *d = netdev_priv(dev);

	return d->port->id;
}

static void before(struct net_device *dev, struct flow_cls_offload *f)
{
	profile_before(&nsim_flow_profile_airoha, dev, f);
}

static void after(struct net_device *dev, struct flow_cls_offload *f, int err)
{
	const struct nsim_flow_draft *draft = profile_after(dev, f, err);
	const struct airoha_flow_table_entry *entry;
	struct net_device *out;

	if (!draft)
		return;
	entry = ports_find(&eth->flow_table, offsetof(struct airoha_flow_table_entry, cookie),
			   f->cookie);
	out = (struct net_device *)draft->egress;
	/* A port of the switch is behind the first port. */
	if (switch_port(out))
		out = ports_get(0);
	if (!entry)
		profile_disagree("%s: accepted, and not there\n", dev->name);
	else
		compare_entry(draft, (const u32 *)&entry->data, out ? gdm_of(out) : 0);
}

static const struct generate_driver generate_driver = {
	.style		= { .pppoe = true },
	.profile	= &nsim_flow_profile_airoha,
	.user_port	= switch_user,
	.not_compared	= generate_without_addresses,
};

static const struct ports_driver ports_driver = {
	.priv_size	= sizeof(struct airoha_gdm_dev),
	.init		= port_init,
	.setup_tc	= setup_tc,
	.receive	= receive,
	.send		= switch_untag,
	.before		= before,
	.after		= after,
	.show_rule	= show_rule,
};

/* ---- probe ---- */

static int probe(struct platform_device *p)
{
	struct dentry *dir;
	int err;

	eth->dev = &p->dev;
	platform_set_drvdata(p, eth);
	err = airoha_ppe_init(eth);
	if (err)
		return err;
	set_bit(DEV_STATE_INITIALIZED, &eth->state);
	if (*dsa) {
		names[0] = "eth0";
		names[1] = strcmp(dsa, "lan") ? "lan" : "wan";
	}
	err = register_netdevice_notifier(&notifier);
	if (err)
		return err;
	err = ports_create(&ports_driver, &eth->flow_table, &p->dev, names, PORTS);
	if (!err && *dsa)
		err = switch_create(ports_get(0), dsa);
	if (err)
		return err;
	if (registered)
		set_bit(DEV_STATE_REGISTERED, &eth->state);
	dir = ports_dir();
	profile_files(dir);
	bound_files(dir);
	generate_files(dir, &generate_driver);
	debugfs_create_file("left", 0400, dir, NULL, &left_fops);
	debugfs_create_file("soc", 0400, dir, NULL, &soc_fops);
	debugfs_create_file("registered", 0200, dir, NULL, &registered_fops);
	debugfs_create_file("age", 0200, dir, NULL, &age_fops);
	debugfs_create_file("bridge", 0200, dir, NULL, &bridge_fops);
	return 0;
}

static void remove(struct platform_device *p)
{
	switch_destroy();
	ports_destroy();
	generate_stop();
	unregister_netdevice_notifier(&notifier);
	WARN_ON(atomic_read(&eth->flow_table.nelems));
	airoha_ppe_deinit(eth);
}

/* nft_offload knows the driver by this name. */
static struct platform_driver platform_driver = {
	.probe	= probe,
	.remove	= remove,
	.driver	= { .name = "airoha_eth" },
};

static int __init airoha_start(void)
{
	unsigned int i;
	int err = -ENOMEM;

	eth = kvzalloc(sizeof(*eth), GFP_KERNEL);
	if (!eth)
		return err;
	for (i = 0; i < ARRAY_SIZE(socs); i++)
		if (!strcmp(socs[i].name, soc))
			eth->soc = socs[i].data;
	err = -EINVAL;
	if (!eth->soc || gdm[0] == gdm[1])
		goto free;
	for (i = 0; i < PORTS; i++)
		if (!gdm[i] || gdm[i] > AIROHA_MAX_NUM_GDM_PORTS)
			goto free;
	err = engine_start(eth->soc->num_ppe, dram);
	if (err)
		goto stop;
	err = platform_driver_register(&platform_driver);
	if (err)
		goto stop;
	pdev = platform_device_register_simple("airoha_eth", PLATFORM_DEVID_NONE,
					       NULL, 0);
	err = PTR_ERR_OR_ZERO(pdev);
	if (err) {
		platform_driver_unregister(&platform_driver);
		goto stop;
	}
	return 0;

stop:
	engine_stop();
free:
	kvfree(eth);
	return err;
}
module_init(airoha_start);

static void __exit airoha_stop(void)
{
	platform_device_unregister(pdev);
	platform_driver_unregister(&platform_driver);
	engine_stop();
	kvfree(eth);
}
module_exit(airoha_stop);

MODULE_DESCRIPTION("Airoha's flow offload over memory, for tests of nft_offload");
MODULE_LICENSE("GPL");
