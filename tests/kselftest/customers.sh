# SPDX-License-Identifier: GPL-2.0
# Customers with the same addresses behind VLANs, separated by conntrack zones. Sourced after lib.sh.
#
#   [ a ] eth.10 ─┐
#   [ b ] eth.20 ─┼─ client's eth ───wire─── lan ─┬─ lan.10   mark 10, table 10 ─┐
#   [ c ] eth.30 ─┘                               ├─ lan.20   mark 20, table 20 ─┼─ [ router ] ─ wan ───wire─── [ server ]
#   each has the address CUSTOMER                 └─ lan.30   mark 30, table 30 ─┘
#
# The mark of a connection selects the routing table for its replies.
#
#   customers NAME...        creates these of a, b and c
#   no_customers NAME...     removes them
#   zones A B                loads a ruleset that puts a and b in these zones; c, and all replies, are in the default zone.
#                            The replies are found by the addresses outside
#   reasons PORT             prints the zone, state and reason of each flow from this source port, over netlink
# shellcheck shell=bash

CUSTOMER=10.0.9.2
declare -A VLAN=([a]=10 [b]=20 [c]=30)

customers() {
	local c vlan
	for c; do
		vlan=${VLAN[$c]}
		ip netns add "$c"
		ip -n router -b - <<-END
			link add link lan name lan.$vlan type vlan id $vlan
			link set lan.$vlan up
			addr add 10.0.9.1/24 dev lan.$vlan
			route add 10.0.9.0/24 dev lan.$vlan table $vlan
			rule add fwmark $vlan table $vlan
		END
		ip -n client link add link eth name "eth.$vlan" type vlan id "$vlan"
		ip -n client link set "eth.$vlan" netns "$c"
		ip -n "$c" -b - <<-END
			link set lo up
			link set eth.$vlan up
			addr add $CUSTOMER/24 dev eth.$vlan
			route add default via 10.0.9.1
		END
	done
}
no_customers() {
	local c
	for c; do ip netns del "$c"; done
}

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
reasons() { get "sort_by(.zone) | map(\"\\(.zone) \\(.state) \\(.reason)\") | join(\"; \")" dump flow-get "{\"port\": $1}"; }
