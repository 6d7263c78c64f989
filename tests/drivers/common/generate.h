/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Holds the profile of the simulated NIC against the driver for generated rules:
 * each is given to the driver's callback, around which "before" and "after" of struct
 * ports_driver compare, as for rules of flows (profile.h); then it is destroyed.
 */
#ifndef NFTO_DRIVERS_GENERATE_H
#define NFTO_DRIVERS_GENERATE_H

#include "generate_rule.h"
#include "profile.h"

struct generate_driver {
	struct generate_style style;
	const struct nsim_flow_profile *profile;
	/* The driver is bound by TC_SETUP_BLOCK, not by TC_SETUP_FT. */
	bool block;
	/* Optional: a port of a switch behind the driver's, or NULL. */
	struct net_device *(*user_port)(void);
	/*
	 * Optional: rules that the profile is known to read in another way (see the
	 * README of the driver). They are given to the driver, and not compared.
	 */
	bool (*not_compared)(const struct flow_rule *rule);
};

/*
 * The files generate: "SEED COUNT" gives the rules of this seed and of those that
 * follow to the driver; and generated: the numbers of the last time, and its last rule.
 * A disagreement is in the file disagreements, with its seed and rule.
 */
void generate_files(struct dentry *dir, const struct generate_driver *driver);
/* After the files are gone. */
void generate_stop(void);

/*
 * For drivers of packet processing engines: a rule of a bridge, which the simulated
 * NIC does not take; or one without the addresses that its type says, where these
 * drivers read what is at the beginning of the key.
 */
bool generate_without_addresses(const struct flow_rule *rule);

#endif
