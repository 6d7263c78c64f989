#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The slow path, the software flowtable and each kind of NIC give the same frames, byte for byte, MACs, ports, hop limits and
# checksums included. No field is excepted: wire.py sends the same bytes in every run.
. "$(dirname "$0")/lib.sh"
. "$SELFTEST/wire.sh"

wire_up
try_all plain forward snat dnat snat_dnat masquerade
