#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Flows go through nft_offload into the kernel's own driver for MediaTek SoCs. What it writes into the flow table is read in
# two ways: foe.py says what each entry does, which has to be what the file expected says, and engine.c forwards frames by it,
# which have to be those of the slow path.
#
#   test_mtk.sh SOC...
#
# Environment variables:
#   NFT_OFFLOAD_ACCEPT      if set, what the entries do is printed as "new: LINE" instead of compared
DRIVER_MODULE=nfto_mtk
HERE=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/drivers/lib.sh
. "$HERE/../lib.sh"
# shellcheck source=tests/drivers/common/ppe.sh
. "$HERE/../common/ppe.sh"
PROFILE=mtk

decoded() {
	"$HERE/foe.py" "$SOC${USER_PORT:+/$USER_PORT}" "${NAMES[@]}" <"$NIC/bound"
}

# --- known mistakes of the driver ------------------------------------------------------------------------------------

# TCP and UDP flows of the same addresses and ports are in one bucket, in which the entry of the flow that is bound last
# makes __mtk_ppe_check_skb() forget where those of the others are. They stay bound when their flows are gone.
bucket() {
	local left
	topology plain
	check "$SOC, two flows in a bucket: nothing is lost" play forward offload 46
	busywait 5 nothing_left
	left=$(nothing_left)
	check_is "$SOC, two flows in a bucket: what stays (a mistake of the driver, see README.md)" "$left" \
		"rules 0 queued 0 bound 4"
}

expedite_rcu
generated_rules 5000
modprobe nft_offload
for SOC in "$@"; do
	driver_up "soc=$SOC"
	names
	diag "driver: $(<"$NIC/soc")"
	case $SOC in
	mt7622)
		all_cases
		topology pppoe && sizes 1496
		refusal_cases
		bucket
		;;
	*) some_cases ;;
	esac
	driver_down
	case $SOC in
	mt7622 | mt7986) switch_cases ;;
	esac
done
