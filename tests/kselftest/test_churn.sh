#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Connections come and go while the ruleset is reloaded, devices leave and join, ports go down, and the driver fails now and then.
# Whatever is lost on the way, the NIC is empty at the end, and the kernel log stays clean.
. "$(dirname "$0")/lib.sh"

begin
ruleset forward
{
	echo 'delete table inet router'
	cat "$RULESETS/forward.nft"
} >/tmp/reload.nft
router sysctl -qw net.netfilter.nf_flowtable_udp_timeout=2 net.netfilter.nf_flowtable_tcp_timeout=2
touch /tmp/churning

connections() { # PROTOCOL ADDRESS FIRST_PORT
	local port=$3
	while [ -e /tmp/churning ]; do
		timeout 10 nsenter --net=/run/netns/client -- "$TRAFFIC" client "$1" "$2" 5001 -b "$port" -c 60 -n 4 -e rst
		port=$((port + 60))
	done >/dev/null 2>&1
}
pids=()
for side in "udp $SERVER4 20000" "udp $SERVER6 25000" "tcp $SERVER4 30000" "tcp $SERVER6 35000"; do
	# shellcheck disable=SC2086 # three words
	connections $side &
	pids+=($!)
done

reloads=0 turn=0
end=$((SECONDS + ${NFT_OFFLOAD_CHURN_SECONDS:-20}))
# Longer on a busy machine.
enough() { [ $reloads -ge 2 ] && [ "$(hw_counter offload_refused)" -ge 1 ]; }
while [ $SECONDS -lt $end ] || { ! enough && [ $SECONDS -lt $((end + 180)) ]; }; do
	# Each step once, then at random.
	step=$((turn < 8 ? turn : RANDOM % 8))
	turn=$((turn + 1))
	case $step in
	0 | 1) router nft -f /tmp/reload.nft && reloads=$((reloads + 1)) ;;
	2) router nft delete flowtable inet router ft '{ hook ingress priority filter; devices = { wan }; }' &&
		router nft add flowtable inet router ft '{ hook ingress priority filter; devices = { wan }; flags offload; counter; }' ;;
	3) router ip link set wan down && router ip link set wan up && router ip -6 addr add $WAN6/64 dev wan nodad ;;
	4) echo 4 >"$NIC/fail_next" && echo -5 >"$NIC/fail_errno" && echo any >"$NIC/fail_cmd" ;;
	5) echo $((RANDOM % 40)) >"$NIC/capacity" ;;
	6) router nft -c -f "$RULESETS/snat.nft" ;;
	7) echo $((RANDOM % 3000)) >"$NIC/delay_us" ;;
	esac
	sleep 0.1
done >/dev/null 2>&1
rm /tmp/churning
wait "${pids[@]}"

echo 0 >"$NIC/fail_next"
echo 0 >"$NIC/delay_us"
echo 65536 >"$NIC/capacity"
adds=$(hw_counter offload_adds)
check "flows were in hardware: $adds rules" test "$adds" -ge 50
check "the ruleset was reloaded: $reloads times" test "$reloads" -ge 2
check "the NIC was full or failed: $(hw_counter offload_refused) refusals" test "$(hw_counter offload_refused)" -ge 1
# A fresh start after the last step, whatever it was.
router ip link set wan up
router nft -f /tmp/reload.nft
busywait 5 client ping -q -c 1 -W 1 $SERVER4
busywait 10 rules_are 0
check "a new connection goes into hardware" open_flow udp $SERVER4 45000
close_flow
router nft delete table inet router
check_is "no rule is left" "$(rules)" 0
check_is "none was orphaned" "$(cat "$NIC/orphans")" 0
check "no reference is left" busywait 5 module_free
check "the module unloads" rmmod nft_offload
