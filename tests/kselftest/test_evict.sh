#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# nft-offload evict: each filter evicts the flows that "flows" shows with the same filter; with --relearn, their next packets
# pass the ruleset as it is now.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/cli.sh"

# ports ARGUMENT...: prints the source ports of the flows that match a filter.
ports() { cli_get '.flows | map(select(.state != "removing") | .original.source_port) | sort | join(" ")' flows "$@"; }
standing() { cli_get '.flows | map(select(.state != "removing") | "\(.original.source_port) \(.reason.name // .state)") | sort | join(", ")' flows "$@"; }
standing_is() { [ "$(standing "${@:2}")" = "$1" ]; }
gone() { [ -z "$(ports -P "$1")" ]; }
evicted() { cli_get .evicted evict "$@"; }
# dropped: prints how many packets the ruleset has dropped. dropping: a condition: it drops some.
dropped() { router nft list counter inet router dropped | awk '$1 == "packets" { print $2 }'; }
dropping() { [ "$(dropped)" -gt "$1" ]; }
connection() { router conntrack -L -o id -p udp --orig-port-src "$1" 2>/dev/null | grep -o 'id=[0-9]*'; }

all_six() {
	exchange udp $SERVER4 -b 42001 -n 5 -i 20
	exchange udp $SERVER4 -b 42002 -n 5 -i 20
	exchange udp $SERVER6 -b 42003 -n 5 -i 20
	exchange udp $SERVER4 -b 42004 -n 5 -i 20
	exchange udp $SERVER4 -b 42005 -n 5 -i 20
	exchange udp $SERVER6 -b 42006 -n 5 -i 20
} >/dev/null
all_in() { [ "$(ports -s hardware)" = "$ALL" ]; }

filters() {
	ruleset blocked
	ALL="42001 42002 42003 42004 42005 42006"
	all_six
	check "six flows in hardware" busywait 5 all_in
	while IFS='|' read -r filter wanted; do
		# shellcheck disable=SC2086 # words
		check_is "flows $filter" "$(ports $filter)" "$wanted"
	done <<-END
		--source $CLIENT4|42001 42002 42004 42005
		--source 10.0.1.0/24|42001 42002 42004 42005
		--source 10.0.1.2/31 --protocol udp|42001 42002 42004 42005
		--source 10.0.1.4/30|
		--source $SERVER4|
		--source 0.0.0.0/0|42001 42002 42004 42005
		--source fd00:1::/64|42003 42006
		--source ::/0|42003 42006
		--destination $SERVER4|42001 42002 42004 42005
		--destination 10.0.2.0/30 --destination-port 5001|42001 42002 42004 42005
		--destination-port 5002|
		--destination fd00:2::/32|42003 42006
		--source-port 42002|42002
		--source $CLIENT4 --source-port 42002 --destination $SERVER4 --destination-port 5001 --protocol udp|42002
		--source $CLIENT4 --source-port 42002 --destination $SERVER4 --destination-port 5001 --protocol tcp|
		--address 10.0.2.0/24|42001 42002 42004 42005
		--address fd00::/16|42003 42006
		--address $SERVER6|42003 42006
		--mark 0x104|42004
		--mark 0x100/0xf00|42004
		--mark 4/0xf|42004
		--mark 0/0x100|42001 42002 42003 42005 42006
		--zone 5|42005
		--device lan|$ALL
		--table router --flowtable ft --table-family inet|$ALL
		--flowtable tf|
	END
	check_is "evict: a prefix of the source" "$(evicted --source fd00:1::/64)" 2
	check_is "evict: they stay in software" "$(standing -f ipv6)" "42003 operator, 42006 operator"
	check_is "evict: a mark with its mask" "$(evicted --mark 0x100/0xf00)" 1
	check_is "evict: a zone" "$(evicted --zone 5)" 1
	check_is "evict: a tuple" \
		"$(evicted --source $CLIENT4 --source-port 42002 --destination $SERVER4 --destination-port 5001 --protocol udp)" 1
	check_is "evict: the rest by its destination" "$(evicted --destination 10.0.2.0/24)" 1
	check_is "evict: no rule is left" "$(rules)" 0
}

says() { jq -c '[.error, .msg, ."bad-attr"]'; }

invalid_filters() {
	check "no prefix is longer than its address, status 2" ends 2 "10.0.1.0/33" evict --source 10.0.1.0/33
	check "nor is a name one, status 2" ends 2 "ADDRESS" evict --destination lan
	check "a mark outside of its mask, status 4" ends 4 "attribute mark" evict --mark 0x104/0xf00
	check "source and destination of different families, status 4" ends 4 "attribute original.destination" \
		evict --source $CLIENT4 --destination $SERVER6
	check "--relearn alone is no filter, status 2" ends 2 "which flows?" evict --relearn
	while IFS='|' read -r request wanted; do
		for how in "dump flow-get" "do flow-evict"; do
			# shellcheck disable=SC2086 # words
			check_is "$how $request" "$(ask $how "$request" | says)" "$wanted"
		done
	done <<-'END'
		{"prefix": 24}|[22,"prefix without address",".prefix"]
		{"address": "10.0.1.0", "prefix": 33}|[22,"prefix exceeds the length of the address",".prefix"]
		{"address": "fd00::", "prefix": 129}|[34,"integer out of range",".prefix"]
		{"original": {"source-prefix": 24}}|[22,"prefix without address",".original.source-prefix"]
		{"reply": {"destination": "10.0.1.0", "destination-prefix": 40}}|[22,"prefix exceeds the length of the address",".reply.destination-prefix"]
		{"mark-mask": 255}|[22,"mark mask without mark",".mark-mask"]
		{"mark": 256, "mark-mask": 255}|[22,"mark has bits outside its mask",".mark"]
	END
	check_is "flow-get takes no relearn" "$(ask dump flow-get '{"relearn": true}' | jq .error)" 22
	check_is "flow-evict: by the reply's tuple" "$(ask "do" flow-evict '{"reply": {"source": "10.0.2.2"}, "state": "in-hardware"}')" '{"evicted": 0}'
}

relearn() {
	router conntrack -F >/dev/null 2>&1
	busywait 5 rules_are 0
	sleep 1
	for port in 42001 42002; do
		talk_on -b $port -n 100000 -i 20
		talkers="${talkers:-} $!"
	done
	check "two flows" busywait 5 standing_is "42001 in-hardware, 42002 in-hardware"
	router nft add element inet router blocked '{ 42002 }'
	before=$(hw_packets)
	sleep 2
	check_between "hardware forwards what the ruleset has blocked since" $(($(hw_packets) - before)) 300 1000
	check_is "and the ruleset does not see it" "$(dropped)" 0
	check_is "flow-evict: a flow that is to be learned anew" "$(ask "do" flow-evict "{\"original\": {\"source-port\": 42002}, \"ifindex\": $WAN, \"relearn\": true}")" '{"evicted": 1}'
	check_is "its rules are out" "$(rules)" 2
	check "the ruleset drops its packets" busywait 5 dropping 0
	check "it is gone" busywait 3 gone 42002
	check_is "the other one is as it was" "$(standing)" "42001 in-hardware"
	router nft delete element inet router blocked '{ 42002 }'
	check "no longer blocked it is learned anew" busywait 5 standing_is "42001 in-hardware, 42002 in-hardware"
	check "evict --relearn" ends 0 "1 flow ended, to be learned again" evict --relearn --source-port 42001
	check "one that the ruleset accepts comes back" busywait 5 standing_is "42001 in-hardware, 42002 in-hardware"
	id=$(connection 42001)
	check_is "evict: until it ends" "$(evicted --source-port 42001)" 1
	sleep 3
	check_is "evict: it stays out" "$(standing)" "42001 operator, 42002 in-hardware"
	check_is "evict --relearn takes flows in software too" "$(evicted --relearn --reason operator)" 1
	check "and they may come back" busywait 5 standing_is "42001 in-hardware, 42002 in-hardware"
	check_is "the connection is the same" "$(connection 42001)" "$id"
	check_is "evict --relearn --all" "$(evicted --relearn --all)" 2
	check "all come back" busywait 5 standing_is "42001 in-hardware, 42002 in-hardware"
	# Each flow of many, while others come.
	# shellcheck disable=SC2086 # a list
	hush $talkers
	router conntrack -F >/dev/null 2>&1
	busywait 5 rules_are 0
	exchange udp $SERVER4 -b 43000 -n 3 -c 200 >/dev/null
	check "many flows" busywait 10 rules_are 400
	router nft add element inet router blocked "{ $(seq -s, 43000 43099) }"
	start=$(date +%s%N)
	check_is "evict --relearn many" "$(evicted --relearn --source 10.0.1.0/24)" 200
	diag "200 flows with 400 rules: $((($(date +%s%N) - start) / 1000000)) ms with the command's own start"
	check_is "none of them is in hardware any more" "$(rules)" 0
	before=$(dropped)
	exchange udp $SERVER4 -b 43000 -n 1 -c 200 -w 5 >/dev/null
	check_is "the ruleset sees their packets" "$(($(dropped) - before))" 100
	exchange udp $SERVER4 -b 43100 -n 2 -c 100 >/dev/null
	check "and what it accepts comes back" busywait 5 rules_are 200
	check_is "only that" "$(cli_get '.flows | map(select(.state == "in-hardware" and .original.source_port < 43100)) | length' flows)" 0
	no_ruleset
	exec 20>&- 21<&-
	check_is "none was orphaned" "$(<"$NIC/orphans")" 0
	check "no reference is left" busywait 5 module_free
	check "the module unloads" busywait 5 rmmod nft_offload
}

begin
router sysctl -qw net.netfilter.nf_flowtable_udp_timeout=1000
check "a client of netlink" netlink_up
WAN=$(ifindex router wan)
tests_run filters invalid_filters relearn
