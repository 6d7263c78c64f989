# SPDX-License-Identifier: GPL-2.0
# The files of the driver, unmodified, in the directories in which they include each other. Sourced by build.sh.
# shellcheck shell=bash disable=SC2154 # SRC and DIR are of build.sh

mlx5=$SRC/drivers/net/ethernet/mellanox/mlx5/core
while read -r file; do
	to=$DIR/${file#"$mlx5"/}
	mkdir -p "${to%/*}"
	cmp -s "$file" "$to" || cp --no-preserve=mode "$file" "$to"
done < <(
	find "$mlx5" -name '*.h'
	printf "$mlx5/%s\n" en_tc.c eswitch_offloads.c eswitch_offloads_termtbl.c lib/fs_chains.c diag/en_tc_tracepoint.c \
		en/{mapping,mod_hdr}.c en/rep/tc.c en/tc/{act_stats,post_act}.c
	find "$mlx5/en/tc/act" -name '*.c'
)
