/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What stands for the flow steering of the driver (fs_core.c) and for the
 * firmware behind it: tables and rules that are written down. See flow.py, which
 * reads them.
 */
#ifndef NFTO_MLX5_STEERING_H
#define NFTO_MLX5_STEERING_H

#include <linux/types.h>

struct mlx5_flow_table;

/* A table without rules, in which a packet ends. */
struct mlx5_flow_table *steering_end(void);
/* Rules that match something. */
unsigned int steering_rules(void);
/* Whatever the driver has not given back. */
unsigned int steering_objects(void);
/* The table in which packets begin. */
void steering_set_root(const struct mlx5_flow_table *ft);
/* What a rule may do on the receiving side, MLX5_FLOW_STEERING_CAP_*. */
void steering_set_capabilities(u32 capabilities);

#endif
