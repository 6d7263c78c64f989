# SPDX-License-Identifier: GPL-2.0
# What the firmware can do, in this order: NFP_FL_FEATS_* none; two tags and priorities. Sourced by run.sh.
# shellcheck shell=bash disable=SC2034 # for run.sh
ARGS=(0 0x108)
