// SPDX-License-Identifier: GPL-2.0

#include <linux/netfilter/nfnetlink.h>
#include "bindings_helper.h"

void nfto_nfnl_lock(void)
{
	nfnl_lock(NFNL_SUBSYS_NFTABLES);
}

void nfto_nfnl_unlock(void)
{
	nfnl_unlock(NFNL_SUBSYS_NFTABLES);
}
