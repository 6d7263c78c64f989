#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Flows go through nft_offload into the kernel's own driver for Airoha SoCs. What it writes into the flow table is read in two
# ways: foe.py says what each entry does, which has to be what the file expected says, and engine.c forwards frames by it,
# which have to be those of the slow path.
#
#   test_airoha.sh SOC...
#
# Environment variables:
#   NFT_OFFLOAD_ACCEPT      if set, what the entries do is printed as "new: LINE" instead of compared
DRIVER_MODULE=nfto_airoha
HERE=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/drivers/lib.sh
. "$HERE/../lib.sh"
# shellcheck source=tests/drivers/common/ppe.sh
. "$HERE/../common/ppe.sh"
PROFILE=airoha
# The numbers of the ports lan and wan: a router with a switch at GDM1 and an uplink at GDM2.
GDM=1,2

decoded() {
	"$HERE/foe.py" "$CHIP" "$GDM" "${USER_PORT:--}" "${NAMES[@]}" <"$NIC/bound"
}

# soc_up NAME [OPTION...]: the driver of $CHIP with these options.
soc_up() {
	SOC="$CHIP${1:+, $1}"
	driver_up "soc=$CHIP" "gdm=$GDM" "${@:2}"
	names
}

# --- other boards ----------------------------------------------------------------------------------------------------

# The uplink is the first one of GDM3 and GDM4 if there is no GDM2, through which it goes; what else is there leads to the lan.
board_cases() {
	GDM=$1
	soc_up "GDM$1"
	try_topology vlan_pppoe forward
	driver_down
	GDM=1,2
}

# Entries in memory, which have no counters.
dram_cases() {
	soc_up "DRAM" dram=1
	try_topology vlan_pppoe forward
	driver_down
}

# The port of the switch has an address of its own, but an entry for IPv6 can only say that of the conduit.
own_address() {
	local families
	families=$(declare -f families)
	families() { FAMILIES=4 WHY=ipv6; }
	SOC=$CHIP
	switch_up lan
	BED="switch at lan, own address, " LAN_MAC=02:00:00:00:00:77
	router ip link set lan down
	router ip link set lan address $LAN_MAC up
	names
	try_topology plain forward
	switch_down
	eval "$families"
}

# --- too early -------------------------------------------------------------------------------------------------------

# The driver cannot do anything yet: what it says, and what the tool.
# not_yet NAME ERRNO OPTION...
not_yet() {
	local WHY=all ONLY=udp name
	soc_up "$1" "${@:3}"
	name=$SOC
	topology plain
	check "$name: nothing is lost" play forward offload
	check_is "$name: the driver" "$(refusals)" "replace lan -$2"
	check_is "$name: the tool" "$(reasons)" \
		"ipv4 software driver-refused $2"$'\n'"ipv6 software driver-refused $2"
	check "$name: nothing is left" nothing_left
}

not_yet_cases() {
	local ONLY=udp
	not_yet "a port is not registered" 16 registered=0
	echo 1 >"$NIC/registered"
	check "$SOC: once it is, flows are in hardware" play forward offload 46
	driver_down
	not_yet "no NPU" 19 npu=none
	driver_down
	not_yet "the NPU does nothing" 110 npu=dead
	driver_down
	soc_up "the module of the NPU is not loaded" npu=requested
	topology plain
	check "$SOC: flows are in hardware" play forward offload 46
	check_is "$SOC: the driver" "$(refusals)" ""
	check_is "$SOC: the module is requested" "$(<"$NIC/soc")" "$CHIP version ${CHIP#??} engines 2 requests 1"
	driver_down
}

# --- more than one flow ----------------------------------------------------------------------------------------------

# TCP and UDP flows of the same addresses and ports are in one bucket of the driver, which keeps them apart.
bucket() {
	topology plain
	check "$SOC, two flows in a bucket: nothing is lost" play forward offload 46
	check "$SOC, two flows in a bucket: all are in the engine" in_engine 46
	busywait 5 nothing_left
	check "$SOC, two flows in a bucket: nothing is left" nothing_left
}

# --- entries that age out --------------------------------------------------------------------------------------------

# The packets of the UDP flow to the server, as conntrack has counted them.
counted() { router conntrack -L -p udp --dport 6001 2>/dev/null | sed -n 's/.*dport=6001 packets=\([0-9]*\) .*/\1/p'; }
counted_at_least() { [ "$(counted)" -ge "$1" ]; }
messages() { client "$TRAFFIC" client udp $SERVER4 6001 -b 6000 -n "$1" -i 5; }

# ages NAME FUNCTION LEFT: 80 messages, of which conntrack knows; FUNCTION, while the entries age out; 40 messages, then LEFT.
# The counters of the hardware begin anew, those of conntrack do not jump.
ages() {
	local server before packets name="$SOC, an entry ages out${1:+, $1}"
	topology plain
	ruleset forward
	# The core asks for the counters of a flow that has been idle for a tenth of its time.
	router sysctl -qw net.netfilter.nf_flowtable_udp_timeout=10
	server "$TRAFFIC" server udp 6001 &
	server=$!
	check "$name: the server answers" busywait 5 messages 1
	check "$name: 80 messages and their echoes" messages 80
	check "$name: conntrack knows of them" busywait 10 counted_at_least 70
	before=$(counted)
	echo 1 >"$NIC/age"
	$2
	check "$name: 40 messages and their echoes" messages 40
	check_is "$name: then the driver has" "$(nothing_left)" "$3"
	sleep 2
	check_between "$name: packets in conntrack" "$(counted)" "$before" $((before + 50))
	packets=$(cli --json flows | jq '[.flows[] | .original.packets, .reply.packets] | max')
	check_between "$name: packets in hardware, says the tool" "$packets" 40 140
	hush "$server"
	router sysctl -qw net.netfilter.nf_flowtable_udp_timeout=30
	no_ruleset
	busywait 5 nothing_left
	check "$name: nothing is left" nothing_left
}
pause() { sleep 3; }

# --- a bridge --------------------------------------------------------------------------------------------------------

# ttl N: how many messages the server has got with this TTL.
ttl() { server nft list counter netdev ttl "ttl$1" | awk '$1 == "packets" { print $2 }'; }

# The rules of a bridge, which nft_offload does not make: an entry for each flow between the two hosts.
bridged() {
	local server hosts=(client server) i name="$SOC, a bridge"
	topology plain
	echo 1 >"$NIC/clear_bound"
	router ip link add br1 type bridge
	for i in lan wan; do router ip link set $i master br1; done
	router ip link set br1 up
	for i in 0 1; do ip -n "${hosts[i]}" addr add 10.0.3.$((i + 1))/24 dev eth; done
	server "$TRAFFIC" server udp 6001 &
	server=$!
	check "$name: the server answers" busywait 5 client "$TRAFFIC" client udp 10.0.3.2 6001 -b 6000 -n 1
	# Not earlier: a message to a server that does not listen yet counts as well, and is sent once more.
	server nft -f - <<-'NFT'
		table netdev ttl {
			counter ttl63 { }
			counter ttl64 { }
			chain in {
				type filter hook ingress device "eth" priority 1;
				udp dport 6001 ip ttl 63 counter name ttl63
				udp dport 6001 ip ttl 64 counter name ttl64
			}
		}
	NFT
	echo "wan $SERVER_MAC $CLIENT_MAC" >"$NIC/bridge"
	echo "lan $CLIENT_MAC $SERVER_MAC" >"$NIC/bridge"
	check "$name: 40 messages and their echoes" client "$TRAFFIC" client udp 10.0.3.2 6001 -b 6000 -n 40 -i 5
	check_is "$name: there are entries" "$(nothing_left)" "rules 2 queued 2 bound 2"
	compare "$name: the entries" "a bridge" "$(decoded)"
	# A mistake of the driver, see README.md: the frames of the entry have passed no router.
	check_is "$name: messages with the TTL of the client, and with one less" "$(ttl 64) $(ttl 63)" "1 39"
	echo >"$NIC/bridge"
	check "$name: nothing is left" nothing_left
	server nft delete table netdev ttl
	hush "$server"
	router ip link del br1
	for i in 0 1; do ip -n "${hosts[i]}" addr del 10.0.3.$((i + 1))/24 dev eth; done
}

expedite_rcu
generated_rules 5000
modprobe nft_offload
for CHIP in "$@"; do
	soc_up ''
	diag "driver: $(<"$NIC/soc")"
	case $CHIP in
	en7581)
		all_cases
		topology pppoe && sizes 1496
		refusal_cases
		bucket
		bridged
		ages "" true "rules 2 queued 2 bound 2"
		# A mistake of the driver, see README.md: it binds them no more.
		ages "its counters are read meanwhile" pause "rules 2 queued 2 bound 0"
		;;
	*) some_cases ;;
	esac
	driver_down
	SOC=$CHIP
	switch_cases
	case $CHIP in
	en7581)
		own_address
		dram_cases
		board_cases 1,4
		board_cases 4,2
		board_cases 3,4
		not_yet_cases
		;;
	esac
done
