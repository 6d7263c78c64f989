// SPDX-License-Identifier: GPL-2.0
/*
 * What stands for the rest of Broadcom's driver around its flow offload
 * (bnxt_tc.c, which is the kernel's): a card whose physical port is lan, and the
 * representor of a virtual function, which is wan.
 *
 * The fake begins where a message is handed to the firmware (hwrm_req_send()).
 * The firmware accepts all messages, and does nothing to frames.
 *
 * Parameters:
 *   form	changes the rules before the driver gets them, see reform.h
 *   unlocked	the driver says that its callback does not require RTNL; default: as
 *		its code does
 *
 * Files in the debugfs directory nfto_drivers, beside those of ports.c and
 * messages.c:
 *   left	what is left: rules of the driver, rules of the firmware
 */
#include <linux/bnxt/hsi.h>
#include <linux/debugfs.h>
#include <linux/etherdevice.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/slab.h>
#include <net/pkt_cls.h>

#include "bnxt.h"
#include "bnxt_hwrm.h"
#include "bnxt_sriov.h"
#include "bnxt_tc.h"
#include "bnxt_vfr.h"

#include "messages.h"
#include "ports.h"
#include "reform.h"
#include "unlocked.h"

#define PORTS		2
#define PF		0
#define VF		1
#define VF_FID		(BNXT_FIRST_VF_FID + 5)
#define FLOWS_MAX	1024

static char *form = "";
module_param(form, charp, 0444);
static bool unlocked = DRIVER_UNLOCKED;
module_param(unlocked, bool, 0444);

static const char *const names[PORTS] = { "lan", "wan" };

static struct platform_device *pdev;
static struct bnxt *bp;
static struct bnxt_vf_info vf;
/* The operations of ports.c and those that the driver's have beside them. */
static struct net_device_ops ops[PORTS];

/* ---- the firmware ---- */

struct request {
	bool held;
	u8 response[256];
	u8 data[256];
	u32 len;
};

/* The flows of the firmware. Handle 0 is never given. */
static DECLARE_BITMAP(flows, FLOWS_MAX);
static DEFINE_MUTEX(firmware_lock);

static struct request *request_of(void *data)
{
	return container_of(data, struct request, data[0]);
}

/* As in bnxt_hwrm.c */
int __hwrm_req_init(struct bnxt *b, void **req, u16 type, u32 len)
{
	struct request *r = kzalloc(sizeof(*r), GFP_KERNEL);
	struct input *header;

	if (!r || WARN_ON(len > sizeof(r->data))) {
		kfree(r);
		return -ENOMEM;
	}
	r->len = len;
	header = (struct input *)r->data;
	header->req_type = cpu_to_le16(type);
	header->cmpl_ring = cpu_to_le16(BNXT_HWRM_NO_CMPL_RING);
	header->target_id = cpu_to_le16(BNXT_HWRM_TARGET);
	*req = r->data;
	return 0;
}

void *hwrm_req_hold(struct bnxt *b, void *req)
{
	struct request *r = request_of(req);

	r->held = true;
	return r->response;
}

void hwrm_req_drop(struct bnxt *b, void *req)
{
	kfree(request_of(req));
}

static int answer(struct request *r)
{
	const struct input *header = (const struct input *)r->data;
	struct hwrm_cfa_flow_alloc_output *allocated = (void *)r->response;
	const struct hwrm_cfa_flow_free_input *freed = (const void *)r->data;
	unsigned int handle;

	switch (le16_to_cpu(header->req_type)) {
	case HWRM_CFA_FLOW_ALLOC:
		handle = find_next_zero_bit(flows, FLOWS_MAX, 1);
		if (handle == FLOWS_MAX)
			return -ENOSPC;
		__set_bit(handle, flows);
		allocated->flow_handle = cpu_to_le16(handle);
		return 0;
	case HWRM_CFA_FLOW_FREE:
		handle = le16_to_cpu(freed->flow_handle);
		return handle < FLOWS_MAX && __test_and_clear_bit(handle, flows) ? 0 : -EIO;
	default:
		return -EOPNOTSUPP;
	}
}

int hwrm_req_send(struct bnxt *b, void *req)
{
	struct request *r = request_of(req);
	int err;

	messages_add(r->data, r->len);
	mutex_lock(&firmware_lock);
	err = answer(r);
	mutex_unlock(&firmware_lock);
	if (!r->held)
		kfree(r);
	return err;
}

int hwrm_req_send_silent(struct bnxt *b, void *req)
{
	return hwrm_req_send(b, req);
}

/* ---- what the driver has in other files ---- */

/* bnxt_vfr.c */
bool bnxt_dev_is_vf_rep(struct net_device *dev)
{
	return dev == ports_get(VF);
}

/* bnxt.c, which has it for the representors as well */
static int port_parent_id(struct net_device *dev, struct netdev_phys_item_id *id)
{
	id->id_len = sizeof(bp->dsn);
	memcpy(id->id, bp->dsn, sizeof(bp->dsn));
	return 0;
}

LIST_HEAD(bnxt_block_cb_list);

/* As bnxt_setup_tc_block_cb() and bnxt_vf_rep_setup_tc_block_cb() */
static int block_cb(enum tc_setup_type type, void *type_data, void *cb_priv)
{
	u16 fid = cb_priv == netdev_priv(ports_get(VF)) ? vf.fw_fid : bp->pf.fw_fid;

	if (!bnxt_tc_flower_enabled(bp) || !tc_cls_can_offload_and_chain0(bp->dev, type_data))
		return -EOPNOTSUPP;
	if (type != TC_SETUP_CLSFLOWER)
		return -EOPNOTSUPP;
	return bnxt_tc_setup_flower(bp, fid, type_data);
}

/* As bnxt_setup_tc() and bnxt_vf_rep_setup_tc() */
static int setup_tc(struct net_device *dev, enum tc_setup_type type, void *type_data)
{
	void *priv = netdev_priv(dev);

	struct flow_block_offload *bo = type_data;

	if (type != TC_SETUP_BLOCK)
		return -EOPNOTSUPP;
	bo->unlocked_driver_cb = unlocked;
	return flow_block_cb_setup_simple(bo, &bnxt_block_cb_list, block_cb, priv, priv, true);
}

/* ---- what is in the tables ---- */

static void show_rule(struct seq_file *s, const void *of)
{
	const struct bnxt_tc_flow *flow = &((const struct bnxt_tc_flow_node *)of)->flow;

	if (flow->flags & BNXT_TC_FLOW_FLAGS_IPV4_ADDRS)
		seq_printf(s, "src=%pI4 dst=%pI4", &flow->l3_key.ipv4.saddr, &flow->l3_key.ipv4.daddr);
	else
		seq_printf(s, "src=%pI6 dst=%pI6", &flow->l3_key.ipv6.saddr, &flow->l3_key.ipv6.daddr);
	seq_printf(s, " sport=%u dport=%u proto=%s packets=0\n", ntohs(flow->l4_key.ports.sport),
		   ntohs(flow->l4_key.ports.dport),
		   flow->l4_key.ip_proto == IPPROTO_UDP ? "udp" : "tcp");
}

static int left_show(struct seq_file *s, void *v)
{
	seq_printf(s, "rules %d queued 0 bound %u\n", atomic_read(&bp->tc_info->flow_table.nelems),
		   bitmap_weight(flows, FLOWS_MAX));
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(left);

/* ---- probe ---- */

static void port_init(struct net_device *dev, unsigned int i)
{
	struct bnxt_vf_rep *rep = netdev_priv(dev);

	ops[i] = *dev->netdev_ops;
	ops[i].ndo_get_port_parent_id = port_parent_id;
	dev->netdev_ops = &ops[i];
	if (i == VF) {
		rep->bp = bp;
		rep->dev = dev;
		return;
	}
	/* As bnxt_init_one(), with what the firmware says. */
	bp = netdev_priv(dev);
	bp->dev = dev;
	bp->hwrm_spec_code = 0x10a02;
	bp->pf.fw_fid = BNXT_FIRST_PF_FID;
	bp->pf.vf = &vf;
	vf.fw_fid = VF_FID;
	memcpy(bp->dsn, "nft-offl", sizeof(bp->dsn));
	if (!WARN_ON(bnxt_init_tc(bp)))
		ports_add_rules(&bp->tc_info->flow_table);
}

/* No frame goes through the firmware. */
static bool receive(struct net_device *dev, struct sk_buff *skb)
{
	return false;
}

static void before_command(struct net_device *dev, struct flow_cls_offload *f)
{
	reform(f, form);
}

static const struct ports_driver ports_driver = {
	.priv_size	= sizeof(struct bnxt),
	.init		= port_init,
	.setup_tc	= setup_tc,
	.receive	= receive,
	.before		= before_command,
	.show_rule	= show_rule,
};

static int probe(struct platform_device *p)
{
	int err = ports_create(&ports_driver, NULL, &p->dev, names, PORTS);

	if (err)
		return err;
	messages_files(ports_dir());
	debugfs_create_file("left", 0400, ports_dir(), NULL, &left_fops);
	return 0;
}

static void remove(struct platform_device *p)
{
	bnxt_shutdown_tc(bp);
	ports_destroy();
	messages_clear();
	reform_stop();
}

/* nft_offload knows the driver by this name. */
static struct platform_driver platform_driver = {
	.probe	= probe,
	.remove	= remove,
	.driver	= { .name = DRV_MODULE_NAME },
};

static int __init bnxt_start(void)
{
	int err = platform_driver_register(&platform_driver);

	if (err)
		return err;
	pdev = platform_device_register_simple(DRV_MODULE_NAME, PLATFORM_DEVID_NONE, NULL, 0);
	err = PTR_ERR_OR_ZERO(pdev);
	if (err)
		platform_driver_unregister(&platform_driver);
	return err;
}
module_init(bnxt_start);

static void __exit bnxt_stop(void)
{
	platform_device_unregister(pdev);
	platform_driver_unregister(&platform_driver);
	/* The driver frees its rules after a grace period. */
	rcu_barrier();
}
module_exit(bnxt_stop);

MODULE_DESCRIPTION("Broadcom's flow offload without a NIC, for tests of nft_offload");
MODULE_LICENSE("GPL");
