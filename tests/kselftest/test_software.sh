#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Without "flags offload" a flowtable works as with the in-tree type: a fast path in software, on any device.
. "$(dirname "$0")/lib.sh"

fast_path_in_software() {
	defer no_ruleset
	ruleset forward software
	before=$(hw_packets)
	check_is "nothing is lost" "$(exchange tcp $SERVER4 -n 50)" "rounds=50 bytes=5000 lost=0"
	client "$TRAFFIC" client udp $SERVER4 5001 -b 48000 -n 20 -i 20 >/dev/null
	check "the flow is [OFFLOAD]" flows_are OFFLOAD udp 1
	check "and not in hardware" flows_are HW_OFFLOAD udp 0
	check_is "the NIC has seen nothing" "$(hw_packets)" "$before"
}

# with_dummy0: loads a ruleset with a device without offload, for as long as the case lasts.
with_dummy0() {
	defer ip -n router link del dummy0
	defer no_ruleset
	ip -n router link add dummy0 type dummy
	ip -n router link set dummy0 up
	router nft -f - <<-NFT
		table inet router {
			flowtable ft { hook ingress priority filter; devices = { lan, wan, dummy0 }; flags offload; }
			chain forward {
				type filter hook forward priority filter; policy accept;
				meta l4proto { tcp, udp } flow add @ft
			}
		}
	NFT
}
said() { [ $(($(dmesg | grep -c 'dummy0: .*stay in software') - lines)) -eq 1 ]; }

device_without_offload() {
	# The ruleset loads, its flows stay in software, the log reports it once.
	lines=$(dmesg | grep -c 'dummy0: .*stay in software')
	with_dummy0
	check_is "a device without offload does not fail the ruleset" "$?" 0
	check "the log reports it in one line" busywait 5 said
	check "and the other ports are in hardware" open_flow udp $SERVER4 48001
	close_flow
}

on_flowtable() { router conntrack -L -p udp --orig-port-src 48002 2>/dev/null | grep -c OFFLOAD; }
ended() { [ "$(on_flowtable)" = 0 ]; }

flow_ends_with_its_device() {
	# Not by its timeout.
	defer router sysctl -qw net.netfilter.nf_flowtable_udp_timeout=30
	defer nic_set capacity 65536
	with_dummy0
	router sysctl -qw net.netfilter.nf_flowtable_udp_timeout=120
	echo 0 >"$NIC/capacity"
	client "$TRAFFIC" client udp $SERVER4 5001 -b 48002 -n 20 -i 20 >/dev/null
	check_is "a flow in software, for want of room" "$(on_flowtable)" 1
	router nft delete flowtable inet router ft '{ devices = { wan }; }'
	check "its device leaves: the flow ends" busywait 5 ended
}

begin
tests_run fast_path_in_software device_without_offload flow_ends_with_its_device
