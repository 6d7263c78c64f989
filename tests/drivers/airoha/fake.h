/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Included before each file of the driver (-include): where the fake begins.
 * Registers are behind airoha_rr() and airoha_wr(), which the rest of the driver
 * has to provide anyway, and DMA memory is ordinary memory. The driver's files
 * themselves are compiled as they are, with counters and with the NPU.
 */
#ifndef NFTO_AIROHA_FAKE_H
#define NFTO_AIROHA_FAKE_H

#if !IS_ENABLED(CONFIG_NET_AIROHA)
#define CONFIG_NET_AIROHA 1
#endif
#if !IS_ENABLED(CONFIG_NET_AIROHA_NPU)
#define CONFIG_NET_AIROHA_NPU 1
#endif
#ifndef CONFIG_NET_AIROHA_FLOW_STATS
#define CONFIG_NET_AIROHA_FLOW_STATS 1
#endif

#include <linux/device.h>
#include <linux/dma-mapping.h>
#include <linux/io.h>
#include <linux/kmod.h>
#include <linux/rhashtable.h>
#include <linux/string.h>

void *fake_dma_alloc(struct device *dev, size_t size, dma_addr_t *phys, gfp_t gfp);
int fake_request_module(const char *name);

#define dmam_alloc_coherent(dev, size, phys, gfp) \
				fake_dma_alloc(dev, size, phys, gfp)
#undef request_module
#define request_module(name)	fake_request_module(name)

/* The memory of the NPU. */
#undef memset_io
#define memset_io(p, c, n)	memset((void __force *)(p), c, n)
#undef memcpy_fromio
#define memcpy_fromio(to, p, n)	memcpy(to, (const void __force *)(p), n)

/*
 * airoha_ppe_flow_offload_replace(), _destroy() and _stats() look up without
 * rcu_read_lock(), which lockdep reports as a suspicious use. This is the
 * driver's own mistake, which has to hide no other.
 */
#define rhashtable_lookup	rhashtable_lookup_fast

#endif
