/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Included before each file (-include): the options of the driver, which this
 * kernel does not have, as it has no PCI, and what its files take for granted.
 */
#ifndef NFTO_MLX5_FAKE_H
#define NFTO_MLX5_FAKE_H

#include <linux/types.h>
#include <linux/kconfig.h>

#define CONFIG_MLX5_CORE_EN	1
#define CONFIG_MLX5_ESWITCH	1
#define CONFIG_MLX5_CLS_ACT	1
#define CONFIG_NET_TC_SKB_EXT	1

#endif
