#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Runs a shell in a VM with the test bed set up. Everything must have been built (make shell).
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source=scripts/guest-files.sh
. "$TOP/scripts/guest-files.sh"
guest_files
exec "$TOP/scripts/vm.sh" shell "${GUEST_ARGS[@]}" "$TOP/tests/kselftest/shell.sh"
