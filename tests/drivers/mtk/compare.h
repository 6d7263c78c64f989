/* SPDX-License-Identifier: GPL-2.0 */
#ifndef NFTO_MTK_COMPARE_H
#define NFTO_MTK_COMPARE_H

#include <linux/types.h>

struct nsim_flow_draft;

/* Writes down where the words of an entry differ from the rule of the profile. */
void compare_entry(unsigned int version, const struct nsim_flow_draft *d, const u32 *w);

#endif
