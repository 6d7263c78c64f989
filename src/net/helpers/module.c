// SPDX-License-Identifier: GPL-2.0

#include <linux/module.h>
#include "bindings_helper.h"

const char *nfto_module_name(struct module *mod)
{
	return mod ? module_name(mod) : "built into the kernel";
}
