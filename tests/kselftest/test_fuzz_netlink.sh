#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A fuzzer of the netlink family that knows its spec, while flows come and go and the ruleset is reloaded: no wrong reply, no
# leftovers, no lost memory.
#
#   NFT_OFFLOAD_FUZZ_MESSAGES    the number of requests (20000)
#   NFT_OFFLOAD_FUZZ_SEED        the seed of the requests; the test prints it
. "$(dirname "$0")/lib.sh"

MESSAGES=${NFT_OFFLOAD_FUZZ_MESSAGES:-20000}
SEED=${NFT_OFFLOAD_FUZZ_SEED:-$((RANDOM * 32768 + RANDOM))}

fuzz() { router python3 -B "$SELFTEST/tools/nlfuzz.py" "$SPEC" --seed "$SEED" --messages "$1" >"/tmp/fuzz.$1" 2>&1; }

# Lasting flows, in hardware and in software; others that come and go; the ruleset is reloaded every few seconds.
churn_up() {
	local port
	# The capacity is enough for some of them.
	echo 60 >"$NIC/capacity"
	LASTING=() LOOPS=()
	for ((port = 42001; port <= 42012; port++)); do
		talk_on -b $port -n 1000000 -i 200
		LASTING+=($!)
	done
	touch /tmp/churning
	while [ -e /tmp/churning ]; do
		timeout 20 nsenter --net=/run/netns/client -- "$TRAFFIC" client udp $SERVER4 5001 -b 20000 -c 20 -n 4 -i 5
		timeout 20 nsenter --net=/run/netns/client -- "$TRAFFIC" client tcp $SERVER6 5001 -b 25000 -c 8 -n 4 -i 5
		router conntrack -D -p udp --orig-port-src 20003
		sleep 0.3
	done >/dev/null 2>&1 &
	LOOPS+=($!)
	while [ -e /tmp/churning ]; do
		sleep 2
		router nft -f /tmp/reload.nft
		sleep 1
		router nft delete flowtable inet router ft '{ hook ingress priority filter; devices = { wan }; }'
		router nft add flowtable inet router ft '{ hook ingress priority filter; devices = { wan }; flags offload; counter; }'
		router conntrack -F
	done >/dev/null 2>&1 &
	LOOPS+=($!)
	busywait 20 some_in_hardware
}
some_in_hardware() { [ "$(rules)" -ge 8 ]; }
genl() { router "$GENL" "$@"; }
no_flow() { genl flow-get table-family && [ -z "$(genl flow-get table-family)" ]; }

# quiet: a condition: no traffic, no flow.
quiet() {
	rm -f /tmp/churning
	hush "${LASTING[@]}"
	wait "${LOOPS[@]}"
	router nft -f /tmp/reload.nft
	router conntrack -F >/dev/null 2>&1
	busywait 30 rules_are 0 && busywait 10 no_flow
}

memory() {
	echo 3 >/proc/sys/vm/drop_caches
	sleep 1
	awk 'NR > 2 { print $1, $2 }' /proc/slabinfo >"$1"
}
sockets() { router cat /proc/net/netlink | wc -l; }
grown() {
	awk 'NR == FNR { before[$1] = $2; next } $2 - before[$1] > 300 { print $1 ": " before[$1] + 0 " objects, then " $2 }' \
		/tmp/memory.1 /tmp/memory.2
}

require_file "$GENL" "$SPEC"
begin
{
	echo 'table inet router; delete table inet router'
	cat "$RULESETS/forward.nft"
} >/tmp/reload.nft
router sysctl -qw net.netfilter.nf_flowtable_udp_timeout=5 net.netfilter.nf_flowtable_tcp_timeout=5
ruleset forward
diag "seed $SEED"
# The first thousands of requests warm up the caches before memory is counted.
check "flows come and go" churn_up
check "2000 messages, and no wrong answer" fuzz 2000
! grep -q '^wrong' /tmp/fuzz.2000 || diag "$(</tmp/fuzz.2000)"
check "the flows end" quiet
memory /tmp/memory.1
before=$(sockets)
check "flows come and go once more" churn_up
check "$MESSAGES messages, and no wrong answer" fuzz "$MESSAGES"
diag "$(cat "/tmp/fuzz.$MESSAGES")"
check "the flows end once more" quiet
memory /tmp/memory.2
check_is "no slab cache has grown" "$(grown)" ""
check_is "no socket is left" "$(sockets)" "$before"
echo 65536 >"$NIC/capacity"
check "a new connection goes into hardware" open_flow udp $SERVER4 45000
check_is "netlink has it" "$(genl flow-get table-family state)" "1 1"
close_flow
no_ruleset
check_is "no rule is left" "$(rules)" 0
check_is "none was orphaned" "$(<"$NIC/orphans")" 0
check_is "nor a record" "$(genl flow-get table-family)" ""
check "no reference is left" busywait 5 module_free
check "the module unloads" busywait 5 rmmod nft_offload
