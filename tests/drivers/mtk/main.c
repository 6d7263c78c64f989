// SPDX-License-Identifier: GPL-2.0
/*
 * What stands for the rest of the driver of a MediaTek SoC (mtk_eth_soc.c)
 * around its flow offload (mtk_ppe.c, mtk_ppe_offload.c, mtk_ppe_debugfs.c,
 * which are the kernel's): its probe and open as far as the engines need them,
 * the receive path up to mtk_ppe_check_skb(), registers and DMA memory.
 *
 * The parameter soc selects the SoC; its data is the kernel's as well (soc.h is
 * taken out of mtk_eth_soc.c by files.sh). With dsa=lan or dsa=wan, this port
 * is one of a DSA switch behind the first port, which then is eth0.
 *
 * Files in the debugfs directory nfto_drivers, beside those of ports.c:
 *   bound, clear_bound	see common/bound.h
 *   disagreements	between the profile mtk of the simulated NIC and the driver
 *   generate, generated	see common/generate.h
 *   left	what is left: rules, rules queued for a bucket, bound entries
 *   soc	netsys version, offload version, engines
 */
#include <linux/debugfs.h>
#include <linux/etherdevice.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/slab.h>

#include "mtk_eth_soc.h"
#include "mtk_ppe_regs.h"
#include "soc.h"

#include "bound.h"
#include "compare.h"
#include "engine.h"
#include "generate.h"
#include "ports.h"
#include "profile.h"
#include "switch.h"

#define REGISTERS	0x8000
#define REG_CLOCK	0x10

static char *soc = "mt7622";
module_param(soc, charp, 0444);

static const struct {
	const char *name;
	const struct mtk_soc_data *data;
} socs[] = {
	{ "mt7621", &mt7621_data },
	{ "mt7622", &mt7622_data },
	{ "mt7623", &mt7623_data },
	{ "mt7981", &mt7981_data },
	{ "mt7986", &mt7986_data },
	{ "mt7988", &mt7988_data },
};

static char *dsa = "";
module_param(dsa, charp, 0444);

static const char *names[] = { "lan", "wan", "opt" };

static struct platform_device *pdev;
static struct mtk_eth *eth;
static u32 *registers;

/* ---- registers and memory ---- */

u32 fake_readl(const void __iomem *addr)
{
	return *(const u32 __force *)addr;
}

static unsigned int ppe_offset(unsigned int i)
{
	return eth->soc->reg_map->ppe_base + (i == 2 ? 0xc00 : i * 0x400);
}

/* The counters of an entry are read through a register that starts it. */
static void read_counters(unsigned int i, u32 val)
{
	u32 *r = registers + ppe_offset(i) / sizeof(u32);
	u64 packets, bytes;

	engine_count(i, val & MTK_PPE_MIB_SER_CR_ADDR, &packets, &bytes);
	r[MTK_PPE_MIB_SER_R0 / 4] = lower_32_bits(bytes);
	if (eth->soc->version >= 3) {
		r[MTK_PPE_MIB_SER_R1 / 4] = upper_32_bits(bytes);
		r[MTK_PPE_MIB_SER_R2 / 4] = lower_32_bits(packets);
		r[MTK_PPE_MIB_SER_R3 / 4] = upper_32_bits(packets);
	} else {
		r[MTK_PPE_MIB_SER_R1 / 4] = (packets & 0xffff) << 16 |
					    (bytes >> 32 & 0xffff);
		r[MTK_PPE_MIB_SER_R2 / 4] = packets >> 16 & 0xffffff;
	}
}

void fake_writel(u32 val, void __iomem *addr)
{
	unsigned int offset = (void __force *)addr - (void *)registers, i;

	for (i = 0; i < ENGINES_MAX; i++) {
		if (!engines[i].table ||
		    offset != ppe_offset(i) + MTK_PPE_MIB_SER_CR)
			continue;
		if (val & MTK_PPE_MIB_SER_CR_ST)
			read_counters(i, val);
		val &= ~MTK_PPE_MIB_SER_CR_ST;
	}
	*(u32 __force *)addr = val;
}

void *fake_dma_alloc(struct device *dev, size_t size, dma_addr_t *phys, gfp_t gfp)
{
	void *p = kvzalloc(size, gfp);

	if (p && devm_add_action_or_reset(dev, (void (*)(void *))kvfree, p))
		return NULL;
	*phys = 1;
	return p;
}

u32 mtk_r32(struct mtk_eth *e, unsigned int reg)
{
	return reg == REG_CLOCK ? engine_clock() : registers[reg / sizeof(u32)];
}

/* ---- frames ---- */

/* As at the end of mtk_poll_rx(), time having passed since the last frame. */
void mtk_trap(unsigned int i, struct sk_buff *skb, unsigned int index)
{
	struct mtk_ppe *ppe = eth->ppe[i];

	ppe->foe_check_time[index] = (u16)jiffies - HZ;
	skb->protocol = eth_hdr(skb)->h_proto;
	skb_pull(skb, ETH_HLEN);
	mtk_ppe_check_skb(ppe, skb, index);
	skb_push(skb, ETH_HLEN);
}

struct net_device *mtk_port(unsigned int pse_port)
{
	switch (pse_port) {
	case PSE_GDM1_PORT:
		return eth->netdev[0];
	case PSE_GDM2_PORT:
		return eth->netdev[1];
	case PSE_GDM3_PORT:
		return eth->netdev[2];
	default:
		return NULL;
	}
}

static bool receive(struct net_device *dev, struct sk_buff *skb)
{
	const struct mtk_mac *mac = netdev_priv(dev);

	unsigned int tag_len = switch_tag_len(dev);

	if (!switch_tag(dev, skb)) {
		kfree_skb(skb);
		return true;
	}
	if (engine_receive(mac->ppe_idx, skb, dev->name, tag_len))
		return true;
	if (!tag_len)
		return false;
	switch_to_cpu(skb);
	return true;
}

/* ---- what is in the tables ---- */

static void show_rule(struct seq_file *s, const void *rule)
{
	const struct mtk_flow_entry *entry = rule;
	const u32 *w = (const u32 *)&entry->data;
	u64 packets = 0;
	int i;

	/* Words 1 and on, as in engine.c. */
	if (mtk_get_ib1_pkt_type(eth, w[0]) == MTK_PPE_PKT_TYPE_IPV4_HNAPT) {
		seq_printf(s, "src=%pI4h dst=%pI4h sport=%u dport=%u", w + 1,
			   w + 2, w[3] >> 16, w[3] & 0xffff);
	} else {
		__be32 a[8];

		for (i = 0; i < 8; i++)
			a[i] = cpu_to_be32(w[1 + i]);
		seq_printf(s, "src=%pI6 dst=%pI6 sport=%u dport=%u", a, a + 4,
			   w[9] >> 16, w[9] & 0xffff);
	}
	if (entry->hash != 0xffff)
		packets = engines[entry->ppe_index].total[entry->hash];
	seq_printf(s, " proto=%s packets=%llu\n",
		   w[0] & MTK_FOE_IB1_UDP ? "udp" : "tcp", packets);
}

static int left_show(struct seq_file *s, void *v)
{
	unsigned int i, bucket, queued = 0;
	struct hlist_node *n;

	mutex_lock(&ports_lock);
	for (i = 0; i < ARRAY_SIZE(eth->ppe) && eth->ppe[i]; i++)
		for (bucket = 0; bucket < MTK_PPE_ENTRIES / eth->soc->hash_offset; bucket++)
			hlist_for_each(n, &eth->ppe[i]->foe_flow[bucket])
				queued++;
	seq_printf(s, "rules %d queued %u bound %u\n",
		   atomic_read(&eth->flow_table.nelems), queued, engine_bound());
	mutex_unlock(&ports_lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(left);

static int soc_show(struct seq_file *s, void *v)
{
	seq_printf(s, "%s netsys %u offload %u engines %u\n", soc, eth->soc->version,
		   eth->soc->offload_version, eth->soc->ppe_num);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(soc);

/* ---- probe ---- */

/* As mtk_open() assigns the engines. */
static void port_init(struct net_device *dev, unsigned int i)
{
	struct mtk_mac *mac = netdev_priv(dev);

	mac->id = i;
	mac->hw = eth;
	mac->ppe_idx = i < eth->soc->ppe_num ? i : 0;
	eth->mac[i] = mac;
	eth->netdev[i] = dev;
}

/* ---- the profile of the simulated NIC ---- */

bool profile_own_port(const struct net_device *dev)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(eth->netdev); i++)
		if (eth->netdev[i] == dev)
			return true;
	return switch_port(dev);
}

static void before(struct net_device *dev, struct flow_cls_offload *f)
{
	profile_before(&nsim_flow_profile_mtk, dev, f);
}

static void after(struct net_device *dev, struct flow_cls_offload *f, int err)
{
	const struct nsim_flow_draft *draft = profile_after(dev, f, err);
	const struct mtk_flow_entry *entry;

	if (!draft)
		return;
	entry = ports_find(&eth->flow_table, offsetof(struct mtk_flow_entry, cookie), f->cookie);
	if (!entry)
		profile_disagree("%s: accepted, and not there\n", dev->name);
	else
		compare_entry(eth->soc->version, draft, (const u32 *)&entry->data);
}

/*
 * Without a way out, the driver takes a rule on a SoC that has not all of its ports:
 * it finds "no device" among them.
 */
static bool not_compared(const struct flow_rule *rule)
{
	const struct flow_action_entry *act;
	unsigned int i;

	if (generate_without_addresses(rule))
		return true;
	if (eth->netdev[ARRAY_SIZE(eth->netdev) - 1])
		return false;
	flow_action_for_each(i, act, &rule->action)
		if (act->id == FLOW_ACTION_REDIRECT)
			return false;
	return true;
}

static const struct generate_driver generate_driver = {
	.style		= { .pppoe = true },
	.profile	= &nsim_flow_profile_mtk,
	.user_port	= switch_user,
	.not_compared	= not_compared,
};

static const struct ports_driver ports_driver = {
	.priv_size	= sizeof(struct mtk_mac),
	.init		= port_init,
	.setup_tc	= mtk_eth_setup_tc,
	.receive	= receive,
	.send		= switch_untag,
	.before		= before,
	.after		= after,
	.show_rule	= show_rule,
};

static int probe(struct platform_device *p)
{
	unsigned int i;
	struct dentry *dir;
	int err;

	eth->dev = &p->dev;
	eth->dma_dev = &p->dev;
	eth->base = (void __iomem __force *)registers;
	for (i = 0; i < eth->soc->ppe_num; i++) {
		eth->ppe[i] = mtk_ppe_init(eth, eth->base + ppe_offset(i), i);
		if (!eth->ppe[i])
			return -ENOMEM;
		/* The driver initializes its table once for each engine. */
		if (i == 0) {
			err = mtk_eth_offload_init(eth, i);
			if (err)
				return err;
		}
		mtk_ppe_start(eth->ppe[i]);
		mtk_ppe_update_mtu(eth->ppe[i], ETH_DATA_LEN);
		err = engine_start(i, eth->ppe[i]->foe_table,
				   registers + ppe_offset(i) / sizeof(u32),
				   eth->soc->version, eth->soc->foe_entry_size,
				   eth->soc->hash_offset);
		if (err)
			return err;
	}
	if (*dsa) {
		names[0] = "eth0";
		names[1] = strcmp(dsa, "lan") ? "lan" : "wan";
	}
	err = ports_create(&ports_driver, &eth->flow_table, &p->dev, names,
			   eth->soc->version >= 3 ? 3 : 2);
	if (err)
		return err;
	if (*dsa) {
		err = switch_create(eth->netdev[0], dsa);
		if (err)
			return err;
		/* mtk_change_mtu(): the greatest of all. */
		for (i = 0; i < eth->soc->ppe_num; i++)
			mtk_ppe_update_mtu(eth->ppe[i], eth->netdev[0]->mtu);
	}
	dir = ports_dir();
	profile_files(dir);
	bound_files(dir);
	generate_files(dir, &generate_driver);
	debugfs_create_file("left", 0400, dir, NULL, &left_fops);
	debugfs_create_file("soc", 0400, dir, NULL, &soc_fops);
	return 0;
}

static void remove(struct platform_device *p)
{
	unsigned int i;

	switch_destroy();
	ports_destroy();
	generate_stop();
	for (i = 0; i < ARRAY_SIZE(eth->ppe) && eth->ppe[i]; i++)
		mtk_ppe_stop(eth->ppe[i]);
	mtk_ppe_deinit(eth);
	WARN_ON(atomic_read(&eth->flow_table.nelems));
	rhashtable_destroy(&eth->flow_table);
	engine_stop();
}

/* nft_offload knows the driver by this name. */
static struct platform_driver platform_driver = {
	.probe	= probe,
	.remove	= remove,
	.driver	= { .name = "mtk_soc_eth" },
};

static int __init mtk_start(void)
{
	unsigned int i;
	int err;

	eth = kvzalloc(sizeof(*eth), GFP_KERNEL);
	registers = kvzalloc(REGISTERS, GFP_KERNEL);
	if (!eth || !registers) {
		err = -ENOMEM;
		goto free;
	}
	for (i = 0; i < ARRAY_SIZE(socs); i++)
		if (!strcmp(socs[i].name, soc))
			eth->soc = socs[i].data;
	err = -EINVAL;
	if (!eth->soc)
		goto free;
	err = platform_driver_register(&platform_driver);
	if (err)
		goto free;
	pdev = platform_device_register_simple("mtk_soc_eth", PLATFORM_DEVID_NONE,
					       NULL, 0);
	err = PTR_ERR_OR_ZERO(pdev);
	if (err) {
		platform_driver_unregister(&platform_driver);
		goto free;
	}
	return 0;

free:
	kvfree(registers);
	kvfree(eth);
	return err;
}
module_init(mtk_start);

static void __exit mtk_stop(void)
{
	platform_device_unregister(pdev);
	platform_driver_unregister(&platform_driver);
	kvfree(registers);
	kvfree(eth);
}
module_exit(mtk_stop);

MODULE_DESCRIPTION("MediaTek's flow offload over memory, for tests of nft_offload");
MODULE_LICENSE("GPL");
