#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The kselftest soak for long, in a VM of its own that knows of every object who allocated it and finds those that are lost
# (kmemleak). Everything is built before (make soak).
#
#   soak.sh SECONDS [SEED]
#
# Ends with the line "N passed, N failed, N skipped"; status 0 if none failed.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../scripts/common.sh"
# shellcheck source=scripts/guest-files.sh
. "$TOP/scripts/guest-files.sh"
load_env

OUT=$TOP/build/soak
TAP=$OUT/soak.tap
case ${1:-} in
'' | *[!0-9]*) die "usage: soak.sh SECONDS [SEED]" ;;
esac
[ "$1" -ge 30 ] || die "a soak of $1 s is too short: 30 s at least"
# Each of its rounds begins with a new test bed and ends with looking what is left: minutes, on a slow machine.
ALL=$(($1 * 2 + 1200))
export NFT_OFFLOAD_SOAK_SECONDS=$1 NFT_OFFLOAD_TEST_TIMEOUT=$ALL
[ -z "${2:-}" ] || export NFT_OFFLOAD_SOAK_SEED=$2
rm -rf "$OUT"
mkdir -p "$OUT"
guest_files
say "soak: $1 s of churn, and up to $((ALL - $1)) s around it"
"$TOP/scripts/vm.sh" run --timeout $((ALL + 60)) --memory 2G --append 'kmemleak=on slab_debug=FZPU' \
	"${GUEST_ARGS[@]}" --out "$OUT" --dmesg "$OUT/dmesg" "$TOP/tests/kselftest/run.sh" "$OUT" soak ||
	info "the VM ended with status $?"
cat "$TAP" 2>/dev/null || :
passed=$(grep -c '^ok' "$TAP" || :)
failed=$(grep -c '^not ok' "$TAP" || :)
if ! grep -qx '# done' "$TAP" || ! grep -q '^1\.\.[1-9]' "$TAP"; then
	echo "the soak did not get to its end (log: ${OUT#"$TOP"/}/dmesg)"
	failed=$((failed + 1))
fi
echo "${passed:-0} passed, ${failed:-1} failed, 0 skipped"
[ "${failed:-1}" -eq 0 ]
