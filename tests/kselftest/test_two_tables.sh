#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Two flowtables with "flags offload" on the same devices, as "table ip" and "table ip6" often have them: both use the hardware and
# share its capacity; each flow belongs to the flowtable that it was added to, also when one of them is removed.
. "$(dirname "$0")/lib.sh"

# table FAMILY NAME PORT...: loads a table with the flowtable NAME/ft for these ports, for as long as the case lasts.
table() {
	local family=$1 name=$2
	shift 2
	defer router nft "table $family $name; delete table $family $name"
	router nft -f - <<-END
		table $family $name {
			flowtable ft {
				hook ingress priority filter
				devices = { lan, wan }
				flags offload
				counter
			}
			chain forward {
				type filter hook forward priority filter; policy accept;
				udp sport { $(IFS=, && echo "$*") } flow add @ft
				udp dport { $(IFS=, && echo "$*") } flow add @ft
			}
		}
	END
}
# of PORT: prints the flowtables of the flow, and its state.
of() { get 'map("\(.table)/\(.flowtable) \(.state)") | join("; ")' dump flow-get "{\"port\": $1}"; }
of_is() { [ "$(of "$1")" = "$2" ]; }
bound() { get 'map("\(.table) \(.bound)") | unique | join(", ")' dump device-get; }
# flow ADDRESS PORT: starts a UDP flow of two minutes. carried ADDRESS PORT: a condition: hardware forwards its packets.
flow() { exchange udp "$1" -b "$2" -n 3 >/dev/null; }
carried() {
	local before
	before=$(hw_packets)
	flow "$1" "$2" && [ "$(hw_packets)" -gt "$before" ]
}
# limit N: sets the limit of rules of each device.
limit() {
	local dev
	for dev in lan wan; do
		get .limit "do" device-set "{\"ifindex\": $(ifindex router $dev), \"limit\": $1}"
	done
}

one_family_each() {
	table ip four 47000
	table ip6 six 47000
	check_is "both have the devices" "$(bound)" "four direct, six direct"
	check "a flow of the one" flow $SERVER4 47000
	check "a flow of the other" flow $SERVER6 47000
	check "both are in hardware" of_is 47000 "four/ft in-hardware; six/ft in-hardware"
	check_is "rules: of both" "$(rules)" 4
	check "the first one goes" router nft delete table ip four
	check "with its rules" busywait 5 rules_are 2
	check_is "the other one keeps the devices" "$(bound)" "six direct"
	check "and its flow" of_is 47000 "six/ft in-hardware"
	check "which hardware carries" carried $SERVER6 47000
	table ip four 47000
	check_is "the first one comes back" "$(bound)" "four direct, six direct"
	check "the other one goes" router nft delete table ip6 six
	check "with its rules" busywait 5 rules_are 0
	check "a flow of the first one" flow $SERVER4 47000
	check "is in hardware" busywait 5 of_is 47000 "four/ft in-hardware"
	router nft delete table ip four
	check "it goes with its rules" busywait 5 rules_are 0
}

one_family_by_port() {
	by_port
	check "a flow of the first one" flow $SERVER4 47000
	check "a flow of the second one" flow $SERVER4 47001
	check "each is its own: the first one's" of_is 47000 "first/ft in-hardware"
	check "the second one's" of_is 47001 "second/ft in-hardware"
}

takes_the_place() { flow "$SERVER4" 47002 && of_is 47002 "first/ft in-hardware"; }

limit_belongs_to_the_device() {
	by_port
	flow $SERVER4 47000
	flow $SERVER4 47001
	check_is "the devices may hold two rules each" "$(limit 2 | xargs)" "2 2"
	check "which they do" rules_are 4
	check "a third flow" flow $SERVER4 47002
	check "stays in software" of_is 47002 "first/ft software"
	check_is "for the limit" "$(get 'map(.reason) | join(" ")' dump flow-get '{"port": 47002}')" 51
	# The flow of the other flowtable makes room.
	check "the second one goes" router nft delete table inet second
	check "and the third flow takes its place" busywait 10 takes_the_place
}

profile() { get .profile "do" device-set "{\"ifindex\": $(ifindex router lan), \"profile\": \"$1\", \"limit\": 0}"; }
all_bound() { [ "$(bound)" = "first direct, second direct" ]; }

profile_change() {
	# A profile change binds the device again: the driver releases it when both flowtables have left it.
	by_port
	flow $SERVER4 47000
	flow $SERVER4 47002
	check_is "another profile" "$(profile mlx5)" mlx5
	check "both have the devices again" busywait 10 all_bound
	check_is "with that" "$(get 'map(select(.name == "lan").profile) | join(" ")' dump device-get)" "mlx5 mlx5"
	for port in 47000 47001; do
		flow $SERVER4 "$port"
		check "a flow of port $port is in hardware" busywait 5 of_is $port "$([ $port = 47000 ] && echo first || echo second)/ft in-hardware"
	done
}

again() {
	local file=/tmp/again.nft
	{ echo "flush ruleset" && router nft list ruleset; } >$file
	router nft -f $file
}

reload_in_one_transaction() {
	by_port
	# A device with a profile of its own, and flows in both flowtables.
	profile mlx5 >/dev/null
	busywait 10 all_bound
	flow $SERVER4 47000
	flow $SERVER4 47001
	check "the ruleset is loaded anew" again
	check_is "and has the devices at once" "$(bound)" "first direct, second direct"
	flow $SERVER4 47000
	check "a flow is in hardware" busywait 5 of_is 47000 "first/ft in-hardware"
	router nft delete table inet first
	router nft delete table inet second
	check "all rules go with the tables" busywait 5 rules_are 0
}

# by_port: loads two flowtables of one family, each with its ports.
by_port() {
	defer busywait 5 rules_are 0
	defer router conntrack -F
	table inet first 47000 47002
	table inet second 47001 47003
}

begin
router sysctl -qw net.netfilter.nf_flowtable_udp_timeout=120
check "the family is there" netlink_up
tests_run one_family_each one_family_by_port limit_belongs_to_the_device profile_change \
	reload_in_one_transaction
