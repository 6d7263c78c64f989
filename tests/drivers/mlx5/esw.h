/* SPDX-License-Identifier: GPL-2.0 */
/* What the driver has as static functions of eswitch_offloads.c. */
#ifndef NFTO_MLX5_ESW_H
#define NFTO_MLX5_ESW_H

struct mlx5_eswitch;
struct mlx5_flow_table;

/* Creates the tables for tc and for flowtables; what misses them goes to miss. */
int esw_tables_create(struct mlx5_eswitch *esw, struct mlx5_flow_table *miss);
void esw_tables_destroy(struct mlx5_eswitch *esw);

#endif
