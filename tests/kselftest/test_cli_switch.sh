#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# nft-offload doctor --switch: from the in-tree type to ours and back, under traffic with NAT; and every way in which it fails.
#
# guest: spent, since the in-tree type keeps the record of a device that it refused: an indirect driver is told about it after
# the device is gone.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/cli.sh"

INET=nf_flow_table_inet
MODULE=/lib/modules/$(uname -r)/updates/nft_offload.ko
STATE=/run/nft-offload-switch

# users MODULE: prints the number of users, or nothing if the module is not loaded.
users() { awk -v name="$1" '$1 == name { print $3 }' /proc/modules; }
# types: prints the loaded types with their number of users.
types() { echo "nft_offload=$(users nft_offload) $INET=$(users $INET)"; }
# listing: prints the ruleset without the counters of its rules.
listing() { router nft -s -t list ruleset; }
# in_hardware: a condition: two TCP connections and one UDP flow are in hardware. learned: a condition: the set has the address of
# the client.
in_hardware() { flows_are HW_OFFLOAD tcp 2 && flows_are HW_OFFLOAD udp 1; }
learned() { router nft list set inet router seen | grep -q "$CLIENT4"; }
# switch STATUS TEXT [TYPE]: a condition: the tool exits with this status and prints this text.
switch() {
	local rc
	ends "$1" "$2" doctor --yes --switch ${3:+"$3"} >/tmp/said 2>&1
	rc=$?
	cat /tmp/said
	return $rc
}
# as_before: a condition: no trace of a switch is left, and everything is as it was when remember was called.
remember() {
	WAS_TYPES=$(types)
	WAS_LISTING=$(listing)
}
as_before() {
	check_is "$1: the same types are loaded" "$(types)" "$WAS_TYPES"
	check_is "$1: the ruleset is the same" "$(listing)" "$WAS_LISTING"
	check_is "$1: no file is left" "$(ls -A $STATE 2>/dev/null)" ""
	check_is "$1: the timeouts are the same" "$(router sysctl -n net.netfilter.nf_flowtable_tcp_timeout net.netfilter.nf_flowtable_udp_timeout | xargs)" "5 5"
}
# wrap PROGRAM: replaces a program in the search path with the rest of stdin; "$REAL" is the program. unwrap: restores all
# programs, and waits for what was called, also if the tool that called it was killed.
wrap() {
	unwrap
	mkdir -p /tmp/wrapped
	{
		printf '#!/bin/bash\nREAL=%q\nexec 9>>/tmp/running\nflock -s 9\n' "$(command -v "$1")"
		cat
	} >"/tmp/wrapped/$1"
	chmod 755 "/tmp/wrapped/$1"
	PATH=/tmp/wrapped:$PATH
}
unwrap() {
	PATH=${PATH#/tmp/wrapped:}
	rm -rf /tmp/wrapped
	flock /tmp/running true
}

# traffic_on PORT SECONDS: TCP and UDP clients that send a message every 50 ms and wait for its echo, and a TCP client that is
# mostly idle. traffic_went_on NAME: results: each message was answered, no connection ended.
traffic_on() {
	ROUNDS=$(($2 * 20)) IDLE_ROUNDS=$(($2 / 3))
	client "$TRAFFIC" client tcp $SERVER4 5001 -b "$1" -n $ROUNDS -i 50 >/tmp/tcp 2>&1 &
	TCP=$!
	client "$TRAFFIC" client udp $SERVER4 5001 -b "$1" -n $ROUNDS -i 50 >/tmp/udp 2>&1 &
	UDP=$!
	client "$TRAFFIC" client tcp $SERVER4 5001 -b $(($1 + 1)) -n $IDLE_ROUNDS -i 3000 >/tmp/idle 2>&1 &
	IDLE=$!
	sleep 3
}
traffic_went_on() {
	check "$1: the traffic went on all the time" kill -0 $TCP $UDP $IDLE
	wait $TCP
	check_is "$1: TCP: no message lost, no reset" "$? $(cat /tmp/tcp)" "0 rounds=$ROUNDS bytes=${ROUNDS}00 lost=0"
	wait $UDP
	check_is "$1: UDP: no message lost" "$? $(cat /tmp/udp)" "0 rounds=$ROUNDS bytes=${ROUNDS}00 lost=0"
	wait $IDLE
	check_is "$1: idle TCP: no message lost, no reset" "$? $(cat /tmp/idle)" "0 rounds=$IDLE_ROUNDS bytes=${IDLE_ROUNDS}00 lost=0"
}

cp "$TOP/packaging/modprobe.d/nft-offload.conf" /etc/modprobe.d/
echo 'options nft_offload profile=lan:mtk,wan:mtk' >/etc/modprobe.d/options.conf
modprobe -C /dev/null $INET
bed_up || not_ok "the test bed is up"
# This hardware accepts the rules of the in-tree type.
echo mtk >"$NIC/profile"
router sysctl -qw net.netfilter.nf_flowtable_tcp_timeout=5 net.netfilter.nf_flowtable_udp_timeout=5

# --- what is in the ruleset -------------------------------------------------------------------------------------------

router nft -f "$RULESETS/masquerade.nft"
# Rules before, between and after; anonymous sets; a set that has learned; a chain without a hook; a second flowtable.
router nft -f - <<-'NFT'
	table inet router {
		set seen {
			type ipv4_addr
			flags dynamic,timeout
			timeout 1h
		}
		chain more {
			flow add @ft
		}
		chain forward {
			ct state invalid counter drop comment "no flow add @ft here"
			meta l4proto { tcp, udp } th dport { 5001, 8000-8010 } counter update @seen { ip saddr } flow add @ft counter comment "a # handle 7"
			ct state established,related counter accept
			meta l4proto vmap { tcp : jump more, udp : jump more }
		}
	}
	table ip second {
		flowtable other {
			hook ingress priority filter + 5
			devices = { wan }
		}
		chain forward {
			type filter hook forward priority filter + 10; policy accept;
			ip protocol tcp tcp dport 9 flow add @other accept
		}
	}
NFT
remember
check_is "the in-tree type is in use" "$WAS_TYPES" "nft_offload= $INET=2"

# --- there and back, under traffic ------------------------------------------------------------------------------------

traffic_on 43100 50
check "traffic is in hardware by the in-tree type" in_hardware
router nft reset counters >/dev/null
check "to ours" switch 0 "nft_offload has taken over from $INET: 2 flowtables, 4 rules"
diag "$(cat /tmp/said)"
check_is "to ours: the flowtables are its" "$(types)" "nft_offload=2 $INET="
check_is "to ours: the ruleset is the same, each rule in its place" "$(listing)" "$WAS_LISTING"
check "to ours: the flows go into hardware again" busywait 15 in_hardware
check "to ours: the in-tree type has left no rule in the NIC" rules_are 6
check "it is in use already" switch 0 "nft_offload is the active type" nft_offload
check "and back" switch 0 "$INET has taken over from nft_offload: 2 flowtables, 4 rules" in-tree
diag "$(cat /tmp/said)"
as_before "back"
check "back: the flows go into hardware again" busywait 15 in_hardware
traffic_went_on "there and back"

# --- refused before anything is changed ------------------------------------------------------------------------------

traffic_on 43300 250
# changes_nothing NAME TEXT [TYPE]: results: the switch is refused with this text, and nothing was changed.
changes_nothing() {
	remember
	check "$1: refused" switch 5 "$2" ${3:+"$3"}
	check "$1: it says that nothing was changed" grep -q 'nothing was changed' /tmp/said
	diag "$(cat /tmp/said)"
	as_before "$1"
}
check "without root" nobody_ends 5 'only root' doctor --yes --switch
check "without a terminal and --yes" ends 2 'confirm with --yes' doctor --switch
# shellcheck disable=SC2024 # the terminal's
script -qec "nsenter --net=/run/netns/router -- $TOOL doctor --switch" /dev/null <<<n >/tmp/asked
check "on a terminal it asks" grep -q 'Continue?' /tmp/asked
check "and says what it will do" grep -q "flowtable inet router ft (.*; 3 rules): $INET -> nft_offload" /tmp/asked
check_is "the answer was no" "$(types)" "nft_offload= $INET=2"
mv "$MODULE" /tmp/ && depmod
changes_nothing "the module is missing" "nft_offload is not installed for Linux $(uname -r)"
check "the module is missing: the doctor has no modprobe for it" bash -c "! $TOOL doctor | grep -q 'modprobe nft_offload'"
mv "/tmp/${MODULE##*/}" "$MODULE" && depmod
cp "/lib/modules/$(uname -r)/modules.builtin" /tmp/ 2>/dev/null
echo "kernel/net/netfilter/$INET.ko" >>"/lib/modules/$(uname -r)/modules.builtin"
changes_nothing "the in-tree type is part of the kernel" "$INET is part of this kernel"
cp /tmp/modules.builtin "/lib/modules/$(uname -r)/"
held='table inet held { flowtable theirs { hook ingress priority 0; devices = { eth }; }; }'
server nft -f - <<<"$held"
changes_nothing "another namespace holds the module" "network namespace server (flowtable inet held theirs)"
server nft delete table inet held
wrap nft <<-'END'
	# As if its listing meant something else.
	case "$*" in "-a list chain"*) "$REAL" "$@" | sed 's/5001/5002/' ;; *) exec "$REAL" "$@" ;; esac
END
changes_nothing "nft lists a rule wrongly" "in a form that would not restore it"
wrap nft <<-'END'
	case "$*" in "-a list chain"*) "$REAL" "$@" | sed 's/ip saddr/ip no/' ;; *) exec "$REAL" "$@" ;; esac
END
changes_nothing "nft lists what it does not take" "nft rejects a rule that it has listed itself"
unwrap
mkfifo /tmp/owner
router nft -i </tmp/owner >/dev/null 2>&1 &
exec 9>/tmp/owner
printf '%s\n' 'add table inet own { flags owner; }' 'add flowtable inet own ft { hook ingress priority 9; devices = { lan }; }' >&9
busywait 5 router nft list flowtable inet own ft
changes_nothing "a table of another program" "table inet own can be changed only by the program that owns it"
exec 9>&-
wait %?nft 2>/dev/null
busywait 5 bash -c "! nsenter --net=/run/netns/router nft list table inet own"
mkdir $STATE
check "another switch is under way" switch 5 "another switch is in progress"
rm -r $STATE

# The leftover of a trial that was killed.
router nft -f - <<-'NFT'
	table inet router {
		chain nft-offload-switch {
			flow add @ft
		}
	}
NFT
script -qec "nsenter --net=/run/netns/router -- $TOOL doctor --switch" /dev/null <<<n >/tmp/asked
check "a chain that a killed trial has left goes" bash -c '! nsenter --net=/run/netns/router nft list ruleset | grep -q nft-offload-switch'
check "and is not counted" grep -q 'flowtable inet router ft (.*; 3 rules)' /tmp/asked

# --- failures in each step --------------------------------------------------------------------------------------------

# comes_back NAME TEXT [TYPE]: results: the switch fails with this text, and everything is as before.
comes_back() {
	remember
	check "$1: it fails" switch 5 "$2" ${3:+"$3"}
	check "$1: it says that the old state is back" grep -q 'the old state is restored' /tmp/said
	diag "$(cat /tmp/said)"
	unwrap
	as_before "$1"
}
fails() { # PROGRAM PATTERN: what is called like this, or given this, fails, once.
	wrap "$1" <<-END
		input=\$([ ! -p /dev/stdin ] || cat)
		case "\$* \$input" in $2) [ -e /tmp/failed ] || { touch /tmp/failed; echo "wrong on purpose" >&2; exit 1; } ;; esac
		exec "\$REAL" "\$@" <<<"\$input"
	END
	rm -f /tmp/failed
}
fails nft '*"nft-offload-switch:"*'
comes_back "nft refuses to change rules" "wrong on purpose"
fails nft '*"delete flowtable"*'
comes_back "nft refuses to delete the flowtables" "wrong on purpose"
fails rmmod '*'
comes_back "rmmod fails" "wrong on purpose"
fails modprobe 'nft_offload*'
comes_back "modprobe fails" "wrong on purpose"
fails nft '*"add flowtable"*'
comes_back "nft refuses the flowtables" "cannot create the flowtables with type nft_offload"
wrap nft <<-'END'
	input=$([ ! -p /dev/stdin ] || cat)
	# One more rule after everything has been restored.
	case "$input" in *"add flowtable"*)
		[ -e /tmp/failed ] || { touch /tmp/failed; input+=$'\n''add rule inet router more counter'; } ;;
	esac
	exec "$REAL" "$@" <<<"$input"
END
rm -f /tmp/failed
check "another program changes a chain: it fails" switch 5 "another program has changed them; the old state is restored"
unwrap
check_is "another program changes a chain: the old type is back" "$(types)" "nft_offload= $INET=2"
router nft delete rule inet router more handle "$(router nft -a list chain inet router more | sed -n 's/.*counter packets.*handle //p')"
wrap nft <<-END
	input=\$([ ! -p /dev/stdin ] || cat)
	case "\$input" in *"delete flowtable"*) nsenter --net=/run/netns/server -- "\$REAL" -f - <<<'$held' ;; esac
	exec "\$REAL" "\$@" <<<"\$input"
END
WAS=$(listing)
check "another namespace takes the module meanwhile" switch 5 "network namespace server (flowtable inet held theirs)"
unwrap
check_is "another namespace takes the module meanwhile: the old state is back" "$(types) $(listing)" "nft_offload= $INET=3 $WAS"
server nft delete table inet held
busywait 5 bash -c "awk '\$1 == \"$INET\" { exit \$3 != 2 }' /proc/modules"
# A signal in each step: to the tool alone, as from kill, or to the whole terminal, as from Ctrl-C.
stopped() { # PROGRAM PATTERN SIGNAL
	wrap "$1" <<-END
		input=\$([ ! -p /dev/stdin ] || cat)
		case "\$* \$input" in $2) [ -e /tmp/failed ] || { touch /tmp/failed; kill -$3 \$PPID; sleep 0.5; } ;; esac
		exec "\$REAL" "\$@" <<<"\$input"
	END
	rm -f /tmp/failed
}
for signal in TERM INT HUP; do
	stopped nft '*"nft-offload-switch:"*' $signal
	comes_back "SIG$signal while rules are changed" interrupted
done
stopped nft '*"delete flowtable"*' TERM
comes_back "SIGTERM while the flowtables go" interrupted
stopped rmmod '*' TERM
comes_back "SIGTERM while the module goes" interrupted
stopped modprobe 'nft_offload*' TERM
comes_back "SIGTERM while the module comes" interrupted
# A signal that no program survives.
while read -r program pattern when; do
	remember
	stopped "$program" "$pattern" KILL
	router $TOOL doctor --yes --switch >/dev/null 2>&1
	check_is "SIGKILL $when" "$?" 137
	unwrap
	check_is "SIGKILL $when: the files are root's only" "$(stat -c '%a %U' $STATE $STATE/* | xargs)" "700 root 600 root 600 root"
	check "SIGKILL $when: the next switch names the script" switch 5 "run: sh $STATE/restore.sh"
	check "SIGKILL $when: the script brings all back" router sh $STATE/restore.sh
	as_before "SIGKILL $when"
done <<-'END'
	nft *"nft-offload-switch:"* while rules are changed
	nft *delete?flowtable* while the flowtables go
	rmmod * while the module goes
	modprobe nft_offload* while the module comes
END
remember
stopped nft '*"add flowtable"*' KILL
router $TOOL doctor --yes --switch >/dev/null 2>&1
check_is "SIGKILL after all was done" "$?" 137
unwrap
check "SIGKILL after all was done: the script says so" grep -q 'nothing is missing' <(router sh $STATE/restore.sh)
check_is "SIGKILL after all was done: so it is" "$(types) $(listing)" "nft_offload=2 $INET= $WAS_LISTING"
check_is "SIGKILL after all was done: no file is left" "$(ls -A $STATE 2>/dev/null)" ""
traffic_went_on "failures"

# --- from ours, with parameters and the in-tree type loaded after it -------------------------------------------------

router nft delete table inet nat
router nft delete table inet router
router nft delete table ip second
busywait 5 module_free
rmmod nft_offload
modprobe nft_offload limit=lan:1000
modprobe $INET
ip -n router link add dummy0 type dummy
ip -n router link set dummy0 up
router nft -f "$RULESETS/masquerade.nft"
traffic_on 43500 60
router nft 'add flowtable inet router ft { devices = { dummy0 }; flags offload; }'
comes_back "a device that the in-tree type refuses" "cannot create the flowtables with type $INET: nft: Could not process rule: Operation not supported"
check_is "the parameters are as before" "$(cat /sys/module/nft_offload/parameters/limit)" lan:1000
router nft 'delete flowtable inet router ft { devices = { dummy0 }; }'
script -qec "nsenter --net=/run/netns/router -- $TOOL doctor --switch in-tree" /dev/null <<<y >/tmp/asked
check "without that device, asked on a terminal" grep -q "$INET has taken over from nft_offload: 1 flowtable, 1 rule" /tmp/asked
check_is "without that device: the in-tree type is in use" "$(types)" "nft_offload= $INET=1"
traffic_went_on "from ours"
no_ruleset
router $TOOL --json doctor --yes --switch >/tmp/json
check_is "without a flowtable the modules are exchanged" "$(types)" "nft_offload=0 $INET="
check_is "JSON" "$(jq -c '[.active, .switched, .flowtables, .rules, .note]' /tmp/json)" '["nft_offload",true,[],0,null]'
rmmod nft_offload
check "without a type" switch 5 "neither nft_offload nor $INET is loaded"
rm /etc/modprobe.d/*.conf
