// SPDX-License-Identifier: GPL-2.0

#include <linux/netdevice.h>
#include "bindings_helper.h"

struct net *nfto_dev_net(const struct net_device *dev)
{
	return dev_net(dev);
}

int nfto_dev_ifindex(const struct net_device *dev)
{
	return READ_ONCE(dev->ifindex);
}

const char *nfto_dev_name(const struct net_device *dev)
{
	return dev->name;
}

void nfto_dev_hold(struct net_device *dev)
{
	dev_hold(dev);
}

void nfto_dev_put(struct net_device *dev)
{
	dev_put(dev);
}

struct net *nfto_notifier_net(const void *info)
{
	return dev_net(netdev_notifier_info_to_dev(info));
}

/* For NETDEV_CHANGEUPPER: the index of the upper device. */
u32 nfto_notifier_upper(const void *info)
{
	const struct netdev_notifier_changeupper_info *change = info;

	return READ_ONCE(change->upper_dev->ifindex);
}

bool nfto_setup_tc_supported(const struct net_device *dev)
{
	return dev->netdev_ops && dev->netdev_ops->ndo_setup_tc;
}

int nfto_setup_tc(struct net_device *dev, enum tc_setup_type type,
		  struct flow_block_offload *bo)
{
	return dev->netdev_ops->ndo_setup_tc(dev, type, bo);
}
