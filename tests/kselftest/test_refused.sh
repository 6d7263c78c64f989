#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Flows that cannot be in hardware stay in software with a reason: one log line for each flowtable and reason, nft-offload why for
# each flow; and the NIC has no rule.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/cli.sh"

# load [PARAMETER]: reloads the module with driver profiles.
load() {
	no_ruleset
	busywait 5 module_free && modprobe -r nft_offload && modprobe nft_offload "$@"
}

# with_devices NAME...: loads the ruleset with more devices.
with_devices() { sed "s/{ lan, wan }/{ lan, wan$(printf ', %s' "$@") }/" "$RULESETS/forward.nft" | router nft -f -; }

# says TEXT: a condition: since mark the log has this text.
mark() {
	MARK="nft-offload-refused $RANDOM$RANDOM"
	echo "$MARK" >/dev/kmsg
}
logged() { dmesg | sed -n "/$MARK/,\$p" | grep -F "$1"; }
why() { logged "flow stays in software"; }
says() {
	why
	why | grep -qF "$1"
}
lines() { why | wc -l; }

# tool_says TEXT: a condition: nft-offload why prints this text for a conntrack entry.
tool_says() {
	router conntrack -L 2>/dev/null | cli --json why >/tmp/why 2>&1
	jq -r '.. | objects | .reason? // empty | .text? // empty' /tmp/why 2>/dev/null | sort -u | grep -F "$1" || { cat /tmp/why; false; }
}

# stays CASE TEXT ADDRESS [PROTOCOL]: results: traffic to ADDRESS stays in software for this reason.
stays() {
	mark
	check "$1: packets arrive" exchange "${4:-udp}" "$3" -n 30 -i 10
	check "$1: the log says why" busywait 3 says "$2"
	check_is "$1: in one line" "$(lines)" 1
	check "$1: nft-offload why agrees" tool_says "$2"
	check_is "$1: no rule is in the NIC" "$(rules)" 0
	no_ruleset
}

# tagged, untagged: put the server behind the VLANs in TAGS, TYPE ID each, and undo it.
tagged() {
	local ns host=1
	for ns in router server; do
		local dev=wan name
		[ $ns = router ] || dev=eth
		set -- "${TAGS[@]}"
		while [ $# -gt 0 ]; do
			name=$dev.$2
			ip -n $ns link add link "$dev" name "$name" type vlan proto "$1" id "$2"
			ip -n $ns link set "$name" up
			dev=$name
			shift 2
		done
		ip -n $ns addr add 192.168.69.$host/30 dev "$dev"
		host=2
	done
	ip -n server route replace $CLIENT4 via 192.168.69.1
}
untagged() {
	ip -n router link del "wan.${TAGS[1]}"
	ip -n server link del "eth.${TAGS[1]}"
}

ingress_mtu() {
	ruleset forward
	ip -n router link set lan mtu 1600
	stays "an ingress MTU above the flow's" "MTU exceeds" $SERVER4
	ip -n router link set lan mtu 1500
}

tunnels() {
	# GRE leaves through a device without Ethernet, VXLAN through one that does not report its header.
	for end in "router $WAN4 $SERVER4 1" "server $SERVER4 $WAN4 2"; do
		# shellcheck disable=SC2086 # four words
		set -- $end
		ip -n "$1" -b - <<-END
			link add gre1 type gre local $2 remote $3
			addr add 192.168.66.$4/30 dev gre1
			link set gre1 up
			link add vx1 type vxlan id 5 local $2 remote $3 dstport 4789 noudpcsum
			addr add 192.168.67.$4/30 dev vx1
			link set vx1 up
			link add ip1 type ipip local $2 remote $3
			addr add 192.168.68.$4/30 dev ip1
			link set ip1 up
		END
	done
	ip -n server -b - <<-END
		route add $CLIENT4 via 192.168.66.1 dev gre1
	END
	with_devices gre1
	stays "a device without Ethernet" "not Ethernet" 192.168.66.2
	ip -n server route replace $CLIENT4 via 192.168.67.1 dev vx1
	with_devices vx1
	stays "a tunnel device" "is a tunnel" 192.168.67.2
	ip -n server route replace $CLIENT4 via 192.168.68.1 dev ip1
	# For flows that the core itself would lose see test_tunnel.sh.
	ruleset forward
	mark
	check "an IP in IP tunnel: packets arrive" exchange udp 192.168.68.2 -n 150 -i 10
	check "an IP in IP tunnel: the log says why" busywait 3 logged "ip1: flows through this tunnel stay on the slow path"
	check_is "an IP in IP tunnel: no rule is in the NIC" "$(rules)" 0
	no_ruleset
	ip -n server route del $CLIENT4
}

ipsec() {
	# IPsec towards the server, which drops the packets: nothing comes back, and the core offers the flow nevertheless.
	ip -n router xfrm state add src $WAN4 dst $SERVER4 proto esp spi 0x100 mode tunnel \
		auth digest_null "" enc "ecb(cipher_null)" ""
	ip -n router xfrm policy add src 0.0.0.0/0 dst $SERVER4 dir out tmpl src $WAN4 dst $SERVER4 proto esp mode tunnel
	ruleset forward
	mark
	client bash -c "exec 3>/dev/udp/$SERVER4/5001; for i in 1 2 3 4 5 6 7 8; do echo \$i >&3; sleep 0.1; done"
	check "IPsec: the log says why" busywait 3 says "IPsec"
	check "IPsec: nft-offload why agrees" tool_says "IPsec"
	check_is "IPsec: no rule is in the NIC" "$(rules)" 0
	ip -n router xfrm policy flush
	ip -n router xfrm state flush
	no_ruleset
}

tags_of_a_profile() {
	TAGS=(802.1ad 100)
	load profile=lan:mtk,wan:mtk
	tagged
	ruleset forward
	stays "802.1ad and mtk" "802.1ad tags" 192.168.69.2
	untagged
	TAGS=(802.1Q 100 802.1Q 200)
	load profile=wan:default,lan:default
	tagged
	ruleset forward
	stays "two tags and an unknown driver" "the order of two VLAN tags" 192.168.69.2
	untagged
}

tags_on_both_sides() {
	# One tag arrives, two leave: a driver would rewrite the one.
	ip -n client -b - <<-END
		link add link eth name eth.5 type vlan id 5
		addr add 192.168.70.2/30 dev eth.5
		link set eth.5 up
		route add 192.168.69.0/30 via 192.168.70.1
	END
	ip -n router -b - <<-END
		link add link lan name lan.5 type vlan id 5
		addr add 192.168.70.1/30 dev lan.5
		link set lan.5 up
	END
	load profile=lan:mlx5,wan:mlx5
	tagged
	ip -n server route replace 192.168.70.0/30 via 192.168.69.1
	ruleset forward
	stays "one tag, then two, and mlx5" "cannot replace these VLAN tags" 192.168.69.2
	untagged
	ip -n client link del eth.5
	ip -n router link del lan.5
}

airoha_profile() {
	load profile=lan:airoha,wan:airoha
	ruleset masquerade
	stays "IPv6 translation and airoha" "does not support IPv6 address translation" $SERVER6
	gre_hosts
	gre_ruleset
	mark
	client ping -q -c 10 -i 0.1 192.168.77.2 >/dev/null
	check "GRE and airoha: the log says why" busywait 3 says "the driver does not support GRE"
	check "GRE and airoha: nft-offload why agrees" tool_says "the driver does not support GRE"
	check_is "GRE and airoha: no rule is in the NIC" "$(rules)" 0
	load
}

sfc_profile() {
	load profile=lan:sfc,wan:sfc
	ruleset snat
	stays "IPv4 translation and sfc" "does not support IPv4 address translation" $SERVER4
	ruleset snat
	stays "IPv6 translation and sfc" "does not support IPv6 address translation" $SERVER6
	TAGS=(802.1ad 100 802.1Q 200)
	tagged
	ruleset forward
	stays "two tags and sfc" "the order of two VLAN tags" 192.168.69.2
	untagged
	load
}

wrong_parameter() {
	# The message names the wrong parameter, and the module does not load.
	no_ruleset
	busywait 5 module_free && modprobe -r nft_offload
	for wrong in "lan:foo invalid.value..foo.*one.of" "lan invalid.entry..lan.*DEVICE:PROFILE" "averyveryverylongname:tc invalid.device.name"; do
		mark
		check "profile=${wrong% *} is refused" bash -c "! modprobe nft_offload profile=${wrong% *} 2>/dev/null"
		check "and the log names the mistake" bash -c "dmesg | sed -n '/$MARK/,\$p' | grep -q '${wrong#* }'"
	done
}

begin
tests_run ingress_mtu tunnels ipsec tags_of_a_profile tags_on_both_sides airoha_profile sfc_profile wrong_parameter
