#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Two customers with the same addresses behind two VLANs, told apart by conntrack zones, in a NIC that sees neither VLAN nor ingress
# device: a rule of one would carry off the packets of the other. Both keep all of theirs, and are told why they are not in hardware.
. "$(dirname "$0")/lib.sh"

CUSTOMER=10.0.9.2
declare -A VLAN=([a]=10 [b]=20)

# customers: namespaces a and b behind the client's port, each with the same address. The mark of a connection leads back.
customers() {
	local c vlan
	for c in a b; do
		vlan=${VLAN[$c]}
		ip netns add $c
		ip -n router -b - <<-END
			link add link lan name lan.$vlan type vlan id $vlan
			link set lan.$vlan up
			addr add 10.0.9.1/24 dev lan.$vlan
			route add 10.0.9.0/24 dev lan.$vlan table $vlan
			rule add fwmark $vlan table $vlan
		END
		ip -n client link add link eth name "eth.$vlan" type vlan id "$vlan"
		ip -n client link set "eth.$vlan" netns $c
		ip -n $c -b - <<-END
			link set lo up
			link set eth.$vlan up
			addr add $CUSTOMER/24 dev eth.$vlan
			route add default via 10.0.9.1
		END
	done
}
no_customers() { ip netns del a; ip netns del b; }

# zones A B: the ruleset, with these zones for the customers. Answers are in the default zone, by the addresses outside.
zones() {
	router nft -f - <<-END
		table inet router {
			flowtable ft { hook ingress priority filter; devices = { lan, wan }; flags offload; counter; }
			chain zones { type filter hook prerouting priority raw;
				iifname lan.10 ct original zone set $1
				iifname lan.20 ct original zone set $2
			}
			chain marks { type filter hook prerouting priority mangle;
				iifname lan.10 ct mark set 10
				iifname lan.20 ct mark set 20
				meta mark set ct mark
			}
			chain forward { type filter hook forward priority filter; meta l4proto { tcp, udp } flow add @ft; }
			chain nat { type nat hook postrouting priority srcnat;
				oifname wan ct mark 10 snat ip to $WAN4
				oifname wan ct mark 20 snat ip to $OUTSIDE4
			}
		}
	END
}

# talk CUSTOMER PORT COUNT: says in /tmp/talk.CUSTOMER what was lost.
talk() {
	nsenter --net=/run/netns/"$1" -- "$TRAFFIC" client "${4:-udp}" $SERVER4 5001 -b "$2" -n "$3" -i 20 >"/tmp/talk.$1" 2>&1 &
	TALK=$!
}
# reasons PORT: of the flows from this port, by zone.
reasons() { get "sort_by(.zone) | map(\"\\(.zone) \\(.state) \\(.reason)\") | join(\"; \")" dump flow-get "{\"port\": $1}"; }
reasons_are() { [ "$(reasons "$1")" = "$2" ]; }

begin
check "a client of the generic netlink family" netlink_up
check "two customers with one address" customers
for profile in mtk airoha tc; do
	busywait 5 module_free && modprobe -r nft_offload && echo $profile >"$NIC/profile" &&
		modprobe nft_offload "profile=lan:$profile,wan:$profile"
	check "$profile: the module" [ "$(ask again)" = '"ready"' ]
	state=software reason=39
	[ $profile != tc ] || state=in-hardware reason=null
	for protocol in udp tcp; do
		zones 1 2
		port=47001
		talk a $port 150 $protocol
		one=$TALK
		sleep 0.5
		talk b $port 150 $protocol
		check "$profile, $protocol: both say where they are" busywait 4 reasons_are $port "1 $state $reason; 2 $state $reason"
		wait $one
		check_is "$profile, $protocol: one loses nothing" "$?" 0
		wait $TALK
		check_is "$profile, $protocol: the other loses nothing" "$?" 0
		no_ruleset
	done
	busywait 5 rules_are 0
	[ $profile != tc ] || continue
	# One of them in the default zone.
	zones 0 2
	talk b 47002 300
	other=$TALK
	check "$profile: a flow in a zone" busywait 4 reasons_are 47002 "2 software 39"
	talk a 47002 1000
	check "$profile: a flow in no zone stays out" busywait 4 reasons_are 47002 "0 software 39; 2 software 39"
	check_is "$profile: no rules" "$(rules)" 0
	wait $other
	check_is "$profile: the flow in a zone loses nothing" "$?" 0
	router conntrack -D -p udp --orig-port-src 47002 --orig-zone 2 >/dev/null 2>&1
	check "$profile: the flow in no zone goes in once it is alone" busywait 15 reasons_are 47002 "0 in-hardware null"
	wait $TALK
	check_is "$profile: it has lost nothing" "$?" 0
	talk a 47003 50
	check "$profile: others are in hardware" busywait 4 reasons_are 47003 "0 in-hardware null"
	wait $TALK
	no_ruleset
	check "$profile: no rule is left" busywait 5 rules_are 0
done
no_customers
check "no reference is left" busywait 5 module_free
