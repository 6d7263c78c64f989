// SPDX-License-Identifier: GPL-2.0

#include <linux/timekeeping.h>
#include "bindings_helper.h"

u64 nfto_now_ns(void)
{
	return ktime_get_ns();
}
