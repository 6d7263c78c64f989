// SPDX-License-Identifier: GPL-2.0
/*
 * What stands for the rest of NVIDIA's driver around its flow offload (en_tc.c,
 * en/tc/, en/rep/tc.c, the embedded switch and its chains, which are the
 * kernel's): a card in switchdev mode, whose ports are representors.
 *
 * The fake begins where a table or a rule is handed to the flow steering
 * (mlx5_add_flow_rules(), mlx5_modify_header_alloc()), see steering.c. It accepts
 * all rules, and does nothing to frames.
 *
 * Parameters:
 *   uplink	wan is the uplink, which has no TC_SETUP_FT; otherwise lan and wan
 *		are representors of virtual functions, and the uplink is "pf"
 *   push_on_rx	the card can push a tag onto frames from the uplink; otherwise the
 *		driver does so in a table of its own
 *   second_vid	the card can match a second tag
 *
 * Files in the debugfs directory nfto_drivers, beside those of ports.c and
 * messages.c:
 *   left	what is left: rules of the driver, rules of the card
 */
#include <linux/debugfs.h>
#include <linux/etherdevice.h>
#include <linux/mlx5/device.h>
#include <linux/mlx5/driver.h>
#include <linux/mlx5/eswitch.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/slab.h>
#include <net/pkt_cls.h>

#include "en.h"
#include "en/mapping.h"
#include "en/mod_hdr.h"
#include "en/rep/tc.h"
#include "en/tc_priv.h"
#include "en/tc_tun_encap.h"
#include "en_rep.h"
#include "en_tc.h"
#include "esw/indir_table.h"
#include "eswitch.h"
#include "fs_core.h"
#include "lag/lag.h"
#include "lag/mp.h"
#include "lag/mpesw.h"
#include "lib/devcom.h"
#include "lib/fs_chains.h"
#include "lib/sd.h"

#include "esw.h"
#include "messages.h"
#include "ports.h"
#include "steering.h"

#define PORTS		3
#define LAN		0
#define WAN		1
#define VF_VPORT(i)	((i) + 1)

static bool uplink;
module_param(uplink, bool, 0444);
static bool push_on_rx = true;
module_param(push_on_rx, bool, 0444);
static bool second_vid = true;
module_param(second_vid, bool, 0444);

static const char *const names[PORTS] = { "lan", "wan", "pf" };

static struct platform_device *pdev;
static struct mlx5_core_dev *mdev;
static struct mlx5_eswitch *esw;
static struct mlx5_eswitch_rep reps[PORTS];
static struct mlx5e_rep_priv *rpriv[PORTS];
static struct mlx5_vport vports[PORTS];
static struct mlx5_flow_table *end;
static bool esw_is_up;
/* The operations of ports.c and those that the driver's have beside them. */
static struct net_device_ops ops;

static unsigned int uplink_index(void)
{
	return uplink ? WAN : PORTS - 1;
}

static int index_of(const struct net_device *dev)
{
	int i;

	for (i = 0; i < PORTS; i++)
		if (rpriv[i] && rpriv[i]->netdev == dev)
			return i;
	return -1;
}

/* ---- what the driver has in other files ---- */

/* en_rep.c */
bool mlx5e_eswitch_uplink_rep(const struct net_device *dev)
{
	return index_of(dev) == uplink_index();
}

bool mlx5e_eswitch_vf_rep(const struct net_device *dev)
{
	return index_of(dev) >= 0 && !mlx5e_eswitch_uplink_rep(dev);
}

bool mlx5e_is_uplink_rep(struct mlx5e_priv *priv)
{
	return mlx5e_eswitch_uplink_rep(priv->netdev);
}

/* en_fs.c: for a card that is not in switchdev mode. */
struct mlx5e_tc_table *mlx5e_fs_get_tc(struct mlx5e_flow_steering *fs)
{
	return NULL;
}

/* eswitch.c */
bool mlx5_esw_hold(struct mlx5_core_dev *dev)
{
	return true;
}

void mlx5_esw_release(struct mlx5_core_dev *dev) { }
void mlx5_esw_get(struct mlx5_core_dev *dev) { }
void mlx5_esw_put(struct mlx5_core_dev *dev) { }

u8 mlx5_eswitch_mode(const struct mlx5_core_dev *dev)
{
	return MLX5_ESWITCH_OFFLOADS;
}

struct mlx5_vport *mlx5_eswitch_get_vport(struct mlx5_eswitch *e, u16 number)
{
	unsigned int i;

	for (i = 0; i < PORTS; i++)
		if (vports[i].vport == number)
			return &vports[i];
	return ERR_PTR(-EINVAL);
}

static void *get_proto_dev(struct mlx5_eswitch_rep *rep)
{
	const struct mlx5e_rep_priv *r = rep->rep_data[REP_ETH].priv;

	return r->netdev;
}

static const struct mlx5_eswitch_rep_ops rep_ops = {
	.get_proto_dev = get_proto_dev,
};

static int port_parent_id(struct net_device *dev, struct netdev_phys_item_id *id)
{
	id->id_len = sizeof(u64);
	memcpy(id->id, "nft-offl", id->id_len);
	return 0;
}

void mlx5_query_nic_sw_system_image_guid(struct mlx5_core_dev *dev, u8 *buf, u8 *len)
{
	*len = sizeof(u64);
	memcpy(buf, "nft-offl", *len);
}

/* There is one card, which is not in a bond. */
bool mlx5_same_hw_devs(struct mlx5_core_dev *dev, struct mlx5_core_dev *peer)
{
	return dev == peer;
}

struct mlx5_core_dev *mlx5_sd_get_primary(struct mlx5_core_dev *dev)
{
	return dev;
}

bool mlx5_sd_is_primary(struct mlx5_core_dev *dev)
{
	return true;
}

bool mlx5_lag_is_active(struct mlx5_core_dev *dev) { return false; }
bool mlx5_lag_is_mpesw(struct mlx5_core_dev *dev) { return false; }
bool mlx5_lag_is_multipath(struct mlx5_core_dev *dev) { return false; }
bool mlx5_lag_is_sd(struct mlx5_core_dev *dev) { return false; }
bool mlx5_lag_is_sriov(struct mlx5_core_dev *dev) { return false; }
bool mlx5_devcom_comp_is_ready(struct mlx5_devcom_comp_dev *devcom) { return false; }
bool mlx5_devcom_for_each_peer_begin(struct mlx5_devcom_comp_dev *devcom) { return false; }

int mlx5_lag_mpesw_do_mirred(struct mlx5_core_dev *dev, struct net_device *out,
			     struct netlink_ext_ack *extack)
{
	return 0;
}

/* No tunnels, and no internal ports of Open vSwitch. */
struct mlx5e_tc_tunnel *mlx5e_get_tc_tun(struct net_device *dev)
{
	return NULL;
}

struct mlx5e_tc_tun_encap *mlx5e_tc_tun_init(struct mlx5e_priv *priv)
{
	return NULL;
}

void mlx5e_tc_tun_cleanup(struct mlx5e_tc_tun_encap *encap) { }

/* Called for each rule that goes. */
void mlx5e_tc_tun_encap_dests_unset(struct mlx5e_priv *priv, struct mlx5e_tc_flow *flow,
				    struct mlx5_flow_attr *attr)
{
	int i;

	for (i = 0; i < MLX5_MAX_FLOW_FWD_VPORTS; i++)
		WARN(attr->esw_attr->dests[i].flags & MLX5_ESW_DEST_ENCAP,
		     "a rule for a tunnel\n");
}

bool mlx5e_tc_int_port_supported(const struct mlx5_eswitch *e)
{
	return false;
}

struct mlx5e_tc_int_port_priv *mlx5e_tc_int_port_init(struct mlx5e_priv *priv)
{
	return NULL;
}

void mlx5e_tc_int_port_cleanup(struct mlx5e_tc_int_port_priv *priv) { }
void mlx5e_flow_meters_cleanup(struct mlx5e_flow_meters *meters) { }

bool mlx5_esw_indir_table_needed(struct mlx5_eswitch *e, struct mlx5_flow_attr *attr, u16 vport,
				 struct mlx5_core_dev *dev)
{
	return false;
}

u16 mlx5_esw_indir_table_decap_vport(struct mlx5_flow_attr *attr)
{
	return 0;
}

/* ---- what is in the tables ---- */

static void show_rule(struct seq_file *s, const void *of)
{
	const struct mlx5e_tc_flow *flow = of;
	const u32 *value = flow->attr->parse_attr->spec.match_value;
	const void *headers = MLX5_ADDR_OF(fte_match_param, value, outer_headers);
	const void *src = MLX5_ADDR_OF(fte_match_set_lyr_2_4, headers, src_ipv4_src_ipv6);
	const void *dst = MLX5_ADDR_OF(fte_match_set_lyr_2_4, headers, dst_ipv4_dst_ipv6);
	u8 proto = MLX5_GET(fte_match_set_lyr_2_4, headers, ip_protocol);
	const size_t ipv4 = 12;

	if (memchr_inv(src, 0, ipv4))
		seq_printf(s, "src=%pI6 dst=%pI6", src, dst);
	else
		seq_printf(s, "src=%pI4 dst=%pI4", src + ipv4, dst + ipv4);
	if (proto == IPPROTO_UDP)
		seq_printf(s, " sport=%u dport=%u proto=udp packets=0\n",
			   MLX5_GET(fte_match_set_lyr_2_4, headers, udp_sport),
			   MLX5_GET(fte_match_set_lyr_2_4, headers, udp_dport));
	else
		seq_printf(s, " sport=%u dport=%u proto=tcp packets=0\n",
			   MLX5_GET(fte_match_set_lyr_2_4, headers, tcp_sport),
			   MLX5_GET(fte_match_set_lyr_2_4, headers, tcp_dport));
}

static int left_show(struct seq_file *s, void *v)
{
	int rules = 0;
	unsigned int i;

	for (i = 0; i < PORTS; i++)
		rules += atomic_read(&rpriv[i]->tc_ht.nelems);
	seq_printf(s, "rules %d queued 0 bound %u\n", rules, steering_rules());
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(left);

/* ---- probe ---- */

#define SET_CAP(type, group, field, value)	\
	MLX5_SET(type, mdev->caps.hca[group]->cur, field, value)

static int capabilities_init(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(mdev->caps.hca); i++) {
		mdev->caps.hca[i] = kzalloc(sizeof(*mdev->caps.hca[i]), GFP_KERNEL);
		if (!mdev->caps.hca[i])
			return -ENOMEM;
	}
	/* What ConnectX-5 and later ones have. */
	SET_CAP(flow_table_eswitch_cap, MLX5_CAP_ESWITCH_FLOW_TABLE,
		flow_table_properties_nic_esw_fdb.ignore_flow_level, 1);
	SET_CAP(flow_table_eswitch_cap, MLX5_CAP_ESWITCH_FLOW_TABLE,
		flow_table_properties_nic_esw_fdb.termination_table, 1);
	SET_CAP(flow_table_eswitch_cap, MLX5_CAP_ESWITCH_FLOW_TABLE,
		flow_table_properties_nic_esw_fdb.pop_vlan, 1);
	SET_CAP(flow_table_eswitch_cap, MLX5_CAP_ESWITCH_FLOW_TABLE,
		flow_table_properties_nic_esw_fdb.push_vlan, 1);
	SET_CAP(flow_table_eswitch_cap, MLX5_CAP_ESWITCH_FLOW_TABLE,
		flow_table_properties_nic_esw_fdb.pop_vlan_2, 1);
	SET_CAP(flow_table_eswitch_cap, MLX5_CAP_ESWITCH_FLOW_TABLE,
		flow_table_properties_nic_esw_fdb.push_vlan_2, 1);
	SET_CAP(flow_table_eswitch_cap, MLX5_CAP_ESWITCH_FLOW_TABLE,
		flow_table_properties_nic_esw_fdb.max_modify_header_actions, 16);
	SET_CAP(flow_table_eswitch_cap, MLX5_CAP_ESWITCH_FLOW_TABLE,
		flow_table_properties_nic_esw_fdb.ft_field_support.outer_second_vid, second_vid);
	SET_CAP(flow_table_nic_cap, MLX5_CAP_FLOW_TABLE,
		flow_table_properties_nic_receive.ft_field_support.outer_ip_version, 1);
	SET_CAP(flow_table_eswitch_cap, MLX5_CAP_ESWITCH_FLOW_TABLE, multi_fdb_encap, 1);
	SET_CAP(flow_table_eswitch_cap, MLX5_CAP_ESWITCH_FLOW_TABLE,
		fdb_modify_header_fwd_to_table, 1);
	SET_CAP(flow_table_eswitch_cap, MLX5_CAP_ESWITCH_FLOW_TABLE, flow_source, 1);
	return 0;
}

static void esw_init(void)
{
	unsigned int i;

	esw->dev = mdev;
	esw->mode = MLX5_ESWITCH_OFFLOADS;
	esw->flags = MLX5_ESWITCH_VPORT_MATCH_METADATA | MLX5_ESWITCH_REG_C1_LOOPBACK_ENABLED;
	esw->params.large_group_num = 15;
	esw->offloads.inline_mode = MLX5_INLINE_MODE_NONE;
	esw->offloads.encap = DEVLINK_ESWITCH_ENCAP_MODE_NONE;
	esw->offloads.rep_ops[REP_ETH] = &rep_ops;
	xa_init(&esw->offloads.vport_reps);
	mutex_init(&esw->offloads.termtbl_mutex);
	hash_init(esw->offloads.termtbl_tbl);
	mlx5e_mod_hdr_tbl_init(&esw->offloads.mod_hdr);
	mdev->priv.eswitch = esw;
	for (i = 0; i < PORTS; i++) {
		reps[i].vport = i == uplink_index() ? MLX5_VPORT_UPLINK : VF_VPORT(i);
		reps[i].esw = esw;
		vports[i].dev = mdev;
		vports[i].vport = reps[i].vport;
		vports[i].metadata = 0x100 | i;
	}
}

static void port_init(struct net_device *dev, unsigned int i)
{
	struct mlx5e_priv *priv = netdev_priv(dev);

	ops = *dev->netdev_ops;
	ops.ndo_get_port_parent_id = port_parent_id;
	dev->netdev_ops = &ops;
	priv->netdev = dev;
	priv->mdev = mdev;
	priv->ppriv = rpriv[i];
	rpriv[i]->netdev = dev;
	rpriv[i]->rep = &reps[i];
	reps[i].rep_data[REP_ETH].priv = rpriv[i];
	atomic_set(&reps[i].rep_data[REP_ETH].state, REP_LOADED);
	WARN_ON(xa_err(xa_store(&esw->offloads.vport_reps, reps[i].vport, &reps[i], GFP_KERNEL)));
	if (!WARN_ON(mlx5e_tc_ht_init(&rpriv[i]->tc_ht)))
		ports_add_rules(&rpriv[i]->tc_ht);
}

static int setup_tc(struct net_device *dev, enum tc_setup_type type, void *type_data)
{
	/* As mlx5e_setup_tc(), whose callback does the same for an uplink as that of a representor. */
	if (type == TC_SETUP_FT && mlx5e_eswitch_uplink_rep(dev))
		return -EOPNOTSUPP;
	return mlx5e_rep_setup_tc(dev, type, type_data);
}

/* No frame goes through the card. */
static bool receive(struct net_device *dev, struct sk_buff *skb)
{
	return false;
}

static const struct ports_driver ports_driver = {
	.priv_size	= sizeof(struct mlx5e_priv),
	.init		= port_init,
	.setup_tc	= setup_tc,
	.receive	= receive,
	.show_rule	= show_rule,
};

static int probe(struct platform_device *p)
{
	struct mlx5_flow_table *root;
	struct dentry *dir;
	int err;

	mdev->device = &p->dev;
	err = capabilities_init();
	if (err)
		return err;
	esw_init();
	steering_set_capabilities(push_on_rx ? MLX5_FLOW_STEERING_CAP_VLAN_PUSH_ON_RX : 0);
	end = steering_end();
	if (IS_ERR(end))
		return PTR_ERR(end);
	err = esw_tables_create(esw, end);
	if (err)
		return err;
	root = mlx5_chains_get_table(esw_chains(esw), 0, 1, 0);
	if (IS_ERR(root))
		return PTR_ERR(root);
	steering_set_root(root);
	err = ports_create(&ports_driver, NULL, &p->dev, names, PORTS);
	if (err)
		return err;
	err = mlx5e_rep_tc_init(rpriv[uplink_index()]);
	if (err)
		return err;
	esw_is_up = true;
	dir = ports_dir();
	messages_files(dir);
	debugfs_create_file("left", 0400, dir, NULL, &left_fops);
	return 0;
}

static void remove(struct platform_device *p)
{
	unsigned int i;

	if (esw_is_up)
		mlx5e_rep_tc_cleanup(rpriv[uplink_index()]);
	ports_destroy();
	for (i = 0; i < PORTS; i++)
		mlx5e_tc_ht_cleanup(&rpriv[i]->tc_ht);
	mlx5_chains_put_table(esw_chains(esw), 0, 1, 0);
	esw_tables_destroy(esw);
	mlx5_destroy_flow_table(end);
	WARN_ON(steering_objects());
	messages_clear();
	mlx5e_mod_hdr_tbl_destroy(&esw->offloads.mod_hdr);
	xa_destroy(&esw->offloads.vport_reps);
}

/* nft_offload knows the driver by this name. */
static struct platform_driver platform_driver = {
	.probe	= probe,
	.remove	= remove,
	.driver	= { .name = "mlx5_core" },
};

static void release(void)
{
	unsigned int i;

	for (i = 0; i < PORTS; i++)
		kvfree(rpriv[i]);
	if (mdev)
		for (i = 0; i < ARRAY_SIZE(mdev->caps.hca); i++)
			kfree(mdev->caps.hca[i]);
	kvfree(mdev);
	kvfree(esw);
}

static int __init mlx5_start(void)
{
	unsigned int i;
	int err = -ENOMEM;

	mdev = kvzalloc(sizeof(*mdev), GFP_KERNEL);
	esw = kvzalloc(sizeof(*esw), GFP_KERNEL);
	for (i = 0; i < PORTS; i++) {
		rpriv[i] = kvzalloc(sizeof(*rpriv[i]), GFP_KERNEL);
		if (!rpriv[i])
			goto free;
	}
	if (!mdev || !esw)
		goto free;
	err = platform_driver_register(&platform_driver);
	if (err)
		goto free;
	pdev = platform_device_register_simple("mlx5_core", PLATFORM_DEVID_NONE, NULL, 0);
	err = PTR_ERR_OR_ZERO(pdev);
	if (!err)
		return 0;
	platform_driver_unregister(&platform_driver);
free:
	release();
	return err;
}
module_init(mlx5_start);

static void __exit mlx5_stop(void)
{
	platform_device_unregister(pdev);
	platform_driver_unregister(&platform_driver);
	/* The driver frees its rules after a grace period. */
	rcu_barrier();
	release();
}
module_exit(mlx5_stop);

MODULE_DESCRIPTION("NVIDIA's flow offload without a card, for tests of nft_offload");
MODULE_LICENSE("GPL");
