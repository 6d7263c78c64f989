#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Flows go through nft_offload into the kernel's own driver for Chelsio cards. It refuses four parts of our rules, one after the
# other. Without them it takes the rules, and flow.py says what each filter does that it writes.
#
# Environment variables:
#   NFT_OFFLOAD_ACCEPT      if set, what the filters do is printed as "new: LINE" instead of compared
DRIVER_MODULE=nfto_cxgb4
HERE=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/drivers/lib.sh
. "$HERE/../lib.sh"
# shellcheck source=tests/drivers/taken.sh
. "$HERE/../taken.sh"

# decoded: what the filters do that the card has got.
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

# One part less each time.
for FORM in "" keep keep,csum keep,csum,meta hops,csum,meta,tcp; do
	with_rules "without ${FORM:-nothing}" unlocked=1 "form=$FORM"
	# UDP has no key TCP.
	ONLY=tcp in_topology plain try_refused forward
	driver_down
done

with_rules "without four" unlocked=1 form=keep,csum,meta,tcp
in_topology plain try_taken forward snat dnat snat_dnat
in_topology vlan_wan try_refused forward
in_topology bridge try_taken forward
driver_down

# Fields of more bits than the card has, to see what the driver would write.
with_rules "all fields" unlocked=1 form=keep,csum,meta,tcp fields=0x3ff
in_topology vlan_both try_taken forward
in_topology ad try_refused forward
driver_down

# The tags of a frame are not matched.
with_rules "no tags matched" unlocked=1 form=keep,csum,meta,tcp,vlan
in_topology qinq try_taken forward
driver_down

with_rules "hash" unlocked=1 form=keep,csum,meta,tcp hash=1
in_topology plain try_taken forward snat_dnat
driver_down
