# SPDX-License-Identifier: GPL-2.0
# Generated rules, each given to a driver and to the profile of the simulated NIC that is named after it: see
# common/generate.h. A driver that joins has a file "generate": the options of its module, a line for each kind of hardware.
#
#   generate_options DRIVER     prints these lines
#   generate FIRST COUNT        a condition: the driver, whose module is loaded, and the profile agree on the rules of COUNT
#                               seeds; what they do not agree on is printed
#   generated WORD              prints a number of the last time: rules, accepted, refused, not_compared
# shellcheck shell=bash

GENERATED=/sys/kernel/debug/nfto_drivers

generate_options() { grep -v '^#' "${BASH_SOURCE[0]%/*}/$1/generate"; }

generate() {
	echo "$1 $2" >"$GENERATED/generate" || return 1
	! grep . "$GENERATED/disagreements"
}

generated() { awk -v word="$1" '{ for (i = 1; i < NF; i += 2) if ($i == word) print $(i + 1); exit }' "$GENERATED/generated"; }
