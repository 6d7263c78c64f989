#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Runs the tests of the drivers' own code in user-mode Linux, and prints their TAP output.
#
#   run.sh [DRIVER...]    default: all
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/common.sh"
# shellcheck source=scripts/guest-files.sh
. "$TOP/scripts/guest-files.sh"
load_env

OUT=$TOP/build/test/drivers
drivers=("$@")
if [ $# -eq 0 ]; then
	for d in "$TOP"/tests/drivers/*/files.sh; do
		d=${d%/files.sh}
		drivers+=("${d##*/}")
	done
fi
mkdir -p "$OUT"
guest_files umltest
rc=0
for d in "${drivers[@]}"; do
	built=$TOP/build/umltest/drivers/$d
	"$TOP/tests/drivers/build.sh" "$d" "$built" umltest
	# shellcheck disable=SC1090 # sets ARGS, the arguments of the test
	ARGS=() && . "$TOP/tests/drivers/$d/args.sh"
	"$TOP/scripts/uml.sh" run --timeout 600 --memory 1G --append slab_debug=FZP "${GUEST_ARGS[@]}" \
		--module "$built/nfto_$d.ko" --env NFT_OFFLOAD_ACCEPT --out "$OUT" --dmesg "$OUT/dmesg.$d" "$TOP/tests/drivers/$d/test_$d.sh" "${ARGS[@]}" || rc=$?
done
exit $rc
