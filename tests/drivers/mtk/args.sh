# SPDX-License-Identifier: GPL-2.0
# The SoCs that the test uses, in this order: netsys 1 to 3. Sourced by run.sh.
# shellcheck shell=bash disable=SC2034 # for run.sh
ARGS=(mt7622 mt7621 mt7986 mt7988)
