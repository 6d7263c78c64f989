// SPDX-License-Identifier: GPL-2.0

#include <net/net_namespace.h>
#include "bindings_helper.h"

bool nfto_net_is_initial(const struct net *net)
{
	return net->user_ns == &init_user_ns;
}
