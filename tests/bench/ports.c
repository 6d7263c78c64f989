// SPDX-License-Identifier: GPL-2.0
/* The devices and their driver, which accepts every rule and stores none. */
#include <linux/etherdevice.h>
#include <linux/hash.h>
#include <linux/netfilter.h>
#include <linux/rtnetlink.h>
#include <net/flow_offload.h>
#include "bench.h"

/* For each table. */
#define BENCH_MAX_PORTS	64

struct bench_driver bench_driver;

static struct net_device *ports[BENCH_TABLES * BENCH_MAX_PORTS];
static unsigned int port_count;
/* The number of devices for each table, and the first one of the selected table. */
static unsigned int per_table, first_port;
static LIST_HEAD(blocks);

static u64 trace_of(const struct net_device *dev, unsigned long cookie)
{
	return hash_64(hash_64(cookie, 64) + dev->ifindex, 64);
}

/* The number of rounds of spin() in 1024 ns. */
static u64 rounds;

static void spin(u64 n)
{
	while (n--)
		barrier();
}

void bench_calibrate(void)
{
	const u64 n = 20000000;
	u64 start = bench_cpu_ns();

	spin(n);
	rounds = div64_u64(n * 1024, max(bench_cpu_ns() - start, 1ULL));
}

static void work(void)
{
	u32 cost = READ_ONCE(bench_driver.cost_ns);

	if (cost)
		spin(cost * rounds / 1024);
}

/* The number of the table of a device. */
static unsigned int table_of(const struct net_device *dev)
{
	return dev->dev_addr[4];
}

static int bench_block_cb(enum tc_setup_type type, void *type_data, void *cb_priv)
{
	struct flow_cls_offload *cls = type_data;
	struct net_device *dev = cb_priv;
	u32 refuse;

	if (type != TC_SETUP_CLSFLOWER)
		return -EOPNOTSUPP;
	work();
	switch (cls->command) {
	case FLOW_CLS_REPLACE:
		atomic64_inc(&bench_driver.replaces);
		refuse = READ_ONCE(bench_driver.refuse);
		if (refuse) {
			NL_SET_ERR_MSG(cls->common.extack, "refused by command");
			return -(int)refuse;
		}
		atomic64_inc(&bench_driver.held[table_of(dev)].rules);
		atomic64_xor(trace_of(dev, cls->cookie), &bench_driver.held[table_of(dev)].trace);
		return 0;
	case FLOW_CLS_DESTROY:
		atomic64_inc(&bench_driver.destroys);
		WRITE_ONCE(bench_driver.destroyed_ns, ktime_get_ns());
		atomic64_dec(&bench_driver.held[table_of(dev)].rules);
		atomic64_xor(trace_of(dev, cls->cookie), &bench_driver.held[table_of(dev)].trace);
		return 0;
	case FLOW_CLS_STATS:
		atomic64_inc(&bench_driver.stats);
		flow_stats_update(&cls->stats, 1000, 1, 0, jiffies,
				  FLOW_ACTION_HW_STATS_DELAYED);
		return 0;
	default:
		atomic64_inc(&bench_driver.errors);
		return -EOPNOTSUPP;
	}
}

static int bench_setup_tc(struct net_device *dev, enum tc_setup_type type,
			  void *type_data)
{
	struct flow_block_offload *offload = type_data;

	if (type != TC_SETUP_FT)
		return -EOPNOTSUPP;
	if (offload->command == FLOW_BLOCK_UNBIND)
		atomic64_inc(&bench_driver.unbinds);
	return flow_block_cb_setup_simple(offload, &blocks, bench_block_cb, dev,
					  dev, true);
}

static netdev_tx_t bench_xmit(struct sk_buff *skb, struct net_device *dev)
{
	dev_kfree_skb(skb);
	return NETDEV_TX_OK;
}

static const struct net_device_ops bench_netdev_ops = {
	.ndo_start_xmit = bench_xmit,
	.ndo_setup_tc = bench_setup_tc,
};

static int create(unsigned int i)
{
	u8 mac[ETH_ALEN] = { 0x02, 0xbe, 0x2c, 0x11, i / per_table, i };
	struct net_device *dev;
	char name[IFNAMSIZ];
	int err;

	snprintf(name, sizeof(name), "bench%u", i);
	dev = alloc_netdev(0, name, NET_NAME_USER, ether_setup);
	if (!dev)
		return -ENOMEM;
	dev->netdev_ops = &bench_netdev_ops;
	dev->priv_flags |= IFF_NO_QUEUE;
	dev->lltx = true;
	dev_addr_set(dev, mac);
	err = register_netdevice(dev);
	if (err) {
		free_netdev(dev);
		return err;
	}
	ports[i] = dev;
	port_count = i + 1;
	return dev_open(dev, NULL);
}

int bench_ports_create(unsigned int count, unsigned int tables)
{
	unsigned int i;
	int err = 0;

	if (count > BENCH_MAX_PORTS || count % 2 || tables > BENCH_TABLES)
		return -EINVAL;
	bench_ports_destroy();
	/* The rules in the old devices ended with them. */
	for (i = 0; i < BENCH_TABLES; i++) {
		atomic64_set(&bench_driver.held[i].rules, 0);
		atomic64_set(&bench_driver.held[i].trace, 0);
	}
	per_table = count;
	rtnl_lock();
	for (i = 0; i < count * tables && !err; i++)
		err = create(i);
	rtnl_unlock();
	if (err)
		bench_ports_destroy();
	return err;
}

void bench_ports_destroy(void)
{
	unsigned int i, count = port_count;
	LIST_HEAD(gone);

	rtnl_lock();
	port_count = 0;
	per_table = 0;
	for (i = 0; i < count; i++)
		unregister_netdevice_queue(ports[i], &gone);
	unregister_netdevice_many(&gone);
	rtnl_unlock();
	for (i = 0; i < count; i++)
		free_netdev(ports[i]);
}

void bench_use(unsigned int table)
{
	first_port = table * per_table;
}

unsigned int bench_port_count(void)
{
	return per_table;
}

struct net_device *bench_port(unsigned int i)
{
	return ports[first_port + i];
}

/* The hook on the device refers to it. */
struct nf_flowtable *bench_flowtable(void)
{
	const struct nf_hook_entries *hooks;
	struct nf_flowtable *found = NULL;
	struct nf_hook_ops **ops;
	unsigned int i;

	if (first_port >= port_count)
		return NULL;
	rcu_read_lock();
	hooks = rcu_dereference(ports[first_port]->nf_hooks_ingress);
	if (hooks) {
		ops = nf_hook_entries_get_hook_ops(hooks);
		for (i = 0; i < hooks->num_hook_entries; i++) {
			if (ops[i]->hook_ops_type == NF_HOOK_OP_NFT_FT)
				found = ops[i]->priv;
		}
	}
	rcu_read_unlock();
	return found;
}
