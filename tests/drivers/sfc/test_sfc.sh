#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Flows go through nft_offload into the kernel's own driver for EF100, which nft_offload recognises by its name. What the driver
# gives to the match-action engine is read in two ways: flow.py says what each rule does, which has to be what the file expected
# says, and engine.c forwards frames by it, which have to be those of the slow path.
#
# Environment variables:
#   NFT_OFFLOAD_ACCEPT      if set, what the rules do is printed as "new: LINE" instead of compared
DRIVER_MODULE=nfto_sfc
HERE=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/drivers/lib.sh
. "$HERE/../lib.sh"
# shellcheck source=tests/drivers/taken.sh
. "$HERE/../taken.sh"

# decoded: what the rules do that the engine has got.
decoded() {
	"$HERE/flow.py" "$(mac client eth)=client" "$(mac server eth)=server" "$(mac router lan)=lan" \
		"$(mac router wan)=wan" "$BRIDGE_MAC=bridge" <"$NIC/messages"
}

# on TOPOLOGY: sets up the devices of the router.
on() {
	TOPOLOGY=$1
	check "$MODE, $TOPOLOGY: the devices of the router are set up" topology "$TOPOLOGY"
}

# try_rules RULESET: the driver takes the rules of both families, and they forward frames.
try_rules() {
	local name="$MODE, $TOPOLOGY, $1" ONLY
	clear_all
	for ONLY in tcp udp; do
		slow_once "$1"
		check "$name, $ONLY: nothing is lost" play "$1" offload 46
		check "$name, $ONLY: the engine has the rules" in_nic 46
		check "$name, $ONLY: nothing on the slow path" fast_path
		check "$name, $ONLY: engine and slow path give the same frames" same_as_slow "$1"
		busywait 5 nothing_left
		check "$name, $ONLY: nothing is left" nothing_left
	done
	compare "$name: the rules" "$MODE, $TOPOLOGY $1" "$(decoded)"
	check_is "$name: the driver refuses nothing" "$(refusals)" ""
}

# try_software RULESET REASONS: the profile refuses both families, before the driver is asked.
try_software() {
	local name="$MODE, $TOPOLOGY, $1" WHY=all
	clear_all
	check "$name: nothing is lost" play "$1" offload
	check "$name: the engine has no rules" each_connection 'rules == 0'
	check_is "$name: the driver gets no command" "$(<"$NIC/commands")" ""
	check_is "$name: why" "$(jq -rs '[.. | .reason? | .name? // empty] | unique | join(" ")' </tmp/wire.why)" "$2"
}

# try_ipv6 RULESET: the driver takes the rules of IPv6 only.
try_ipv6() {
	local name="$MODE, $TOPOLOGY, $1"
	clear_all
	check "$name: nothing is lost" play "$1" offload 6
	check "$name: the engine has the rules of IPv6" in_nic 6
	busywait 5 nothing_left
	check "$name: nothing is left" nothing_left
	compare "$name: the refusals" "$MODE, $TOPOLOGY $1" "$(refusals)"
}

fails() { ! "$@"; }

# try_swapped RULESET: the driver takes the rules, and the frames that the engine would send are not those of the slow path.
try_swapped() {
	local name="$MODE, $TOPOLOGY, $1"
	clear_all
	check "$name: frames with swapped tags are lost" fails play "$1" offload 46
	busywait 5 nothing_left
	check "$name: nothing is left" nothing_left
	compare "$name: the rules" "$MODE, $TOPOLOGY $1" "$(decoded)"
}

# devices_are FIELD VALUES: a result: what the two devices are said to be.
devices_are() {
	check_is "$MODE: $1" "$(cli --json devices | jq -r "[.. | objects | select(.driver) | .$1] | unique | join(\" \")")" "$2"
}

end_mode() {
	driver_down
	check_is "$MODE: no warning in the kernel log" "$(dmesg | sed "1,/$MARK/d" | grep -cE 'WARNING: |RTNL: assertion failed|BUG: ')" 0
}

# begin_mode NAME "PARAMETERS" OPTION...: loads nft_offload with these parameters, and the driver with these options.
begin_mode() {
	MODE=$1
	mark
	# shellcheck disable=SC2086 # a list of parameters
	modprobe nft_offload $2
	driver_up "${@:3}"
}

expedite_rcu

# The driver is found by the name of its function's device, and by what the representor says to ethtool. Only the user can know
# that nobody else needs the block.
begin_mode "no block" ""
on plain
try_refused forward
ruleset forward offload
devices_are driver "efx_ef100_rep sfc_ef100"
devices_are profile sfc
check_is "$MODE: why" "$(cli --json devices | jq -r '[.. | .extack? // empty] | unique | join("; ")')" \
	"the driver lacks TC_SETUP_FT; parameter block allows its tc block"
no_tables
end_mode

begin_mode "recognised" "block=lan,wan"
on plain
try_rules forward
try_software snat "nat4 nat6"
try_software dnat "nat4 nat6"
try_software masquerade "nat4 nat6"
on vlan_wan
try_rules forward
on vlan_lan
try_rules forward
on vlan_both
try_rules forward
try_software snat_dnat "nat4 nat6"
on ad
try_rules forward
on bridge
try_rules forward
on qinq
try_software forward layer-order
on adq
try_software forward layer-order
on pppoe
try_software forward pppoe
end_mode

# The rules of tc, one part less each time. RTNL is a matter of the driver, whatever the profile.
begin_mode "as tc" "profile=lan:tc,wan:tc block=lan,wan"
on plain
try_refused forward
end_mode

# Only the rules of IPv4 have a checksum action.
begin_mode "as tc, without meta" "profile=lan:tc,wan:tc block=lan,wan" form=meta
on plain
try_ipv6 forward
end_mode

# What the driver makes of the rest: NAT is refused, and of two tags the first is the outer one.
begin_mode "as tc, without meta,csum" "profile=lan:tc,wan:tc block=lan,wan" form=meta,csum
on plain
try_refused snat
try_refused dnat
try_refused snat_dnat
on qinq
try_swapped forward
end_mode

begin_mode "whole flags" block=lan,wan exact=1
ONLY=tcp
on plain
try_refused forward
ONLY=
end_mode

# The first rule of a flow fits, the second does not: the first has to leave. With more room, flows would get both or none,
# depending on when they open and end.
begin_mode "room for one" block=lan,wan rules=1
ONLY=tcp
on plain
try_refused forward
ONLY=
end_mode

begin_mode "tc off" block=lan,wan
router ethtool -K lan hw-tc-offload off
on plain
try_refused forward
end_mode

# A second block is bound without a word, and the older one cannot be unbound then.
begin_mode "two blocks" ""
compare "$MODE: what the driver answers" "$MODE" "$(<"$NIC/twice")"
end_mode
