#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Flows in hardware during storms: neighbours and routes that have nothing to do with them change a thousand times a second; then
# the MAC of their own next hop; then links, VLAN devices and ports of a bridge come and go. Changes that do not concern a flow
# leave it in hardware. After each storm all flows are in hardware again, with the right rules; at the end nothing is left.
#
# With one processor (uml.sh), notifiers and work items only take turns; VM=qemu has two.
#
#   NFT_OFFLOAD_STORM_SECONDS    the duration of each storm (4)
. "$(dirname "$0")/lib.sh"
. "$SELFTEST/stale.sh"

LASTS=${NFT_OFFLOAD_STORM_SECONDS:-4} RATE=1000
# Two flows of each family.
FIRST=41000 FLOWS=4
MEMORY=/tmp/storm.memory

storm() { router python3 -B "$SELFTEST/tools/storm.py" "$@"; }

# --- flows -----------------------------------------------------------------------------------------------------------

# ports: prints the source ports of the flows.
ports() { seq $FIRST $((FIRST + FLOWS - 1)); }
# address_of PORT: prints the server of the flow.
address_of() { if [ $(($1 % 2)) = 0 ]; then echo $SERVER4; else echo $SERVER6; fi; }

# flows_up client|stream ROUNDS: starts the flows, with 50 datagrams a second each, and waits until they are in hardware; sets
# PIDS. A client reports lost echoes; a stream sends whatever happens.
flows_up() {
	local port pids=()
	FIRST=$((FIRST + 10))
	for port in $(ports); do
		nsenter --net=/run/netns/client -- "$TRAFFIC" "$1" udp "$(address_of "$port")" 5001 -b "$port" -i 20 \
			${2:+-n "$2"} >"/tmp/flow.$port" 2>&1 &
		pids+=($!)
	done
	PIDS=("${pids[@]}")
	busywait 10 rules_are $((FLOWS * 2))
}
# none_lost NAME: results: the clients have received every echo, and no rule is left after them.
none_lost() {
	local port
	# The status of a client is 1 if echoes are missing.
	wait "${PIDS[@]}"
	check_is "$1: no packet is lost" "$(for port in $(ports); do cat "/tmp/flow.$port"; done |
		sed 's/.*lost=//' | awk -v flows=$FLOWS '{ n += $1 } END { print NR == flows ? n : "unknown" }')" 0
	router conntrack -F >/dev/null 2>&1
	check "$1: no rule is left" busywait 10 rules_are 0
}
# all_arrive FROM N: a condition: since FROM, N replies of each flow have reached the client.
all_arrive() {
	local port
	for port in $(ports); do
		PORT=$port
		arrive "$2" "$1" 'at == "client"' || return 1
	done
}
# astray FROM TO: prints the number of frames that arrived at the wrong MAC.
astray() {
	local port n=0
	for port in $(ports); do
		PORT=$port
		n=$((n + $(frames "$1" "$2" "at == \"server\" && dmac != \"$SERVER_MAC\" || at == \"client\" && dmac != \"$CLIENT_MAC\"")))
	done
	echo $n
}

calls() {
	nic_stat adds
	local adds=$STAT
	nic_stat dels
	echo "$adds added, $STAT deleted"
}

# answers NAME: results: in the middle of a storm RTNL, nf_tables and the module are available.
answers() {
	local started
	now
	started=$NOW
	check "$1: a device can be changed" router ip link set wan alias "$1"
	check "$1: the ruleset can be read" router nft list ruleset
	check "$1: the module answers" router "$GENL" device-get table-family
	now
	check_between "$1: all of this is done at once" $(((NOW - started) / 1000)) 0 1000
}

# --- storms ----------------------------------------------------------------------------------------------------------

# unconcerned NAME KIND DEVICE: results: the storm does not affect the flows.
unconcerned() {
	local name=$1 before rules cpu started pid said
	check "$name: the flows are in hardware" flows_up client $(((LASTS + 2) * 50))
	sleep 0.5
	before=$(calls) rules=$(same_rules) cpu=$(cpu udp)
	now
	started=$NOW
	storm $RATE "$LASTS" "$2" "$3" >/tmp/storm.said &
	pid=$!
	sleep $((LASTS / 2))
	answers "$name"
	check "$name: it is one" wait $pid
	said=$(</tmp/storm.said)
	diag "$name: $said"
	check_is "$name: $((RATE * LASTS)) changes, none failed" "${said%% ms*}" "sent $((RATE * LASTS)) failed 0"
	check_is "$name: no rule was added or deleted" "$(calls)" "$before"
	check_is "$name: the rules are the same" "$(same_rules)" "$rules"
	check_is "$name: no packet has reached the CPU" "$(cpu udp)" "$cpu"
	now
	check_is "$name: none has gone astray" "$(astray "$started" "$NOW")" 0
	check "$name: all flows go on" all_arrive "$started" $((LASTS * 45))
	none_lost "$name"
}

# settled NAME: results after a storm: all flows are in hardware again, and frames go where they should.
settled() {
	local started
	check "$1: all flows are in hardware again" busywait 20 rules_are $((FLOWS * 2))
	# Packets that are on their way arrive.
	sleep 0.3
	now
	started=$NOW
	check "$1: all flows go on" busywait 10 all_arrive "$started" 20
	now
	check_is "$1: no frame goes astray" "$(astray "$started" "$NOW")" 0
	check_is "$1: they are still in hardware" "$(rules)" $((FLOWS * 2))
}

# to_alt: prints the number of frames that went to the other MAC.
to_alt() { awk -v mac=$ALT_MAC '$3 == mac' $FRAMES_FILE | wc -l; }

# concerned SECONDS: the server alternates between two MACs.
concerned() {
	local name="own next hop, $1 s" adds pids=() address
	check "$name: the flows are in hardware" flows_up client $((($1 + 3) * 50))
	nic_stat adds
	adds=$STAT
	for address in $SERVER4 $SERVER6; do
		# Both storms make an even number of changes: the server has its own MAC at the end.
		storm $((RATE / 2)) "$1" next-hop wan "$address" $ALT_MAC "$SERVER_MAC" >/tmp/storm.said &
		pids+=($!)
	done
	sleep $(($1 / 2))
	answers "$name"
	check "$name: it is one" wait "${pids[@]}"
	diag "$name: $(</tmp/storm.said)"
	settled "$name"
	nic_stat adds
	diag "$name: $((STAT - adds)) rules were added meanwhile, $(to_alt) frames have gone to the other MAC"
	check "$name: flows have followed" test $((STAT - adds)) -ge $FLOWS
	none_lost "$name"
	watch_frames
}

# bridged: puts the client below a bridge, which gets the addresses of lan.
bridged() {
	router sysctl -qw net.ipv6.conf.all.keep_addr_on_down=1
	ip -n router -b - <<-END
		link add br0 address $LAN_MAC type bridge
		link set lan master br0
		link add d0 type dummy
		link set d0 up
		link set br0 up
		addr flush dev lan scope global
		addr add $LAN4/24 dev br0
		addr add $LAN6/64 dev br0 nodad
	END
	# See flap: a VLAN device has routes of its own.
	router sysctl -qw net.ipv6.conf.default.disable_ipv6=1
}
# flap STEP: changes a device; each change is undone a few steps later.
flap() {
	case $1 in
	0) echo 'link add link wan name wan.30 type vlan id 30' && echo 'link set wan.30 up' ;;
	1) echo 'link set wan down' ;;
	2) echo 'link set d0 master br0' ;;
	3) echo 'link set wan up' ;;
	4) echo 'link set lan nomaster' ;;
	5) echo 'link del wan.30' ;;
	6) echo 'link set lan master br0' ;;
	7) echo 'link set d0 nomaster' ;;
	esac | ip -n router -b -
}
flapping() {
	local name="links, VLANs and ports" step=0 end adds
	check "$name: the client is below a bridge" bridged
	check "$name: the flows are in hardware" flows_up stream ''
	nic_stat adds
	adds=$STAT
	now
	end=$((NOW + LASTS * 1000000))
	: >/tmp/flap.failed
	while [ "$NOW" -lt $end ] || [ $((step % 8)) -ne 0 ]; do
		flap $((step % 8)) >>/tmp/flap.failed 2>&1
		step=$((step + 1))
		# At some steps the pause is long enough for flows to be learned.
		sleep 0.0$((step % 9 + 1))
		now
	done
	check_is "$name: $step changes, none failed" "$(</tmp/flap.failed)" ""
	settled "$name"
	nic_stat adds
	diag "$name: $step changes, $((STAT - adds)) rules were added meanwhile"
	hush "${PIDS[@]}"
	router conntrack -F >/dev/null 2>&1
	check "$name: no rule is left" busywait 10 rules_are 0
}

# --- memory ----------------------------------------------------------------------------------------------------------

memory() {
	echo 3 >/proc/sys/vm/drop_caches
	sleep 1
	awk 'NR > 2 { print $1, $2 }' /proc/slabinfo >"$MEMORY.$1"
}
# grown: prints the caches with more objects. The kernel keeps those that trace references for a while, as many as there were.
grown() {
	memory after
	awk -v traces=$((RATE * LASTS / 4)) 'NR == FNR { before[$1] = $2; next }
		$2 - before[$1] > ($1 ~ /^kmalloc-(32|64)$/ ? traces : 300) { print $1 ": " before[$1] + 0 " objects, then " $2 }' \
		$MEMORY.before $MEMORY.after
}
as_before() { [ -z "$(grown)" ]; }

stale_up
load offload
# The tables of neighbours grow before memory is counted.
storm 2000 1 neighbours wan >/dev/null
memory before
unconcerned neighbours neighbours wan
unconcerned routes routes wan
concerned "$LASTS"
flapping
check_is "no rule was orphaned" "$(<"$NIC/orphans")" 0
no_ruleset
# netdevsim works through a list of route changes slowly, and holds the IPv6 routes and their device until then.
busywait $((LASTS * 40)) as_before
check_is "no slab cache has grown" "$(grown)" ""
stale_end
