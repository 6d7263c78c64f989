/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The ports of a driver under test: network devices whose ndo_setup_tc is the
 * driver's, each with a wire to a device that the test moves into the network
 * namespace of a host. The commands that the driver gets are written down.
 */
#ifndef NFTO_DRIVERS_PORTS_H
#define NFTO_DRIVERS_PORTS_H

#include <linux/netdevice.h>
#include <linux/rhashtable.h>
#include <linux/seq_file.h>
#include <net/flow_offload.h>

struct ports_driver {
	/* The size of what netdev_priv() of a port points to. */
	size_t priv_size;
	/* Prepares a device before it is registered; i is its number. */
	void (*init)(struct net_device *dev, unsigned int i);
	int (*setup_tc)(struct net_device *dev, enum tc_setup_type type,
			void *type_data);
	/*
	 * A frame from the wire, with its Ethernet header; softirqs are disabled.
	 * Returns true if the hardware has taken it, false if the CPU gets it.
	 */
	bool (*receive)(struct net_device *dev, struct sk_buff *skb);
	/* Optional: a frame on its way to the wire; false if it is dropped. */
	bool (*send)(struct net_device *dev, struct sk_buff *skb);
	/*
	 * Optional: called before the driver handles a command, and after it
	 * has returned err; with ports_lock held.
	 */
	void (*before)(struct net_device *dev, struct flow_cls_offload *f);
	void (*after)(struct net_device *dev, struct flow_cls_offload *f, int err);
	/*
	 * Writes a rule of the driver's table for the file "rules": "src=A dst=A
	 * sport=N dport=N proto=P packets=N"; with ports_lock held.
	 */
	void (*show_rule)(struct seq_file *s, const void *rule);
};

/* Held while the driver handles a command. */
extern struct mutex ports_lock;

/* rules is the driver's table of rules, or NULL. */
int ports_create(const struct ports_driver *driver, struct rhashtable *rules,
		 struct device *parent, const char *const *names,
		 unsigned int count);
void ports_destroy(void);
/* For a driver that has its table of rules only after init, or one for each port. */
void ports_add_rules(struct rhashtable *rules);
/*
 * The rule with this cookie in a driver's table, or NULL; at is the offset of the
 * cookie, an unsigned long, in a rule.
 */
const void *ports_find(struct rhashtable *rules, size_t at, unsigned long cookie);
struct net_device *ports_get(unsigned int i);
/* Sends a frame out of the wire of a port. Consumes skb. */
void ports_transmit(struct net_device *dev, struct sk_buff *skb);
/* The debugfs directory, nfto_drivers. */
struct dentry *ports_dir(void);

#endif
