#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A soak test: several rounds of random churn. After each round no rule in the NIC, no record and no reference is left; after
# all rounds no memory is lost.
#
#   NFT_OFFLOAD_SOAK_SECONDS    the duration of the churn, over all rounds (30)
#   NFT_OFFLOAD_SOAK_SEED       the seed of all random numbers; the test prints it
#   NFT_OFFLOAD_SOAK_TRACE      if set, prints what the tracepoints tell about orphaned rules
#
# With kmemleak=on the test finds memory that nothing points to; with slab_debug=U, who has allocated it (make soak).
# shellcheck disable=SC2030,SC2031 # each churner has random numbers of its own
. "$(dirname "$0")/lib.sh"

SOAK_SECONDS=${NFT_OFFLOAD_SOAK_SECONDS:-30}
SEED=${NFT_OFFLOAD_SOAK_SEED:-$((RANDOM * 32768 + RANDOM))}
require_file "$GENL"
DIR=/tmp/soak
# The first round warms the caches up.
ROUNDS=$((SOAK_SECONDS < 900 ? 2 : SOAK_SECONDS / 300))
ROUND_SECONDS=$((SOAK_SECONDS / ROUNDS))
ROUND=0 CHURNED=0 IN=''
KMEMLEAK=/sys/kernel/debug/kmemleak
TRACES=/sys/kernel/debug/slab
# Addresses of the server behind VLAN 20 of wan, and of the router in the namespace guest.
VLAN4=10.0.3.2 VLAN6=fd00:3::2 GUEST4=10.1.2.2
# The parameters of the module, by round.
OPTIONS=('limit=lan:30,wan:20' '' unsupported=reject '')

# --- numbers ---------------------------------------------------------------------------------------------------------

# tick NAME [COUNT]: counts an event. ticks NAME: prints the count. Churners are separate processes.
tick() { printf '%*s' "${2:-1}" '' >>"$DIR/ticks.$1"; }
ticks() { stat -c %s "$DIR/ticks.$1" 2>/dev/null || echo 0; }

# switches: prints the last line of each simulated NIC that is gone, "high_water N orphans N ...". total, most NAME: the sum and
# the maximum of a number in these lines.
switches() { dmesg | sed -n "/$BEGIN/,\$p" | sed -n 's/.*netdevsim: a switch goes: //p'; }
of_switches() { switches | awk -v name="$1" '{ for (i = 1; i < NF; i += 2) if ($i == name) print $(i + 1) }'; }
total() { of_switches "$1" | awk '{ n += $1 } END { print n + 0 }'; }
most() { of_switches "$1" | sort -n | tail -n 1; }
# so_far NAME: the sum, with the NIC of the router, which exists.
so_far() {
	local live
	live=$(awk -v name="$1" '$1 == name { print $2 }' "$NIC/stats" 2>/dev/null)
	echo $(($(total "$1") + ${live:-0}))
}
# unclean: prints the lines of NICs that were not empty.
unclean() {
	switches | awk '{ for (i = 1; i < NF; i += 2) n[$i] = $(i + 1) }
		n["orphans"] || n["leaked_bindings"] || n["adds"] != n["dels"] || n["binds"] != n["unbinds"]'
}

# memory FILE: stores the objects of each slab cache and their size, and KiB of other memory. of ROUND NAME: prints a number.
memory() {
	echo 3 >/proc/sys/vm/drop_caches
	{
		awk 'NR > 2 { print $1, $2, $4 }' /proc/slabinfo
		awk '$1 ~ /^(VmallocUsed|Percpu|MemAvailable):$/ { sub(":", "", $1); print $1, $2 }' /proc/meminfo
	} >"$1"
}
of() { awk -v name="$2" '$1 == name { print $2 }' "$DIR/memory.$1"; }
slab_objects() { awk -v name="$1" '$1 == name { print $2 }' /proc/slabinfo; }

# at_rest: a condition: both devices of the router are bound and hold no rule.
at_rest() { [ "$(dump $DEVICES $BOUND $RULES)" = $'2 0\n2 0' ]; }

# --- churners --------------------------------------------------------------------------------------------------------

churning() { [ -e $DIR/go ]; }
# A pause between two steps: 0.1 to 0.4 s.
pause() { read -r -t "0.$((RANDOM % 4 + 1))" <>$DIR/never; }
# A DESTROY that fails has to succeed later, while its device exists: faults and removals of devices exclude each other.
leaving() { flock -s 9; }
failing() { flock -x 9; }
free() { flock -u 9; }

# rest SECONDS: waits, at most until the end of the round.
rest() {
	local end=$((SECONDS + $1))
	while churning && [ $SECONDS -lt $end ]; do read -r -t 0.3 <>$DIR/never; done
}

# churn FUNCTION [ARG...]: calls the function until the end of the round, with its own random numbers. A function that disturbs
# the traffic pauses as long as it ran: the traffic has half of the time, however slow the machine is.
churn() {
	(
		trap - EXIT
		exec 9<$DIR/lock
		RANDOM=$(((SEED + ROUND * 1009 + ${#PIDS[@]} * 31) & 32767))
		while churning; do
			began=$SECONDS
			"$@"
			free
			[ "$1" = connections ] || rest $((SECONDS - began))
		done
	) >"$DIR/log.${#PIDS[@]}" 2>&1 &
	PIDS+=($!)
}

# Connections of one kind, one after the other; sometimes one that lasts.
connections() { # PROTOCOL FIRST_PORT
	local to n end=fin
	case $((RANDOM % 8)) in
	0 | 1) to="$SERVER4 5001" ;;
	2 | 3) to="$SERVER6 5001" ;;
	4) to="$VLAN4 5001" ;;
	5) to="$VLAN6 5001" ;;
	6) to="$VIRTUAL4 8001" ;;
	7) to="$VIRTUAL6 8001" ;;
	esac
	n="-c $((RANDOM % 40 + 10)) -n $((RANDOM % 4 + 3))"
	[ $((RANDOM % 4)) -ne 0 ] || n="-c 1 -n 150 -i 20"
	[ $((RANDOM % 2)) -ne 0 ] || end=rst
	PORT=$((${PORT:-0} % 10000))
	# shellcheck disable=SC2086 # several words
	n=$(timeout 15 nsenter --net=/run/netns/client -- "$TRAFFIC" client "$1" $to -b $((PORT + $2)) $n -w 1500 -e $end |
		grep -c 'bytes=[1-9]')
	PORT=$((PORT + 60))
	tick flows "$n"
}

forget_connections() {
	case $((RANDOM % 4)) in
	0) router conntrack -F ;;
	1) router conntrack -D -p tcp ;;
	2) router conntrack -D -p udp ;;
	3) router conntrack -D -f ipv6 ;;
	esac >/dev/null
	pause
	pause
}

RELOADS=(forward snat dnat masquerade snat_dnat ipv4 software)
reload() { router nft -f "$DIR/reload.$1" && tick reloads; }

tables() {
	local dev=lan
	leaving
	case $((RANDOM % 8)) in
	0 | 1 | 2) reload "${RELOADS[RANDOM % ${#RELOADS[@]}]}" ;;
	3)
		no_tables
		tick deleted_tables
		pause
		reload forward
		;;
	4 | 5)
		[ $((RANDOM % 2)) -ne 0 ] || dev=wan
		router nft delete flowtable inet router ft "{ hook ingress priority filter; devices = { $dev }; }" &&
			tick device_removals
		pause
		router nft add flowtable inet router ft "{ hook ingress priority filter; devices = { $dev }; flags offload; counter; }"
		;;
	6)
		router nft flush ruleset
		tick deleted_tables
		reload masquerade
		;;
	7) router nft -c -f "$RULESETS/snat.nft" ;;
	esac
	free
	pause
}

# lan_up, wan_up: set up the ports and what is on them. wires: connects them to the hosts.
lan_up() {
	ip -n router -force -b - <<-END
		addr replace $LAN4/24 dev lan
		addr replace $VIRTUAL4/24 dev lan
		link set lan up
		addr replace $LAN6/64 dev lan nodad
		addr replace $VIRTUAL6/64 dev lan nodad
	END
}
wan_up() {
	ip -n router link show dev wan.20 || ip -n router link add link wan name wan.20 type vlan id 20
	ip -n router -force -b - <<-END
		addr replace $WAN4/24 dev wan
		addr replace $OUTSIDE4/24 dev wan
		addr replace 10.0.3.1/24 dev wan.20
		link set wan up
		link set wan.20 up
		addr replace $WAN6/64 dev wan nodad
		addr replace $OUTSIDE6/64 dev wan nodad
		addr replace fd00:3::1/64 dev wan.20 nodad
	END
}
# wan_is_there: the kernel reverts a change of the name wan if the ruleset refuses the device (unsupported=reject) because its
# driver fails.
wan_is_there() {
	local dev
	! ip -n router link show dev wan || return 0
	dev=$(ip netns exec router ls /sys/bus/netdevsim/devices/netdevsim2/net | grep -vx lan | head -n 1)
	ip -n router link set "$dev" down
	ip -n router link set "$dev" name wan && real_packets router wan && wire server eth router wan
}
wires() {
	wire client eth router lan
	wire server eth router wan
}
# real_packets NAMESPACE DEVICE...: packets as they are on a wire: no larger than the MTU, with checksums.
real_packets() {
	local ns=$1 dev
	shift
	for dev; do in_ns "$ns" ethtool -K "$dev" tso off gso off gro off tx off; done
}

# new_port NAMESPACE ID PORT NAME: adds a port to a simulated NIC.
new_port() {
	local dev
	ip netns exec "$1" sh -c "echo $3 >/sys/bus/netdevsim/devices/netdevsim$2/new_port" || return 1
	dev=$(ip netns exec "$1" ls "/sys/bus/netdevsim/devices/netdevsim$2/net" | grep -vxE 'lan|wan|eth' | head -n 1)
	ip -n "$1" link set "$dev" name "$4" && real_packets "$1" "$4"
}

devices() {
	leaving
	case $((RANDOM % 8)) in
	0)
		ip -n router link set wan down
		pause
		wan_up
		;;
	1)
		ip -n router link set lan down
		lan_up
		;;
	2)
		ip -n router link set wan name uplink && tick renames
		pause
		ip -n router link set uplink name wan
		;;
	3 | 4)
		echo 1 >/sys/bus/netdevsim/devices/netdevsim2/del_port && tick device_removals
		new_port router 2 1 wan && wire server eth router wan
		wan_up
		;;
	5)
		ip -n router link add dummy0 type dummy
		router nft add flowtable inet router ft '{ hook ingress priority filter; devices = { dummy0 }; flags offload; counter; }'
		ip -n router link del dummy0 && tick device_removals
		;;
	6)
		echo 2 >/sys/bus/netdevsim/del_device && tick device_removals 2
		new_nic router 2 lan wan
		real_packets router lan wan
		wires
		lan_up
		wan_up
		;;
	7)
		exec 7</run/netns/router
		echo "7:$(ifindex router lan)" >/sys/bus/netdevsim/unlink_device
		exec 7<&-
		wire client eth router lan
		;;
	esac
	free
	pause
	pause
}

# fail COMMAND ERRNO COUNT
fail() {
	echo 0 >"$NIC/fail_next" && echo "$1" >"$NIC/fail_cmd" && echo "$2" >"$NIC/fail_errno" && echo "$3" >"$NIC/fail_next"
}
none_left_to_fail() { [ ! -e "$NIC/fail_next" ] || [ "$(<"$NIC/fail_next")" -le 0 ]; }

# EBUSY ENOSPC EOPNOTSUPP EINVAL EIO ENOMEM EEXIST EAGAIN ENOENT
ERRNOS=(-16 -28 -95 -22 -5 -12 -17 -11 -2)
LIES=(stats_error lastused_future lastused_stale silent)
faults() {
	local errno=${ERRNOS[RANDOM % 9]}
	case $((RANDOM % 8)) in
	0 | 1) fail replace "$errno" $((RANDOM % 20 + 1)) ;;
	2) fail bind "$errno" $((RANDOM % 3 + 1)) ;;
	3) fail stats "$errno" $((RANDOM % 10 + 1)) ;;
	4)
		# With the profile tc, a driver that answers "no such rule" is believed: the rule is gone.
		case $errno in -2 | -22) errno=-5 ;; esac
		failing
		fail destroy "$errno" $((RANDOM % 6 + 1))
		router conntrack -D -p udp >/dev/null
		busywait 2 none_left_to_fail
		echo 0 >"$NIC/fail_next"
		free
		;;
	5)
		echo $((RANDOM % 40)) >"$NIC/capacity"
		pause
		pause
		echo 65536 >"$NIC/capacity"
		;;
	6)
		echo $((RANDOM % 3000)) >"$NIC/delay_us"
		pause
		echo 0 >"$NIC/delay_us"
		;;
	7)
		echo "${LIES[RANDOM % 4]}" >"$NIC/lie"
		pause
		echo none >"$NIC/lie"
		;;
	esac
	pause
}
no_faults() {
	echo 0 >"$NIC/fail_next"
	echo 0 >"$NIC/delay_us"
	echo 65536 >"$NIC/capacity"
	echo none >"$NIC/lie"
}

# Another router with its own NIC, flows and ruleset. Its namespace is removed with the NIC in it, or after the NIC.
guests() {
	local ruleset=forward
	[ $((RANDOM % 2)) -ne 0 ] || ruleset=masquerade
	ip netns add guest && new_nic guest 4 lan wan || return
	wire client eth2 guest lan
	wire server eth2 guest wan
	real_packets guest lan wan
	ip -n guest -b - <<-END
		addr add 10.1.1.1/24 dev lan
		addr add 10.1.2.1/24 dev wan
		link set lan up
		link set wan up
	END
	in_ns guest sysctl -qw net.ipv4.ip_forward=1
	in_ns guest nft -f "$RULESETS/$ruleset.nft"
	tick flows "$(timeout 15 nsenter --net=/run/netns/client -- "$TRAFFIC" client udp $GUEST4 5001 -c 8 -n 5 -w 1500 |
		grep -c 'bytes=[1-9]')"
	if [ $((RANDOM % 3)) -eq 0 ]; then
		echo 4 >/sys/bus/netdevsim/del_device
		ip netns del guest
	else
		ip netns del guest
		# The NIC moves to the initial namespace when its own one ends.
		busywait 20 is_home
		echo 4 >/sys/bus/netdevsim/del_device
	fi
	tick namespaces
}
is_home() { [ "$(ls /sys/bus/netdevsim/devices/netdevsim4/net)" != '' ]; }

# dump COMMAND [ATTRIBUTE...]: prints numbers over netlink.
dump() { router "$GENL" "$@"; }
DEVICES=device-get FLOWS=flow-get FAMILY=table-family BOUND=bound RULES=rules
no_record() { dump $FLOWS && [ -z "$(dump $FLOWS $FAMILY)" ]; }

# Queries over netlink in the meantime.
looks() {
	local what=$DEVICES answer
	[ $((RANDOM % 2)) -eq 0 ] || what=$FLOWS
	if answer=$(dump $what $FAMILY 2>&1); then
		tick looks
		tick looked "$(wc -l <<<"$answer")"
	else
		echo "$what: $answer" >>"$DIR/unanswered"
	fi
	pause
}

# --- a round ---------------------------------------------------------------------------------------------------------

# allocations: with slab_debug=U, the objects that the module has allocated and not freed: their number, by function and caller.
# They include objects of another module that was loaded at the same address: only the difference counts.
allocations() {
	cat $TRACES/*/alloc_traces | awk '
		$1 ~ /^[0-9]+$/ { what = by = $2; n = $1 }
		$1 !~ /^[0-9]+$/ { by = $1 }
		/\[nft_offload\]/ && n { sum[what " " by] += n; n = 0 }
		END { for (what in sum) print sum[what], what }' | sort
}
no_more_allocated() {
	allocations >$DIR/allocated
	awk 'NR == FNR { before[$2, $3] = $1; next } $1 > before[$2, $3] { print "before " before[$2, $3] + 0 ", now " $0 }' \
		$DIR/idle $DIR/allocated >$DIR/more
	[ ! -s $DIR/more ]
}

# lost: prints what kmemleak finds: memory older than 5 s that nothing points to, in two scans.
lost() {
	echo scan >$KMEMLEAK
	busywait 6 false
	echo scan >$KMEMLEAK
	head -n 60 $KMEMLEAK
}

ended() {
	local pid
	for pid in "${PIDS[@]}"; do ! kill -0 "$pid" || return 1; done
}
is_bare() { ! kill -0 "$BARE"; }
# The memory of a namespace is freed when the next namespace ends (net_complete_free). This one ends last, and its memory is left.
one_namespace() { [ "$(slab_objects net_namespace)" = 1 ]; }
no_namespace() { ip netns add last && ip netns del last && busywait 20 one_namespace; }
no_orphan() { grep -q '^TCP:.* orphan 0 ' /proc/net/sockstat; }
no_connection() { router conntrack -F && [ "$(router cat /proc/sys/net/netfilter/nf_conntrack_count)" = 0 ]; }

# give_up NAME: reports a failure and exits without bed_down, which would hang as well.
give_up() {
	not_ok "$1"
	echo w >/proc/sysrq-trigger
	trap - EXIT
	echo "1..$TAP_COUNT"
	exit 1
}

bed_of_round() {
	local ns id net
	modprobe nft_offload "$@" || return 1
	[ -z "${NFT_OFFLOAD_SOAK_TRACE:-}" ] || echo 1 >$TRACING/events/nft_offload/enable || return 1
	[ ! -e $TRACES/kmalloc-64/alloc_traces ] || allocations >$DIR/idle
	bed_up || return 1
	router sysctl -qw net.netfilter.nf_flowtable_udp_timeout=2 net.netfilter.nf_flowtable_tcp_timeout=2
	ip -n server -b - <<-END || return 1
		link add link eth name eth.20 type vlan id 20
		addr add $VLAN4/24 dev eth.20
		addr add $VLAN6/64 dev eth.20 nodad
		link set eth.20 up
	END
	while read -r ns id net; do
		new_port "$ns" "$id" 1 eth2 || return 1
		ip -n "$ns" addr add "$net.2/24" dev eth2
		ip -n "$ns" link set eth2 up
		ip -n "$ns" route add 10.1.0.0/16 via "$net.1" || return 1
	done <<<$'client 1 10.1.1\nserver 3 10.1.2'
	wan_up
	reload forward
}

# bare: removes everything that the round has created; a separate process, as it hangs if a device is held.
bare() {
	local ns id
	for ns in router client server guest; do
		ip netns pids $ns | xargs -r kill -9
		ip netns del $ns
	done
	for id in 1 2 3 4; do
		[ ! -e "/sys/bus/netdevsim/devices/netdevsim$id" ] || echo $id >/sys/bus/netdevsim/del_device
	done
} 2>/dev/null
unload() {
	local module
	for module in netdevsim nft_offload nft_flow_offload nf_flow_table; do modprobe -r $module || return 1; done
}

# leave_live HOW: ends flows that are in hardware.
leave_live() {
	local pids
	exchange udp $SERVER4 -b 46000 -n 1000 -i 20 >/dev/null 2>&1 &
	pids=$!
	exchange tcp $SERVER6 -b 46000 -n 1000 -i 20 >/dev/null 2>&1 &
	pids="$pids $!"
	check "$IN the last flows are in hardware" busywait 30 rules_are 4
	case $1 in
	0)
		router nft delete table inet router
		check_is "$IN nft delete table leaves no rule" "$(rules)" 0
		;;
	1)
		router nft delete flowtable inet router ft '{ hook ingress priority filter; devices = { lan, wan }; }'
		check_is "$IN devices that leave the flowtable leave no rule" "$(rules)" 0
		;;
	2)
		echo 1 >/sys/bus/netdevsim/devices/netdevsim2/del_port
		check_is "$IN a port that goes leaves no rule" "$(rules)" 0
		;;
	*) return ;; # with the namespace
	esac
	# shellcheck disable=SC2086 # two processes
	kill $pids
}

# orphans: prints what is known of orphaned rules.
orphans() {
	local cookie flows
	dmesg | sed -n "/$BEGIN/,\$p" | grep -o 'netdevsim: .* goes with rule .*' | while read -r line; do
		diag "$line"
		[ -n "${NFT_OFFLOAD_SOAK_TRACE:-}" ] || continue
		cookie=$(grep -o 'rule [0-9]*' <<<"$line" | cut -d' ' -f2)
		flows=$(grep "cookie=$cookie " $TRACING/trace | grep -o 'flow=[0-9a-f]*' | sort -u | paste -sd'|')
		diag "$(grep -E "cookie=$cookie |${flows:-none}" $TRACING/trace | tail -n 40)"
	done
}

# happened NUMBER LEAST: a condition: at least LEAST in each round. enough: a condition: of every kind of event.
happened() { [ "$1" -ge $((ROUND * $2)) ]; }
enough() {
	happened "$(ticks namespaces)" 1 && happened "$(ticks device_removals)" 1 && happened "$(ticks reloads)" 2 &&
		happened "$(so_far injected)" 2 && happened "$(so_far adds)" 20
}

# round SECONDS: churns, then checks that nothing is left.
round() {
	local i began=$SECONDS start=$SECONDS
	ROUND=$((ROUND + 1))
	IN="round $ROUND:"
	# shellcheck disable=SC2086 # may be none
	if ! bed_of_round ${OPTIONS[ROUND % 4]} >$DIR/log.bed 2>&1; then
		diag "$(tail -n 5 $DIR/log.bed)"
		give_up "$IN the test bed is up"
	fi
	PIDS=()
	began=$SECONDS
	touch $DIR/go
	churn connections tcp 10000
	churn connections udp 20000
	churn connections udp 30000
	for i in forget_connections tables devices faults guests looks; do churn $i; done
	busywait "$1" false
	# Longer on a busy machine.
	busywait 60 enough
	rm -f $DIR/go
	CHURNED=$((CHURNED + SECONDS - began))
	# The bound is for a hang: a step takes long on a slow machine.
	if ! busywait 300 ended; then
		diag "$(tail -n 3 $DIR/log.*)"
		give_up "$IN the churners come to an end"
	fi

	# At rest: the router as it was at the beginning.
	{
		no_faults
		wan_is_there
		lan_up
		wan_up
		no_tables
		reload forward
	} >$DIR/log.rest 2>&1
	check "$IN packets get through" busywait 60 client ping -q -c 1 -W 1 $SERVER4
	# Neighbours: ping gives up when it is refused once.
	check "$IN those of IPv6 too" busywait 60 client ping -q -c 1 -W 1 $SERVER6
	router conntrack -F >/dev/null 2>&1
	check "$IN flows end, no rule is left" busywait 60 rules_are 0
	check "$IN no record is left" busywait 20 no_record
	check "$IN both devices are bound, and hold no rule by the module's count" busywait 10 at_rest
	# The flow must not end before the checks.
	router sysctl -qw net.netfilter.nf_flowtable_udp_timeout=60
	check "$IN a new connection goes into hardware" open_flow udp $SERVER4 45000
	close_flow
	check "$IN no connection is left" busywait 10 no_connection
	check "$IN nor a rule" busywait 30 rules_are 0
	check_is "$IN netlink has answered" "$(cat $DIR/unanswered 2>/dev/null)" ""
	leave_live $((RANDOM % 4))
	check_is "$IN no rule was orphaned" "$(<"$NIC/orphans")" 0
	[ "$(<"$NIC/orphans")" = 0 ] || orphans

	# Only the machine is left.
	bare &
	BARE=$!
	busywait 180 is_bare || give_up "$IN every device and namespace can be removed"
	# An unanswered TCP connection holds its namespace until its timeout.
	busywait 300 no_orphan
	busywait 90 no_namespace
	check_is "$IN no namespace is left but the last" "$(slab_objects net_namespace)" 1
	check_is "$IN nor had a NIC a rule or a binding when it went" "$(unclean)" ""
	check "$IN no reference of the module is left" busywait 10 module_free
	if [ -e $DIR/idle ]; then
		busywait 15 no_more_allocated
		check_is "$IN the module has no memory that it had not when it was loaded" "$(cat $DIR/more)" ""
	fi
	[ ! -e $DIR/kmemleak ] || check_is "$IN no memory is lost" "$(lost)" ""
	busywait 30 unload || give_up "$IN the modules unload"
	wait
	memory "$DIR/memory.$ROUND"
	diag "$IN $((SECONDS - start)) s, so far $(ticks flows) flows, MemAvailable $(of $ROUND MemAvailable) KiB"
}

# grown ROUND ROUND MOST BYTES: prints the slab caches with over MOST objects more, and those of kmalloc, which the module uses,
# with over BYTES more.
grown() {
	awk -v most="$3" -v bytes="$4" 'NR == FNR { before[$1] = $2; next }
		{ more = $2 - before[$1] }
		$1 !~ /^(MemAvailable|VmallocUsed|Percpu)$/ && (more > most || ($1 ~ /^kmalloc/ && more * $3 > bytes)) { print $1 ": " before[$1] + 0 " objects, then " $2 }' \
		"$DIR/memory.$1" "$DIR/memory.$2"
}
# most_grown ROUND ROUND: prints the three caches with the largest growth, in objects.
most_grown() {
	awk 'NR == FNR { before[$1] = $2; next }
		$1 !~ /^(MemAvailable|VmallocUsed|Percpu)$/ && $2 > before[$1] { print $2 - before[$1], $1 }' \
		"$DIR/memory.$1" "$DIR/memory.$2" | sort -rn | head -n 3 | awk '{ print $2 " +" $1 }' | paste -sd ' '
}
all_slab() { awk '$1 !~ /^(MemAvailable|VmallocUsed|Percpu)$/ { n += $2 } END { print n }' "$DIR/memory.$1"; }

figures() {
	local name
	cat <<-END
		$CHURNED s of churn in $ROUNDS rounds, seed $SEED
		$(ticks flows) flows, $(ticks reloads) reloads, $(ticks deleted_tables) tables deleted, $(ticks device_removals) devices removed,
		$(ticks renames) renamed, $(ticks namespaces) namespaces with their NIC, $(ticks looks) netlink requests
		$(switches | wc -l) NICs: $(total adds) rules added, $(total dels) deleted, at most $(most high_water) at a time; $(total injected) errors injected,
		$(total refused) rules refused, $(total binds) bindings, $(total unbinds) unbindings, $(total forwarded) packets forwarded
		after the first round and the last:
	END
	for name in MemAvailable VmallocUsed Percpu; do echo "$name $(of 1 $name) KiB, $(of "$ROUNDS" $name) KiB"; done
	echo "slab $(all_slab 1) objects, $(all_slab "$ROUNDS") objects; most of it $(most_grown 1 "$ROUNDS")"
}

# --- the soak --------------------------------------------------------------------------------------------------------

rm -rf $DIR
mkdir $DIR
touch $DIR/lock
mkfifo $DIR/never
for name in "${RELOADS[@]}"; do
	{
		for table in inet ip; do echo "table $table router; delete table $table router"; done
		echo "table inet nat; delete table inet nat"
		case $name in
		ipv4) sed 's/^table inet/table ip/' "$RULESETS/forward.nft" ;;
		software) sed '/flags offload/d' "$RULESETS/forward.nft" ;;
		*) cat "$RULESETS/$name.nft" ;;
		esac
	} >"$DIR/reload.$name"
done
# Devices, rulesets and namespaces wait for grace periods when they are removed.
expedite_rcu
echo scan 2>/dev/null >$KMEMLEAK && touch $DIR/kmemleak

TRACING=/sys/kernel/tracing
if [ -n "${NFT_OFFLOAD_SOAK_TRACE:-}" ]; then
	echo 16384 >$TRACING/buffer_size_kb
fi
BEGIN="nft-offload-soak $RANDOM$RANDOM"
echo "$BEGIN" >/dev/kmsg
diag "seed $SEED, $ROUNDS rounds of $ROUND_SECONDS s"
RANDOM=$((SEED & 32767))
# bash reads the whole block before it runs: the file can be edited during a long soak.
{
	while [ $ROUND -lt $ROUNDS ]; do round $ROUND_SECONDS; done

	diag "$(figures)"
	check "flows were in hardware" happened "$(total adds)" 20
	# One lost object per flow would be as many as there were flows.
	check_is "no slab cache has grown" "$(grown 1 "$ROUNDS" 200 65536)" ""
	check "the driver failed" happened "$(total injected)" 2
	check "rulesets were reloaded" happened "$(ticks reloads)" 2
	check "devices were removed" happened "$(ticks device_removals)" 1
	check "namespaces came and went" happened "$(ticks namespaces)" 1
}
