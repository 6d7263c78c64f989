#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The same frames through the slow path, the software flowtable and the hardware: what arrives is the same, byte for
# byte, MACs, ports, hop limits and checksums included. No field is excepted: wire.py sends the same bytes in every run.
. "$(dirname "$0")/lib.sh"

begin
# The hosts themselves must not answer the made-up connections.
for ns in client server; do
	in_ns $ns nft -f - <<-'NFT'
		table netdev quiet {
			chain in {
				type filter hook ingress device "eth" priority 0; policy accept;
				meta l4proto { tcp, udp } th sport { 5001, 7777, 8001 } drop
				meta l4proto { tcp, udp } th dport { 5001, 7777, 8001, 20000 } drop
			}
		}
	NFT
done

for nat in forward snat dnat snat_dnat masquerade; do
	case $nat in
	*dnat) to="$VIRTUAL4 $VIRTUAL6 8001" ;;
	*) to="$SERVER4 $SERVER6 5001" ;;
	esac
	for path in slow software offload; do
		rules=-
		[ $path = offload ] && rules=$NIC/rules
		ruleset $nat $path || not_ok "ruleset $nat $path"
		# shellcheck disable=SC2086 # three words
		if ! "$SELFTEST/wire.py" /tmp/wire.$path $rules $to >/tmp/wire.carried 2>/tmp/wire.err; then
			not_ok "$nat: nothing is lost on the $path path"
			diag "$(cat /tmp/wire.err)"
			diag "$(grep -nE 'missing|not in' /tmp/wire.$path.* | head)"
		fi
		no_ruleset
		check "$nat: no rule is left" busywait 5 rules_are 0
	done
	for case in tcp.4 tcp.6 udp.4 udp.6; do
		check "$nat, $case: software path as slow path" cmp /tmp/wire.slow.$case /tmp/wire.software.$case
		check "$nat, $case: hardware as software path" cmp /tmp/wire.software.$case /tmp/wire.offload.$case
	done
	# At least the body; of UDP also those frames of the beginning that came late enough.
	while read -r proto family sent carried; do
		check_between "$nat, $proto.$family: the body went through the NIC" "$carried" "$sent" $((sent + 2))
	done </tmp/wire.carried
	check_is "$nat: four connections" "$(wc -l </tmp/wire.carried)" 4
done
