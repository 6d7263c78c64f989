# SPDX-License-Identifier: GPL-2.0
# Shared by the kselftests: TAP, the test bed, and what a test asks of it.
#
#   client            router                  server
#   [ eth ]---wire---[ lan | switch | wan ]---wire---[ eth ]
#
# Three network namespaces. lan and wan are two ports of one simulated switch NIC (netdevsim, see tests/netdevsim);
# what its hardware forwards, the router's CPU never sees.
# shellcheck shell=bash

SELFTEST=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
RULESETS=$SELFTEST/rulesets
TRAFFIC=${VM_TRAFFIC:?the traffic tool is built by tests/run.sh}
SIM=/sys/kernel/debug/netdevsim
NIC=$SIM/netdevsim2/flow

CLIENT4=10.0.1.2 LAN4=10.0.1.1 WAN4=10.0.2.1 SERVER4=10.0.2.2
CLIENT6=fd00:1::2 LAN6=fd00:1::1 WAN6=fd00:2::1 SERVER6=fd00:2::2
# More addresses of the router, for the NAT rulesets: clients dial VIRTUAL, servers see OUTSIDE.
VIRTUAL4=10.0.1.101 VIRTUAL6=fd00:1::101
OUTSIDE4=10.0.2.101 OUTSIDE6=fd00:2::101

# --- TAP -------------------------------------------------------------------------------------------------------------

TAP_COUNT=0
TAP_FAILED=0

ok() {
	TAP_COUNT=$((TAP_COUNT + 1))
	echo "ok $TAP_COUNT $*"
}

not_ok() {
	TAP_COUNT=$((TAP_COUNT + 1))
	TAP_FAILED=$((TAP_FAILED + 1))
	echo "not ok $TAP_COUNT $*"
}

# The kernel that is a program takes 5 to 15 ms for each process: what is called often has none.
diag() {
	local text=$*
	echo "# ${text//$'\n'/$'\n'# }"
}

# check DESCRIPTION CMD...: passes if the command does; else its output is shown. The command runs in this shell, as
# some open a file descriptor.
check() {
	local description=$1
	shift
	if "$@" >/tmp/check.output 2>&1; then
		ok "$description"
	else
		not_ok "$description"
		diag "failed: $*"
		[ ! -s /tmp/check.output ] || diag "$(cat /tmp/check.output)"
	fi
}

# check_is DESCRIPTION ACTUAL EXPECTED
check_is() {
	if [ "$2" = "$3" ]; then
		ok "$1"
	else
		not_ok "$1"
		diag "is:        $2"
		diag "should be: $3"
	fi
}

# check_between DESCRIPTION ACTUAL LOW HIGH
check_between() {
	if [ "${2:-x}" -ge "$3" ] 2>/dev/null && [ "$2" -le "$4" ]; then
		ok "$1"
	else
		not_ok "$1"
		diag "is:        $2"
		diag "should be: $3 to $4"
	fi
}

# sleep SECONDS: without a process, by waiting for what never comes.
exec {NEVER}<> <(:)
sleep() {
	read -r -t "$1" <&"$NEVER"
	return 0
}

# busywait SECONDS CMD...: until the command succeeds.
busywait() {
	local end=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.1
	done
}

# --- the test bed ----------------------------------------------------------------------------------------------------

# in_ns NAMESPACE CMD...: as ip netns exec, without its mounts: three times faster, but /sys is that of the first namespace.
in_ns() { nsenter --net="/run/netns/$1" -- "${@:2}"; }
client() { in_ns client "$@"; }
router() { in_ns router "$@"; }
server() { in_ns server "$@"; }

# new_nic NAMESPACE ID PORT...: a netdevsim device with these ports.
new_nic() {
	local ns=$1 id=$2 dev
	shift 2
	ip netns exec "$ns" sh -c "echo '$id $#' > /sys/bus/netdevsim/new_device" || return 1
	for name in "$@"; do
		dev=$(ip netns exec "$ns" ls "/sys/bus/netdevsim/devices/netdevsim$id/net" | grep -vxE 'lan|wan' | head -n 1)
		ip -n "$ns" link set "$dev" name "$name" || return 1
	done
}

ifindex() {
	local line
	line=$(ip -n "$1" -o link show dev "$2") && echo "${line%%:*}"
}

# wire NAMESPACE DEVICE NAMESPACE DEVICE: joins two ports.
wire() {
	exec 7<"/run/netns/$1" 8<"/run/netns/$3"
	local rc=0
	echo "7:$(ifindex "$1" "$2") 8:$(ifindex "$3" "$4")" >/sys/bus/netdevsim/link_device || rc=1
	exec 7<&- 8<&-
	return $rc
}

# host_up NAMESPACE ADDRESS4 ADDRESS6 GATEWAY4 GATEWAY6
host_up() {
	ip -n "$1" -b - <<-END
		link set lo up
		addr add $2/24 dev eth
		addr add $3/64 dev eth nodad
		link set eth up
		route add default via $4
		route add default via $5
	END
}

bed_up() {
	local ns
	for ns in client router server; do
		ip netns add "$ns"
		in_ns "$ns" sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0 \
			net.ipv6.conf.default.router_solicitations=0
	done
	modprobe netdevsim || return 1
	new_nic client 1 eth && new_nic router 2 lan wan && new_nic server 3 eth || return 1
	wire client eth router lan && wire server eth router wan || return 1
	for ns in "client eth" "router lan" "router wan" "server eth"; do
		# Packets of the size that a wire carries, with checksums in them.
		in_ns "${ns% *}" ethtool -K "${ns#* }" tso off gso off gro off tx off 2>/dev/null
	done
	host_up client $CLIENT4 $CLIENT6 $LAN4 $LAN6 || return 1
	host_up server $SERVER4 $SERVER6 $WAN4 $WAN6 || return 1
	ip -n router -b - <<-END || return 1
		link set lo up
		addr add $LAN4/24 dev lan
		addr add $VIRTUAL4/24 dev lan
		addr add $LAN6/64 dev lan nodad
		addr add $VIRTUAL6/64 dev lan nodad
		link set lan up
		addr add $WAN4/24 dev wan
		addr add $OUTSIDE4/24 dev wan
		addr add $WAN6/64 dev wan nodad
		addr add $OUTSIDE6/64 dev wan nodad
		link set wan up
	END
	router sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 \
		net.netfilter.nf_conntrack_acct=1 net.netfilter.nf_conntrack_timestamp=1
	router nft -f "$RULESETS/cpu.nft" || return 1
	server "$TRAFFIC" server tcp 5001 &
	SERVERS=$!
	server "$TRAFFIC" server udp 5001 &
	SERVERS="$SERVERS $!"
	# Neighbours, so that no test begins with ARP.
	busywait 5 client ping -q -c 1 -W 1 $SERVER4 && busywait 5 client ping -q -c 1 -W 1 $SERVER6
}

bed_down() {
	local ns
	# shellcheck disable=SC2086,SC2046 # lists of processes
	kill ${SERVERS:-} $(jobs -p) 2>/dev/null
	wait 2>/dev/null
	for ns in client router server; do
		ip netns pids "$ns" 2>/dev/null | xargs -r kill -9 2>/dev/null
		ip netns del "$ns" 2>/dev/null
	done
	for id in 1 2 3 4; do
		echo "$id" 2>/dev/null >/sys/bus/netdevsim/del_device
	done
	busywait 5 modprobe -r netdevsim
	busywait 5 modprobe -r nft_offload
	busywait 5 modprobe -r nft_flow_offload
	busywait 5 modprobe -r nf_flow_table_inet
	busywait 5 modprobe -r nf_flow_table
	return 0
}

finish() {
	bed_down >/dev/null 2>&1
	echo "1..$TAP_COUNT"
	[ "$TAP_FAILED" -eq 0 ] && [ "$TAP_COUNT" -gt 0 ]
	exit $?
}
trap finish EXIT

# begin [MODULE_OPTION...]: the bed with our module; every test but those of loading starts with it. FLOWTABLE_MODULE is another
# module that has the flowtable type.
FLOWTABLE_MODULE=nft_offload
# shellcheck disable=SC2120 # most need no options
begin() {
	if ! modprobe "$FLOWTABLE_MODULE" "$@" || ! bed_up; then
		not_ok "the test bed is up"
		exit 1
	fi
}

# gre_hosts: a GRE tunnel between client and server, through the router: 192.168.77.1 and .2. gre_ruleset: the router offloads
# it as well.
gre_hosts() {
	local ns own peer last
	while read -r ns own peer last; do
		ip -n "$ns" -b - <<-END
			link add tun type gre local $own remote $peer
			addr add 192.168.77.$last/30 dev tun
			link set tun up
		END
	done <<-END
		client $CLIENT4 $SERVER4 1
		server $SERVER4 $CLIENT4 2
	END
}
gre_ruleset() { sed 's/{ tcp, udp } flow/{ tcp, udp, gre } flow/' "$RULESETS/forward.nft" | router nft -f -; }

# --- rulesets --------------------------------------------------------------------------------------------------------

# ruleset NAME [offload|software|slow]: loads a ruleset as it is, without "flags offload", or without a flowtable rule.
ruleset() {
	case ${2:-offload} in
	offload) router nft -f "$RULESETS/$1.nft" ;;
	software) sed '/flags offload/d' "$RULESETS/$1.nft" | router nft -f - ;;
	slow) sed '/flags offload/d; /flow add/d' "$RULESETS/$1.nft" | router nft -f - ;;
	esac
}

# no_tables: removes it; the counters of the CPU stay. no_ruleset: and the connections.
no_tables() { router nft 'table inet router; delete table inet router; table inet nat; delete table inet nat'; }
no_ruleset() {
	no_tables
	router conntrack -F >/dev/null 2>&1
	return 0
}

# --- questions -------------------------------------------------------------------------------------------------------

# cpu tcp|udp: packets of the protocol that the router's CPU has received on lan and wan.
cpu() { router nft list counter netdev watch "seen_$1" | awk '$1 == "packets" { print $2 }'; }

# rules: how many rules the NIC holds.
rules() { echo "$(<"$NIC/count")"; }
rules_are() {
	local n
	read -r n <"$NIC/count" && [ "$n" -eq "$1" ]
}

# hw_counter NAME: a counter of ethtool -S, both ports. hw_packets: what the NIC has forwarded by its rules.
hw_counter() {
	local dev sum=0 n
	for dev in lan wan; do
		n=$(router ethtool -S $dev | awk -v name="$1:" '$1 == name { print $2 }')
		sum=$((sum + ${n:-0}))
	done
	echo $sum
}
hw_packets() {
	local name value
	while read -r name value; do
		[ "$name" = forwarded ] && echo "$value"
	done <"$NIC/stats"
}

# flows HW_OFFLOAD|OFFLOAD PROTOCOL: conntrack entries of the protocol with this flag.
flows() { router conntrack -L -p "$2" 2>/dev/null | grep -c "\[$1\]"; }
flows_are() { [ "$(flows "$1" "$2")" -eq "$3" ]; }

# module_refs: how many flowtables use the module.
module_refs() { awk -v module="$FLOWTABLE_MODULE" '$1 == module { print $3 }' /proc/modules; }
module_free() { [ "$(module_refs)" = 0 ]; }

# exchange PROTOCOL ADDRESS [OPTION...]: the client's rounds of message and echo.
exchange() {
	local proto=$1 address=$2
	shift 2
	client "$TRAFFIC" client "$proto" "$address" 5001 "$@"
}

# talk_on [OPTION...]: a UDP client in the background; $! is itself, to be killed. hush PID...: kills such clients.
talk_on() { nsenter --net=/run/netns/client -- "$TRAFFIC" client udp $SERVER4 5001 "$@" >/dev/null 2>&1 & }
hush() {
	kill "$@" 2>/dev/null
	wait "$@" 2>/dev/null
	return 0
}

# open_flow PROTOCOL ADDRESS SOURCE_PORT: a connection that is established, in hardware (two rules more), and held open.
# Closes with close_flow.
open_flow() {
	local before
	before=$(rules)
	rm -f "/tmp/hold.$3" "/tmp/hold.$3.out"
	mkfifo "/tmp/hold.$3"
	# shellcheck disable=SC2094 # the fifo is what holds it
	exchange "$1" "$2" -b "$3" -n 3 -e "${4:-hold}" <"/tmp/hold.$3" >"/tmp/hold.$3.out" 2>&1 &
	eval "exec 6>/tmp/hold.$3"
	busywait 10 grep -q holding "/tmp/hold.$3.out" || return 1
	busywait 5 rules_are $((before + 2))
}

close_flow() { exec 6>&-; }

# --- the netlink family ----------------------------------------------------------------------------------------------

# ynl_up NAME NAMESPACE FD FD [OPTION]: a netlink client, which knows only the spec. It stays, and takes requests on one
# descriptor and says on the other when the answer is in /tmp/ynl.NAME.
ynl_up() {
	local ksrc
	ksrc=$(readlink -f "$VM_KERNEL/source")
	mkfifo "/tmp/ynl.$1.in" "/tmp/ynl.$1.out"
	in_ns "$2" python3 "$SELFTEST/tools/ynl.py" "$ksrc" "$SELFTEST/../../docs/netlink/nft_offload.yaml" \
		--answers "/tmp/ynl.$1" "${@:5}" <"/tmp/ynl.$1.in" >"/tmp/ynl.$1.out" &
	eval "exec $3>/tmp/ynl.$1.in $4</tmp/ynl.$1.out"
	read -r -t 120 <&"$4" && [ "$(<"/tmp/ynl.$1")" = '"ready"' ]
}

# ynl_ask NAME FD FD REQUEST: one line of JSON.
ynl_ask() {
	printf '%s\n' "${*:4}" >&"$2"
	if read -r -t 60 <&"$3"; then printf '%s\n' "$(<"/tmp/ynl.$1")"; else echo '"no answer"'; fi
}

# netlink_up: one in the router. ask REQUEST: one line of JSON. get FILTER REQUEST: what jq makes of it.
netlink_up() { ynl_up router router 20 21 "$@"; }
ask() { ynl_ask router 20 21 "$@"; }
get() {
	local filter=$1
	shift
	ask "$@" | jq -cr "$filter"
}

# reload [MODULE_OPTION...]: the module goes and comes, and so does its family.
reload() {
	busywait 5 module_free && modprobe -r nft_offload && modprobe nft_offload "$@" && [ "$(ask again)" = '"ready"' ]
}

# flow PORT: state and reason of the UDP flow from this port of the client, as "in-hardware null", by netlink. flow_is PORT
# STATE REASON: whether that is so.
flow() { get 'map("\(.state) \(.reason)") | join("; ")' dump flow-get "{\"port\": $1}"; }
flow_is() { [ "$(flow "$1")" = "$2 $3" ]; }
# device NAME FILTER: what jq makes of a device.
device() { get "map(select(.name == \"$1\")) | .[0] | $2" dump device-get; }
