/* SPDX-License-Identifier: GPL-2.0 */
#ifndef NFTO_AIROHA_COMPARE_H
#define NFTO_AIROHA_COMPARE_H

#include <linux/types.h>

struct nsim_flow_draft;

/*
 * Writes down where the words of an entry differ from the rule of the profile.
 * @gdm is the number of the port that the rule leads to.
 */
void compare_entry(const struct nsim_flow_draft *d, const u32 *w, unsigned int gdm);

#endif
