// SPDX-License-Identifier: GPL-2.0
/*
 * What stands for the rest of Chelsio's driver around its flow offload
 * (cxgb4_tc_flower.c, cxgb4_filter.c, l2t.c and smt.c, which are the kernel's): a
 * card with two ports, a T6 unless said otherwise.
 *
 * The fake begins where a work request is handed to the card (t4_ofld_send() and
 * t4_mgmt_tx()). The card accepts all filters, and does nothing to frames.
 *
 * Parameters:
 *   form	changes the rules before the driver gets them, see reform.h
 *   unlocked	the driver says that its callback does not require RTNL; default: as
 *		its code does
 *   fields	the fields that filters may match (TP_VLAN_PRI_MAP), of 36 bits at most
 *   hash	exact filters go to the hash region
 *   chip	4, 5 or 6
 *
 * Files in the debugfs directory nfto_drivers, beside those of ports.c and
 * messages.c:
 *   left	what is left: rules of the driver, filters of the card
 */
#include <linux/debugfs.h>
#include <linux/etherdevice.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/slab.h>
#include <net/pkt_cls.h>

#include "cxgb4.h"
#include "clip_tbl.h"
#include "cxgb4_filter.h"
#include "cxgb4_tc_flower.h"
#include "l2t.h"
#include "smt.h"
#include "t4_msg.h"
#include "t4_regs.h"
#include "t4fw_api.h"

#include "messages.h"
#include "ports.h"
#include "reform.h"
#include "unlocked.h"

#define PORTS		2
#define REGISTERS	0x20000
#define FILTERS		496
#define CONNECTIONS	1024
#define HASH_BASE	512
#define EVENT_QUEUE	9

static char *form = "";
module_param(form, charp, 0444);
static bool unlocked = DRIVER_UNLOCKED;
module_param(unlocked, bool, 0444);
/* port, protocol, Ethertype and fragmentation: 28 bits */
static uint fields = 0x262;
module_param(fields, uint, 0444);
static bool hash;
module_param(hash, bool, 0444);
static uint chip = CHELSIO_T6;
module_param(chip, uint, 0444);

static const char *const names[PORTS] = { "lan", "wan" };

static struct platform_device *pdev;
static struct adapter *adap;
/* The filters of the card, by their TIDs, and references to its table of IPv6 addresses. */
static DECLARE_BITMAP(filters, HASH_BASE + CONNECTIONS);
static atomic_t addresses;

/* ---- the card ---- */

static void filter_request(const struct fw_filter_wr *wr)
{
	unsigned int tid = FW_FILTER_WR_TID_G(be32_to_cpu(wr->tid_to_iq));
	bool del = be32_to_cpu(wr->del_filter_to_l2tix) & FW_FILTER_WR_DEL_FILTER_F;
	struct cpl_set_tcb_rpl reply = {
		.ot.opcode_tid = cpu_to_be32(MK_OPCODE_TID(CPL_SET_TCB_RPL, tid)),
		.cookie = TCB_COOKIE_V(del ? FW_FILTER_WR_FLT_DELETED : FW_FILTER_WR_FLT_ADDED),
	};

	WARN_ON(del != test_and_change_bit(tid, filters));
	filter_rpl(adap, &reply);
}

static void open_request(const struct cpl_act_open_req *req)
{
	unsigned int tid = find_next_zero_bit(filters, HASH_BASE + CONNECTIONS, HASH_BASE);
	u32 atid = be32_to_cpu(OPCODE_TID(req)) & 0x3fff;
	struct cpl_act_open_rpl reply = {
		.ot.opcode_tid = cpu_to_be32(MK_OPCODE_TID(CPL_ACT_OPEN_RPL, tid)),
		.atid_status = cpu_to_be32(atid << AOPEN_ATID_S),
	};

	if (WARN_ON(tid >= HASH_BASE + CONNECTIONS))
		return;
	__set_bit(tid, filters);
	hash_filter_rpl(adap, &reply);
}

/* The first message in the request sets a field. */
static void abort_request(const struct cpl_set_tcb_field *req)
{
	unsigned int tid = GET_TID(req);
	struct cpl_abort_rpl_rss reply = {
		.ot.opcode_tid = cpu_to_be32(MK_OPCODE_TID(CPL_ABORT_RPL_RSS, tid)),
	};

	WARN_ON(!__test_and_clear_bit(tid, filters));
	hash_del_filter_rpl(adap, &reply);
}

static int send(struct sk_buff *skb)
{
	const struct work_request_hdr *wr = (const void *)skb->data;
	const union opcode_tid *ot = (const void *)(wr + 1);

	messages_add(skb->data, skb->len);
	switch (be32_to_cpu(wr->wr_hi) >> 24) {
	case FW_FILTER_WR:
	case FW_FILTER2_WR:
		filter_request((const void *)wr);
		break;
	case FW_TP_WR:
		if (ot->opcode == CPL_ACT_OPEN_REQ || ot->opcode == CPL_ACT_OPEN_REQ6)
			open_request((const void *)wr);
		break;
	case FW_ULPTX_WR:
		abort_request((const void *)(wr + 1));
		break;
	}
	kfree_skb(skb);
	return 0;
}

int t4_ofld_send(struct adapter *a, struct sk_buff *skb)
{
	return send(skb);
}

int t4_mgmt_tx(struct adapter *a, struct sk_buff *skb)
{
	return send(skb);
}

/* Counters: no filter has carried anything. */
int t4_memory_rw(struct adapter *a, int win, int type, u32 addr, u32 len, void *data, int dir)
{
	memset(data, 0, len);
	return 0;
}

/* ---- what the driver has in other files ---- */

/* t4_hw.c */
void t4_mk_filtdelwr(unsigned int tid, struct fw_filter_wr *wr, int qid)
{
	memset(wr, 0, sizeof(*wr));
	wr->op_pkd = cpu_to_be32(FW_WR_OP_V(FW_FILTER_WR));
	wr->tid_to_iq = cpu_to_be32(FW_FILTER_WR_TID_V(tid));
	wr->del_filter_to_l2tix = cpu_to_be32(FW_FILTER_WR_DEL_FILTER_F);
}

/* No rule of a flowtable has a tunnel. */
int t4_alloc_encap_mac_filt(struct adapter *a, unsigned int viid, const u8 *addr, const u8 *mask,
			    unsigned int vni, unsigned int vni_mask, u8 dip_hit, u8 lookup_type,
			    bool sleep_ok)
{
	return -EOPNOTSUPP;
}

int t4_free_encap_mac_filt(struct adapter *a, unsigned int viid, int idx, bool sleep_ok)
{
	return -EOPNOTSUPP;
}

/* clip_tbl.c */
int cxgb4_clip_get(const struct net_device *dev, const u32 *lip, u8 v6)
{
	atomic_inc(&addresses);
	return 0;
}

void cxgb4_clip_release(const struct net_device *dev, const u32 *lip, u8 v6)
{
	atomic_dec(&addresses);
}

/* cxgb4_main.c */
unsigned int cxgb4_port_viid(const struct net_device *dev)
{
	return netdev2pinfo(dev)->viid;
}

unsigned int cxgb4_port_e2cchan(const struct net_device *dev)
{
	return 0;
}

int cxgb4_alloc_atid(struct tid_info *t, void *data)
{
	union aopen_entry *e;

	spin_lock_bh(&t->atid_lock);
	e = t->afree;
	if (e) {
		t->afree = e->next;
		e->data = data;
	}
	spin_unlock_bh(&t->atid_lock);
	return e ? e - t->atid_tab : -1;
}

void cxgb4_free_atid(struct tid_info *t, unsigned int atid)
{
	spin_lock_bh(&t->atid_lock);
	t->atid_tab[atid].next = t->afree;
	t->afree = &t->atid_tab[atid];
	spin_unlock_bh(&t->atid_lock);
}

void cxgb4_remove_tid(struct tid_info *t, unsigned int chan, unsigned int tid, unsigned short family)
{
	t->tid_tab[tid - t->tid_base] = NULL;
	atomic_dec(&t->conns_in_use);
	atomic_dec(tid >= t->hash_base ? &t->hash_tids_in_use : &t->tids_in_use);
}

static LIST_HEAD(block_cb_list);

/* As cxgb_setup_tc_block_ingress_cb() */
static int block_cb(enum tc_setup_type type, void *type_data, void *cb_priv)
{
	struct flow_cls_offload *f = type_data;
	struct net_device *dev = cb_priv;

	if (!tc_cls_can_offload_and_chain0(dev, type_data) || type != TC_SETUP_CLSFLOWER)
		return -EOPNOTSUPP;
	switch (f->command) {
	case FLOW_CLS_REPLACE:
		return cxgb4_tc_flower_replace(dev, f);
	case FLOW_CLS_DESTROY:
		return cxgb4_tc_flower_destroy(dev, f);
	case FLOW_CLS_STATS:
		return cxgb4_tc_flower_stats(dev, f);
	default:
		return -EOPNOTSUPP;
	}
}

/* As cxgb_setup_tc() and cxgb_setup_tc_block() */
static int setup_tc(struct net_device *dev, enum tc_setup_type type, void *type_data)
{
	struct flow_block_offload *bo = type_data;

	if (type != TC_SETUP_BLOCK)
		return -EOPNOTSUPP;
	bo->unlocked_driver_cb = unlocked;
	return flow_block_cb_setup_simple(bo, &block_cb_list, block_cb, netdev_priv(dev), dev, true);
}

/* ---- what is in the tables ---- */

static void show_rule(struct seq_file *s, const void *of)
{
	const struct ch_filter_specification *fs = &((const struct ch_tc_flower_entry *)of)->fs;

	if (fs->type)
		seq_printf(s, "src=%pI6 dst=%pI6", fs->val.fip, fs->val.lip);
	else
		seq_printf(s, "src=%pI4 dst=%pI4", fs->val.fip, fs->val.lip);
	seq_printf(s, " sport=%u dport=%u proto=%s packets=0\n", fs->val.fport, fs->val.lport,
		   fs->val.proto == IPPROTO_UDP ? "udp" : "tcp");
}

static int left_show(struct seq_file *s, void *v)
{
	seq_printf(s, "rules %d queued %d bound %u\n", atomic_read(&adap->flower_tbl.nelems),
		   atomic_read(&addresses), bitmap_weight(filters, HASH_BASE + CONNECTIONS));
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(left);

/* ---- probe ---- */

/* As tid_init() */
static int tids_init(struct tid_info *t)
{
	unsigned int i;

	t->nftids = FILTERS;
	t->ntids = HASH_BASE + CONNECTIONS;
	t->natids = CONNECTIONS;
	t->hash_base = HASH_BASE;
	t->nhash = CONNECTIONS;
	t->ftid_tab = kvcalloc(FILTERS, sizeof(*t->ftid_tab), GFP_KERNEL);
	t->ftid_bmap = bitmap_zalloc(FILTERS, GFP_KERNEL);
	t->hpftid_bmap = bitmap_zalloc(1, GFP_KERNEL);
	t->tid_tab = kvcalloc(t->ntids, sizeof(*t->tid_tab), GFP_KERNEL);
	t->atid_tab = kvcalloc(CONNECTIONS, sizeof(*t->atid_tab), GFP_KERNEL);
	if (!t->ftid_tab || !t->ftid_bmap || !t->hpftid_bmap || !t->tid_tab || !t->atid_tab)
		return -ENOMEM;
	for (i = 1; i < CONNECTIONS; i++)
		t->atid_tab[i - 1].next = &t->atid_tab[i];
	t->afree = t->atid_tab;
	spin_lock_init(&t->ftid_lock);
	spin_lock_init(&t->atid_lock);
	return 0;
}

/* Where a field begins in the tuple of a hash filter, -1 if it is not there, as t4_filter_field_shift(). */
static int shift_of(unsigned int field)
{
	/* The widths of the fields, from FCOE on. */
	static const u8 width[] = { 1, 3, 17, 17, 8, 8, 16, 9, 3, 1 };
	unsigned int i, shift = 0;

	if (!(fields & field))
		return -1;
	for (i = 0; BIT(i) < field; i++)
		if (fields & BIT(i))
			shift += width[i];
	return shift;
}

static void tp_init(struct tp_params *tp)
{
	tp->vlan_pri_map = fields;
	tp->filter_mask = fields;
	tp->fcoe_shift = shift_of(FCOE_F);
	tp->port_shift = shift_of(PORT_F);
	tp->vnic_shift = shift_of(VNIC_ID_F);
	tp->vlan_shift = shift_of(VLAN_F);
	tp->tos_shift = shift_of(TOS_F);
	tp->protocol_shift = shift_of(PROTOCOL_F);
	tp->ethertype_shift = shift_of(ETHERTYPE_F);
	tp->macmatch_shift = shift_of(MACMATCH_F);
	tp->matchtype_shift = shift_of(MPSHITTYPE_F);
	tp->frag_shift = shift_of(FRAGMENTATION_F);
	/* All bits of all fields. */
	tp->hash_filter_mask = GENMASK_ULL(27, 0);
}

static int adapter_init(void)
{
	int err;

	adap->pdev_dev = &pdev->dev;
	adap->params.chip = CHELSIO_CHIP_CODE(chip, 0);
	adap->params.nports = PORTS;
	adap->params.filter2_wr_support = chip > CHELSIO_T4;
	adap->params.hash_filter = hash;
	adap->flags |= CXGB4_FULL_INIT_DONE;
	adap->sge.fw_evtq.abs_id = EVENT_QUEUE;
	spin_lock_init(&adap->win0_lock);
	tp_init(&adap->params.tp);
	adap->regs = (void __iomem *)kvzalloc(REGISTERS, GFP_KERNEL);
	adap->l2t = t4_init_l2t(0, 1024);
	adap->smt = t4_init_smt();
	err = tids_init(&adap->tids);
	if (err)
		return err;
	if (!adap->regs || !adap->l2t || !adap->smt)
		return -ENOMEM;
	return cxgb4_init_tc_flower(adap);
}

static void adapter_free(void)
{
	if (!adap)
		return;
	kvfree(adap->tids.ftid_tab);
	kvfree(adap->tids.tid_tab);
	kvfree(adap->tids.atid_tab);
	bitmap_free(adap->tids.ftid_bmap);
	bitmap_free(adap->tids.hpftid_bmap);
	kvfree((void __force *)adap->regs);
	kvfree(adap->l2t);
	kvfree(adap->smt);
	kvfree(adap);
	adap = NULL;
}

static void port_init(struct net_device *dev, unsigned int i)
{
	struct port_info *pi = netdev_priv(dev);

	pi->adapter = adap;
	pi->port_id = i;
	pi->lport = i;
	pi->tx_chan = i;
	pi->viid = 0x80 + i;
	adap->port[i] = dev;
}

/* No frame goes through the card. */
static bool receive(struct net_device *dev, struct sk_buff *skb)
{
	return false;
}

static void before_command(struct net_device *dev, struct flow_cls_offload *f)
{
	reform(f, form);
}

static const struct ports_driver ports_driver = {
	.priv_size	= sizeof(struct port_info),
	.init		= port_init,
	.setup_tc	= setup_tc,
	.receive	= receive,
	.before		= before_command,
	.show_rule	= show_rule,
};

static int probe(struct platform_device *p)
{
	int err;

	pdev = p;
	err = adapter_init();
	if (err)
		return err;
	err = ports_create(&ports_driver, &adap->flower_tbl, &p->dev, names, PORTS);
	if (err)
		return err;
	messages_files(ports_dir());
	debugfs_create_file("left", 0400, ports_dir(), NULL, &left_fops);
	return 0;
}

static void remove(struct platform_device *p)
{
	ports_destroy();
	cxgb4_cleanup_tc_flower(adap);
	messages_clear();
	reform_stop();
}

/* nft_offload knows the driver by this name. */
static struct platform_driver platform_driver = {
	.probe	= probe,
	.remove	= remove,
	.driver	= { .name = "cxgb4" },
};

static int __init cxgb4_start(void)
{
	struct platform_device *p;
	int err;

	adap = kvzalloc(sizeof(*adap), GFP_KERNEL);
	if (!adap)
		return -ENOMEM;
	err = platform_driver_register(&platform_driver);
	if (err)
		goto free;
	p = platform_device_register_simple("cxgb4", PLATFORM_DEVID_NONE, NULL, 0);
	err = PTR_ERR_OR_ZERO(p);
	if (!err)
		return 0;
	platform_driver_unregister(&platform_driver);
free:
	adapter_free();
	return err;
}
module_init(cxgb4_start);

static void __exit cxgb4_stop(void)
{
	platform_device_unregister(pdev);
	platform_driver_unregister(&platform_driver);
	/* The driver frees its rules after a grace period. */
	rcu_barrier();
	adapter_free();
}
module_exit(cxgb4_stop);

MODULE_DESCRIPTION("Chelsio's flow offload without a card, for tests of nft_offload");
MODULE_LICENSE("GPL");
