#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# For make shell: the test bed with a ruleset, and what can be done with it. vm.sh gives the shell afterwards.
# shellcheck source=tests/kselftest/lib.sh
. "$(dirname "$0")/lib.sh"
begin
ruleset forward
cat <<END

  The test bed is up: namespaces client, router, server; the ruleset is $RULESETS/forward.nft.

    ip netns exec client $TRAFFIC client tcp $SERVER4 5001 -n 100      traffic to the server
    cat $NIC/rules                rules in the NIC
    ip netns exec router conntrack -L               flows, [HW_OFFLOAD] among them
    ip netns exec router ethtool -S lan             counters of a port
END
