# SPDX-License-Identifier: GPL-2.0
# No arguments. Sourced by run.sh.
# shellcheck shell=bash disable=SC2034 # for run.sh
ARGS=()
