// SPDX-License-Identifier: GPL-2.0

#include <linux/jiffies.h>
#include "bindings_helper.h"

u64 nfto_jiffies64(void)
{
	return get_jiffies_64();
}
