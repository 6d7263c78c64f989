/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Holds a profile of the simulated NIC (tests/netdevsim) against the driver: for
 * each rule, both accept or both refuse, with the same error and text.
 */
#ifndef NFTO_DRIVERS_PROFILE_H
#define NFTO_DRIVERS_PROFILE_H

#include "flow_profile.h"

/* Whether rules are not compared until further notice. */
void profile_pause(bool pause);
/* Before the driver handles a command: what the profile makes of it. */
void profile_before(const struct nsim_flow_profile *profile,
		    struct net_device *dev, struct flow_cls_offload *f);
/*
 * After it has returned err: returns the rule of the profile if both have
 * accepted it, else NULL; writes down whether they disagree.
 */
const struct nsim_flow_draft *profile_after(struct net_device *dev,
					    struct flow_cls_offload *f, int err);

/*
 * What a rule does to a frame, as an entry of a packet processing engine (PPE)
 * says it; what an entry does not have is zero.
 */
struct profile_meaning {
	u32 key[9];		/* source, destination, ports */
	u32 tuple[3];		/* the same of IPv4, translated */
	u8 eth[2 * ETH_ALEN];	/* without the source if it is the port's */
	u16 vlan[2];		/* outermost first */
	unsigned int vlans;
	u16 session;
	u16 type;		/* the Ethertype behind the tags */
	const struct net_device *out;	/* NULL: to the CPU */
	bool v6, pppoe, ttl, strip, checksums, udp, port_mac;
	bool odd;		/* matches or does what no entry can */
};

/* The addresses of an entry, as its words have them. */
void profile_eth(struct profile_meaning *m, u32 dst, u16 dst_low, u32 src, u16 src_low);
/* Writes down where an entry of the driver differs from the rule of the profile. */
void profile_compare(const struct nsim_flow_draft *d, const struct profile_meaning *entry);

/* Writes down a disagreement about what a frame becomes. */
void profile_disagree(const char *fmt, ...) __printf(1, 2);
/* How often that was. */
unsigned int profile_disagreements(void);
/* The files disagreements, and compared: the number of rules. */
void profile_files(struct dentry *dir);
void profile_clear(void);

/* For the profile: of the driver's main.c. */
bool profile_own_port(const struct net_device *dev);

#endif
