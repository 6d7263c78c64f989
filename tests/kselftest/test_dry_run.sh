#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# nft -c binds and unbinds the devices for real; nothing of that stays. Nor does a transaction that fails.
. "$(dirname "$0")/lib.sh"

begin
check "nft -c" router nft -c -f "$RULESETS/forward.nft"
check "leaves the module free" busywait 3 module_free
check_is "and no ruleset" "$(router nft list tables inet)" ""
{ cat "$RULESETS/forward.nft"; echo 'add rule inet router nonsuch accept'; } >/tmp/broken.nft
check "a transaction that fails" bash -c '! nsenter --net=/run/netns/router nft -f /tmp/broken.nft 2>/dev/null'
check "leaves the module free" busywait 3 module_free
ruleset forward
check "a flow in hardware" open_flow udp $SERVER4 46000
check "nft -c of the same ruleset with flows in hardware" router nft -c -f "$RULESETS/forward.nft"
check "leaves the rules" rules_are 2
{ echo 'delete table inet router'; cat "$RULESETS/forward.nft"; } >/tmp/reload.nft
check "a reload in one transaction" router nft -f /tmp/reload.nft
check "takes the old rules out" busywait 5 rules_are 0
close_flow
check "and flows go into hardware again" open_flow udp $SERVER4 46001
close_flow
