/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Changes rules before a driver gets them, to find out which parts of them it
 * refuses. A form is a list of words:
 *   meta tcp vlan	the rule has not this key
 *   fragments		it does not exclude fragments
 *   csum		it has no checksum action
 *   keep		it leaves the hop limit alone
 *   hops		"minus one to the hop limit" becomes a match on the hop limit
 *			64 and a write of 63
 *   macs		it leaves the MAC addresses alone
 */
#ifndef NFTO_DRIVERS_REFORM_H
#define NFTO_DRIVERS_REFORM_H

#include <net/flow_offload.h>

/* Gives a REPLACE another rule, which is valid until the next call; with ports_lock held. */
void reform(struct flow_cls_offload *f, const char *form);
void reform_stop(void);

#endif
