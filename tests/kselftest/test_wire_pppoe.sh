#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# PPPoE towards the server, on the port and on a VLAN: the slow path, the software flowtable and each kind of NIC give the same
# frames, byte for byte, session and length included.
. "$(dirname "$0")/lib.sh"
. "$SELFTEST/wire.sh"

wire_up
try_all pppoe forward snat_dnat masquerade
try_all vlan_pppoe forward snat_dnat masquerade
