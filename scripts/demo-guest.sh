#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The demonstration, inside the VM: sends the same real traffic through a router, first with the
# flowtable in software, then in the NIC, and shows how much the router's CPU has to do for each.
# shellcheck source=tests/kselftest/lib.sh
. "$TOP/tests/kselftest/lib.sh"
trap 'bed_down >/dev/null 2>&1' EXIT

# received FIELD: prints the sum of a counter of the packets that client and server have received.
received() {
	echo $(($(ip -n client -s -j link show dev eth | jq ".[0].stats64.rx.$1") + $(ip -n server -s -j link show dev eth | jq ".[0].stats64.rx.$1")))
}

# handled: prints the number of packets that the router's CPU has processed, of either protocol.
handled() { router nft list counters table netdev watch | awk '$1 == "packets" { n += $2 } END { print n }'; }

# traffic NAME: runs iperf3 with TCP and UDP in both directions, and fills result[NAME,...].
declare -A result
traffic() {
	local name=$1 packets bytes tcp udp middle pids=()
	packets=$(received packets) bytes=$(received bytes) tcp=$(cpu tcp) udp=$(cpu udp)
	client nice -n 19 iperf3 -c $SERVER4 -p 5201 --bidir -t "$SECONDS_OF_TRAFFIC" -i 0 >/tmp/iperf.tcp 2>&1 &
	pids+=($!)
	client nice -n 19 iperf3 -c $SERVER4 -p 5202 -u -b 4M -l 1200 --bidir -t "$SECONDS_OF_TRAFFIC" -i 0 >/tmp/iperf.udp 2>&1 &
	pids+=($!)
	# Read all values before computing anything.
	sleep $((SECONDS_OF_TRAFFIC / 4))
	result[$name,rules]=$(rules)
	router conntrack -L >"/tmp/conntrack.$name.all" 2>/dev/null
	for dev in lan wan; do
		router ethtool -S $dev >"/tmp/ethtool.$name.$dev"
	done
	middle=$(handled)
	sleep 1
	result[$name,middle]=$(($(handled) - middle))
	result[$name,early]=$(kill -0 "${pids[@]}" 2>/dev/null && echo yes || echo no)
	wait "${pids[@]}"
	grep '\[HW_OFFLOAD\]' "/tmp/conntrack.$name.all" | sed 's/ delta-time=[0-9]*//' >"/tmp/conntrack.$name"
	result[$name,flows]=$(wc -l <"/tmp/conntrack.$name")
	for dev in lan wan; do
		grep offload "/tmp/ethtool.$name.$dev" | sed "s/^ */$dev /"
	done >"/tmp/ethtool.$name"
	result[$name,tcp]=$(($(cpu tcp) - tcp))
	result[$name,udp]=$(($(cpu udp) - udp))
	result[$name,packets]=$(($(received packets) - packets))
	result[$name,bytes]=$(($(received bytes) - bytes))
	grep -q 'iperf Done' /tmp/iperf.tcp && grep -q 'iperf Done' /tmp/iperf.udp || {
		echo "iperf3 failed:"
		cat /tmp/iperf.tcp /tmp/iperf.udp
		return 1
	}
}

# row TEXT KEY: prints a line of the table.
row() {
	printf '  %-44s %14s %14s\n' "$1" "${result[software,$2]}" "${result[offload,$2]}"
}

modprobe nft_offload && bed_up >/dev/null || exit 1
server nice -n 19 iperf3 -s -p 5201 -D >/dev/null
server nice -n 19 iperf3 -s -p 5202 -D >/dev/null
sleep 1

# On a machine that is busy with traffic, every process is slow. The traffic therefore runs at a low
# priority, and longer on slow machines: 12 s if conntrack takes up to 150 ms, at most 60 s.
renice -n -10 $$ >/dev/null
start=${EPOCHREALTIME/[.,]/}
router conntrack -L >/dev/null 2>&1
SECONDS_OF_TRAFFIC=${NFT_OFFLOAD_DEMO_SECONDS:-$((took = (${EPOCHREALTIME/[.,]/} - start) / 150000, 12 * (took < 4 ? took + 1 : 5)))}

echo "The router's ruleset (tests/kselftest/rulesets/forward.nft):"
sed '/^#/d; s/^/  /' "$RULESETS/forward.nft" | expand -t 4
echo

echo "1. Without \"flags offload\": the flowtable in software, iperf3 TCP and UDP both ways, $SECONDS_OF_TRAFFIC s ..."
ruleset forward software && traffic software || exit 1
no_ruleset
sleep 1
echo "2. With \"flags offload\": nft_offload gives the flows to the NIC, the same traffic ..."
ruleset forward && traffic offload || exit 1

for name in software offload; do
	result[$name,share]=$(awk -v a="$((result[$name,tcp] + result[$name,udp]))" -v b="${result[$name,packets]}" \
		'BEGIN { printf "%.2f %%", b ? 100 * a / b : 0 }')
done
echo
printf '  %-44s %14s %14s\n' "" "software" "nft_offload"
printf '  %-44s %14s %14s\n' "" "--------------" "--------------"
row "packets that arrived at client and server" packets
row "bytes" bytes
row "TCP packets that the router's CPU handled" tcp
row "UDP packets that the router's CPU handled" udp
row "share of the packets" share
row "handled in a second amid the traffic" middle
row "flows in hardware, during the traffic" flows
row "rules in the NIC, during the traffic" rules
echo
echo "conntrack -L, during the traffic:"
sed 's/^/  /' /tmp/conntrack.offload
echo
echo "ethtool -S PORT | grep offload, during the traffic:"
paste <(grep ^lan /tmp/ethtool.offload) <(grep ^wan /tmp/ethtool.offload) | sed 's/^/  /' | expand -t 44

router nft delete table inet router
echo
echo "nft delete table inet router: $(rules) rules left in the NIC"

# The conditions of a successful demonstration.
wrong=0
# must TEXT CONDITION...: checks a condition, and prints TEXT if it is not met.
must() {
	[ "${@:2}" ] && return
	echo "wrong: $1"
	wrong=1
}
cpu=$((result[offload,tcp] + result[offload,udp]))
for name in software offload; do
	must "the traffic ($name) ended before it was measured: this machine is too slow; try NFT_OFFLOAD_DEMO_SECONDS=120" "${result[$name,early]}" = yes
done
must "flows in hardware without \"flags offload\": ${result[software,flows]}" "${result[software,flows]}" -eq 0
must "flows in hardware: ${result[offload,flows]} of 6, expected at least 3" "${result[offload,flows]}" -ge 3
must "the router's CPU handled $cpu packets of ${result[offload,packets]}, more than 5 %" $((cpu * 20)) -lt "${result[offload,packets]}"
must "the router's CPU handled ${result[offload,middle]} packets in a second amid the traffic, ${result[software,middle]} without offload" \
	"${result[offload,middle]}" -lt "${result[software,middle]}"
must "rules left in the NIC: $(rules)" "$(rules)" -eq 0
exit $wrong
