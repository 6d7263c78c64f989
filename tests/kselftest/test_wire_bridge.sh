#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The client behind a bridge of the router: without VLAN filtering, and in VLAN 10 of a filtering bridge, where the port and the
# side of the router are tagged or untagged. The slow path, the software flowtable and each kind of NIC give the same frames, byte
# for byte.
. "$(dirname "$0")/lib.sh"
. "$SELFTEST/wire.sh"

wire_up
try_all bridge forward snat_dnat masquerade
try_all bridge_vlan_access forward
try_all bridge_vlan_trunk forward
try_all bridge_vlan_pvid forward
