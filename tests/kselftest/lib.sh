# SPDX-License-Identifier: GPL-2.0
# Shared by the kselftests: the TAP output, what a test requires, the test bed, and queries.
#
#   client            router                  server
#   [ eth ]---wire---[ lan | switch | wan ]---wire---[ eth ]
#
# Three network namespaces. lan and wan are two ports of one simulated switch NIC (netdevsim, see tests/netdevsim). The CPU
# of the router does not see what its hardware forwards.
#
# A test sources this file first, which prints the TAP header and checks the requirements. When the test exits, the test bed
# is removed, the kernel log is checked, and the plan is printed. The exit status is 0 if all checks passed, 1 if one failed,
# and 4 (KSFT_SKIP) if a requirement is missing. The tests load and unload modules and create devices: they belong in a guest.
#
# Environment variables, all optional:
#   NFT_OFFLOAD_MODULE     the nft_offload.ko to test; default: the one that modprobe finds
#   NFT_OFFLOAD_NETDEVSIM  netdevsim.ko built from tests/netdevsim; default: the one that modprobe finds, or modules/netdevsim.ko
#   NFT_OFFLOAD_TOOL       the command line nft-offload; default: the one in PATH
#   NFT_OFFLOAD_TRAFFIC    the program built from tools/traffic.c; default: traffic, beside this file
#   NFT_OFFLOAD_GENL       the program built from tools/genl.c; default: genl, beside this file
#   NFT_OFFLOAD_CASES      the cases to run, functions of the test; default: all
#   KDIR                   the build directory of the running kernel; default: /lib/modules/RELEASE/build
#
# Reporting
#   ok TEXT, not_ok TEXT              one result
#   diag TEXT                         comment lines
#   check TEXT COMMAND...             a result: whether the command succeeds; its output is printed if it does not
#   check_is TEXT ACTUAL EXPECTED     a result: whether two strings are equal
#   check_between TEXT N LOW HIGH     a result: whether LOW <= N <= HIGH
#   skip_all REASON                   exits with a skip
#   require_file PATH...              skips unless the files exist
#   require_command NAME...           skips unless the commands exist
#
# Flow of control
#   sleep SECONDS                     as sleep(1), without a process
#   busywait SECONDS COMMAND...       repeats the command until it succeeds; status 1 on timeout. The arguments are expanded
#                                     once, before the first run: a condition that changes has to be a function
#   expedite_rcu                      makes grace periods short, for tests that load many rulesets; undone on exit
#   tests_run CASE...                 runs the cases of a test, which are functions; of these only NFT_OFFLOAD_CASES, if it is set
#   defer COMMAND...                  runs the command when the case ends; outside of a case, when the test exits, before the
#                                     bed is removed; last in, first out
#
# The test bed
#   setup_ns NAME..., cleanup_ns NAME...   network namespaces, with lo up; removed on exit
#   in_ns NAMESPACE COMMAND...        runs a command in a namespace; client, router, server COMMAND...: in that one
#   nic_set FILE VALUE                writes to a file of the NIC of the router, as in defer nic_set capacity 65536
#   new_nic NAMESPACE ID PORT...      creates a netdevsim device with these ports
#   wire NAMESPACE DEVICE NAMESPACE DEVICE     connects two ports
#   host_up NAMESPACE ADDRESS4 ADDRESS6 GATEWAY4 GATEWAY6     configures a host
#   ifindex NAMESPACE DEVICE, mac NAMESPACE DEVICE   print the interface index, and the MAC address
#   bed_up, bed_down                  the three namespaces, with servers for TCP and UDP on port 5001
#   begin [MODULE_OPTION...]          loads the module and calls bed_up; a failure ends the test
#   gre_hosts, gre_ruleset            a GRE tunnel between client and server, and a ruleset that offloads it
#   ruleset NAME [offload|software|slow]   loads rulesets/NAME.nft: as it is, without "flags offload", without flowtable
#   no_tables, no_ruleset             removes the ruleset; no_ruleset flushes the connections as well
#
# Traffic
#   exchange PROTOCOL ADDRESS [OPTION...]  messages of the client and their echoes; prints "rounds=N bytes=N lost=N"
#   talk_on [OPTION...]               the same over UDP in the background; $! is the client
#   hush PID...                       kills background processes
#   open_flow PROTOCOL ADDRESS SOURCE_PORT [END]   opens a connection and waits until it is in hardware; it stays open
#   close_flow                        closes it
#
# Queries: a name that ends in _is, _are or _free is a condition for busywait; the others print
#   cpu tcp|udp                       packets that the CPU of the router has received on lan and wan
#   rules, rules_are N                the number of rules in the NIC
#   hw_counter NAME                   the sum of a counter of ethtool -S over both ports
#   hw_packets                        packets that the NIC has forwarded
#   flows FLAG PROTOCOL, flows_are FLAG PROTOCOL N   conntrack entries with [HW_OFFLOAD] or [OFFLOAD]
#   module_refs, module_free          references to the module
#
# Queries over generic netlink, after netlink_up [OPTION]
#   ask REQUEST                       one line of JSON
#   get FILTER REQUEST                the same through jq
#   flow PORT, flow_is PORT STATE REASON   state and reason of the UDP flow with this source port
#   device NAME FILTER                a device through jq
#   reload [MODULE_OPTION...]         reloads the module and reconnects
#   ynl_up, ynl_ask                   further clients; see there
# shellcheck shell=bash

SELFTEST=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
TOP=${TOP:-$(cd "$SELFTEST/../.." && pwd)}
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
RULESETS=$SELFTEST/rulesets
SPEC=$TOP/docs/netlink/nft_offload.yaml
read -r RELEASE </proc/sys/kernel/osrelease
KDIR=${KDIR:-${VM_KERNEL:-/lib/modules/$RELEASE/build}}
TRAFFIC=${NFT_OFFLOAD_TRAFFIC:-$SELFTEST/traffic}
# shellcheck disable=SC2034 # for the tests
GENL=${NFT_OFFLOAD_GENL:-$SELFTEST/genl}
SIM=/sys/kernel/debug/netdevsim
NIC=$SIM/netdevsim2/flow

CLIENT4=10.0.1.2 LAN4=10.0.1.1 WAN4=10.0.2.1 SERVER4=10.0.2.2
CLIENT6=fd00:1::2 LAN6=fd00:1::1 WAN6=fd00:2::1 SERVER6=fd00:2::2
# More addresses of the router, for the NAT rulesets: clients connect to VIRTUAL, servers see OUTSIDE.
VIRTUAL4=10.0.1.101 VIRTUAL6=fd00:1::101
OUTSIDE4=10.0.2.101 OUTSIDE6=fd00:2::101

# shellcheck source=tests/kselftest/log.sh
. "$SELFTEST/log.sh"

# --- TAP -------------------------------------------------------------------------------------------------------------

KSFT_SKIP=4
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

# A process costs 5 to 15 ms in user-mode Linux: functions that are called often start none.
diag() {
	local text=$*
	echo "# ${text//$'\n'/$'\n'# }"
}

# The command runs in this shell, as some commands open a file descriptor.
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

check_is() {
	if [ "$2" = "$3" ]; then
		ok "$1"
	else
		not_ok "$1"
		diag "is:        $2"
		diag "should be: $3"
	fi
}

check_between() {
	if [ "${2:-x}" -ge "$3" ] 2>/dev/null && [ "$2" -le "$4" ]; then
		ok "$1"
	else
		not_ok "$1"
		diag "is:        $2"
		diag "should be: $3 to $4"
	fi
}

# skip_all REASON: ends the test, which has not reported anything yet.
skip_all() {
	trap - EXIT
	echo "1..0 # SKIP $*"
	exit $KSFT_SKIP
}

require_file() {
	local path
	for path; do [ -e "$path" ] || skip_all "$path is missing"; done
}
require_command() {
	local name
	for name; do type -P "$name" >/dev/null || skip_all "the command $name is missing"; done
}

# --- flow of control -------------------------------------------------------------------------------------------------

# sleep without a process: a read from a pipe that nothing is written to.
exec {NEVER}<> <(:)
sleep() {
	read -r -t "$1" <&"$NEVER"
	return 0
}

busywait() {
	local end=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.1
	done
}

DEFERRED=()
defer() { DEFERRED+=("${*@Q}"); }
# run_deferred [N]: all but the first N commands.
run_deferred() {
	local i
	for ((i = ${#DEFERRED[@]} - 1; i >= ${1:-0}; i--)); do
		eval "${DEFERRED[i]}"
		unset "DEFERRED[i]"
	done
}

tests_run() {
	local test_case deferred
	for test_case; do
		[ -z "${NFT_OFFLOAD_CASES:-}" ] || [[ " $NFT_OFFLOAD_CASES " = *" $test_case "* ]] || continue
		deferred=${#DEFERRED[@]}
		"$test_case"
		run_deferred "$deferred" >/dev/null 2>&1
	done
}

expedite_rcu() {
	[ -w /sys/kernel/rcu_expedited ] || return 0
	echo 1 >/sys/kernel/rcu_expedited
	defer eval 'echo 0 >/sys/kernel/rcu_expedited'
}

# --- the guest -------------------------------------------------------------------------------------------------------

# has_flows FILE: the netdevsim in this file has the simulated switch.
has_flows() { [ -r "$1" ] && grep -q nsim_flow_init "$1"; }

# add_modules FILE...: makes modprobe prefer these modules. They are stored in memory, over the directory of the kernel.
add_modules() {
	local modules memory=/run/nft-offload-modules
	modules=$(readlink -e "/lib/modules/$RELEASE") || skip_all "/lib/modules/$RELEASE is missing"
	if ! mkdir -p $memory || ! mount -t tmpfs tmpfs $memory || ! mkdir $memory/upper $memory/work ||
		! mount -t overlay -o "lowerdir=$modules,upperdir=$memory/upper,workdir=$memory/work" overlay "$modules" ||
		! mkdir -p "$modules/updates" || ! cp "$@" "$modules/updates/" || ! depmod "$RELEASE"; then
		skip_all "modules cannot be added to $modules"
	fi
}

# guest_up: what the tests expect of a machine, once per boot: file systems, both modules, a loopback device.
guest_up() {
	local extra=() sim
	if [ -n "${NFT_OFFLOAD_MODULE:-}" ]; then
		require_file "$NFT_OFFLOAD_MODULE"
		extra+=("$NFT_OFFLOAD_MODULE")
	elif ! modinfo nft_offload >/dev/null 2>&1; then
		skip_all "the module nft_offload is missing: install it, or set NFT_OFFLOAD_MODULE to the path of nft_offload.ko"
	fi
	if [ -n "${NFT_OFFLOAD_NETDEVSIM:-}" ] || ! has_flows "$(modinfo -n netdevsim 2>/dev/null)"; then
		sim=${NFT_OFFLOAD_NETDEVSIM:-$SELFTEST/modules/netdevsim.ko}
		has_flows "$sim" || skip_all "a netdevsim with flow offload is missing: build it with make KDIR=... in" \
			"tests/kselftest, or set NFT_OFFLOAD_NETDEVSIM to the path of its netdevsim.ko"
		extra+=("$sim")
	fi
	[ ${#extra[@]} -eq 0 ] || add_modules "${extra[@]}"
	mountpoint -q /sys/kernel/debug || mount -t debugfs none /sys/kernel/debug ||
		skip_all "debugfs cannot be mounted"
	mountpoint -q /sys/kernel/tracing || mount -t tracefs none /sys/kernel/tracing 2>/dev/null
	ip link set lo up
	sysctl -qw kernel.printk_ratelimit=0 net.core.warnings=1 2>/dev/null
	: >"$GUEST_IS_UP"
}
GUEST_IS_UP=/run/nft-offload-guest

# --- the test bed ----------------------------------------------------------------------------------------------------

NAMESPACES=()
setup_ns() {
	local ns
	for ns; do
		ip netns add "$ns" || return 1
		NAMESPACES+=("$ns")
		ip -n "$ns" link set lo up
	done
}
cleanup_ns() {
	local ns
	for ns; do
		ip netns pids "$ns" 2>/dev/null | xargs -r kill -9 2>/dev/null
		ip netns del "$ns" 2>/dev/null
	done
}

# As ip netns exec, without its mounts: three times faster, but /sys is that of the initial namespace.
in_ns() { nsenter --net="/run/netns/$1" -- "${@:2}"; }
client() { in_ns client "$@"; }
router() { in_ns router "$@"; }
server() { in_ns server "$@"; }

new_nic() {
	local ns=$1 id=$2 dev
	shift 2
	ip netns exec "$ns" sh -c "echo '$id $#' > /sys/bus/netdevsim/new_device" || return 1
	for name in "$@"; do
		dev=$(ip netns exec "$ns" ls "/sys/bus/netdevsim/devices/netdevsim$id/net" | grep -vxE 'lan|wan' | head -n 1)
		ip -n "$ns" link set "$dev" name "$name" || return 1
	done
}

nic_set() { echo "$2" >"$NIC/$1"; }

ifindex() {
	local line
	line=$(ip -n "$1" -o link show dev "$2") && echo "${line%%:*}"
}

mac() { ip -n "$1" -j link show dev "$2" | jq -r '.[0].address'; }

wire() {
	exec 7<"/run/netns/$1" 8<"/run/netns/$3"
	local rc=0
	echo "7:$(ifindex "$1" "$2") 8:$(ifindex "$3" "$4")" >/sys/bus/netdevsim/link_device || rc=1
	exec 7<&- 8<&-
	return $rc
}

host_up() {
	ip -n "$1" -b - <<-END
		addr add $2/24 dev eth
		addr add $3/64 dev eth nodad
		link set eth up
		route add default via $4
		route add default via $5
	END
}

bed_up() {
	local ns
	setup_ns client router server || return 1
	for ns in client router server; do
		in_ns "$ns" sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0 \
			net.ipv6.conf.default.router_solicitations=0
	done
	modprobe netdevsim || return 1
	new_nic client 1 eth && new_nic router 2 lan wan && new_nic server 3 eth || return 1
	wire client eth router lan && wire server eth router wan || return 1
	for ns in "client eth" "router lan" "router wan" "server eth"; do
		# Packets as they are on a wire: no larger than the MTU, with checksums.
		in_ns "${ns% *}" ethtool -K "${ns#* }" tso off gso off gro off tx off 2>/dev/null
	done
	host_up client $CLIENT4 $CLIENT6 $LAN4 $LAN6 || return 1
	host_up server $SERVER4 $SERVER6 $WAN4 $WAN6 || return 1
	ip -n router -b - <<-END || return 1
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
	# Neighbours are resolved before the test begins.
	busywait 5 client ping -q -c 1 -W 1 $SERVER4 && busywait 5 client ping -q -c 1 -W 1 $SERVER6
}

bed_down() {
	local id
	# shellcheck disable=SC2086,SC2046 # lists of processes
	kill ${SERVERS:-} $(jobs -p) 2>/dev/null
	wait 2>/dev/null
	cleanup_ns "${NAMESPACES[@]}"
	NAMESPACES=()
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

# log_is_clean: a result, which shows the surroundings of the first error.
log_is_clean() {
	local errors
	if errors=$(log_errors); then
		not_ok "the kernel log is clean"
		diag "$errors"
	else
		ok "the kernel log is clean"
	fi
}

# finish: the end of every test.
finish() {
	{
		run_deferred
		bed_down
	} >/dev/null 2>&1
	[ "$TAP_COUNT" -gt 0 ] || not_ok "the test has checked something"
	log_is_clean
	echo "1..$TAP_COUNT"
	[ "$TAP_FAILED" -eq 0 ]
	exit $?
}

# start: the beginning of every test: the header, the requirements, and a mark in the kernel log.
start() {
	echo "TAP version 13"
	[ "$EUID" -eq 0 ] || skip_all "root is required"
	require_command ip nft conntrack ethtool jq nsenter modprobe python3
	[ -e "$GUEST_IS_UP" ] || guest_up
	require_file "$TRAFFIC"
	log_mark "$1"
	trap finish EXIT
}
# Other scripts source this file as well.
case ${0##*/} in
test_*.sh) start "${0##*/}" ;;
esac

# Most tests start with begin. FLOWTABLE_MODULE is the module that provides the flowtable type.
FLOWTABLE_MODULE=nft_offload
# shellcheck disable=SC2120 # most tests pass no options
begin() {
	if ! modprobe "$FLOWTABLE_MODULE" "$@" || ! bed_up; then
		not_ok "the test bed is up"
		exit 1
	fi
}

# The ends of the tunnel are 192.168.77.1 and 192.168.77.2.
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

ruleset() {
	case ${2:-offload} in
	offload) router nft -f "$RULESETS/$1.nft" ;;
	software) sed '/flags offload/d' "$RULESETS/$1.nft" | router nft -f - ;;
	slow) sed '/flags offload/d; /flow add/d' "$RULESETS/$1.nft" | router nft -f - ;;
	esac
}

# The counters for cpu stay.
no_tables() { router nft 'table inet router; delete table inet router; table inet nat; delete table inet nat'; }
no_ruleset() {
	no_tables
	router conntrack -F >/dev/null 2>&1
	return 0
}

# --- queries ---------------------------------------------------------------------------------------------------------

cpu() { router nft list counter netdev watch "seen_$1" | awk '$1 == "packets" { print $2 }'; }

rules() { echo "$(<"$NIC/count")"; }
rules_are() {
	local n
	read -r n <"$NIC/count" && [ "$n" -eq "$1" ]
}

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

flows() { router conntrack -L -p "$2" 2>/dev/null | grep -c "\[$1\]"; }
flows_are() { [ "$(flows "$1" "$2")" -eq "$3" ]; }

# The references are flowtables.
module_refs() { awk -v module="$FLOWTABLE_MODULE" '$1 == module { print $3 }' /proc/modules; }
module_free() { [ "$(module_refs)" = 0 ]; }

# --- traffic ---------------------------------------------------------------------------------------------------------

# The options are those of tools/traffic.c.
exchange() {
	local proto=$1 address=$2
	shift 2
	client "$TRAFFIC" client "$proto" "$address" 5001 "$@"
}

# Not in_ns, so that $! is the client and not a shell.
talk_on() { nsenter --net=/run/netns/client -- "$TRAFFIC" client udp $SERVER4 5001 "$@" >/dev/null 2>&1 & }
hush() {
	kill "$@" 2>/dev/null
	wait "$@" 2>/dev/null
	return 0
}

# The flow is in hardware when the NIC has two more rules. END is hold (FIN, the default) or hold-rst. There is one such
# connection at a time: its standard input is descriptor 6.
open_flow() {
	local before
	before=$(rules)
	rm -f "/tmp/hold.$3" "/tmp/hold.$3.out"
	mkfifo "/tmp/hold.$3"
	# shellcheck disable=SC2094 # the client waits for the end of the fifo
	exchange "$1" "$2" -b "$3" -n 3 -e "${4:-hold}" <"/tmp/hold.$3" >"/tmp/hold.$3.out" 2>&1 &
	eval "exec 6>/tmp/hold.$3"
	busywait 10 grep -q holding "/tmp/hold.$3.out" || return 1
	busywait 5 rules_are $((before + 2))
}

close_flow() { exec 6>&-; }

# --- the netlink family ----------------------------------------------------------------------------------------------

# ynl_up NAME NAMESPACE FD FD [OPTION]: starts a netlink client that knows nothing but the spec. It reads requests from the
# first descriptor, and writes a line to the second one when the answer is in /tmp/ynl.NAME.
ynl_up() {
	local ksrc
	ksrc=$(readlink -f "$KDIR/source")
	mkfifo "/tmp/ynl.$1.in" "/tmp/ynl.$1.out"
	in_ns "$2" python3 "$SELFTEST/tools/ynl.py" "$ksrc" "$SPEC" \
		--answers "/tmp/ynl.$1" "${@:5}" <"/tmp/ynl.$1.in" >"/tmp/ynl.$1.out" &
	eval "exec $3>/tmp/ynl.$1.in $4</tmp/ynl.$1.out"
	read -r -t 120 <&"$4" && [ "$(<"/tmp/ynl.$1")" = '"ready"' ]
}

# ynl_ask NAME FD FD REQUEST: prints the answer, one line of JSON.
ynl_ask() {
	printf '%s\n' "${*:4}" >&"$2"
	if read -r -t 60 <&"$3"; then printf '%s\n' "$(<"/tmp/ynl.$1")"; else echo '"no answer"'; fi
}

# The client in the router is the one that ask and get use. Requests: see tools/ynl.py.
netlink_up() { ynl_up router router 20 21 "$@"; }
ask() { ynl_ask router 20 21 "$@"; }
get() {
	local filter=$1
	shift
	ask "$@" | jq -cr "$filter"
}

# The netlink family goes and comes with the module.
reload() {
	busywait 5 module_free && modprobe -r nft_offload && modprobe nft_offload "$@" && [ "$(ask again)" = '"ready"' ]
}

# flow prints "in-hardware null", for example.
flow() { get 'map("\(.state) \(.reason)") | join("; ")' dump flow-get "{\"port\": $1}"; }
flow_is() { [ "$(flow "$1")" = "$2 $3" ]; }
device() { get "map(select(.name == \"$1\")) | .[0] | $2" dump device-get; }
