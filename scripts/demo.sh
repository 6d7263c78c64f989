#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Shows the main job in a VM; everything is built before (make demo).
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source=scripts/guest-files.sh
. "$TOP/scripts/guest-files.sh"
guest_files
say "booting the router, a client and a server in a VM (about a minute)"
rc=0
"$TOP/scripts/vm.sh" run --timeout 600 "${GUEST_ARGS[@]}" --dmesg "$TOP/build/demo.dmesg" "$TOP/scripts/demo-guest.sh" || rc=$?
[ "$rc" -eq 0 ] || die "the demonstration did not work (kernel log: build/demo.dmesg)"
