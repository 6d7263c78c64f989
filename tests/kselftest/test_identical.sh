#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The same frames through the slow path, the software flowtable and the hardware: what arrives is the same, byte for
# byte, MACs, ports, hop limits and checksums included. No field is excepted: wire.py sends the same bytes in every run.
. "$(dirname "$0")/lib.sh"

begin
# The hosts themselves must not answer the made-up connections.
for ns in client server; do
	ip netns exec $ns nft -f - <<-'NFT'
		table netdev quiet {
			chain in {
				type filter hook ingress device "eth" priority 0; policy accept;
				meta l4proto { tcp, udp } th sport { 5001, 7777, 8001 } drop
				meta l4proto { tcp, udp } th dport { 5001, 7777, 8001, 20000-20999 } drop
			}
		}
	NFT
done

for nat in forward snat dnat snat_dnat masquerade; do
	for family in 4 6; do
		case $nat$family in
		*dnat4) address=$VIRTUAL4 port=8001 ;;
		*dnat6) address=$VIRTUAL6 port=8001 ;;
		*4) address=$SERVER4 port=5001 ;;
		*6) address=$SERVER6 port=5001 ;;
		esac
		for proto in tcp udp; do
			for path in slow software offload; do
				count=
				[ $path = offload ] && count=$NIC/count
				ruleset $nat $path || not_ok "ruleset $nat $path"
				hw=$(hw_packets)
				# shellcheck disable=SC2086 # no count, no argument
				"$SELFTEST/wire.py" $proto $family $address $port $count >/tmp/wire.$path 2>/tmp/wire.err ||
					{ not_ok "$nat, $proto over IPv$family: $path path"; diag "$(cat /tmp/wire.err; grep -n missing /tmp/wire.$path | head)"; }
				hw=$(($(hw_packets) - hw))
				no_ruleset
				busywait 5 rules_are 0
			done
			check "$nat, $proto over IPv$family: software path as slow path" cmp /tmp/wire.slow /tmp/wire.software
			check "$nat, $proto over IPv$family: hardware as software path" cmp /tmp/wire.software /tmp/wire.offload
			# 40 frames of a body, all of them in hardware; and two more of UDP.
			check_between "$nat, $proto over IPv$family: the body went through the NIC" $hw 40 43
		done
	done
done
