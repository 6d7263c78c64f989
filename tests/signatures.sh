#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# In a guest: the messages of a kernel that accepts signed modules only (docs/secure-boot.md). TAP.
#
#   signatures.sh none|enforce|lockdown UNSIGNED SIGNED    two files of the module, the other signed by an unknown key
set -u
MODE=$1
COUNT=0 FAILED=0

# loads DESCRIPTION FILE ERROR LOG: a result: insmod fails with this error (empty: succeeds), and the kernel log has this line.
loads() {
	local output log mark=signatures-$RANDOM
	COUNT=$((COUNT + 1))
	echo "$mark" >/dev/kmsg
	output=$(insmod "$2" 2>&1)
	log=$(dmesg | sed -n "/$mark/,\$p")
	if { [ -z "$3" ] && [ -n "$output" ]; } || { [ -n "$3" ] && [ "${output%"$3"}" = "$output" ]; } || ! grep -qF "$4" <<<"$log"; then
		FAILED=$((FAILED + 1))
		echo "not ok $COUNT $MODE: $1"
		printf '%s\n%s\n' "$output" "$log" | sed 's/^/# /'
	else
		echo "ok $COUNT $MODE: $1 (${output:-loaded}; $4)"
	fi
	rmmod nft_offload 2>/dev/null
}

modprobe nf_flow_table
case $MODE in
enforce)
	loads "an unsigned module" "$2" 'Key was rejected by service' 'Loading of unsigned module is rejected'
	loads "a module with an unknown key" "$3" 'Key was rejected by service' 'Loading of module with unavailable key is rejected'
	;;
lockdown)
	loads "an unsigned module" "$2" 'Operation not permitted' 'Lockdown: insmod: unsigned module loading is restricted; see man kernel_lockdown.7'
	;;
none)
	loads "an unsigned module" "$2" '' 'nft_offload: module verification failed: signature and/or required key missing - tainting kernel'
	;;
esac
echo "1..$COUNT"
[ "$FAILED" -eq 0 ]
