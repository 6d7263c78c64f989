// SPDX-License-Identifier: GPL-2.0
/*
 * What stands for the rest of Solarflare's driver around its flow offload (the
 * files in sfc/, which are the kernel's): an EF100 with one function, whose rules
 * are for the wire ("lan"), and the representor of a virtual function ("wan").
 *
 * The fake begins where a request is handed to the firmware (efx_mcdi_rpc()):
 * engine.c answers it, and executes the rules. Counters go the driver's own way,
 * through the receive queue of its counter channel.
 *
 * Parameters:
 *   form	changes the rules before the driver gets them, see reform.h
 *   rules	the action rules that the engine has room for, beside those of the driver
 *		itself; default: any number
 *   exact	the engine matches the flags of TCP as a whole only
 *
 * Files in the debugfs directory nfto_drivers, beside those of ports.c and
 * messages.c:
 *   left	what is left: rules of the driver, other entries of the engine, rules of
 *		the engine
 *   twice	a read binds two blocks to the function, and unbinds them; what the
 *		driver answers
 */
#include <linux/debugfs.h>
#include <linux/etherdevice.h>
#include <linux/ethtool.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/rtnetlink.h>
#include <linux/slab.h>

#include "sfc/net_driver.h"
#include "sfc/ef100_nic.h"
#include "sfc/ef100_rep.h"
#include "sfc/efx.h"
#include "sfc/mae.h"
#include "sfc/rx_common.h"
#include "sfc/tc.h"
#include "sfc/tc_bindings.h"

#include "engine.h"
#include "messages.h"
#include "names.h"
#include "ports.h"
#include "reform.h"

#define FUNCTION	0
#define REPRESENTOR	1
#define PORTS		2
#define MPORT		0x21

static char *form = "";
module_param(form, charp, 0444);
uint engine_rules;
module_param_named(rules, engine_rules, uint, 0444);
bool engine_exact;
module_param_named(exact, engine_exact, bool, 0444);

static const char *const names[PORTS] = { "lan", "wan" };

static struct platform_device *pdev;
static struct pci_dev *pci_dev;
static struct efx_probe_data *probe_data;
static struct efx_nic *efx;

/* The channel of the counters, with one buffer. */
static struct efx_channel *channel;
static struct efx_rx_buffer counter_buffer;
static DEFINE_SPINLOCK(counter_lock);

/* The operations of ports.c and those that the representors have beside them. The driver knows its
 * representors by the address. */
struct net_device_ops rep_ops __asm__("efx_ef100_rep_netdev_ops");

/* ---- what the driver has in other files ---- */

/* rx_common.c: the buffer is used again. */
void efx_free_rx_buffers(struct efx_rx_queue *rx_queue, struct efx_rx_buffer *rx_buf,
			 unsigned int num_bufs)
{
}

/* ef100_nic.c: filters of received frames, which are none of the engine's. */
static s32 filter_insert(struct efx_nic *e, struct efx_filter_spec *spec, bool replace)
{
	return 0;
}

static int filter_remove_safe(struct efx_nic *e, enum efx_filter_priority priority, u32 id)
{
	return 0;
}

static const struct efx_nic_type nic_type = {
	.filter_insert		= filter_insert,
	.filter_remove_safe	= filter_remove_safe,
};

/* ef100_rep.c */
static int port_parent_id(struct net_device *dev, struct netdev_phys_item_id *id)
{
	id->id_len = ETH_ALEN;
	memcpy(id->id, (const u8[ETH_ALEN]){ 2, 0, 0, 0, 0, 0 }, ETH_ALEN);
	return 0;
}

static void get_drvinfo(struct net_device *dev, struct ethtool_drvinfo *info)
{
	strscpy(info->driver, EFX_EF100_REP_DRIVER, sizeof(info->driver));
}

static const struct ethtool_ops rep_ethtool_ops = {
	.get_drvinfo	= get_drvinfo,
};

/* As efx_ef100_rep_setup_tc(), and ef100_netdev_ops.ndo_setup_tc */
static int setup_tc(struct net_device *dev, enum tc_setup_type type, void *type_data)
{
	struct efx_rep *efv = netdev_priv(dev);

	if (dev == efx->net_dev)
		return efx_tc_setup(dev, type, type_data);
	if (type == TC_SETUP_CLSFLOWER)
		return efx_tc_flower(efv->parent, dev, type_data, efv);
	if (type == TC_SETUP_BLOCK)
		return efx_tc_setup_block(dev, efv->parent, type_data, efv);
	return -EOPNOTSUPP;
}

/* ---- frames and counters ---- */

/* The m-port of what is beyond a port: the wire, or the virtual function. */
static u32 selector_of(const struct net_device *dev)
{
	return dev == efx->net_dev ? 0x02000000 : 0x04000000 | MPORT;
}

struct net_device *sfc_port_of(u32 selector)
{
	unsigned int i;

	for (i = 0; i < PORTS; i++)
		if (selector == selector_of(ports_get(i)))
			return ports_get(i);
	return NULL;
}

/* A packet of counters (version 2) with one of them. */
static void report(const struct engine_count *count)
{
	u8 *at = efx_rx_buf_va(&counter_buffer);

	spin_lock_bh(&counter_lock);
	memset(at, 0, 36);
	at[0] = 2;
	at[2] = 4;
	at[3] = 20;
	put_unaligned_le16(1, at + 6);
	put_unaligned_le32(count->counter, at + 20);
	put_unaligned_le32(count->packets, at + 24);
	put_unaligned_le32(count->bytes, at + 30);
	channel->rx_pkt_n_frags = 1;
	efx_tc_channel_type.receive_raw(&channel->rx_queue, count->generation);
	spin_unlock_bh(&counter_lock);
}

static bool receive(struct net_device *dev, struct sk_buff *skb)
{
	struct engine_count count;

	if (!engine_receive(selector_of(dev), skb, &count))
		return false;
	if (count.packets)
		report(&count);
	return true;
}

/* ---- what is in the tables ---- */

static u64 packets_of(const struct efx_tc_flow_rule *rule)
{
	const struct efx_tc_action_set *set;

	list_for_each_entry(set, &rule->acts.list, list)
		if (set->count)
			return READ_ONCE(set->count->cnt->packets);
	return 0;
}

static void show_rule(struct seq_file *s, const void *of)
{
	const struct efx_tc_flow_rule *rule = of;
	const struct efx_tc_match_fields *match = &rule->match.value;

	if (match->eth_proto == htons(ETH_P_IP))
		seq_printf(s, "src=%pI4 dst=%pI4", &match->src_ip, &match->dst_ip);
	else
		seq_printf(s, "src=%pI6 dst=%pI6", &match->src_ip6, &match->dst_ip6);
	seq_printf(s, " sport=%u dport=%u proto=%s packets=%llu\n", ntohs(match->l4_sport),
		   ntohs(match->l4_dport), match->ip_proto == IPPROTO_UDP ? "udp" : "tcp",
		   packets_of(rule));
}

static int left_show(struct seq_file *s, void *v)
{
	unsigned int rules, others;

	engine_left(&rules, &others);
	seq_printf(s, "rules %d queued %u bound %u\n", atomic_read(&efx->tc->match_action_ht.nelems),
		   others, rules);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(left);

/* ---- two blocks ---- */

static int setup_block(struct flow_block *block, enum flow_block_command command)
{
	struct flow_block_offload bo = {
		.command	= command,
		.binder_type	= FLOW_BLOCK_BINDER_TYPE_CLSACT_INGRESS,
		.block		= block,
		.net		= &init_net,
	};
	struct flow_block_cb *cb, *next;
	int err;

	INIT_LIST_HEAD(&bo.cb_list);
	err = efx_tc_setup(efx->net_dev, TC_SETUP_BLOCK, &bo);
	if (command == FLOW_BLOCK_BIND)
		list_splice_init(&bo.cb_list, &block->cb_list);
	list_for_each_entry_safe(cb, next, &bo.cb_list, list) {
		list_del(&cb->list);
		flow_block_cb_free(cb);
	}
	return err;
}

static int twice_show(struct seq_file *s, void *v)
{
	struct flow_block blocks[2];
	struct flow_block_cb *cb, *next;
	unsigned int i;

	rtnl_lock();
	for (i = 0; i < 2; i++) {
		flow_block_init(&blocks[i]);
		seq_printf(s, "bind %d\n", setup_block(&blocks[i], FLOW_BLOCK_BIND));
	}
	for (i = 0; i < 2; i++)
		seq_printf(s, "unbind %d\n", setup_block(&blocks[i], FLOW_BLOCK_UNBIND));
	/* What the driver has not given up. */
	for (i = 0; i < 2; i++) {
		list_for_each_entry_safe(cb, next, &blocks[i].cb_list, list) {
			seq_printf(s, "left: block %u\n", i + 1);
			list_del(&cb->list);
			flow_block_cb_free(cb);
		}
	}
	rtnl_unlock();
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(twice);

/* ---- probe ---- */

/* As efx_ef100_rep_create_netdev(): the representor belongs to no device. */
static void representor_init(struct net_device *dev)
{
	struct efx_rep *efv = netdev_priv(dev);

	rep_ops = *dev->netdev_ops;
	rep_ops.ndo_get_port_parent_id = port_parent_id;
	dev->netdev_ops = &rep_ops;
	dev->ethtool_ops = &rep_ethtool_ops;
	dev->dev.parent = NULL;
	efv->parent = efx;
	efv->net_dev = dev;
	efv->mport = MPORT;
	INIT_LIST_HEAD(&efv->list);
	INIT_LIST_HEAD(&efv->dflt.acts.list);
	efv->dflt.fw_id = MC_CMD_MAE_ACTION_RULE_INSERT_OUT_ACTION_RULE_ID_NULL;
	WARN_ON(efx_tc_configure_default_rule_rep(efv));
	engine_started();
}

/* As ef100_probe_netdev_pf(), from the point on where the device is there. */
static void function_init(struct net_device *dev)
{
	struct efx_probe_data **priv = netdev_priv(dev);

	*priv = probe_data;
	efx->net_dev = dev;
	WARN_ON(efx_init_tc(efx));
}

static void port_init(struct net_device *dev, unsigned int i)
{
	if (i == FUNCTION)
		function_init(dev);
	else
		representor_init(dev);
}

static void before_command(struct net_device *dev, struct flow_cls_offload *f)
{
	reform(f, form);
}

/* Both kinds of ports have room for the representor's. */
static const struct ports_driver ports_driver = {
	.priv_size	= sizeof(struct efx_rep),
	.init		= port_init,
	.setup_tc	= setup_tc,
	.receive	= receive,
	.before		= before_command,
	.show_rule	= show_rule,
};

static int nic_init(void)
{
	struct page *page = alloc_page(GFP_KERNEL);

	probe_data = kvzalloc(sizeof(*probe_data), GFP_KERNEL);
	channel = kvzalloc(sizeof(*channel), GFP_KERNEL);
	pci_dev = kzalloc(sizeof(*pci_dev), GFP_KERNEL);
	counter_buffer.page = page;
	if (!page || !probe_data || !channel || !pci_dev)
		return -ENOMEM;
	pci_dev->dev.init_name = "EF100";
	efx = &probe_data->efx;
	efx->pci_dev = pci_dev;
	efx->type = &nic_type;
	channel->efx = efx;
	channel->rx_queue.efx = efx;
	channel->rx_queue.buffer = &counter_buffer;
	return efx_init_struct_tc(efx);
}

static void nic_free(void)
{
	if (counter_buffer.page)
		put_page(counter_buffer.page);
	kvfree(probe_data);
	kvfree(channel);
	kfree(pci_dev);
}

static int probe(struct platform_device *p)
{
	int err;

	pdev = p;
	err = nic_init();
	if (err)
		return err;
	err = ports_create(&ports_driver, &efx->tc->match_action_ht, &p->dev, names, PORTS);
	if (err)
		return err;
	messages_files(ports_dir());
	debugfs_create_file("left", 0400, ports_dir(), NULL, &left_fops);
	debugfs_create_file("twice", 0400, ports_dir(), NULL, &twice_fops);
	return 0;
}

/* As ef100_remove(), and efx_ef100_vfrep_destroy() before it. */
static void remove(struct platform_device *p)
{
	struct efx_rep *efv = netdev_priv(ports_get(REPRESENTOR));

	efx_tc_deconfigure_default_rule(efx, &efv->dflt);
	WARN_ON(!list_empty(&efx->tc->block_list));
	efx_fini_tc(efx);
	ports_destroy();
	efx_fini_struct_tc(efx);
	engine_stop();
	reform_stop();
}

/* nft_offload knows the function's driver by this name. */
static struct platform_driver platform_driver = {
	.probe	= probe,
	.remove	= remove,
	.driver	= { .name = NFTO_SFC_DRIVER },
};

static int __init sfc_start(void)
{
	struct platform_device *p;
	int err;

	err = platform_driver_register(&platform_driver);
	if (err)
		return err;
	p = platform_device_register_simple(NFTO_SFC_DRIVER, PLATFORM_DEVID_NONE, NULL, 0);
	err = PTR_ERR_OR_ZERO(p);
	if (!err && !ports_get(0)) {
		platform_device_unregister(p);
		err = -ENOMEM;
	}
	if (err) {
		platform_driver_unregister(&platform_driver);
		nic_free();
	}
	return err;
}
module_init(sfc_start);

static void __exit sfc_stop(void)
{
	platform_device_unregister(pdev);
	platform_driver_unregister(&platform_driver);
	nic_free();
}
module_exit(sfc_stop);

MODULE_DESCRIPTION("Solarflare's flow offload without a NIC, for tests of nft_offload");
MODULE_LICENSE("GPL");
