#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Flows in hardware while neighbours and routes change a thousand times a second, none of which concerns them, and then the MAC of
# their own next hop; while links, VLAN devices and ports of a bridge come and go. What concerns no flow leaves it in hardware; after
# each storm all flows are there again, and right; in the end nothing is left.
#
# With one processor (uml.sh) notifiers and works only take turns; VM=qemu has two.
#
#   NFT_OFFLOAD_STORM_SECONDS    how long each storm lasts (4)
. "$(dirname "$0")/lib.sh"
. "$SELFTEST/stale.sh"

LASTS=${NFT_OFFLOAD_STORM_SECONDS:-4} RATE=1000
# Two of each family.
FIRST=41000 FLOWS=4
MEMORY=/tmp/storm.memory

storm() { router python3 -B "$SELFTEST/tools/storm.py" "$@"; }

# --- flows -----------------------------------------------------------------------------------------------------------

# ports: theirs.
ports() { seq $FIRST $((FIRST + FLOWS - 1)); }
# address_of PORT: which server the flow has.
address_of() { if [ $(($1 % 2)) = 0 ]; then echo $SERVER4; else echo $SERVER6; fi; }

# flows_up client|stream ROUNDS: in hardware, 50 datagrams a second each; PIDS. A client says which echoes were lost, a stream
# goes on whatever happens.
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
# none_lost NAME: the clients have missed no echo, after their last one; no rule is left.
none_lost() {
	local port
	# Their status is 1 if some are missing.
	wait "${PIDS[@]}"
	check_is "$1: no packet is lost" "$(for port in $(ports); do cat "/tmp/flow.$port"; done |
		sed 's/.*lost=//' | awk -v flows=$FLOWS '{ n += $1 } END { print NR == flows ? n : "unknown" }')" 0
	router conntrack -F >/dev/null 2>&1
	check "$1: no rule is left" busywait 10 rules_are 0
}
# all_arrive FROM N: since then so many answers of each flow have reached the client.
all_arrive() {
	local port
	for port in $(ports); do
		PORT=$port
		arrive "$2" "$1" 'at == "client"' || return 1
	done
}
# astray FROM TO: frames of the flows that arrived where they should not.
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

# answers NAME: in the middle of a storm others are not kept waiting: for RTNL, for nf_tables, for the module.
answers() {
	local started
	now
	started=$NOW
	check "$1: a device can be changed" router ip link set wan alias "$1"
	check "$1: the ruleset can be read" router nft list ruleset
	check "$1: the module answers" router "$GENL" 1 3
	now
	check_between "$1: all of this is done at once" $(((NOW - started) / 1000)) 0 1000
}

# --- storms ----------------------------------------------------------------------------------------------------------

# unconcerned NAME KIND DEVICE: the flows do not notice.
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

# settled NAME: a storm is over: all flows are in hardware again, and go where they should.
settled() {
	local started
	check "$1: all flows are in hardware again" busywait 20 rules_are $((FLOWS * 2))
	# What is on its way arrives.
	sleep 0.3
	now
	started=$NOW
	check "$1: all flows go on" busywait 10 all_arrive "$started" 20
	now
	check_is "$1: no frame goes astray" "$(astray "$started" "$NOW")" 0
	check_is "$1: they are still in hardware" "$(rules)" $((FLOWS * 2))
}

# to_alt N: frames of the flows that went to the other MAC.
to_alt() { awk -v mac=$ALT_MAC '$3 == mac' $FRAMES_FILE | wc -l; }

# concerned SECONDS: the server has two MACs by turns.
concerned() {
	local name="own next hop, $1 s" adds pids=() address
	check "$name: the flows are in hardware" flows_up client $((($1 + 3) * 50))
	nic_stat adds
	adds=$STAT
	for address in $SERVER4 $SERVER6; do
		# Both see an even number, so that the server has its own one in the end.
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

# bridged: the client is below a bridge, which has the addresses of lan.
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
	# See below: a VLAN device has routes of its own.
	router sysctl -qw net.ipv6.conf.default.disable_ipv6=1
}
# flap STEP: one change of a device; each is undone a few steps later.
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
		# Each time long enough for flows to be learned, or not.
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
# grown: the caches that have more objects. The kernel keeps those that trace references for a while, as many as there were.
grown() {
	memory after
	awk -v traces=$((RATE * LASTS / 4)) 'NR == FNR { before[$1] = $2; next }
		$2 - before[$1] > ($1 ~ /^kmalloc-(32|64)$/ ? traces : 300) { print $1 ": " before[$1] + 0 " objects, then " $2 }' \
		$MEMORY.before $MEMORY.after
}
as_before() { [ -z "$(grown)" ]; }

stale_up
load offload
# The tables of neighbours have grown, as memory is counted.
storm 2000 1 neighbours wan >/dev/null
memory before
unconcerned neighbours neighbours wan
unconcerned routes routes wan
concerned "$LASTS"
flapping
check_is "no rule was orphaned" "$(<"$NIC/orphans")" 0
no_ruleset
# netdevsim has a list of the routes' changes, goes through it at leisure, and until then keeps the IPv6 routes and their device.
busywait $((LASTS * 40)) as_before
check_is "no slab cache has grown" "$(grown)" ""
stale_end
