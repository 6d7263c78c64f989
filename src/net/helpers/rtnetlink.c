// SPDX-License-Identifier: GPL-2.0

#include <net/rtnetlink.h>
#include "bindings_helper.h"

/* For a registered device only. */
const char *nfto_dev_kind(const struct net_device *dev)
{
	return dev->rtnl_link_ops ? dev->rtnl_link_ops->kind : "";
}
