#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# nft loads the module by itself when a ruleset has a flowtable, for each of the three families.
. "$(dirname "$0")/lib.sh"

# As the packages install it.
echo "blacklist nf_flow_table_inet" >/etc/modprobe.d/nft-offload.conf
bed_up || not_ok "the test bed is up"
for family in inet ip ip6; do
	check "no module before family $family" bash -c '! grep -q ^nft_offload /proc/modules'
	check "nft takes a flowtable of family $family" router nft -f - <<-NFT
		table $family router {
			flowtable ft { hook ingress priority filter; devices = { lan, wan }; flags offload; }
		}
	NFT
	check "nft_offload was loaded for family $family" grep -q '^nft_offload .* Live' /proc/modules
	check "and the in-tree type was not" bash -c '! grep -q ^nf_flow_table_inet /proc/modules'
	router nft delete table $family router
	busywait 3 module_free
	rmmod nft_offload
done
rm /etc/modprobe.d/nft-offload.conf
