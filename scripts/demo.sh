#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Shows the main job in a VM with the newest unmodified kernel of Debian.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source=scripts/guest-files.sh
. "$TOP/scripts/guest-files.sh"
KVER=$("$TOP/scripts/stock.sh" newest trixie-backports)
[ -n "$KVER" ] || die "trixie-backports has no kernel with Rust any more"
"$TOP/scripts/stock.sh" module "$KVER"
"$TOP/scripts/stock.sh" sim "$KVER"
NFT_OFFLOAD_KERNEL=$("$TOP/scripts/stock.sh" image "$KVER")
export NFT_OFFLOAD_KERNEL
guest_files "$TOP/build/stock/$KVER"
say "booting the router, a client and a server in a VM with Debian's kernel $KVER (about a minute)"
rc=0
"$TOP/scripts/vm.sh" run --timeout 600 "${GUEST_ARGS[@]}" --dmesg "$TOP/build/demo.dmesg" "$TOP/scripts/demo-guest.sh" || rc=$?
[ "$rc" -eq 0 ] || die "the demonstration did not work (kernel log: build/demo.dmesg)"
