#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The NIC does each form of address translation: fixed source, destination, both, masquerade.
. "$(dirname "$0")/lib.sh"

# translates RULESET: results: the NIC forwards TCP and UDP over IPv4 and IPv6.
translates() {
	local nat=$1 to dport address proto warm hw seen
	ruleset "$nat"
	case $nat in
	*dnat) to="$VIRTUAL4 $VIRTUAL6" dport=8001 ;;
	*) to="$SERVER4 $SERVER6" dport=5001 ;;
	esac
	for address in $to; do
		for proto in tcp udp; do
			port=$((port + 1))
			warm=$(cpu $proto) hw=$(hw_packets)
			check_is "$nat, $proto to $address: nothing is lost" \
				"$(client "$TRAFFIC" client $proto "$address" $dport -b $port -n 100 -s 500 -i 4)" \
				"rounds=100 bytes=50000 lost=0"
			seen=$(($(cpu $proto) - warm)) hw=$(($(hw_packets) - hw))
			check_between "$nat, $proto to $address: the CPU sees the beginning and the end" "$seen" 1 80
			check_between "$nat, $proto to $address: the NIC forwards the rest" "$hw" 120 400
		done
	done
	no_ruleset
	check "$nat: no rule is left" busywait 5 rules_are 0
}

snat() { translates snat; }
dnat() { translates dnat; }
snat_dnat() { translates snat_dnat; }
masquerade() { translates masquerade; }

begin
port=41000
tests_run snat dnat snat_dnat masquerade
