// SPDX-License-Identifier: GPL-2.0

#include <linux/workqueue.h>
#include "bindings_helper.h"

void nfto_delayed_work_init(struct delayed_work *work, work_func_t func)
{
	INIT_DELAYED_WORK(work, func);
}

void nfto_schedule_in_a_second(struct delayed_work *work)
{
	queue_delayed_work(system_power_efficient_wq, work, HZ);
}

/* Replaces an earlier request, to run either sooner or later. */
void nfto_schedule_in_ms(struct delayed_work *work, unsigned int ms)
{
	mod_delayed_work(system_power_efficient_wq, work, msecs_to_jiffies(ms));
}

void nfto_schedule_now(struct delayed_work *work)
{
	queue_delayed_work(system_highpri_wq, work, 0);
}

/* For the work itself: a request made in the meantime takes precedence. */
void nfto_schedule_again(struct delayed_work *work, unsigned int ms)
{
	queue_delayed_work(system_power_efficient_wq, work,
			   msecs_to_jiffies(ms));
}
