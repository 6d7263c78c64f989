#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Another module has registered the families first: nf_tables would never use ours, so it refuses to load and says why.
. "$(dirname "$0")/lib.sh"

flowtable='table inet t { flowtable ft { hook ingress priority 0; devices = { lo }; }; }'

modprobe nf_flow_table_inet
before=$(dmesg | wc -l)
output=$(modprobe nft_offload 2>&1)
check_is "modprobe fails" "$?" 1
check "with EBUSY" grep -q 'Device or resource busy' <<<"$output"
# The kernel writes a line of its own about the first module that is not in its tree.
lines=$(dmesg | tail -n +$((before + 1)) | grep nft_offload: | grep -v 'out-of-tree module taints')
check_is "the log reports it in one line" "$(wc -l <<<"$lines")" 1
check "which names the module" grep -q 'registered by module nf_flow_table_inet' <<<"$lines"
check "and what to do" grep -q 'rmmod nf_flow_table_inet.*softdep nf_flow_table_inet pre: nft_offload' <<<"$lines"
check "nothing of it stays loaded" bash -c '! grep -q ^nft_offload /proc/modules'

# The refused load has no effect on the other module.
unshare -n nft -f - <<<"$flowtable"
check_is "the other type still works" "$?" 0
busywait 3 rmmod nf_flow_table_inet
check "loads when the other module is gone" modprobe nft_offload
check "the other module can be loaded behind it" modprobe nf_flow_table_inet
# shellcheck disable=SC2016 # for the other shell
refs=$(unshare -n bash -c 'nft -f - <<<"$0" && awk "\$1 == \"nft_offload\" { print \$3 }" /proc/modules' "$flowtable")
check_is "and is not used, as ours came first" "$refs" 1
busywait 3 module_free
