// SPDX-License-Identifier: GPL-2.0
/*
 * The properties of a device that decide about its rules: its driver, whether it
 * is a tunnel, and the priorities that the VLAN devices on it give.
 */
#include <linux/etherdevice.h>
#include <linux/ethtool.h>
#include <linux/if_vlan.h>
#include <linux/netdevice.h>
#include <net/devlink.h>
#include <net/geneve.h>
#include <net/gre.h>
#include <net/rtnetlink.h>
#include <net/vxlan.h>
#include "bindings_helper.h"

static const char *nfto_driver_name(const struct net_device *dev)
{
	const struct device *parent = dev->dev.parent;
	const struct device_driver *driver;

#if IS_ENABLED(CONFIG_NET_DEVLINK)
	/* A representor may have no other parent, as with nfp. */
	if (!parent && dev->devlink_port)
		parent = devlink_to_dev(dev->devlink_port->devlink);
#endif
	driver = parent ? parent->driver : NULL;

	/* As netdev_drivername(), which is not exported. */
	return driver && driver->name ? driver->name : "";
}

/* Returns the conduit of a port of a DSA switch, NULL of another device. Under RCU. */
static struct net_device *nfto_conduit(struct net_device *dev)
{
	const struct rtnl_link_ops *ops = dev->rtnl_link_ops;
	struct net_device *conduit;

	if (!ops || strcmp(ops->kind, "dsa"))
		return NULL;
	/* In another namespace the index belongs to another device. */
	conduit = dev_get_by_index_rcu(dev_net(dev), dev_get_iflink(dev));
	return conduit && netdev_has_upper_dev_all_rcu(conduit, dev) ? conduit :
								       NULL;
}

/*
 * A representor may belong to no device at all, as with EF100, and tell only
 * ethtool whose it is. ethtool holds RTNL, for which there is no need here: to
 * copy names is all that the functions of representors do.
 */
static void nfto_representor_driver(struct net_device *dev, char *name,
				    size_t size)
{
	const struct ethtool_ops *ops = dev->ethtool_ops;
	struct ethtool_drvinfo info = {};

	if (dev->dev.parent || dev->rtnl_link_ops || !dev->netdev_ops ||
	    !dev->netdev_ops->ndo_get_port_parent_id || !ops ||
	    !ops->get_drvinfo)
		return;
	ops->get_drvinfo(dev, &info);
	strscpy(name, info.driver, min(size, sizeof(info.driver)));
}

/*
 * Writes the name of the driver of a registered device, or an empty string. The
 * conduit's driver takes a DSA port's rules: dsa_user_setup_ft_block(). May
 * sleep.
 */
void nfto_dev_driver(struct net_device *dev, char *name, size_t size)
{
	const struct net_device *conduit;

	rcu_read_lock();
	conduit = nfto_conduit(dev);
	strscpy(name, nfto_driver_name(conduit ?: dev), size);
	rcu_read_unlock();
	if (!*name)
		nfto_representor_driver(dev, name, size);
}

/* Tunnels that look like Ethernet; the device type identifies the others. */
static bool nfto_is_tunnel(const struct net_device *dev)
{
	const struct rtnl_link_ops *ops = dev->rtnl_link_ops;

	return netif_is_vxlan(dev) || netif_is_geneve(dev) ||
	       netif_is_gretap(dev) || netif_is_ip6gretap(dev) ||
	       (ops && (!strcmp(ops->kind, "erspan") ||
			!strcmp(ops->kind, "ip6erspan")));
}

bool nfto_port(struct net *net, u32 ifindex, struct nfto_port *port)
{
	struct net_device *dev, *conduit;

	rcu_read_lock();
	dev = dev_get_by_index_rcu(net, ifindex);
	if (dev) {
		port->mtu = READ_ONCE(dev->mtu);
		port->tunnel = nfto_is_tunnel(dev);
		conduit = nfto_conduit(dev) ?: dev;
		if (conduit->addr_len == ETH_ALEN)
			ether_addr_copy(port->address, conduit->dev_addr);
		else
			eth_zero_addr(port->address);
	}
	rcu_read_unlock();
	return dev;
}

/* Returns a VLAN device on dev, or on the bridge or bond above dev. */
static struct net_device *nfto_vlan_dev(struct net_device *dev, __be16 proto,
					u16 vid)
{
	struct net_device *vlan = __vlan_find_dev_deep_rcu(dev, proto, vid);

	/* That function only checks the port's own VLANs, if it has any. */
	if (!vlan) {
		dev = netdev_master_upper_dev_get_rcu(dev);
		if (dev)
			vlan = __vlan_find_dev_deep_rcu(dev, proto, vid);
	}
	return vlan;
}

/*
 * Returns the 802.1p priorities that the VLAN devices of a tuple's tags give to
 * a packet without a priority of its own, which is what the egress map has for
 * priority zero. It is 0 for a tag without a device, such as a tag of the
 * bridge.
 */
void nfto_vlan_priorities(struct net *net,
			  const struct flow_offload_tuple *tuple, u8 *prio)
{
	struct net_device *dev;
	unsigned int i;

	memset(prio, 0, NF_FLOW_TABLE_ENCAP_MAX);
	rcu_read_lock();
	dev = dev_get_by_index_rcu(net, tuple->iifidx);
	for (i = 0; dev && i < tuple->encap_num; i++) {
		if (!eth_type_vlan(tuple->encap[i].proto))
			break;
		dev = nfto_vlan_dev(dev, tuple->encap[i].proto,
				    tuple->encap[i].id);
		if (dev)
			prio[i] = vlan_dev_get_egress_qos_mask(dev, 0) >>
				  VLAN_PRIO_SHIFT;
	}
	rcu_read_unlock();
}
