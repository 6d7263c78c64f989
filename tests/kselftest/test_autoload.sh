#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# nft loads the module when a ruleset has a flowtable, for each of the three families.
. "$(dirname "$0")/lib.sh"

loaded_by_a_ruleset() {
	local family
	for family in inet ip ip6; do
		check "no module before family $family" bash -c '! grep -q ^nft_offload /proc/modules'
		check "nft takes a flowtable of family $family" router nft -f - <<-NFT
			table $family router {
				flowtable ft { hook ingress priority filter; devices = { lan, wan }; flags offload; }
			}
		NFT
		check "nft_offload was loaded for family $family" grep -q '^nft_offload .* Live' /proc/modules
		check_is "and it is the one that is used" "$(module_refs)" 1
		check_is "for family $family the in-tree type stands behind it" "$(awk '$1 == "nf_flow_table_inet" { print $3 }' /proc/modules)" 0
		router nft delete table $family router
		busywait 3 module_free
		rmmod nf_flow_table_inet
		rmmod nft_offload
	done
}

without_the_module() {
	# After a kernel update, before the module is built for the new kernel.
	local family module
	module=/lib/modules/$(uname -r)/updates/nft_offload.ko
	defer eval "mv /tmp/nft_offload.ko $module && depmod"
	mv "$module" /tmp/ && depmod
	for family in inet ip ip6; do
		check "without the module a ruleset of family $family loads" router nft -f - <<-NFT
			table $family router {
				flowtable ft { hook ingress priority filter; devices = { lan, wan }; }
			}
		NFT
		check "without nft_offload" bash -c '! grep -q ^nft_offload /proc/modules'
		check_is "with the in-tree type" "$(awk '$1 == "nf_flow_table_inet" { print $3 }' /proc/modules)" 1
		router nft delete table $family router
		busywait 3 rmmod nf_flow_table_inet
	done
}

# The packages install this file.
cp "$TOP/packaging/modprobe.d/nft-offload.conf" /etc/modprobe.d/
defer rm /etc/modprobe.d/nft-offload.conf
bed_up || not_ok "the test bed is up"
tests_run loaded_by_a_ruleset without_the_module
