// SPDX-License-Identifier: GPL-2.0
/*
 * The driver's embedded switch: its file as it is, and what makes functions of
 * it known that are static there.
 */
#include "eswitch_offloads.c"

#include "esw.h"

int esw_tables_create(struct mlx5_eswitch *esw, struct mlx5_flow_table *miss)
{
	return esw_chains_create(esw, miss);
}

void esw_tables_destroy(struct mlx5_eswitch *esw)
{
	esw_chains_destroy(esw, esw_chains(esw));
}
