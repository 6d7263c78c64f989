// SPDX-License-Identifier: GPL-2.0
/*
 * The devices whose flows an event of the netdevice notifier can affect.
 */
#include <linux/netdevice.h>
#include "bindings_helper.h"

/* The device, those below it, and the bond or bridge of which it is a port. */
u64 nfto_notifier_devices(unsigned long event, const void *info)
{
	struct net_device *dev = netdev_notifier_info_to_dev(info);
	u64 devices = nfto_dev_and_lower(dev);
	const struct net_device *master;

	rcu_read_lock();
	master = netdev_master_upper_dev_get_rcu(dev);
	if (master)
		devices |= BIT_ULL(master->ifindex % 64);
	rcu_read_unlock();
	/* The upper device may no longer be the master of the port. */
	if (event == NETDEV_CHANGEUPPER)
		devices |= BIT_ULL(nfto_notifier_upper(info) % 64);
	return devices;
}
