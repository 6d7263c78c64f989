/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A frame as the parser of a packet processing engine (PPE) sees it, and what
 * such an engine does to its IP packet.
 */
#ifndef NFTO_DRIVERS_FRAME_H
#define NFTO_DRIVERS_FRAME_H

#include <linux/skbuff.h>

struct frame {
	unsigned int l3;	/* offset of the IP header */
	bool v6, udp;
	bool cpu;		/* a reason to send it to the CPU even if bound */
	u32 key[9];		/* source, destination, ports, as in the table */
	unsigned int keys;
};

/*
 * False for a frame that the engine leaves to the CPU without a look at its
 * table; @tag_len is the length of the tag of a switch in front of the rest.
 */
bool frame_parse(const struct sk_buff *skb, unsigned int tag_len,
		 struct frame *f);
/* The length that the IP header says. */
unsigned int frame_ip_len(const struct frame *f, const struct sk_buff *skb);
/* A new frame: these headers, and the IP packet of another frame. */
struct sk_buff *frame_rebuild(const struct frame *f, const struct sk_buff *skb,
			      const u8 *head, unsigned int len);
/* Writes new addresses and ports, and the checksums. */
void frame_rewrite4(const struct frame *f, u8 *l3, const u32 *key);
/* Decrements TTL or hop limit. */
void frame_age(const struct frame *f, u8 *l3);

static inline void frame_put16(u8 **at, u16 value)
{
	put_unaligned_be16(value, *at);
	*at += 2;
}

#endif
