# SPDX-License-Identifier: GPL-2.0
# The SoCs that the test uses, in this order. Sourced by run.sh.
# shellcheck shell=bash disable=SC2034 # for run.sh
ARGS=(en7581 an7583)
