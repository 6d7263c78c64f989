#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# VLANs: the slow path, the software flowtable and each kind of NIC give the same frames, byte for byte, tags included: 802.1Q on
# either wire and on both, two tags, 802.1ad.
. "$(dirname "$0")/lib.sh"
. "$SELFTEST/wire.sh"

wire_up
try_all vlan_wan forward
try_all vlan_lan forward
try_all vlan_both forward snat_dnat masquerade
try_all qinq forward snat_dnat masquerade
try_all ad forward
try_all adq forward
