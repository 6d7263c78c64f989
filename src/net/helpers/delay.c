// SPDX-License-Identifier: GPL-2.0

#include <linux/delay.h>
#include "bindings_helper.h"

void nfto_sleep_ms(unsigned int ms)
{
	if (ms)
		fsleep(ms * USEC_PER_MSEC);
}
