/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A DSA switch with MediaTek's tag behind the first port of the SoC, if the
 * parameter dsa is set: see switch.c.
 */
#ifndef NFTO_DRIVERS_SWITCH_H
#define NFTO_DRIVERS_SWITCH_H

#include <linux/netdevice.h>

#define SWITCH_PORT	3
#define SWITCH_TAG_LEN	4

/* The length of the tag of frames from the wire of a device: 0 without switch. */
unsigned int switch_tag_len(const struct net_device *dev);
/* The frame on the way into the conduit: gets the tag. */
bool switch_tag(struct net_device *conduit, struct sk_buff *skb);
/* The frame that the engine has left to the CPU: the user port gets it. */
void switch_to_cpu(struct sk_buff *skb);
/* The frame out of the conduit, with a tag: as it leaves the switch, or dropped. */
bool switch_untag(struct net_device *conduit, struct sk_buff *skb);

/* The port of the switch, NULL without switch. */
struct net_device *switch_user(void);
/* Whether the device is it. */
bool switch_port(const struct net_device *dev);
int switch_create(struct net_device *conduit, const char *name);
void switch_destroy(void);

#endif
