// SPDX-License-Identifier: GPL-2.0

#include <linux/prefetch.h>
#include "bindings_helper.h"

void nfto_prefetch(const void *place)
{
	prefetchw(place);
}
