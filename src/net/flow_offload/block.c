// SPDX-License-Identifier: GPL-2.0
/*
 * The references to this module of the callbacks that a driver has kept, and
 * the end of their use.
 */
#include <linux/module.h>
#include <linux/rcupdate.h>
#include "bindings_helper.h"

void nfto_module_get(void)
{
	__module_get(THIS_MODULE);
}

static bool nfto_was_put;

/* The caller still runs in this module: see nfto_module_settle(). */
void nfto_module_put(void)
{
	WRITE_ONCE(nfto_was_put, true);
	module_put(THIS_MODULE);
}

/*
 * Called on module exit: waits until the tasks that have dropped the last
 * reference have left the text of this module. They do not sleep before that.
 */
void nfto_module_settle(void)
{
	if (READ_ONCE(nfto_was_put))
		synchronize_rcu_tasks();
}
