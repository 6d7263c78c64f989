/* SPDX-License-Identifier: GPL-2.0 */
/* The match-action engine, as far as the driver and a frame can tell. See engine.c. */
#ifndef NFTO_SFC_ENGINE_H
#define NFTO_SFC_ENGINE_H

#include <linux/netdevice.h>

/* What a rule has carried, as the engine reports it. */
struct engine_count {
	u32 counter, generation;
	u32 packets, bytes;
};

/*
 * A frame that arrives at the m-port with this selector. Returns true if it has
 * been sent, and what there is to be reported of it in *count; *skb is consumed
 * then.
 */
bool engine_receive(u32 selector, struct sk_buff *skb, struct engine_count *count);
/* The entries of all tables but those that the driver makes when it starts. */
void engine_left(unsigned int *rules, unsigned int *others);
/* Notes that the driver has started. */
void engine_started(void);
void engine_stop(void);

/* For the engine: the device whose wire or function has this selector, NULL for none. */
struct net_device *sfc_port_of(u32 selector);
/* Parameters of the module. */
extern uint engine_rules;
extern bool engine_exact;

#endif
