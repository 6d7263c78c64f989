// SPDX-License-Identifier: GPL-2.0

#include <linux/sched.h>
#include "bindings_helper.h"

void nfto_cond_resched(void)
{
	cond_resched();
}
