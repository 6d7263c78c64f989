// SPDX-License-Identifier: GPL-2.0

#include <linux/random.h>
#include "bindings_helper.h"

u64 nfto_random(void)
{
	return get_random_u64();
}
