/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Included before each file (-include): the options of the driver, which this
 * kernel does not have, as it has no PCI, and what its headers take for granted.
 * The driver's files themselves are compiled as they are.
 */
#ifndef NFTO_SFC_FAKE_H
#define NFTO_SFC_FAKE_H

#include <linux/types.h>
#include <linux/kconfig.h>

#define CONFIG_SFC_SRIOV	1

#ifndef CONFIG_PCI
struct msix_entry {
	u32 vector;
	u16 entry;
};
#endif

#endif
