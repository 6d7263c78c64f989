#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Customers with the same addresses in conntrack zones behind a NIC that sees neither VLAN nor ingress device: no flow of the default
# zone gets a rule while one in a zone lives, also when another one in a zone has ended, or when that one waits for admission.
. "$(dirname "$0")/lib.sh"
CUSTOMER=10.0.9.2
declare -A VLAN=([a]=10 [b]=20 [c]=30)
# customers: namespaces a, b and c behind the client's port, each with the same address.
customers() {
	local c vlan
	for c in a b c; do
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
# zones A B: the ruleset, with these zones for two customers; the third is in the default one.
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
				iifname lan.30 ct mark set 30
				meta mark set ct mark
			}
			chain forward { type filter hook forward priority filter; meta l4proto { tcp, udp } flow add @ft; }
			chain nat { type nat hook postrouting priority srcnat;
				oifname wan ct mark 10 snat ip to $WAN4
				oifname wan ct mark 20 snat ip to $OUTSIDE4
				oifname wan ct mark 30 snat ip to 10.0.2.102
			}
		}
	END
}
talk() { nsenter --net=/run/netns/"$1" -- "$TRAFFIC" client udp $SERVER4 5001 -b "$2" -n "$3" -i 20 -w 200 >"/tmp/talk.$1" 2>&1 & TALK=$!; }
reasons() { get "sort_by(.zone) | map(\"\\(.zone) \\(.state) \\(.reason)\") | join(\"; \")" dump flow-get "{\"port\": $1}"; }

begin
check "a client of the generic netlink family" netlink_up
ip -n router addr add 10.0.2.102/24 dev wan
customers
busywait 5 module_free && modprobe -r nft_offload && echo mtk >"$NIC/profile" && modprobe nft_offload "profile=lan:mtk,wan:mtk"
ask again >/dev/null
# Zones 1 and 2; 2 ends; then the default zone.
zones 1 2
talk a 47001 1500; a=$TALK
sleep 8.5
talk b 47001 50; b=$TALK
wait $b
diag "b: $(cat /tmp/talk.b): $(reasons 47001)"
router conntrack -D -p udp --orig-port-src 47001 --orig-zone 2 >/dev/null 2>&1
busywait 4 eval '! reasons 47001 | grep -q "2 software"'
talk c 47001 400; c=$TALK
sleep 2
diag "b gone: $(reasons 47001)"
wait $a; wait $c
diag "a: $(cat /tmp/talk.a) c: $(cat /tmp/talk.c)"
check_is "a loses nothing" "$(grep -o 'lost=.*' /tmp/talk.a)" lost=0
no_ruleset
# A flow in a zone that waits for admission.
busywait 5 module_free && modprobe -r nft_offload && echo mtk >"$NIC/profile" && modprobe nft_offload "profile=lan:mtk,wan:mtk" admit=100
ask again >/dev/null
zones 0 2
nsenter --net=/run/netns/b -- "$TRAFFIC" client udp $SERVER4 5001 -b 47003 -n 40 -i 250 -w 200 >/tmp/talk.b 2>&1 & b=$!
sleep 1
talk a 47003 300; a=$TALK
sleep 5
diag "admission: $(reasons 47003)"
wait $a; wait $b
check_is "admission: b loses nothing" "$(grep -o 'lost=.*' /tmp/talk.b)" lost=0
no_ruleset
for n in a b c; do ip netns del $n; done
