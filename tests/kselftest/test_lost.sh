#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A driver that loses rules silently, as after a reset of its firmware: the next packets bring the flow back, whatever errno the
# driver returns for an unknown rule. Lost rules do not count as used, and are not queried any more.
. "$(dirname "$0")/lib.sh"

# now_ms: sets NOW, without a process.
now_ms() { NOW=$((${EPOCHREALTIME/[.,]/} / 1000)); }
nic_stat() { awk -v name="$1" '$1 == name { print $2 }' "$NIC/stats"; }
log() { dmesg | sed -n "/$MARK/,\$p"; }

# anew PROFILE [MODULE_OPTION...]: another kind of NIC, and the module with its profile; "own" is the profile by the driver's name.
anew() {
	local sim=$1 options=()
	[ "$1" = own ] && sim=tc || options=("profile=lan:$1,wan:$1")
	shift
	busywait 5 module_free && modprobe -r nft_offload && echo "$sim" >"$NIC/profile" &&
		modprobe nft_offload "${options[@]}" "$@" && ruleset forward
}

# rules_in MS N: a condition: within MS milliseconds there are N rules.
rules_in() {
	local end
	now_ms
	end=$((NOW + $1))
	until rules_are "$2"; do
		now_ms
		[ "$NOW" -lt "$end" ] || return 1
		sleep 0.02
	done
}

# carried N: a condition: in a second the NIC forwards N packets of UDP and TCP, and the CPU sees none.
carried() {
	local before seen
	before=$(hw_packets) seen=$(($(cpu udp) + $(cpu tcp)))
	sleep 1
	echo "the NIC: $(($(hw_packets) - before)), the CPU: $(($(cpu udp) + $(cpu tcp) - seen))"
	[ $(($(hw_packets) - before)) -ge "$1" ] && [ $(($(cpu udp) + $(cpu tcp))) -eq "$seen" ]
}

# talk_as PROTOCOL OPTION...: starts a client in the background; $! is the client.
talk_as() { nsenter --net=/run/netns/client -- "$TRAFFIC" client "$1" $SERVER4 5001 "${@:2}" >/dev/null 2>&1 & }

# lost PROFILE PROTOCOL MS PORT FORGET: results: the NIC loses FORGET rules (0: all) of a flow that is MS milliseconds old.
lost() {
	local what="$1, $2, after $3 ms" pid
	talk_as "$2" -b "$4" -n 5000 -i 10
	pid=$!
	check "$what: in hardware" rules_in 1000 2
	sleep "$(($3 / 1000)).$(printf %03d $(($3 % 1000)))"
	echo "$5" >"$NIC/forget"
	check "$what: back within 2 s" rules_in 2000 2
	check "$what: both directions are" carried 80
	check "$what: conntrack agrees" flows_are HW_OFFLOAD "$2" 1
	hush $pid
	router conntrack -F >/dev/null 2>&1
	check "$what: no rule is left" busywait 5 rules_are 0
}

# back_with PROFILE: results: lost rules come back, whatever their age is.
back_with() {
	local profile=$1 proto ms
	defer no_ruleset
	check "$profile: the module loads with it" anew "$profile"
	for proto in udp tcp; do
		for ms in 500 1100 2700 6000; do
			lost "$profile" $proto $ms $((port++)) 0
		done
		# One of the two rules.
		lost "$profile" $proto 1500 $((port++)) 1
	done

	# No packets: the core queries from time to time.
	check "$profile, idle: in hardware" open_flow udp $SERVER4 $((++port))
	echo 0 >"$NIC/forget"
	check "$profile, idle: it is noticed" busywait 8 flows_are HW_OFFLOAD udp 0
	close_flow
	talk_as udp -b $port -n 5000 -i 100
	check "$profile, idle: its next packets bring it back" busywait 3 rules_are 2
	hush $!
}

lost_with_the_default_profile() { back_with own; }
lost_with_mlx5() { back_with mlx5; }

no_needless_queries() {
	local asked adds
	defer no_ruleset
	defer nic_set enabled Y
	# Packets that the NIC leaves to the CPU although it has the rules do not cause more queries than the core makes.
	check "a NIC that forgets nothing" anew own
	talk_as udp -b 42100 -n 5000 -i 10
	check "a flow is in hardware" busywait 3 rules_are 2
	echo N >"$NIC/enabled"
	asked=$(nic_stat queries) adds=$(hw_counter offload_adds)
	sleep 10
	check_between "its rules are queried once a second" "$(($(nic_stat queries) - asked))" 10 24
	check_is "and stay as they are" "$(($(hw_counter offload_adds) - adds))" 0
	hush $!
}

lost_rules_leave_room() {
	local before unknown pid
	defer no_ruleset
	# A limit counts the rules in the NIC.
	check "mlx5 with a limit" anew mlx5 limit=lan:2
	for port in 42201 42202; do open_flow udp $SERVER4 $port; done
	check_is "two flows are in hardware" "$(rules)" 4
	before=$(nic_stat unknown_cookie)
	echo 0 >"$NIC/forget"
	router conntrack -F >/dev/null 2>&1
	sleep 4
	unknown=$(nic_stat unknown_cookie)
	check_between "its driver is asked to destroy rules that it does not have" $((unknown - before)) 4 16
	sleep 20
	check_is "and not again" "$(nic_stat unknown_cookie)" "$unknown"
	close_flow
	talk_as udp -b 42203 -n 5000 -i 20
	pid=$!
	talk_as udp -b 42204 -n 5000 -i 20
	check "the limit has room for two others" busywait 3 rules_are 4
	hush $pid $!
}

begin
MARK="nft-offload-lost $RANDOM$RANDOM"
echo "$MARK" >/dev/kmsg
port=42000
tests_run lost_with_the_default_profile lost_with_mlx5 no_needless_queries lost_rules_leave_room
check "no rule is left" busywait 5 rules_are 0
check_is "and the log does not mention any" "$(log | grep -c 'remain in hardware\|failed to destroy')" 0
