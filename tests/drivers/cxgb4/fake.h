/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Included before each file (-include): what the driver's headers take for
 * granted and this kernel, which has no PCI, does not define.
 */
#ifndef NFTO_CXGB4_FAKE_H
#define NFTO_CXGB4_FAKE_H

#include <linux/types.h>
#include <linux/kconfig.h>

#ifndef CONFIG_PCI
struct msix_entry {
	u32 vector;
	u16 entry;
};
#endif

#endif
