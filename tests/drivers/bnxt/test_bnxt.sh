#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Flows go through nft_offload into the kernel's own driver for Broadcom NICs. It refuses all rules for one reason, and without
# that leaves out what it does not know: flow.py says what each flow would do that it asks the firmware for.
#
# Environment variables:
#   NFT_OFFLOAD_ACCEPT      if set, what the flows do is printed as "new: LINE" instead of compared
DRIVER_MODULE=nfto_bnxt
HERE=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/drivers/lib.sh
. "$HERE/../lib.sh"
# shellcheck source=tests/drivers/taken.sh
. "$HERE/../taken.sh"

# decoded: what the flows do that the firmware has got.
decoded() {
	"$HERE/flow.py" "$(mac client eth)=client" "$(mac server eth)=server" "$(mac router lan)=lan" \
		"$(mac router wan)=wan" "$BRIDGE_MAC=bridge" <"$NIC/messages"
}

expedite_rcu

MODE="no profile"
modprobe nft_offload
driver_up
in_topology plain try_refused forward
driver_down

with_rules "locked"
in_topology plain try_unbound forward
driver_down

with_rules "as tc" unlocked=1
in_topology plain try_refused snat_dnat
driver_down

# The one thing that the driver refuses.
with_rules "fragments" unlocked=1 form=fragments
in_topology plain try_taken forward snat dnat snat_dnat
in_topology vlan_wan try_taken forward
in_topology vlan_both try_taken forward
in_topology bridge try_taken forward
in_topology qinq try_taken forward
in_topology ad try_taken forward
driver_down

# Another form of the decrement.
with_rules "hop limit" unlocked=1 form=fragments,hops
in_topology plain try_refused forward
driver_down
