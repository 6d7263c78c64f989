#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Runs each command that the tool prints, as it is printed: the finding is gone. Where nothing is wrong the doctor reports nothing.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/cli.sh"

# The printed commands name the tool without a directory.
PATH=${TOOL%/*}:$PATH
UDP=47000

# doctor FILTER: prints the findings through jq. ills: the findings, without those about the next boot and about missing flows.
doctor() { cli_get ".findings | $1" doctor; }
ills() { doctor 'map(select(.severity != "ok" and (.id | IN("no-softdep", "no-flows") | not)) | .id) | join(" ")'; }
of() { doctor "map(select(.id == \"$1\")) | .[0] | $2"; }
# silent NAME: a result: no finding, status 0.
silent() {
	router $TOOL doctor >/tmp/said
	check_is "$1: the doctor is silent" "$? $(ills)" "0 "
}
# mend ID: runs the command of a finding, which is also in the text, word for word. mended NAME ID [REST]: results: the finding is
# gone after that, and REST is left.
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
# in_hardware NAME: a result: a flow gets into hardware.
in_hardware() {
	UDP=$((UDP + 1))
	busywait 10 client ping -q -c 1 -W 1 $SERVER4
	check "$1: a flow is in hardware" open_flow udp $SERVER4 $UDP
	close_flow
}
# load DEVICES [SED]: loads a ruleset with these devices.
load() { sed "s/{ lan, wan }/{ $1 }/;${2:-}" "$RULESETS/forward.nft" | router nft -f -; }
gone() {
	no_ruleset
	busywait 5 rules_are 0
}

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

vlan_device() {
	defer gone
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
}

pppoe() {
	local session
	defer gone
	# $! has to be the process that holds the session.
	nsenter --net=/run/netns/router -- "$SELFTEST/tools/pppoe.py" wan 0x1234 02:00:00:00:00:02 >/dev/null &
	session=$!
	defer hush $session
	check "a PPPoE session" busywait 20 ip -n router link show dev ppp0
	load "lan, ppp0"
	check_is "a PPPoE session in place of the device below" "$(ills)" upper-device
	mended "a PPPoE session" upper-device
	silent "a PPPoE session, after its command"
}

# lan_again DEVICE: removes a device above lan, which gets its addresses back.
lan_again() {
	ip -n router link del "$1"
	ip -n router link set lan up
	ip -n router addr add $LAN4/24 dev lan
	ip -n router addr add $LAN6/64 dev lan nodad
}

bridge() {
	defer ip -n router link del veth0
	defer lan_again br0
	defer gone
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
}

port_of_a_bond() {
	defer lan_again bond0
	defer nic_set bind_as ft
	defer gone
	ip -n router addr flush dev lan
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
}

# no_veths: removes those of many_devices.
no_veths() { seq -f 'link del veth%.0f' 100 2 338 | ip -n router -b -; }

many_devices() {
	local i many
	defer no_veths
	defer gone
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
}

several_devices() {
	local on
	defer gone
	load "lan, wan"
	router $TOOL set lan off >/dev/null
	router $TOOL set wan off >/dev/null
	on=$(router $TOOL devices | sed -n 's/.*switched off: //p' | head -n 1)
	check "devices: the command switches one on: $on" router bash -c "$on"
	check_is "devices: then it is on" "$(of switched-off '.devices | length')" 1
	router $TOOL set lan off >/dev/null
	router $TOOL set wan off >/dev/null
	check_is "both are switched off: one finding" "$(ills)" switched-off
	mended "both are switched off" switched-off
	router ethtool -K lan hw-tc-offload off
	router ethtool -K wan hw-tc-offload off
	check_is "the feature of both is off: one finding" "$(ills)" hw-tc-offload-off
	mended "the feature of both is off" hw-tc-offload-off
}

inject() { # COMMAND COUNT ERRNO
	echo "$1" >"$NIC/fail_cmd"
	echo "$3" >"$NIC/fail_errno"
	echo "$2" >"$NIC/fail_next"
}

well() { [ -z "$(ills)" ]; }

busy_drivers() {
	defer gone
	defer inject any 0 0
	inject bind 1000 -16
	load "lan, wan"
	check_is "both drivers are busy: one finding" "$(ills)" busy
	# The tool does not end the other user; a person does.
	check "both drivers are busy: its command shows who" mend busy
	inject any 0 0
	check "the other user has ended: the finding is gone" busywait 5 well
}

no_flowtable() {
	defer ip -n router link del veth0
	defer gone
	# A device without hardware.
	ip -n router link add veth0 type veth peer name veth1
	check_is "no flowtable" "$(ills)" no-flowtable
	mended "no flowtable" no-flowtable no-flow-add
	check_is "no flowtable: it has the devices with hardware" "$(get 'map(.name) | sort' dump device-get)" '["lan","wan"]'
	mended "a table without a chain" no-flow-add
	in_hardware "what the doctor has set up"
	router nft 'delete flowtable inet router ft { devices = { lan, wan }; }'
	check_is "a flowtable without a device" "$(ills)" no-device
	mended "a flowtable without a device" no-device
	in_hardware "a flowtable with its devices"
}

device_is_not_there() {
	defer gone
	load eth9
	check_is "a device that is not there" "$(ills)" no-device
	mended "a device that is not there" no-device
	in_hardware "a device that is not there"
}

no_rule() {
	defer router conntrack -F
	defer router nft 'table ip other; delete table ip other'
	load "lan, wan" '/flow add/d'
	check_is "a table with a chain" "$(ills)" no-flow-add
	mended "a table with a chain" no-flow-add
	in_hardware "a table with a chain"
	gone
	router nft -f - <<-'NFT'
		table ip other {
			flowtable f1 {
				hook ingress priority 7
				devices = { lan, wan }
				flags offload
				counter
			}
			chain forward {
				counter
			}
		}
	NFT
	check_is "a table of IPv4, with a chain without a hook of that name" "$(ills)" no-flow-add
	mended "a table of IPv4" no-flow-add
	in_hardware "a table of IPv4"
}

accounting_and_forwarding() {
	defer router sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.netfilter.nf_conntrack_acct=1
	defer gone
	load "lan, wan"
	router sysctl -qw net.netfilter.nf_conntrack_acct=0
	check_is "conntrack does not count" "$(ills)" no-accounting
	mended "conntrack does not count" no-accounting
	router sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0
	check "it does not forward: its command" mend no-flows
	check_is "it does not forward: then it does" "$(router sysctl -n net.ipv4.ip_forward net.ipv6.conf.all.forwarding | xargs) $(of no-flows .fix)" "1 1 null"
}

flow_in_software() {
	defer gone
	defer inject any 0 0
	load "lan, wan"
	inject replace 1000 -95
	busywait 10 client ping -q -c 1 -W 1 $SERVER4
	exchange udp $SERVER4 -b 47100 -n 60 -i 20 >/dev/null
	check_is "a flow in software" "$(ills)" in-software
	check "a flow in software: its command shows it" bash -c "nsenter --net=/run/netns/router bash -c '$(of in-software .fix)' | grep -q 10.0.1.2:47100"
}

without_root() {
	local fix
	defer rm -f "${TOOL%/*}/sudo"
	defer gone
	# A stand-in for sudo, which is not installed; runs as root.
	printf '#!/bin/sh\nexec "$@"\n' >"${TOOL%/*}/sudo"
	chmod 755 "${TOOL%/*}/sudo"
	load "lan, wan"
	check_is "without root" "$(CLI_BY=as_nobody ills)" not-root
	fix=$(CLI_BY=as_nobody of not-root .fix)
	check_is "without root: its command" "$(router bash -c "$fix" | grep -c 'only root can list')" 0
}

limit_is_reached() {
	local advice
	defer reload
	defer gone
	reload limit=lan:2
	router sysctl -qw net.netfilter.nf_flowtable_udp_timeout=120
	load "lan, wan"
	exchange udp $SERVER4 -b 47101 -n 20 -i 20 >/dev/null
	exchange udp $SERVER4 -b 47102 -n 20 -i 20 >/dev/null
	check "a limit is reached" bash -c "[[ '$(ills)' = at-limit* ]]"
	advice=$(of at-limit .advice | sed 's/.*: \(nft-offload set .*\) N,.*/\1 1000/')
	check "a limit is reached: its command, with a number: $advice" router bash -c "$advice"
	check_is "a limit is reached: then it is not" "$(of at-limit .id)" null
}

# advised PORT [ADDRESS]: prints the advice for the flow, one line each. why_is PORT NAME: a condition.
advised() { cli_get '.advice[]' why "$CLIENT4:$1" $SERVER4:5001; }
why_is() { [ "$(cli_get .reason.name why "$CLIENT4:$1" $SERVER4:5001)" = "$2" ]; }

advice_of_why() {
	local talker ends_it on address other look
	defer gone
	defer router $TOOL set wan on
	router sysctl -qw net.netfilter.nf_flowtable_udp_timeout=120
	load "lan, wan"
	talk_on -b 47200 -n 3000 -i 20
	talker=$!
	check "why: a flow" busywait 10 flow_is 47200 in-hardware null
	router $TOOL evict -P 47200 >/dev/null
	check "why: taken out by a person" busywait 5 why_is 47200 operator
	check "why: another connection" open_flow udp $SERVER4 47201
	ends_it=$(advised 47200 | sed -n 's/.*end the connection: //p')
	check "why: the command ends its connection: $ends_it" router bash -c "$ends_it"
	check "why: then it is back in hardware" busywait 10 flow_is 47200 in-hardware null
	check "why: and no other connection has ended" flow_is 47201 in-hardware null
	close_flow
	router $TOOL set wan off >/dev/null
	check "why: a device is switched off" busywait 10 why_is 47200 device-off
	on=$(advised 47200 | sed -n 's/.*switch it on again: //p')
	check "why: the command switches it on: $on" router bash -c "$on"
	check "why: then it is back in hardware again" busywait 30 flow_is 47200 in-hardware null
	hush $talker
	for address in $CLIENT4 $CLIENT6; do
		case $address in *:*) other=$SERVER6 ;; *) other=$SERVER4 ;; esac
		check "the client reaches $other" busywait 10 client ping -q -c 1 -W 1 $other
		exchange udp $other -b 47300 -n 3 >/dev/null
		look=$(cli --json why "$address" $other gre | jq -r '.advice[0]' | sed 's/: is the connection there.*//')
		check "why: a flow that is not there: $look" bash -c "nsenter --net=/run/netns/router bash -c '$look' | grep -q 47300"
	done
}

advice_for_the_feature() {
	local on
	defer reload
	defer nic_set profile tc
	defer router ethtool -K lan hw-tc-offload on
	defer gone
	router ethtool -K lan hw-tc-offload off
	echo mtk >"$NIC/profile"
	reload profile=lan:mtk,wan:mtk
	load "lan, wan"
	exchange udp $SERVER4 -b 47400 -n 20 -i 20 >/dev/null
	on=$(advised 47400 | sed -n 's/^hw-tc-offload of lan is off: //p')
	check "why: the command switches the feature on: $on" router bash -c "$on"
	exchange udp $SERVER4 -b 47401 -n 20 -i 20 >/dev/null
	check "why: then flows go into hardware" busywait 5 flow_is 47401 in-hardware null
}

# on_terminal COMMAND: answers "yes" to the question.
on_terminal() { script -qec "nsenter --net=/run/netns/router -- env PATH=$PATH bash -c '$1'" /dev/null <<<y; }

module_not_loaded() {
	local not_loaded users
	defer ask again
	defer modprobe nft_offload
	defer rmmod nf_flow_table_inet
	no_ruleset
	busywait 5 module_free
	rmmod nft_offload
	check "not loaded: its command" bash -c "$(doctor 'map(select(.id == "not-loaded")) | .[0].fix')"
	check_is "not loaded: then it is" "$(of loaded .severity)" ok
	rmmod nft_offload
	not_loaded=$(router $TOOL status 2>&1 | sed 's/.*is not loaded: //')
	check "not loaded, as the other commands say: $not_loaded" router bash -c "$not_loaded"
	rmmod nft_offload
	for users in 0 1; do
		modprobe -C /dev/null nf_flow_table_inet
		[ $users = 0 ] || load "lan, wan" '/flags offload/d'
		not_loaded=$(router $TOOL status 2>&1 | sed 's/.*is not loaded: //')
		check_is "the in-tree type, $users flowtables" "$(ills | xargs -n 1 | grep -c not-loaded) $(of not-loaded .fix)" "1 $not_loaded"
		on_terminal "$not_loaded" >/tmp/asked
		check_is "the in-tree type, $users flowtables: then ours is loaded" "$(ills | grep -c not-loaded)" 0
		[ $users = 0 ] || no_tables
		busywait 5 module_free
		rmmod nft_offload
		rmmod nf_flow_table_inet 2>/dev/null
	done
	rmmod nft_offload 2>/dev/null
	check "no type: a switch has the command" router bash -c "$(router $TOOL doctor -y --switch 2>&1 | sed 's/.*nothing to switch: //; s/; nothing was changed$//')"
}

load_order() { doctor 'map(select(.id | test("softdep|in-tree-blocked")) | .id) | join(" ")'; }

modprobe_d() {
	defer eval 'rm -r /run/modprobe.d /etc/modprobe.d/*.conf'
	mkdir -p /run/modprobe.d
	cat >"/run/modprobe.d/a file.conf" <<-'END'
		# Some
		install nf_flow_table_inet \
			/bin/false
	END
	check_is "a file that is not the administrator's" "$(load_order)" in-tree-blocked
	check "a file that is not the administrator's: its command" mend in-tree-blocked
	check_is "it says so no more" "$(load_order)" no-softdep
	check "modprobe agrees" bash -c "modprobe -n -v nf_flow_table_inet | grep -q insmod"
	check "the file itself is as it was" grep -q '^install' "/run/modprobe.d/a file.conf"
	check "the order: its command" mend no-softdep
	check_is "the order: then it is ours first" "$(load_order)" softdep
}

begin
check "the netlink family answers" netlink_up
router sysctl -qw net.netfilter.nf_flowtable_udp_timeout=120
check "a VLAN device" eval "vlan_up router wan $WAN4 $WAN6 && vlan_up server eth $SERVER4 $SERVER6"
ip -n server route replace default via $WAN4
ip -n server route replace default via $WAN6
tests_run vlan_device pppoe bridge port_of_a_bond many_devices several_devices busy_drivers no_flowtable \
	device_is_not_there no_rule accounting_and_forwarding flow_in_software without_root limit_is_reached \
	advice_of_why advice_for_the_feature module_not_loaded modprobe_d
exec 20>&- 21<&-
check "no reference is left" busywait 5 module_free
