/* SPDX-License-Identifier: GPL-2.0 */
/* The packet processing engines and the NPU, as far as a frame can tell. */
#ifndef NFTO_AIROHA_ENGINE_H
#define NFTO_AIROHA_ENGINE_H

#include <linux/netdevice.h>

/* @engines: 1 or 2; @dram: entries are never in SRAM. */
int engine_start(unsigned int engines, bool dram);
void engine_stop(void);

/* The registers. */
u32 engine_read(unsigned int offset);
void engine_write(unsigned int offset, u32 val);

/* The firmware of the NPU. */
void engine_npu_init(void);
void engine_npu_stats(u32 *low, u32 *high, unsigned int count);

/*
 * A frame from the wire of the port @from, which leads to engine @i: true if the
 * engine has sent it.
 */
bool engine_receive(unsigned int i, struct sk_buff *skb, const char *from);
/* All entries that are bound have been idle for too long. */
void engine_age(void);
/* The number of entries that are bound. */
unsigned int engine_bound(void);
/* The frames that an entry has forwarded since it was bound. */
u64 engine_total(unsigned int index);

/* For the engine: the memory at a DMA address, NULL for none. */
void *airoha_memory(u32 dma);
/* For the engine: hands a frame that met the unbound entry to the driver. */
void airoha_trap(struct sk_buff *skb, unsigned int index);
/* For the engine: the port behind a destination of the PSE, NULL for none. */
struct net_device *airoha_port(unsigned int pse_port, unsigned int nbq);

#endif
