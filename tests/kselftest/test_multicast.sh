#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Multicast from wan to two networks of the client, with a rule that adds everything to the flowtable: each network gets each packet,
# with a flowtable in software and with flags offload; the NIC has no rule, and there is a reason.
. "$(dirname "$0")/ladder.sh"

GROUP4=239.1.2.3 GROUP6=ff3e::4321
MULTICAST=(python3 -B "$SELFTEST/tools/multicast.py")

# everything FLAGS: loads a ruleset that adds everything to the flowtable.
everything() {
	router nft -f - <<-END
		table inet router {
			flowtable ft { hook ingress priority filter; devices = { lan, wan }; $1 }
			chain forward { type filter hook forward priority filter; meta l4proto udp flow add @ft; }
		}
	END
}
# routes SOURCE4 GROUP4 SOURCE6 GROUP6 FROM TO...: makes the router forward the groups; sets LINE; until stop_routing.
routes() {
	coproc ROUTE { exec nsenter --net=/run/netns/router -- "${MULTICAST[@]}" route "$@"; }
	# shellcheck disable=SC2153 # of coproc
	read -r -t 20 LINE <&"${ROUTE[0]}"
}
stop_routing() {
	# shellcheck disable=SC2153 # of coproc
	kill "$ROUTE_PID"
	wait "$ROUTE_PID" 2>/dev/null
}
# got DEVICE: prints how many packets of the groups have reached the client on this device.
got() { client nft list counter netdev watch "on_$1" | awk '$1 == "packets" { print $2 }'; }
# sent GROUP [DEVICE]: sends 200 packets from this device of the server; prints how many have arrived in each network of the client.
sent() {
	local on_eth on_vlan
	on_eth=$(got eth) on_vlan=$(got vlan)
	server "${MULTICAST[@]}" send "$1" 5001 200 5 "${2:-eth}"
	sleep 0.2
	on_vlan=$(($(got vlan) - on_vlan))
	# A tagged packet is counted on both devices.
	echo "$(($(got eth) - on_eth - on_vlan)) $on_vlan"
}

no_flow() { [ "$(get length dump flow-get)" = 0 ]; }

# all_arrive HOW: checks, for each group, that both receivers get every packet.
all_arrive() {
	local group
	for group in $GROUP4 $GROUP6; do
		check_is "$group, $1" "$(sent "$group")" "200 200"
	done
}

without_a_flowtable() { all_arrive "without a flowtable"; }

in_software() {
	defer no_ruleset
	everything ''
	all_arrive "with a flowtable in software"
}

with_offload() {
	defer no_ruleset
	everything 'flags offload; counter;'
	all_arrive "with flags offload"
	check_is "flows that are refused say why" "$(get 'map(.reason) | unique' dump flow-get)" "[38]"
}

id() { router conntrack -L -f ipv6 -p udp -d $GROUP6 -o id 2>/dev/null | grep -o 'id=.*'; }

stream_keeps_its_entry() {
	local before
	defer router sysctl -qw net.netfilter.nf_flowtable_udp_timeout=30
	everything 'flags offload; counter;'
	# Longer than the timeout of the flowtable.
	router sysctl -qw net.netfilter.nf_flowtable_udp_timeout=2
	server "${MULTICAST[@]}" send $GROUP6 5002 1000 10 eth &
	sleep 2
	before=$(id)
	sleep 6
	check_is "a stream keeps its conntrack entry" "$(id)" "$before"
	check "which it has" test -n "$before"
	wait $!
	check "its flow ends when it does" busywait 10 no_flow
	router conntrack -F >/dev/null 2>&1
	check_is "no rule for it" "$(rules)" 0
	check "a flow from one to one goes into hardware" open_flow udp $SERVER4 46000
	close_flow
	no_ruleset
	check "no rule is left" busywait 5 rules_are 0
}

# The last case, as the router forwards from the tunnel afterwards.
from_a_tunnel() {
	local end ns own peer host flags
	stop_routing
	# In an IP tunnel, which the core removes before it looks the packet up.
	for end in "router $WAN6 $SERVER6 1" "server $SERVER6 $WAN6 2"; do
		read -r ns own peer host <<<"$end"
		defer ip -n "$ns" link del tun6
		ip -n "$ns" -b - <<-END
			link add tun6 type ip6tnl mode any local $own remote $peer encaplimit none
			addr add fd00:80::$host/64 dev tun6 nodad
			link set tun6 up multicast on
		END
	done
	routes $SERVER4 $GROUP4 fd00:80::2 $GROUP6 tun6 lan lan.20
	check_is "the router forwards the groups from a tunnel" "${LINE:-}" ready
	for flags in '' 'flags offload; counter;'; do
		everything "$flags"
		check_is "$GROUP6 from a tunnel, with a flowtable ${flags:-in software}" "$(sent $GROUP6 tun6)" "200 200"
		no_ruleset
	done
	stop_routing
}

begin
check "a client of the generic netlink family" netlink_up
ip -n router link add link lan name lan.20 type vlan id 20
ip -n client link add link eth name eth.20 type vlan id 20
for dev in router:lan.20 client:eth.20; do ip -n ${dev%:*} link set ${dev#*:} up; done
ip -n router addr add 10.0.9.1/24 dev lan.20
ip -n router addr add fd00:9::1/64 dev lan.20 nodad
for family in 4 6; do
	name=GROUP$family
	[ $family = 4 ] && ip=ip || ip=ip6
	RULES+="$ip daddr ${!name} counter name on_DEVICE
"
done
client nft -f - <<END
table netdev watch {
	counter on_eth { }
	counter on_vlan { }
	chain eth { type filter hook ingress device eth priority 0; ${RULES//DEVICE/eth} }
	chain tagged { type filter hook ingress device eth.20 priority 0; ${RULES//DEVICE/vlan} }
}
END
routes $SERVER4 $GROUP4 $SERVER6 $GROUP6 wan lan lan.20
check_is "the router forwards the groups" "${LINE:-}" ready
tests_run without_a_flowtable in_software with_offload stream_keeps_its_entry from_a_tunnel
check "no reference is left" busywait 5 module_free
