#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A shell in a VM with the test bed up; everything is built before (make shell).
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source=scripts/guest-files.sh
. "$TOP/scripts/guest-files.sh"
guest_files
exec "$TOP/scripts/vm.sh" shell "${GUEST_ARGS[@]}" "$TOP/tests/kselftest/shell.sh"
