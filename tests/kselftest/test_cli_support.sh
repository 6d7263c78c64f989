#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# nft-offload support: the answer before anything is set up, without root: the kernel, the module, the ports of the simulated
# NIC, obstacles, and the commands that remove them; then what the module reports itself.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/cli.sh"
# The printed commands name the tool without a directory.
PATH=${TOOL%/*}:$PATH
CLI_BY=as_nobody

# port NAME FILTER: prints a port of the router through jq, without root.
port() { cli_get ".devices | map(select(.name == \"$1\")) | .[0] | $2" support; }
# findings NAME: prints the findings other than "ok".
findings() { port "$1" '.findings | map(select(.severity != "ok") | .id) | join(" ")'; }
verdict() { cli_get .verdict support; }
# fix NAME: runs the command of the first finding of a port.
fix() {
	local command
	command=$(port "$1" '.findings | map(select(.fix != null)) | .[0].fix')
	echo "$command"
	router bash -c "$command"
}

module_not_loaded() {
	check "nft_offload is not loaded" bash -c '! grep -q ^nft_offload /proc/modules'
	show support
	check "the ports take rules: status 0" ends 0 "Yes: lan and wan take rules." support
	check "asking has not loaded it" bash -c '! grep -q ^nft_offload /proc/modules'
	check_is "the kernel" "$(cli_get '.kernel | [.release, .config, .module, .state]' support)" \
		"[\"$release\",\"/proc/config.gz\",\"installed\",\"ready\"]"
	check_is "a port" "$(port lan '[.driver, .profile, .way, .state, .port, .holds.nat6, .holds.pppoe]')" \
		'["netdevsim","tc","direct","ready","physical",true,false]'
	check_is "the schema has its number" "$(cli_get .schema support)" 1
}

namespace_without_devices() {
	defer ip netns del empty
	ip netns add empty
	as_nobody empty $TOOL support >/tmp/out 2>&1
	check_is "a namespace without devices: status 1" "$? $(tail -n 1 /tmp/out)" "1 No: no network device of this machine takes rules."
}

root_eswitch() { router $TOOL --json support | jq -r '.devices[] | select(.name == "lan") | .eswitch'; }

mode_of_the_switch() {
	defer router devlink dev eswitch set netdevsim/netdevsim2 mode legacy
	check_is "without root the mode of the switch is hidden" "$(port lan .eswitch)" hidden
	check_is "with root it is that of devlink" "$(root_eswitch)" legacy
	check "devlink changes it" router devlink dev eswitch set netdevsim/netdevsim2 mode switchdev
	check_is "and it is seen" "$(root_eswitch)" switchdev
}

feature_is_off() {
	defer router ethtool -K lan hw-tc-offload on
	defer router ethtool -K wan hw-tc-offload on
	router ethtool -K lan hw-tc-offload off
	check_is "hw-tc-offload is off" "$(findings lan) $(findings wan)" "hw-tc-offload-off "
	check "then it is partly: status 0" ends 0 "Partly: wan takes rules; lan takes rules once" support
	router ethtool -K wan hw-tc-offload off
	check_is "off on both" "$(verdict)" partly
	check "its command, lan" fix lan
	check "its command, wan" fix wan
	check_is "then it is yes again" "$(verdict)" yes
}

devices_without_hardware() {
	defer ip -n router link del dummy0
	defer ip -n router link del br0
	defer ip -n router link del wan.7
	ip -n router link add dummy0 type dummy
	ip -n router link add br0 type bridge
	ip -n router link add link wan name wan.7 type vlan id 7
	# The kernel's own tunnel devices are there as well.
	check_is "devices by kind" "$(cli_get '.virtual_devices | map(select(.kind | test("^(dummy|bridge|vlan)$")) | .kind + " " + (.names | join(",")))' support)" \
		'["dummy dummy0","bridge br0","vlan wan.7"]'
	check "a VLAN goes through what is below it" ends 0 "vlan wan.7: its flows pass wan, which has to be in the flowtable" support
}

module_is_missing() {
	local hidden
	hidden=$(find "/lib/modules/$release/" -name nft_offload.ko | head -n 1)
	cp "/lib/modules/$release/modules.dep" /tmp/modules.dep
	grep -v '^[^:]*nft_offload\.ko:' /tmp/modules.dep >/tmp/modules.dep.without
	defer umount "/lib/modules/$release/modules.dep"
	mount --bind /tmp/modules.dep.without "/lib/modules/$release/modules.dep"
	check "a file of the module was there" test -n "$hidden"
	check_is "the module is missing" "$(cli_get '[.kernel.module, .kernel.state, .verdict]' support)" '["missing","mend","partly"]'
	check "what to do then" ends 0 "\$ make install KVER=$release" support
	check "the doctor says so first" bash -c "$TOOL doctor | grep -m 1 -q PROBLEM.*'nft_offload is not installed for Linux $release'"
}

# unloaded: removes the ruleset and the module.
unloaded() {
	no_tables
	busywait 5 module_free
	rmmod nft_offload
}

module_reports() {
	defer ip -n router link del dummy0
	defer unloaded
	ip -n router link add dummy0 type dummy
	modprobe nft_offload profile=wan:mtk
	sed 's/{ lan, wan }/{ lan, wan, dummy0 }/' "$RULESETS/forward.nft" | router nft -f -
	check_is "the module is loaded" "$(cli_get .kernel.module support)" loaded
	check_is "its profile for a port, not that of the table" "$(port wan '[.profile, .holds.nat6, .holds.pppoe]')" '["mtk",false,true]'
	check "its words" ends 0 "nft_offload reports that it takes rules (direct, profile tc)" support
}

driver_refuses() {
	local more
	defer unloaded
	defer nic_set fail_next 0
	modprobe nft_offload profile=wan:mtk
	echo bind >"$NIC/fail_cmd"
	echo -95 >"$NIC/fail_errno"
	echo 1000 >"$NIC/fail_next"
	ruleset forward
	check_is "a driver says no" "$(findings lan)" refused
	more=$(port lan '.findings | map(select(.id == "refused")) | .[0].fix')
	check "a driver says no: its command says more: $more" bash -c "nsenter --net=/run/netns/router -- env PATH=/tmp:$PATH $more | grep -q 'lan and wan take no rules: driver netdevsim refuses'"
	echo 0 >"$NIC/fail_next"
	no_tables
	busywait 5 module_free
	check "the doctor has the kernel's line first" bash -c "$TOOL doctor | head -n 1 | grep -q '^ok .*Linux $release has Rust and flowtables'"
}

OPTIONS=/etc/modprobe.d/nft-offload-block.conf OTHER=/etc/modprobe.d/nft-offload.conf
doctor_of() { router nft-offload --json doctor | jq -r "[.findings[] | select(.devices) | .id + \" \" + (.devices | join(\",\"))] | join(\"; \")"; }
doctor_fix() { router nft-offload --json doctor | jq -r '.findings[] | select(.id == "block-not-allowed") | .fix'; }
way() { port "$1" '[.way, .state] | join(" ")'; }

block_of_the_driver() {
	defer rm -f $OPTIONS
	defer nic_set bind_as ft
	defer unloaded
	echo block >"$NIC/bind_as"
	modprobe nft_offload
	ruleset forward
	check_is "not allowed: to be mended" "$(way lan), $(way wan)" "block mend, block mend"
	check_is "for one reason" "$(findings lan), $(findings wan)" "block-not-allowed, block-not-allowed"
	show support
	check "the command for now is there" grep -q '^ *\$ nft-offload set lan block on$' /tmp/shown
	check "the command for good is there" grep -q "^ *[\$] echo 'options nft_offload block=lan,wan' > $OPTIONS" /tmp/shown
	check_is "the doctor says so too" "$(doctor_of)" "block-not-allowed lan,wan"
	check "the doctor's command, for both" router bash -c "$(doctor_fix)"
	check_is "the doctor is content" "$(doctor_of)" "bound lan,wan"
	check_is "and support" "$(way lan)$(findings lan), $(way wan)$(findings wan)" "block ready, block ready"
	no_tables
	ruleset forward
	check_is "it was for as long as they were in the flowtable" "$(findings lan), $(findings wan)" "block-not-allowed, block-not-allowed"
	check "the commands of support, lan" fix lan
	check_is "lan is content" "$(way lan)$(findings lan)" "block ready"
	check_is "the doctor's command for wan" "$(doctor_fix)" "nft-offload set wan block on"
	check "it does its work" router bash -c "$(doctor_fix)"
	check_is "and it is yes" "$(way wan)$(findings wan) $(verdict)" "block ready yes"
	check_is "one line for both" "$(cat $OPTIONS)" "options nft_offload block=lan,wan"
	no_tables
	busywait 5 module_free
	rmmod nft_offload
	modprobe nft_offload
	ruleset forward
	check_is "it lasts" "$(way lan), $(way wan), $(verdict)" "block ready, block ready, yes"
	check_is "as the doctor says" "$(doctor_of)" "bound lan,wan"
}

last_line_counts() {
	# The last line of modprobe.d counts, and is the one that the message names.
	defer rm -f $OPTIONS $OTHER
	defer nic_set bind_as ft
	defer unloaded
	echo block >"$NIC/bind_as"
	echo 'options nft_offload block=lan,wan' >$OPTIONS
	echo 'options nft_offload admit=0 block=lan' >$OTHER
	modprobe nft_offload
	check_is "a file that is read later counts" "$(cat /sys/module/nft_offload/parameters/block)" lan
	ruleset forward
	check_is "lan is allowed, wan is not" "$(findings lan), $(findings wan)" ", block-not-allowed"
	check "the line is named" ends 0 "$OTHER:1 has the option that takes effect" support
	check_is "the command is for now only" "$(port wan '.findings | map(.fix) | join(";")')" "nft-offload set wan block on"
	check "it does its work" fix wan
	check_is "the finding is gone" "$(way wan) $(findings wan)" "block ready "
}

bed_up || exit 1
release=$(uname -r)
tests_run module_not_loaded namespace_without_devices mode_of_the_switch feature_is_off \
	devices_without_hardware module_is_missing module_reports driver_refuses block_of_the_driver \
	last_line_counts
