#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# How a device is bound: TC_SETUP_FT; else TC_SETUP_BLOCK where that is allowed; else indirectly; else in software with a reason.
# For mlx5 the block comes first where it is allowed. A busy device is retried; changes are noticed.
. "$(dirname "$0")/ladder.sh"

# bound_by DOOR AS PORT: results: both ports are bound, and flows go into hardware.
bound_by() {
	defer no_ruleset
	door "$1"
	ruleset forward
	check "$1: both ports are bound as $2" both_bound "$2"
	in_hardware "$1" "$3"
	gone "$1"
}

flowtable_setup() { bound_by ft direct 52001; }
block_setup() { bound_by block block 52002; }
indirect_flowtable() { bound_by indirect-ft indirect 52003; }
indirect_block() {
	# TC_SETUP_BLOCK is used on request only: some drivers accept any device this way, and lose it.
	door indirect-block
	ruleset forward
	check_is "not requested: both ports are in software" "$(bound lan) $(bound wan)" "software software"
	no_ruleset
	check "the module loads with a profile" reload block=lan,wan profile=lan:tc,wan:tc
	bound_by indirect-block indirect-block 52004
	door ft
	check "the module loads without a profile" reload block=lan,wan
}

flowtable_and_block() {
	defer reload block=lan,wan
	defer nic_set profile tc
	defer no_ruleset
	door both
	ruleset forward
	check "both: the flowtable comes first" both_bound direct
	no_ruleset
	echo mlx5 >"$NIC/profile"
	check "the module loads for mlx5" reload block=lan profile=lan:mlx5,wan:mlx5
	ruleset forward
	check_is "mlx5: the block comes first where it is allowed" "$(bound lan) $(bound wan)" "block direct"
	in_hardware "mlx5, a block and a flowtable" 52005
	check_is "mlx5: the block of wan is allowed" "$(allow wan 1 .bound)" block
	in_hardware "mlx5, two blocks" 52006
	check_is "mlx5: and given back" "$(allow wan 0 .bound)" direct
	gone "mlx5"
	# tc has the block of lan: no rules of a flowtable that packets do not reach.
	router tc qdisc add dev lan clsact
	defer router tc qdisc del dev lan clsact
	ruleset forward
	check_is "mlx5, tc has the port: it waits" "$(bound lan)" waiting
	router tc qdisc del dev lan clsact
	check "mlx5, tc releases the port: it is bound" busywait 10 bound_is lan block
	gone "mlx5, tc"
}

no_driver() {
	defer no_ruleset
	door none
	mark
	ruleset forward
	check_is "no driver: both ports are in software" "$(bound lan) $(bound wan)" "software software"
	check_is "no driver: they have a reason" \
		"$(devices '[.[] | select(.name == "lan") | .reason, .errno]')" "[1,95]"
	check_is "no driver: traffic flows" "$(exchange udp $SERVER4 -b 52100 -n 20 -i 10)" "rounds=20 bytes=2000 lost=0"
	sleep 5
	check_is "no driver: it is logged once for each port" "$(said 'accepts no rules')" 2
	exchange udp $SERVER4 -b 52101 -n 3000 -i 20 >/tmp/ladder.out &
	pid=$!
	door ft
	# Drivers look at the features of a device: the port is tried at once.
	router ethtool -K lan hw-tc-offload off
	router ethtool -K lan hw-tc-offload on
	check "toggled: both ports are bound" busywait 5 both_bound direct
	check "toggled: a flow that was in software goes into hardware" busywait 5 rules_are 2
	check_is "toggled: the log reports it" "$(said 'accepts rules now')" 2
	kill $pid
	wait $pid 2>/dev/null
	gone "toggled"
}

callback_that_takes_rtnl() {
	defer no_ruleset
	door block
	echo 1 >"$NIC/locked_driver_cb"
	ruleset forward
	check_is "the callback takes RTNL: both ports are in software" "$(bound lan) $(bound wan)" "software software"
	check_is "the callback takes RTNL: they have a reason" \
		"$(devices '.[] | select(.name == "lan") | [.errno, (.extack | test("RTNL"))]')" "[95,true]"
	check_is "the callback takes RTNL: the driver has no binding left" "$(nic_stat binds)" "$(nic_stat unbinds)"
	no_ruleset
	# That sfc does not take it is no property of this driver, whatever the user says of its rules.
	check "the module loads with the profile of another driver" reload block=lan,wan profile=lan:sfc,wan:sfc
	ruleset forward
	check_is "the callback takes RTNL, profile sfc: both ports are in software" "$(bound lan) $(bound wan)" "software software"
	check_is "the callback takes RTNL, profile sfc: they have a reason" \
		"$(devices '.[] | select(.name == "lan") | [.errno, (.extack | test("RTNL"))]')" "[95,true]"
	no_ruleset
	check "the module loads without a profile" reload block=lan,wan
	echo 0 >"$NIC/locked_driver_cb"
}

no_trigger() {
	defer no_ruleset
	door none
	ruleset forward
	door block
	check "no trigger: both ports are bound nevertheless" busywait 20 both_bound block
	gone "no trigger"
}

busy() {
	defer router tc qdisc del dev lan clsact
	defer no_ruleset
	door block
	router tc qdisc add dev lan clsact
	mark
	ruleset forward
	check_is "tc has the port: it waits" "$(bound lan)" waiting
	check_is "tc has the port: the other is bound" "$(bound wan)" block
	check_is "tc has the port: the reason" "$(devices '.[] | select(.name == "lan") | [.reason, .errno, (.extack | length > 5)]')" "[1,16,true]"
	check "tc has the port: tc can use it" router tc filter add dev lan ingress protocol ip prio 1 flower \
		ip_proto tcp dst_ip 192.0.2.1 action mirred egress redirect dev wan
	check_is "tc has the port: traffic flows" "$(exchange udp $SERVER4 -b 52200 -n 20 -i 10)" "rounds=20 bytes=2000 lost=0"
	check "tc has the port: the log reports it" busywait 10 said_is "lan.*EBUSY" 1
	router tc qdisc del dev lan clsact
	check "tc releases the port: it is bound" busywait 10 bound_is lan block
	in_hardware "tc releases the port" 52201
	gone "tc releases the port"
}

one_binding() {
	defer nic_set one_binding N
	defer no_ruleset
	# The ports of a DSA switch are bound at its conduit, whose driver may accept one binding only.
	door ft
	echo Y >"$NIC/one_binding"
	ruleset forward
	check_is "one binding for all ports: the first is bound, the second waits" "$(devices '[.[].bound] | sort | join(" ")')" "direct waiting"
	check_is "one binding for all ports: the driver's words" "$(devices '[.[] | select(.bound == "waiting") | .extack][0] | contains("another port")')" true
	check_is "one binding for all ports: traffic flows" "$(exchange udp $SERVER4 -b 52300 -n 20 -i 10)" "rounds=20 bytes=2000 lost=0"
	echo N >"$NIC/one_binding"
	check "one binding for all ports: the second is bound when it can be" busywait 10 both_bound direct
	gone "one binding for all ports"
}

failing_driver() {
	defer no_ruleset
	defer nic_set fail_next 0
	door ft
	echo bind >"$NIC/fail_cmd"
	echo -5 >"$NIC/fail_errno"
	echo 1000 >"$NIC/fail_next"
	ruleset forward
	check_is "a driver that fails: its words, not those of the others" \
		"$(devices '[.[] | select(.name == "lan") | .bound, .errno, (.extack | contains("injected"))]')" '["software",5,true]'
	echo 0 >"$NIC/fail_next"
	gone "a driver that fails"
}

begin
# No flow times out during the test.
router sysctl -qw net.netfilter.nf_flowtable_udp_timeout=120
check "a client of the generic netlink family" netlink_up
check "the tc blocks may be used" reload block=lan,wan
tests_run flowtable_setup block_setup indirect_flowtable indirect_block flowtable_and_block no_driver callback_that_takes_rtnl \
	no_trigger busy one_binding failing_driver
exec 20>&- 21<&-
check "no reference is left" busywait 5 module_free
check "the module unloads" busywait 5 rmmod nft_offload
