# SPDX-License-Identifier: GPL-2.0
# Shared by the tests of the drivers' own code: the test bed of the kselftests, in which the two
# ports of the router belong to a driver of the kernel instead of the simulated NIC. The router is
# the initial network namespace, in which some drivers look for their devices.
#
#   client                 router                 server
#   [ eth ]───wire───[ lan | driver | wan ]───wire───[ eth ]
#
# A test sets DRIVER_MODULE, then sources this file.
#
#   driver_up [OPTION...]     loads the module of the driver with these options, and sets up the bed
#   driver_down               removes it
#   nothing_left              a condition: the driver holds no rule and no entry
#   refusals                  prints the commands that the driver has refused, without their cookies
#   slow_once, same_as_slow   see below
#   expected, compare         see below
#   generated_rules COUNT     results: generated rules, see below
# shellcheck shell=bash

DRIVERS=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/kselftest/lib.sh
. "$DRIVERS/../kselftest/lib.sh"
# shellcheck source=tests/kselftest/wire.sh
. "$SELFTEST/wire.sh"
# shellcheck source=tests/drivers/generate.sh
. "$DRIVERS/generate.sh"
NIC=/sys/kernel/debug/nfto_drivers

DRIVER_OPTIONS=()
# The other ends of the wires, and a device that has to be up as well.
LAN_WIRE=lan_wire WAN_WIRE=wan_wire CONDUIT=
bed_up() {
	local ns
	setup_ns client server && ip netns attach router $$ || return 1
	for ns in client router server; do
		in_ns "$ns" sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0 \
			net.ipv6.conf.default.router_solicitations=0
	done
	modprobe "$DRIVER_MODULE" "${DRIVER_OPTIONS[@]}" || return 1
	ip link set "$LAN_WIRE" netns client name eth || return 1
	ip link set "$WAN_WIRE" netns server name eth || return 1
	host_up client $CLIENT4 $CLIENT6 $LAN4 $LAN6 || return 1
	host_up server $SERVER4 $SERVER6 $WAN4 $WAN6 || return 1
	[ -z "$CONDUIT" ] || ip link set "$CONDUIT" up || return 1
	ip link set lan up && ip link set wan up || return 1
	sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 \
		net.netfilter.nf_conntrack_acct=1 net.netfilter.nf_conntrack_timestamp=1
}

bed_down() {
	if [ -n "${SESSION:-}" ]; then
		kill "$SESSION"
		wait "$SESSION"
		SESSION=
	fi
	# Ends the player of frames, which holds sockets in the namespaces of the hosts.
	if [ -n "${PLAYER_PID:-}" ]; then
		exec {PLAY}>&- {PLAYED}<&-
		kill "$PLAYER_PID"
		wait "$PLAYER_PID"
	fi
	no_ruleset
	router nft flush ruleset
	[ -z "$TAKE_DOWN" ] || ip -b - <<<"$TAKE_DOWN"
	TAKE_DOWN=
	cleanup_ns "${NAMESPACES[@]}"
	NAMESPACES=()
	# Not "ip netns pids": this is the namespace of all processes.
	ip netns del router
	busywait 10 modprobe -r "$DRIVER_MODULE"
	busywait 5 modprobe -r nft_offload
	busywait 5 modprobe -r nft_flow_offload
	busywait 5 modprobe -r nf_flow_table_inet
	busywait 5 modprobe -r nf_flow_table
	return 0
}

driver_up() {
	DRIVER_OPTIONS=("$@")
	wire_up
}
driver_down() { bed_down >/dev/null 2>&1; }

nothing_left() {
	local left
	read -r left <"$NIC/left"
	echo "$left"
	[ "$left" = "rules 0 queued 0 bound 0" ]
}

refusals() { awk '$4 < 0 { $3 = ""; print }' "$NIC/commands" | sed 's/nfto_[a-z]*: //' | sed 's/  */ /g; s/ $//' | sort -u; }

# BED is the name of another bed than the usual one, with a blank.
BED=

# --- plays of one protocol -------------------------------------------------------------------------------------------

# shellcheck disable=SC2153 # TOPOLOGY is set by the test
# slow_once RULESET: plays on the slow path, once for each bed, topology, ruleset and protocol: the MACs are always the same.
slow_once() {
	local family at=/tmp/slow.$BED$TOPOLOGY-$1.$ONLY
	[ ! -e "$at.4" ] || return 0
	check "$BED$TOPOLOGY, $1, $ONLY: nothing is lost on the slow path" play "$1" slow
	check "$BED$TOPOLOGY, $1, $ONLY: the slow path is the slow path" slow_path
	for family in 4 6; do mv "/tmp/wire.slow-$1.$ONLY.$family" "$at.$family"; done
}

# same_as_slow RULESET: a condition: the last play gave the frames of the slow path, byte for byte.
same_as_slow() {
	local family a b rc=0
	for family in 4 6; do
		a=/tmp/wire.offload-$1.$ONLY.$family b=/tmp/slow.$BED$TOPOLOGY-$1.$ONLY.$family
		[ -s "$b" ] && cmp -s "$a" "$b" && continue
		rc=1
		echo "$ONLY, IPv$family, engine (<) and slow path (>):"
		diff "$a" "$b" | head -n 4
	done
	return $rc
}

# --- what is expected -------------------------------------------------------------------------------------------------

# expected CASE: the lines of a case in the file "expected" beside the test; HERE is its directory.
expected() { awk -v section="[$1]" '/^\[/ { on = $0 == section; next } on && NF && !/^#/' "$HERE/expected"; }

# compare WHAT CASE TEXT: checks that TEXT is what is expected of a case. With NFT_OFFLOAD_ACCEPT it prints the text instead.
compare() {
	if [ -n "${NFT_OFFLOAD_ACCEPT:-}" ]; then
		printf 'new: %s\n' "[$2]" "$3"
	else
		check_is "$1" "$3" "$(expected "$2")"
	fi
}

# --- generated rules --------------------------------------------------------------------------------------------------

# generated_rules COUNT: the driver and the profile of the simulated NIC agree on the rules of the first seeds, for each kind of
# hardware. The bed is not up.
generated_rules() {
	local line options name
	while read -r line; do
		read -ra options <<<"$line"
		name="$line, $1 generated rules"
		check "$name: the module is loaded" modprobe "$DRIVER_MODULE" "${options[@]}"
		check "$name: the driver and the profile of the simulated NIC agree" generate 1 "$1"
		check_is "$name: all have been tried" "$(generated rules)" "$1"
		# Otherwise they would say nothing.
		check_between "$name: accepted" "$(generated accepted)" $(($1 / 4)) $(($1 * 3 / 4))
		check_between "$name: refused" "$(generated refused)" $(($1 / 5)) $(($1 * 3 / 4))
		check "$name: nothing is left" nothing_left
		modprobe -r "$DRIVER_MODULE"
	done < <(generate_options "${HERE##*/}")
}
