/* SPDX-License-Identifier: GPL-2.0 */
/* The packet processing engine, as far as a frame can tell. See engine.c. */
#ifndef NFTO_MTK_ENGINE_H
#define NFTO_MTK_ENGINE_H

#include <linux/netdevice.h>

#define ENGINES_MAX	3

struct engine {
	/* The flow table and its registers, which the driver writes. */
	u32 *table;
	const u32 *regs;
	/* netsys version: 1, 2 or 3 */
	unsigned int version;
	unsigned int entry_words;
	unsigned int ways;
	/* by entry: since the driver has read them, and since it was bound */
	u64 *packets, *bytes;
	u64 *total;
};

extern struct engine engines[ENGINES_MAX];

int engine_start(unsigned int i, void *table, const u32 *regs,
		 unsigned int version, unsigned int entry_size,
		 unsigned int ways);
void engine_stop(void);
/* The clock of the timestamps, in seconds. */
u32 engine_clock(void);
/* Reads and clears the counters of an entry. */
void engine_count(unsigned int i, unsigned int index, u64 *packets, u64 *bytes);
/*
 * A frame from the wire of the port @from, with the tag of a switch of this
 * length: true if the engine has sent it.
 */
bool engine_receive(unsigned int i, struct sk_buff *skb, const char *from,
		    unsigned int tag_len);
/* The number of entries that are bound. */
unsigned int engine_bound(void);

/* For the engine: hands a frame that met the unbound entry to the driver. */
void mtk_trap(unsigned int i, struct sk_buff *skb, unsigned int index);
/* For the engine: the port behind a destination of the PSE, NULL for none. */
struct net_device *mtk_port(unsigned int pse_port);

#endif
