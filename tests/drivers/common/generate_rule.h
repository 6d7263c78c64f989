/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Rules out of seeds: a valid one as nft_offload makes it for some flow, and in
 * three of four cases changed: keys missing, added, with other masks and values;
 * actions missing, added, doubled, in another order, with other values.
 */
#ifndef NFTO_DRIVERS_GENERATE_RULE_H
#define NFTO_DRIVERS_GENERATE_RULE_H

#include <net/pkt_cls.h>

/* What nft_offload writes for a driver, as in src/translate/semantics.rs. */
struct generate_style {
	bool hop_limit;		/* an action decrements TTL and hop limit */
	bool checksums;		/* also for IPv6, and for the hop limit */
	bool inner_first;	/* of two headers, the inner one is put on first */
	bool no_fragments;	/* the match leaves fragments out */
	bool no_syn;		/* and TCP packets with SYN */
	bool pppoe;
	bool service_tags;	/* 802.1ad */
	bool nat6;
	bool gre;
};

#define GENERATE_DEVICES	8

struct generate_devices {
	/* Those of the driver, and of others. */
	struct net_device *own[GENERATE_DEVICES], *foreign[GENERATE_DEVICES];
	unsigned int n_own, n_foreign;
};

/*
 * Makes the rule of a seed, which is valid until the next call: command, cookie and
 * extack of @f are not set. The same for the same arguments. Not reentrant.
 */
int generate_rule(u64 seed, const struct generate_style *style,
		  const struct generate_devices *devices, struct flow_cls_offload *f);
void generate_rule_stop(void);

#endif
