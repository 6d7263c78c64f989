/* SPDX-License-Identifier: GPL-2.0 */
/* The entries of a flow table as they were when the driver bound them. */
#ifndef NFTO_DRIVERS_BOUND_H
#define NFTO_DRIVERS_BOUND_H

#include <linux/dcache.h>
#include <linux/types.h>

/* Softirqs are disabled. @port is the one on which the frames arrive. */
void bound_add(const char *port, unsigned int engine, unsigned int index,
	       const u32 *words, unsigned int count);
void bound_clear(void);
/*
 * The files bound, a line for each entry: port, engine, index, words; and
 * clear_bound, which empties it and what profile.c has found.
 */
void bound_files(struct dentry *dir);

#endif
