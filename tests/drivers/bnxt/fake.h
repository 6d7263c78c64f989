/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Included before each file (-include): the options of the driver, which this
 * kernel does not have, as it has no PCI, and what its headers take for granted.
 */
#ifndef NFTO_BNXT_FAKE_H
#define NFTO_BNXT_FAKE_H

#include <linux/types.h>
#include <linux/kconfig.h>

#define CONFIG_BNXT_FLOWER_OFFLOAD	1
#define CONFIG_BNXT_SRIOV		1

#endif
