/* SPDX-License-Identifier: GPL-2.0 */
/* The firmware, as far as the driver and a frame can tell. See firmware.c. */
#ifndef NFTO_NFP_FIRMWARE_H
#define NFTO_NFP_FIRMWARE_H

#include <linux/netdevice.h>
#include <linux/seq_file.h>

/* A message from the driver. */
void firmware_message(const struct sk_buff *skb);
/*
 * A frame from the wire of the port with this number: true if it has been sent.
 * *stats is the message with which the firmware reports that, NULL if there is
 * no memory for it.
 */
bool firmware_receive(u32 port, struct sk_buff *skb, struct sk_buff **stats);
/* The packets that the rule of a context has carried. */
u64 firmware_packets(__be32 context);
/* The number of rules. */
unsigned int firmware_rules(void);
void firmware_show_messages(struct seq_file *s);
void firmware_clear_messages(void);
void firmware_stop(void);

/* For the firmware: the device of a port, NULL for none. */
struct net_device *nfp_port_of(u32 port);

#endif
