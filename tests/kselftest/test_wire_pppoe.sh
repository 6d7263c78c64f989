#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# PPPoE towards the server, on the port and on a VLAN: the same frames through the slow path, the software flowtable and
# each kind of NIC come out the same, byte for byte, session and length included.
. "$(dirname "$0")/lib.sh"
. "$SELFTEST/wire.sh"

wire_up
try_all pppoe forward snat_dnat masquerade
try_all vlan_pppoe forward snat_dnat masquerade
