#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The same frames through the slow path, the software flowtable and each kind of NIC: what arrives is the same, byte for
# byte, MACs, ports, hop limits and checksums included. No field is excepted: wire.py sends the same bytes in every run.
. "$(dirname "$0")/lib.sh"
. "$SELFTEST/wire.sh"

wire_up
try_all plain forward snat dnat snat_dnat masquerade
