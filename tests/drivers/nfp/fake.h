/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Included before each file of the driver (-include): what its headers take for
 * granted and this kernel, which has no PCI, does not define. The driver's files
 * themselves are compiled as they are.
 */
#ifndef NFTO_NFP_FAKE_H
#define NFTO_NFP_FAKE_H

#include <linux/types.h>
#include <linux/kconfig.h>

#ifndef CONFIG_PCI
struct msix_entry {
	u32 vector;
	u16 entry;
};
#endif

#endif
