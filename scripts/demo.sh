#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Demonstrates the main feature in a VM with the newest unmodified kernel of Debian.
#
#   demo.sh [SCRIPT]    runs SCRIPT in the VM (default: demo-guest.sh)
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source=scripts/guest-files.sh
. "$TOP/scripts/guest-files.sh"
if [ -n "${KERNEL_SRC:-}" ]; then
	guest_files
	kernel="the test kernel"
else
	release=$("$TOP/scripts/stock.sh" newest trixie-backports)
	[ -n "$release" ] || die "Debian's trixie-backports no longer has a kernel with Rust; give a kernel source tree: KERNEL_SRC=/path/to/linux"
	"$TOP/scripts/stock.sh" module "$release"
	"$TOP/scripts/stock.sh" sim "$release"
	NFT_OFFLOAD_KERNEL=$("$TOP/scripts/stock.sh" image "$release")
	export NFT_OFFLOAD_KERNEL
	guest_files "$TOP/build/stock/$release"
	kernel="Debian's unmodified kernel $release"
fi
say "booting the router, a client and a server in a VM with $kernel (about a minute)"
rc=0
"$TOP/scripts/vm.sh" run --timeout 600 "${GUEST_ARGS[@]}" --dmesg "$TOP/build/demo.dmesg" "${1:-$TOP/scripts/demo-guest.sh}" || rc=$?
[ "$rc" -eq 0 ] || die "the demonstration failed (kernel log: build/demo.dmesg)"
