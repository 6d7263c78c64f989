// SPDX-License-Identifier: GPL-2.0
/*
 * See ports.h. Files in the debugfs directory nfto_drivers:
 *   commands	one line for each command that the driver got: its name, the port,
 *		the cookie, what the driver returned, its extack
 *   clear	a write empties commands
 *   rules	the rules that the driver holds, see show_rule
 *   count	their number
 */
#include <linux/debugfs.h>
#include <linux/etherdevice.h>
#include <linux/ethtool.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/rtnetlink.h>
#include <linux/slab.h>
#include <net/pkt_cls.h>

#include "ports.h"

#define PORTS_MAX	8
#define COMMANDS_MAX	4096

struct wire {
	struct net_device *port;
	struct net_device *peer;
	/* The private data of the driver's callback, while the port is bound. */
	void *cb_priv;
};

struct command {
	struct list_head list;
	enum flow_cls_command command;
	unsigned long cookie;
	char port[IFNAMSIZ];
	int err;
	char extack[80];
};

DEFINE_MUTEX(ports_lock);

static const struct ports_driver *driver;
static struct wire wires[PORTS_MAX];
static unsigned int wire_count;
static struct rhashtable *rules[PORTS_MAX];
static unsigned int rules_count;
static struct dentry *dir;
static LIST_HEAD(commands);
static unsigned int command_count;
/* The driver's callbacks for flowtables and for blocks, each the same for all ports. */
static flow_setup_cb_t *flowtable_cb, *block_cb;

static struct wire *wire_of(const struct net_device *dev)
{
	unsigned int i;

	for (i = 0; i < wire_count; i++)
		if (wires[i].port == dev || wires[i].peer == dev)
			return &wires[i];
	return NULL;
}

struct net_device *ports_get(unsigned int i)
{
	return i < wire_count ? wires[i].port : NULL;
}

struct dentry *ports_dir(void)
{
	return dir;
}

/* ---- commands ---- */

static void write_down(const struct net_device *dev,
		       const struct flow_cls_offload *f, int err)
{
	const struct netlink_ext_ack *extack = f->common.extack;
	struct command *c;

	if (f->command == FLOW_CLS_STATS || command_count >= COMMANDS_MAX)
		return;
	c = kzalloc(sizeof(*c), GFP_KERNEL);
	if (!c)
		return;
	c->command = f->command;
	c->cookie = f->cookie;
	c->err = err;
	strscpy(c->port, dev->name);
	if (err && extack && extack->_msg)
		strscpy(c->extack, extack->_msg);
	list_add_tail(&c->list, &commands);
	command_count++;
}

/* The private data of a driver's callback is the driver's, the port, or netdev_priv() of it. */
static struct net_device *port_of(void *cb_priv)
{
	unsigned int i;

	for (i = 0; i < wire_count; i++)
		if (wires[i].cb_priv == cb_priv || netdev_priv(wires[i].port) == cb_priv)
			return wires[i].port;
	return cb_priv;
}

static int forward(flow_setup_cb_t *driver_cb, enum tc_setup_type type, void *type_data,
		   void *cb_priv)
{
	struct flow_cls_offload *f = type_data;
	struct net_device *dev = port_of(cb_priv);
	int err;

	if (type != TC_SETUP_CLSFLOWER)
		return driver_cb(type, type_data, cb_priv);
	mutex_lock(&ports_lock);
	if (driver->before)
		driver->before(dev, f);
	err = driver_cb(type, type_data, cb_priv);
	if (driver->after)
		driver->after(dev, f, err);
	write_down(dev, f, err);
	mutex_unlock(&ports_lock);
	return err;
}

static int ports_flowtable_cb(enum tc_setup_type type, void *type_data, void *cb_priv)
{
	return forward(flowtable_cb, type, type_data, cb_priv);
}

static int ports_block_cb(enum tc_setup_type type, void *type_data, void *cb_priv)
{
	return forward(block_cb, type, type_data, cb_priv);
}

/*
 * Puts a callback of this file in front of that of the driver, which the driver
 * must find in the block when it is called, and the core must not.
 */
static void interpose(struct list_head *cbs, flow_setup_cb_t *ours, flow_setup_cb_t **theirs)
{
	struct flow_block_cb *cb;

	list_for_each_entry(cb, cbs, list) {
		if (cb->cb == ours)
			continue;
		WARN_ON(*theirs && *theirs != cb->cb);
		*theirs = cb->cb;
		cb->cb = ours;
	}
}

static void withdraw(struct list_head *cbs, flow_setup_cb_t *ours, flow_setup_cb_t *theirs)
{
	struct flow_block_cb *cb;

	list_for_each_entry(cb, cbs, list)
		if (cb->cb == ours)
			cb->cb = theirs;
}

static int ports_setup_tc(struct net_device *dev, enum tc_setup_type type,
			  void *type_data)
{
	flow_setup_cb_t **theirs = type == TC_SETUP_FT ? &flowtable_cb : &block_cb;
	flow_setup_cb_t *ours = type == TC_SETUP_FT ? ports_flowtable_cb : ports_block_cb;
	struct flow_block_offload *bo = type_data;
	struct wire *wire = wire_of(dev);
	struct flow_block_cb *cb;
	int err;

	if (type != TC_SETUP_FT && type != TC_SETUP_BLOCK)
		return driver->setup_tc(dev, type, type_data);
	withdraw(&bo->block->cb_list, ours, *theirs);
	err = driver->setup_tc(dev, type, type_data);
	interpose(&bo->block->cb_list, ours, theirs);
	interpose(&bo->cb_list, ours, theirs);
	if (bo->command == FLOW_BLOCK_BIND)
		list_for_each_entry(cb, &bo->cb_list, list)
			wire->cb_priv = cb->cb_priv;
	else if (!err)
		wire->cb_priv = NULL;
	return err;
}

static int commands_show(struct seq_file *s, void *v)
{
	static const char *const names[] = {
		[FLOW_CLS_REPLACE] = "replace",
		[FLOW_CLS_DESTROY] = "destroy",
	};
	const struct command *c;

	mutex_lock(&ports_lock);
	list_for_each_entry(c, &commands, list)
		seq_printf(s, "%s %s %lx %d %s\n", names[c->command], c->port,
			   c->cookie, c->err, c->extack);
	mutex_unlock(&ports_lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(commands);

static void commands_clear(void)
{
	struct command *c, *next;

	mutex_lock(&ports_lock);
	list_for_each_entry_safe(c, next, &commands, list) {
		list_del(&c->list);
		kfree(c);
	}
	command_count = 0;
	mutex_unlock(&ports_lock);
}

static int clear_set(void *data, u64 value)
{
	commands_clear();
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(clear_fops, NULL, clear_set, "%llu\n");

/* ---- rules ---- */

void ports_add_rules(struct rhashtable *table)
{
	if (!WARN_ON(rules_count == PORTS_MAX))
		rules[rules_count++] = table;
}

static void walk(struct rhashtable *table, void (*f)(void *rule, void *arg), void *arg)
{
	struct rhashtable_iter iter;
	void *rule;

	rhashtable_walk_enter(table, &iter);
	rhashtable_walk_start(&iter);
	while ((rule = rhashtable_walk_next(&iter)))
		if (!IS_ERR(rule))
			f(rule, arg);
	rhashtable_walk_stop(&iter);
	rhashtable_walk_exit(&iter);
}

struct search {
	unsigned long cookie;
	size_t at;
	const void *found;
};

static void has_cookie(void *rule, void *arg)
{
	struct search *search = arg;

	if (*(const unsigned long *)(rule + search->at) == search->cookie)
		search->found = rule;
}

const void *ports_find(struct rhashtable *table, size_t at, unsigned long cookie)
{
	struct search search = { .cookie = cookie, .at = at };

	walk(table, has_cookie, &search);
	return search.found;
}

static void show_rule(void *rule, void *s)
{
	driver->show_rule(s, rule);
}

static int rules_show(struct seq_file *s, void *v)
{
	unsigned int i;

	mutex_lock(&ports_lock);
	for (i = 0; i < rules_count; i++)
		walk(rules[i], show_rule, s);
	mutex_unlock(&ports_lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(rules);

static int count_show(struct seq_file *s, void *v)
{
	unsigned int i, count = 0;

	for (i = 0; i < rules_count; i++)
		count += atomic_read(&rules[i]->nelems);
	seq_printf(s, "%u\n", count);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(count);

/* ---- devices ---- */

/* A port sends out of its wire. */
void ports_transmit(struct net_device *dev, struct sk_buff *skb)
{
	if (driver->send && !driver->send(dev, skb)) {
		kfree_skb(skb);
		return;
	}
	skb->dev = dev;
	dev_forward_skb(wire_of(dev)->peer, skb);
}

static netdev_tx_t port_xmit(struct sk_buff *skb, struct net_device *dev)
{
	ports_transmit(dev, skb);
	return NETDEV_TX_OK;
}

/* What a host sends arrives at the hardware of the port. */
static netdev_tx_t peer_xmit(struct sk_buff *skb, struct net_device *dev)
{
	struct net_device *port = wire_of(dev)->port;

	if (!(port->flags & IFF_UP) || skb_linearize(skb)) {
		kfree_skb(skb);
		return NETDEV_TX_OK;
	}
	if (!driver->receive(port, skb))
		dev_forward_skb(port, skb);
	return NETDEV_TX_OK;
}

static const struct net_device_ops port_ops = {
	.ndo_start_xmit		= port_xmit,
	.ndo_setup_tc		= ports_setup_tc,
	.ndo_set_mac_address	= eth_mac_addr,
	.ndo_validate_addr	= eth_validate_addr,
};

static const struct net_device_ops peer_ops = {
	.ndo_start_xmit		= peer_xmit,
	.ndo_set_mac_address	= eth_mac_addr,
	.ndo_validate_addr	= eth_validate_addr,
};

static struct net_device *create(const struct net_device_ops *ops,
				 struct device *parent, const char *name,
				 size_t priv_size, unsigned int i)
{
	struct net_device *dev = alloc_netdev(priv_size, name, NET_NAME_USER,
					      ether_setup);
	int err;

	if (!dev)
		return ERR_PTR(-ENOMEM);
	dev->netdev_ops = ops;
	dev->max_mtu = 9000;
	dev->priv_flags |= IFF_NO_QUEUE;
	dev->lltx = true;
	/* The same in every run, so that frames can be compared. */
	dev_addr_set(dev, (const u8[ETH_ALEN]){ 2, 0, 0, 0, !parent, i + 1 });
	if (parent) {
		SET_NETDEV_DEV(dev, parent);
		dev->hw_features |= NETIF_F_HW_TC;
		dev->features |= NETIF_F_HW_TC;
		driver->init(dev, i);
	}
	err = register_netdev(dev);
	if (err) {
		free_netdev(dev);
		return ERR_PTR(err);
	}
	return dev;
}

int ports_create(const struct ports_driver *d, struct rhashtable *table,
		 struct device *parent, const char *const *names,
		 unsigned int count)
{
	struct net_device *port, *peer;
	char name[IFNAMSIZ];
	unsigned int i;

	driver = d;
	if (table)
		ports_add_rules(table);
	dir = debugfs_create_dir("nfto_drivers", NULL);
	debugfs_create_file("commands", 0400, dir, NULL, &commands_fops);
	debugfs_create_file("clear", 0200, dir, NULL, &clear_fops);
	debugfs_create_file("rules", 0400, dir, NULL, &rules_fops);
	debugfs_create_file("count", 0400, dir, NULL, &count_fops);
	for (i = 0; i < min(count, PORTS_MAX); i++) {
		port = create(&port_ops, parent, names[i], d->priv_size, i);
		if (IS_ERR(port))
			return PTR_ERR(port);
		snprintf(name, sizeof(name), "%s_wire", names[i]);
		peer = create(&peer_ops, NULL, name, 0, i);
		if (IS_ERR(peer)) {
			unregister_netdev(port);
			free_netdev(port);
			return PTR_ERR(peer);
		}
		wires[i].port = port;
		wires[i].peer = peer;
		wire_count = i + 1;
	}
	return 0;
}

void ports_destroy(void)
{
	unsigned int i;
	LIST_HEAD(gone);

	rtnl_lock();
	for (i = 0; i < wire_count; i++) {
		unregister_netdevice_queue(wires[i].port, &gone);
		unregister_netdevice_queue(wires[i].peer, &gone);
	}
	unregister_netdevice_many(&gone);
	rtnl_unlock();
	for (i = 0; i < wire_count; i++) {
		free_netdev(wires[i].port);
		free_netdev(wires[i].peer);
	}
	wire_count = 0;
	debugfs_remove(dir);
	commands_clear();
}
