#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Each command that the tool prints is run as it stands, and the finding is gone; the doctor is silent where nothing is wrong.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/cli.sh"

# The commands name it without a directory.
PATH=${TOOL%/*}:$PATH
UDP=47000

# doctor FILTER: what jq makes of its findings. ills: what is wrong, but for the next boot and that there is no flow now.
doctor() { cli_get ".findings | $1" doctor; }
ills() { doctor 'map(select(.severity != "ok" and (.id | IN("no-softdep", "no-flows") | not)) | .id) | join(" ")'; }
of() { doctor "map(select(.id == \"$1\")) | .[0] | $2"; }
# silent WHAT: no finding, status 0.
silent() {
	router $TOOL doctor >/tmp/said
	check_is "$1: the doctor is silent" "$? $(ills)" "0 "
}
# mend ID: runs the command of its finding, which is also in the text, word for word. mended WHAT ID [REST]: then the finding
# is gone, and these are left.
mend() {
	local fix
	fix=$(of "$1" .fix)
	echo "$fix"
	router $TOOL doctor | grep -qxF "         \$ $fix" && router bash -c "$fix"
}
mended() {
	check "$1: its command" mend "$2"
	check_is "$1: then the finding is gone" "$(ills)" "${3:-}"
}
# in_hardware WHAT: a flow gets there.
in_hardware() {
	UDP=$((UDP + 1))
	busywait 10 client ping -q -c 1 -W 1 $SERVER4
	check "$1: a flow is in hardware" open_flow udp $SERVER4 $UDP
	close_flow
}
# load DEVICES [SED]: a ruleset with these.
load() { sed "s/{ lan, wan }/{ $1 }/;${2:-}" "$RULESETS/forward.nft" | router nft -f -; }
gone() {
	no_ruleset
	busywait 5 rules_are 0
}

begin
check "the netlink family answers" netlink_up
router sysctl -qw net.netfilter.nf_flowtable_udp_timeout=120

# --- a device that takes no rules, as those below it do ---------------------------------------------------------------

# The server is in VLAN 20.
vlan_up() {
	local ns=$1 device=$2
	ip -n "$ns" addr flush dev "$device"
	ip -n "$ns" -b - <<-END
		link add link $device name $device.20 type vlan id 20
		addr add $3/24 dev $device.20
		addr add $4/64 dev $device.20 nodad
		link set $device.20 up
	END
}
check "a VLAN device" eval "vlan_up router wan $WAN4 $WAN6 && vlan_up server eth $SERVER4 $SERVER6"
ip -n server route replace default via $WAN4
ip -n server route replace default via $WAN6
load "lan, wan.20"
check_is "a VLAN device in place of the one below" "$(ills)" upper-device
show doctor
mended "a VLAN device" upper-device
silent "a VLAN device, after its command"
in_hardware "a VLAN device"
gone
load "lan, wan, wan.20"
silent "a VLAN device beside the one below"
in_hardware "a VLAN device beside the one below"
gone
load "lan, wan.20" 's/priority filter$/priority -5/;/counter/d'
check_is "another priority, no counter" "$(ills)" "no-counter upper-device"
mended "another priority, no counter: the VLAN device" upper-device no-counter
mended "another priority, no counter: the counter" no-counter
in_hardware "another priority"
gone
load "lan, wan, wan.20"
router $TOOL set wan off >/dev/null
check_is "the one below is switched off: only that is said" "$(ills)" switched-off
mended "the one below is switched off" switched-off
gone

check "a bridge" ip -n router -b - <<-END
	addr flush dev lan
	link add br0 type bridge
	link add veth0 type veth peer name veth1
	link set lan master br0
	link set veth0 master br0
	addr add $LAN4/24 dev br0
	addr add $LAN6/64 dev br0 nodad
	link set veth0 up
	link set br0 up
END
load "br0, wan"
check_is "a bridge in place of its port" "$(ills)" upper-device
mended "a bridge" upper-device
check_is "a bridge: its port that could take rules was added" "$(get 'map(.name) | sort' dump device-get)" '["br0","lan","wan"]'
in_hardware "a bridge"
gone
load "br0, lan, wan"
silent "a bridge beside its port"
in_hardware "a bridge beside its port"
gone

# --- a port of a bond --------------------------------------------------------------------------------------------------

ip -n router link del br0
ip -n router link set lan down
check "a bond" ip -n router -b - <<-END
	link add bond0 type bond mode active-backup miimon 100
	link set lan master bond0
	link set bond0 up
	link set lan up
	addr add $LAN4/24 dev bond0
	addr add $LAN6/64 dev bond0 nodad
END
echo indirect-ft >"$NIC/bind_as"
load "lan, wan"
check_is "a port of a bond" "$(ills)" port-of-bond
check_is "it says by which device packets arrive" "$(of port-of-bond '.text | test("arrive by bond0")')" true
mended "a port of a bond" port-of-bond
silent "a port of a bond, after its command"
in_hardware "a bond"
gone
echo ft >"$NIC/bind_as"
load "lan, wan"
check_is "a bond that no driver takes" "$(ills)" port-of-bond
check "a bond that no driver takes: its command" mend port-of-bond
check_is "a bond that no driver takes: it stays in the flowtable, for software" "$(ills) $(of not-bound .fix)" "not-bound null"
gone
ip -n router link del bond0
ip -n router link set lan up
ip -n router addr add $LAN4/24 dev lan

# --- many devices of the same kind -------------------------------------------------------------------------------------

for i in $(seq 100 2 338); do
	echo "link add veth$i type veth peer name veth$((i + 1))"
done | ip -n router -b -
many=$(seq -f veth%.0f 100 339 | paste -sd,)
load "lan, wan, $many"
check_is "240 devices without hardware: one finding" "$(ills)" not-bound
check_is "it names the first ones and counts the rest" "$(of not-bound '.text | test("^veth\\d+, veth\\d+, veth\\d+ and 237 more take no rules: each of them is a veth")')" true
check_is "JSON has all names" "$(of not-bound '.devices | length')" 240
show doctor
mended "240 devices without hardware" not-bound
check_is "then they are out of the flowtable" "$(get 'map(.name) | sort' dump device-get)" '["lan","wan"]'
gone
