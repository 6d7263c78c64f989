#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Runs the kselftest soak for long, in a kernel that records who allocated each object and finds lost objects (kmemleak); then the
# fuzzer of the netlink family for long. make soak builds everything first.
#
#   soak.sh SECONDS [SEED]
#
# VM=qemu: the soak runs in QEMU with two processors instead of user-mode Linux.
#
#   NFT_OFFLOAD_FUZZ_MESSAGES    the number of requests of the fuzzer (1000000)
#
# Ends with the line "N passed, N failed, N skipped"; status 0 if none failed.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../scripts/common.sh"
# shellcheck source=scripts/guest-files.sh
. "$TOP/scripts/guest-files.sh"
load_env

OUT=$TOP/build/soak
PASSED=0 FAILED=0
case ${1:-} in
'' | *[!0-9]*) die "usage: soak.sh SECONDS [SEED]" ;;
esac
[ "$1" -ge 30 ] || die "a soak of $1 s is too short: 30 s at least"
# Each round sets up a test bed and searches for leftovers at its end: minutes, on a slow machine.
ALL=$(($1 * 2 + 1200))
export NFT_OFFLOAD_SOAK_SECONDS=$1 NFT_OFFLOAD_TEST_TIMEOUT=$ALL
export NFT_OFFLOAD_FUZZ_MESSAGES=${NFT_OFFLOAD_FUZZ_MESSAGES:-1000000}
[ -z "${2:-}" ] || export NFT_OFFLOAD_SOAK_SEED=$2 NFT_OFFLOAD_FUZZ_SEED=$2

# count TEST LOG: prints and counts the results of a test.
count() {
	local tap=$OUT/$1.tap
	touch "$tap"
	cat "$tap"
	PASSED=$((PASSED + $(grep -c '^ok' "$tap" || :)))
	FAILED=$((FAILED + $(grep -c '^not ok' "$tap" || :)))
	if ! grep -qx '# done' "$tap" || ! grep -q '^1\.\.[1-9]' "$tap"; then
		echo "$1 did not get to its end (log: ${2#"$TOP"/})"
		FAILED=$((FAILED + 1))
	fi
}

rm -rf "$OUT"
mkdir -p "$OUT"
case ${VM:-uml} in
qemu)
	guest_files
	run=vm.sh
	;;
*)
	guest_files umltest
	run=uml.sh
	;;
esac
say "soak: $1 s of churn, and up to $((ALL - $1)) s around it"
"$TOP/scripts/$run" run --timeout $((ALL + 60)) --memory 2G --append 'kmemleak=on slab_debug=FZPU' \
	"${GUEST_ARGS[@]}" --out "$OUT" --dmesg "$OUT/dmesg" "$TOP/tests/kselftest/run.sh" "$OUT" soak ||
	info "the VM ended with status $?"
count soak "$OUT/dmesg"

# The rate of a busy machine.
export NFT_OFFLOAD_TEST_TIMEOUT=$((NFT_OFFLOAD_FUZZ_MESSAGES / 500 + 600))
guest_files umltest
say "$NFT_OFFLOAD_FUZZ_MESSAGES netlink messages, minutes"
"$TOP/scripts/uml.sh" run --timeout $((NFT_OFFLOAD_TEST_TIMEOUT + 60)) --memory 1G --append slab_debug=FZP \
	"${GUEST_ARGS[@]}" --out "$OUT" --dmesg "$OUT/dmesg.fuzz" "$TOP/tests/kselftest/run.sh" "$OUT" fuzz_netlink ||
	info "the guest ended with status $?"
count fuzz_netlink "$OUT/dmesg.fuzz"
echo "$PASSED passed, $FAILED failed, 0 skipped"
[ "$FAILED" -eq 0 ]
