#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Two flowtables with "flags offload" in one namespace, on the same devices: each flow is looked after by the flowtable that it
# was added to, also when one of them goes.
. "$(dirname "$0")/lib.sh"

second() {
	router nft -f - <<-'END'
		table inet second {
			flowtable other {
				hook ingress priority filter + 1
				devices = { lan, wan }
				flags offload
				counter
			}
			chain forward {
				type filter hook forward priority filter - 1; policy accept;
				udp sport { 47001, 47003 } flow add @other
				udp dport { 47001, 47003 } flow add @other
			}
		}
	END
}
# tables: the flowtables of the flows that are there, by their ports. of PORT: that of one, and where it is.
tables() { get 'map("\(.original."source-port") \(.table)/\(.flowtable)") | sort | join(", ")' dump flow-get; }
of() { get 'map("\(.table)/\(.flowtable) \(.state)") | join("; ")' dump flow-get "{\"port\": $1}"; }
of_is() { [ "$(of "$1")" = "$2" ]; }

begin
router sysctl -qw net.netfilter.nf_flowtable_udp_timeout=120
check "the family is there" netlink_up
ruleset forward
second
check "a flow of the first one" open_flow udp $SERVER4 47000
check "is in hardware for that" of_is 47000 "router/ft in-hardware"
exchange udp $SERVER4 -b 47001 -n 3 >/dev/null
check_is "a flow of the other one is its own" "$(tables)" "47000 router/ft, 47001 second/other"
check "where its devices are busy with the first one, or taken" of_is 47001 "second/other software"
check_is "rules: of the first flow" "$(rules)" 2

# The devices are free for the other one when the first one goes.
close_flow
router nft delete table inet router
check "the first one goes with its rules" busywait 5 rules_are 0
check_is "and its flow" "$(tables)" "47001 second/other"
bound() { [ "$(get 'map(.bound) | join(" ")' dump device-get)" = "direct direct" ]; }
check "the other one has the devices then" busywait 5 bound
check "and takes a flow" open_flow udp $SERVER4 47003
check "which is in hardware" of_is 47003 "second/other in-hardware"
close_flow
router nft delete table inet second
check "it goes with its rules as well" busywait 5 rules_are 0
