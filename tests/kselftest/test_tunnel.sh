#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# IP tunnels that end at the router: whatever the core makes of their flows, nothing is lost. With "flags offload" it sends packets
# into a tunnel to the address 00:00:00:00:00:00 (nft_dev_path_info()), and in 7.2 it sends IPv4 in IPv6 over IPv4, also without the
# flag. Flows that the core handles well stay on its fast path.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/cli.sh"

# The addresses of the tunnel; inside it those of router and server.
declare -A ENDS=([four]="ipip $WAN4 $SERVER4" [six]="ip6tnl $WAN6 $SERVER6 encaplimit none"
	[mixed]="ip6tnl $WAN6 $SERVER6 encaplimit none" [limited]="ip6tnl $WAN6 $SERVER6")
declare -A INSIDE=([four]="192.168.80.1/30 192.168.80.2/30" [six]="fd00:80::1/64 fd00:80::2/64"
	[mixed]="192.168.81.1/30 192.168.81.2/30" [limited]="192.168.82.1/30 192.168.82.2/30")

# end NAMESPACE NAME MODE LOCAL REMOTE ADDRESS CLIENT [OPTION...]: sets up one end, with the route back to the client.
end() {
	local ns=$1 name=$2 mode=$3 local=$4 remote=$5 address=$6 client=$7
	shift 7
	[ "$mode" != ip6tnl ] || set -- mode any "$@"
	ip -n "$ns" link add "$name" type "$mode" local "$local" remote "$remote" "$@" || return 1
	[[ $address != *:* ]] || address+=' nodad'
	ip -n "$ns" -b - <<<"addr add $address dev $name" || return 1
	ip -n "$ns" link set "$name" up
	[ "$ns" = router ] || ip -n "$ns" route replace "$client" dev "$name"
}
# tunnel NAME: sets up a tunnel between router and server. Sets PEER to the server inside it.
tunnel() {
	local kind near far options own
	read -r kind near far options <<<"${ENDS[$1]}"
	read -r own PEER <<<"${INSIDE[$1]}"
	CLIENT=$CLIENT4
	[[ $own != *:* ]] || CLIENT=$CLIENT6
	# shellcheck disable=SC2086 # some words, or none
	end router "$1" $kind "$near" "$far" "$own" - $options &&
		end server "$1" $kind "$far" "$near" "$PEER" $CLIENT $options || return 1
	PEER=${PEER%/*}
}
no_tunnel() {
	ip -n router link del "$1"
	ip -n server link del "$1"
	ip -n server route flush cache
}

# everything FLAGS: loads a ruleset that adds everything to the flowtable and counts the packets of the slow path.
everything() {
	router nft -f - <<-END
		table inet router {
			counter slow { }
			flowtable ft { hook ingress priority filter; devices = { lan, wan }; $1 }
			chain forward {
				type filter hook forward priority filter;
				counter name slow
				meta l4proto { tcp, udp } flow add @ft
			}
		}
	END
}
slow() { router nft list counter inet router slow | awk '$1 == "packets" { print $2 }'; }
said() { dmesg | sed -n "/$MARK/,\$p" | grep -c "nft_offload: $1"; }

# through NAME: results: nothing is lost in this tunnel, in software and with "flags offload".
through() {
	local name=$1 flags what before
	check "$name: a tunnel" tunnel "$name"
	check "$name: the slow path" exchange udp "$PEER" -n 3
	for flags in '' 'flags offload;'; do
		MARK="nft-offload-tunnel $RANDOM$RANDOM"
		echo "$MARK" >/dev/kmsg
		everything "$flags"
		what="$name, ${flags:-in software}"
		# Longer than one round of the core over its flows.
		check "$what: UDP, each packet" exchange udp "$PEER" -n 100 -i 25
		before=$(slow)
		check "$what: UDP, and once more" exchange udp "$PEER" -n 100 -i 5 -b 45000
		case $name/$flags in
		four/ | six/) check_between "$what: it takes the fast path" $(($(slow) - before)) 0 20 ;;
		*) check_is "$what: it takes the slow path" $(($(slow) - before)) 200 ;;
		esac
		check "$what: TCP" exchange tcp "$PEER" -n 50 -i 25
		check_is "$what: no rule" "$(rules)" 0
		case $name/$flags in
		four/?* | six/?*) check_is "$what: the log reports it once" "$(said "$name: flows through this tunnel")" 1 ;;
		esac
		no_ruleset
	done
	check "$name: the tunnel is gone" no_tunnel "$name"
}

ipv4_in_ipv4() { through four; }
ipv6_in_ipv6() { through six; }
ipv4_in_ipv6() { through mixed; }
encapsulation_limit() { through limited; }

begin
tests_run ipv4_in_ipv4 ipv6_in_ipv6 ipv4_in_ipv6 encapsulation_limit
check "no reference is left" busywait 5 module_free
