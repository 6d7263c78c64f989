#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# admit=PACKETS: only a flow with this many packets gets into hardware, if conntrack counts them.
. "$(dirname "$0")/lib.sh"

says() { dmesg | sed -n "/$MARK/,\$p" | grep -qF "$1"; }
mark() {
	MARK="nft-offload-admission $RANDOM$RANDOM"
	echo "$MARK" >/dev/kmsg
}

enough_packets() {
	local adds
	defer no_ruleset
	ruleset forward
	mark
	adds=$(hw_counter offload_adds)
	exchange udp $SERVER4 -b 53001 -n 30 -i 20 >/dev/null
	check_is "after 60 packets a flow is in software, with this reason" "$(flow 53001)" "software 56"
	check_is "no rule was sent for it" $(($(hw_counter offload_adds) - adds)) 0
	check_is "its device counts it, once" "$(device lan '.refusals | map([.reason, .count])')" "[[56,1]]"
	check_is "what the reason means" "$(get '[.name, .stage]' "do" reason-get '{"number": 56}')" '["admission","policy"]'
	exchange udp $SERVER4 -b 53001 -n 60 -i 50 >/dev/null
	check "with 100 it goes into hardware" busywait 3 flow_is 53001 in-hardware null
	check_is "with both directions" "$(rules)" 2
	exchange tcp $SERVER4 -b 53002 -n 10 -i 10 >/dev/null
	check "a short TCP connection never does" rules_are 2
	check "the log does not report it" bash -c "! dmesg | sed -n '/$MARK/,\$p' | grep -q 'stays in software'"
}

no_accounting() {
	defer no_ruleset
	defer close_flow
	# Every flow is admitted, and the log says why the parameter has no effect.
	mark
	sed '/counter/d' "$RULESETS/forward.nft" | router nft -f -
	check "without counters a flow is admitted at once" open_flow udp $SERVER4 53003
	check "and the log says why" says "parameter admit has no effect"
}

wrong_number() {
	defer ask again
	defer modprobe nft_offload admit=100
	busywait 5 module_free && modprobe -r nft_offload
	mark
	check "a wrong number is refused" bash -c "! modprobe nft_offload admit=some 2>/dev/null"
	check "and the log names the mistake" says 'parameter admit: invalid value "some": expected a packet count'
}

begin admit=100
check "the netlink family answers" netlink_up
router sysctl -qw net.netfilter.nf_flowtable_udp_timeout=120
tests_run enough_packets no_accounting wrong_number
