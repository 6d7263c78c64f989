// SPDX-License-Identifier: GPL-2.0

#include <linux/if_vlan.h>
#include "bindings_helper.h"

bool nfto_notifier_is_vlan(const void *info)
{
	return is_vlan_dev(netdev_notifier_info_to_dev(info));
}
