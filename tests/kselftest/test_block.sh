#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A device in a flowtable stays available to others: a netdev chain with "flags offload", a qdisc clsact with a filter in hardware
# and an ingress qdisc work as without the flowtable, in every order, whatever the driver accepts. The tc block of the device is
# used on request only.
. "$(dirname "$0")/ladder.sh"

CHAIN='table netdev other { chain c { type filter hook ingress device lan priority 10; flags offload; }; }'

put_flowtable() { ruleset forward; }
put_chain() { router nft "$CHAIN"; }
put_clsact() { router tc qdisc add dev lan clsact && { put_filter skip_sw || put_filter; }; }
# put_filter [skip_sw]: adds a filter, in hardware or at least requested.
put_filter() {
	router tc filter add dev lan ingress protocol ip prio 1 flower "$@" ip_proto tcp dst_ip 192.0.2.1 action mirred egress redirect \
		dev wan
}
put_ingress() { router tc qdisc add dev lan handle ffff: ingress; }
take_all() {
	no_ruleset
	router nft delete table netdev other
	router tc qdisc del dev lan clsact
	router tc qdisc del dev lan ingress
} 2>/dev/null

# tried STEP...: takes the steps on lan in this order; prints "STEP:STATUS" of each but the flowtable, which has to work.
tried() {
	local step said=''
	for step; do
		if "put_$step" >/dev/null 2>&1; then
			said+=" $step:done"
		elif [ "$step" = flowtable ]; then
			said+=" flowtable:failed"
		else
			said+=" $step:refused"
		fi
	done
	take_all
	echo "${said# }"
}
# orders: prints all orders of the four steps.
orders() {
	local a b c d all='flowtable chain clsact ingress'
	for a in $all; do for b in $all; do for c in $all; do for d in $all; do
		case "$a $b $c $d" in
		*"$a"*"$a"* | *"$b"*"$b"* | *"$c"*"$c"*) ;;
		*) echo "$a $b $c $d" ;;
		esac
	done; done; done; done
}

every_order() {
	local how can order words three without with step wrong
	local -A got alone
	defer door ft
	orders >/tmp/orders
	check_is "orders" "$(wc -l </tmp/orders)" 24
	# How many of the three are possible at all.
	for how in ft:2 block:3 none:2; do
		can=${how#*:} how=${how%:*}
		door "$how"
		got=() alone=() wrong=''
		while read -r order; do
			read -ra words <<<"${order/flowtable/}"
			three=${words[*]}
			# The same for each of the four positions of the flowtable.
			[ -n "${alone[$three]:-}" ] || alone[$three]=$(tried "${words[@]}")
			without=${alone[$three]}
			# shellcheck disable=SC2086 # a list
			with=$(tried $order)
			read -ra words <<<"${with/flowtable:done/}"
			[ "${words[*]}" = "$without" ] || wrong+=" [$with, without: $without]"
			for step in chain clsact ingress; do
				[[ $with != *$step:done* ]] || got[$step]=yes
			done
		done </tmp/orders
		check_is "$how: in every order others have what they have without a flowtable" "$wrong" ""
		check_is "$how: all that can be had is, in some order" "${#got[@]}" "$can"
	done
}

block_on_request() {
	local dev
	defer door ft
	defer take_all
	door block
	ruleset forward
	check_is "not requested: both ports are in software" "$(bound lan) $(bound wan)" "software software"
	check_is "and say what to do" "$(devices '[.[] | .extack | test("parameter block")] | unique' | tr -d ' \n')" "[true]"
	for dev in lan wan; do
		check_is "$dev is allowed" "$(allow $dev 1 .block)" 1
	done
	check "both ports are bound" both_bound block
	in_hardware "allowed" 54001
	check_is "now a chain is refused" "$(tried chain)" "chain:refused"
	ruleset forward
	check_is "the ruleset anew: lan is allowed" "$(allow lan 1 .block)" 1
	check "it is bound" bound_is lan block
	check_is "given back" "$(allow lan 0 .bound)" software
	check "a chain has it" put_chain
	take_all
}

block_by_parameter() {
	defer reload
	defer door ft
	door block
	check "the module loads with block=lan" reload block=lan
	ruleset forward
	check_is "lan is bound, wan is not" "$(bound lan) $(bound wan)" "block software"
	gone "told"
}

wrong_parameter() {
	defer ask again
	defer modprobe nft_offload
	check "no reference is left" busywait 5 module_free
	rmmod nft_offload
	check "a wrong name" eval '! modprobe nft_offload block=lan:tc 2>/dev/null'
	check "and the log names the mistake" eval 'dmesg | tail -n 3 | grep -q "parameter block: invalid device name \"lan:tc\""'
}

begin
check "a client of the generic netlink family" netlink_up
tests_run every_order block_on_request block_by_parameter wrong_parameter
