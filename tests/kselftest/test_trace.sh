#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The tracepoints, through tracefs: the life of a rule from the first translation to its end.
. "$(dirname "$0")/lib.sh"

TRACING=/sys/kernel/tracing
# seen NAME [TEXT]: prints the number of events with this name and text.
seen() { grep -c " $1: .*${2:-}" $TRACING/trace; }
lines() { sed -n 's/.*\(\(translate\|install\|remove\|refuse\|evict\|stale\): .*\)/\1/p' $TRACING/trace; }

begin
router sysctl -qw net.netfilter.nf_flowtable_udp_timeout=120
check_is "the tracepoints are there" "$(cd $TRACING/events/nft_offload && echo */ | tr -d /)" \
	"evict install refuse remove stale translate"
echo >$TRACING/trace
echo 1 >$TRACING/events/nft_offload/enable
ruleset forward
check "a flow" open_flow udp $SERVER4 47000
original="proto=17 src=$CLIENT4:47000 dst=$SERVER4:5001"
reply="proto=17 src=$SERVER4:5001 dst=$CLIENT4:47000"
check_is "both directions are translated" "$(seen translate "$original reason=0") $(seen translate "$reply reason=0")" "1 1"
check_is "and installed" "$(seen install "dir=original .*$original reason=0 error=0") $(seen install "dir=reply .*$reply reason=0 error=0")" "1 1"
cookies=$(lines | sed -n 's/^install: .*cookie=\([0-9]*\) .*/\1/p' | while read -r n; do printf 'cookie=0x%x\n' "$n"; done | sort)
check_is "the cookies are those in the NIC" "$(grep -o 'cookie=0x[0-9a-f]*' "$NIC/rules" | sort)" "$cookies"
echo -5 >"$NIC/fail_errno"
echo destroy >"$NIC/fail_cmd"
echo 1 >"$NIC/fail_next"
router conntrack -D -p udp >/dev/null 2>&1
close_flow
check "it ends" busywait 5 rules_are 0
check_is "removed, one of them not at once" "$(seen remove "error=0") $(seen remove "error=-5") $(seen stale "error=-5")" "1 1 1"
echo -95 >"$NIC/fail_errno"
echo replace >"$NIC/fail_cmd"
echo 1000 >"$NIC/fail_next"
exchange udp $SERVER6 -b 47001 -n 5 -i 20 >/dev/null
is_seen() { [ "$(seen "$@")" -ge 1 ]; }
check "a refusal, with reason and errno, of an IPv6 flow" \
	busywait 3 is_seen refuse "src=$CLIENT6:47001 dst=$SERVER6:5001 reason=32 error=-95"
check "the driver's answer" is_seen install "error=-95"
echo 0 >"$NIC/fail_next"
router conntrack -F >/dev/null 2>&1
check "another flow" open_flow udp $SERVER4 47002
ynl_up admin router 22 23
check_is "taken out" "$(ynl_ask admin 22 23 "do" flow-evict '{"port": 47002}')" '{"evicted": 1}'
check_is "which is seen" "$(seen evict "reason=58")" 1
exec 22>&- 23<&-
close_flow
diag "$(lines | head -n 12)"
echo 0 >$TRACING/events/nft_offload/enable
echo >$TRACING/trace
check "still another flow" open_flow udp $SERVER4 47003
close_flow
check_is "switched off: nothing is seen" "$(lines)" ""
no_ruleset
check "the module unloads" busywait 5 rmmod nft_offload
check "its tracepoints with it" test ! -e $TRACING/events/nft_offload
