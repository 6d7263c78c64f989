#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The module on unmodified kernel images of Debian: built with rebuilt metadata, loaded into the image in QEMU beside the
# simulated NIC, used by kselftests, unloaded. The kernel log has to be clean.
#
#   stock.sh [all|turn|7.3|7.2|sid|signatures]    the images: the newest 7.3 and 7.2 of trixie-backports, that of sid;
#                                      turn: builds for the first two, and boots one of the three, selected by the number
#                                      of commits; signatures: the messages of 7.3 about unsigned modules (also in all)
#
# Ends with the line "N passed, N failed, N skipped"; status 0 if none failed.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../scripts/common.sh"
# shellcheck source=scripts/guest-files.sh
. "$TOP/scripts/guest-files.sh"
load_env

TESTS=(load forward nat end tunnel)
PASSED=0 FAILED=0

# kver 7.3|7.2|sid: prints the release of that image.
kver() {
	case $1 in
	sid) "$TOP/scripts/stock.sh" newest sid ;;
	*) "$TOP/scripts/stock.sh" newest trixie-backports "$1" ;;
	esac
}

fail() {
	FAILED=$((FAILED + 1))
	printf 'FAILED: %s\n' "$*"
}

# builds KVER: a result: the module compiles, and the kernel exports all symbols that it needs.
builds() {
	if "$TOP/scripts/stock.sh" module "$1"; then
		PASSED=$((PASSED + 1))
		printf '%-24s built\n' "$1"
	else
		fail "$1: the module cannot be built"
	fi
}

# image KVER: builds for it, boots it, runs the tests.
image() {
	local kver=$1 out=$TOP/build/stock/$1/test image passed=0 failed=0 tap t start=$SECONDS
	if ! "$TOP/scripts/stock.sh" module "$kver" || ! "$TOP/scripts/stock.sh" sim "$kver" ||
		! image=$("$TOP/scripts/stock.sh" image "$kver"); then
		fail "$kver: the module cannot be built"
		return
	fi
	rm -rf "$out"
	mkdir -p "$out"
	guest_files "$TOP/build/stock/$kver"
	say "booting Debian's kernel $kver"
	NFT_OFFLOAD_KERNEL=$image "$TOP/scripts/vm.sh" run --timeout 900 "${GUEST_ARGS[@]}" --out "$out" --dmesg "$out/dmesg" \
		"$TOP/tests/kselftest/run.sh" "$out" "${TESTS[@]}" || fail "$kver: the guest ended with status $?"
	for t in "${TESTS[@]}"; do
		tap=$out/$t.tap
		if ! grep -qx '# done' "$tap" 2>/dev/null || ! grep -q '^1\.\.[1-9]' "$tap"; then
			fail "$kver: $t did not get to its end"
			continue
		fi
		passed=$((passed + $(grep -c '^ok' "$tap" || :)))
		failed=$((failed + $(grep -c '^not ok' "$tap" || :)))
	done
	grep -q "nft_offload: loading out-of-tree module" "$out/dmesg" || fail "$kver: the module was not loaded"
	PASSED=$((PASSED + passed)) FAILED=$((FAILED + failed))
	printf '%-24s %3d passed  %3d failed  %4d s\n' "$kver" "$passed" "$failed" $((SECONDS - start))
}

# signatures KVER: results: the messages of the newest image about modules that it rejects.
signatures() {
	local kver=$1 ko=$TOP/build/stock/$1/module/nft_offload.ko out=$TOP/build/stock/$1/signatures image kdir mode log start=$SECONDS
	if ! image=$("$TOP/scripts/stock.sh" image "$kver") || ! kdir=$("$TOP/scripts/stock.sh" kdir "$kver"); then
		fail "$kver: no image"
		return
	fi
	rm -rf "$out"
	mkdir -p "$out"
	cp "$ko" "$out/unsigned.ko"
	cp "$ko" "$out/signed.ko"
	if ! openssl req -new -x509 -newkey rsa:2048 -sha256 -nodes -days 2 -subj "/CN=nft_offload test" -outform DER \
		-keyout "$out/key" -out "$out/cert" 2>/dev/null ||
		! "$kdir/scripts/sign-file" sha256 "$out/key" "$out/cert" "$out/signed.ko"; then
		fail "$kver: the module cannot be signed"
	fi
	for mode in none:quiet enforce:module.sig_enforce=1 lockdown:lockdown=integrity; do
		log=$out/${mode%%:*}.tap
		NFT_OFFLOAD_KERNEL=$image "$TOP/scripts/vm.sh" run --timeout 400 --append "${mode#*:}" --out "$out" \
			"$TOP/tests/signatures.sh" "${mode%%:*}" "$out/unsigned.ko" "$out/signed.ko" >"$log" || :
		grep -q '^1\.\.[1-9]' "$log" || fail "$kver: signatures, ${mode%%:*}, did not get to the end"
		grep -A 12 '^not ok' "$log" || :
		PASSED=$((PASSED + $(grep -c '^ok' "$log" || :))) FAILED=$((FAILED + $(grep -c '^not ok' "$log" || :)))
	done
	printf '%-24s what it says of unsigned modules  %4d s\n' "$kver" $((SECONDS - start))
}

all=(7.3 7.2 sid)
case ${1:-all} in
all) wanted=("${all[@]}") ;;
turn)
	for which in 7.3 7.2; do
		release=$(kver "$which")
		if [ -n "$release" ]; then builds "$release"; else info "the Debian archive has no image of $which any more"; fi
	done
	wanted=("${all[$(($(git -C "$TOP" rev-list --count HEAD 2>/dev/null || echo 0) % ${#all[@]}))]}")
	;;
7.3 | 7.2 | sid) wanted=("$1") ;;
signatures) wanted=() ;;
*) die "STOCK=$1 means nothing; there are all, turn, signatures, ${all[*]}" ;;
esac
for which in "${wanted[@]}"; do
	release=$(kver "$which")
	if [ -z "$release" ]; then
		info "the Debian archive has no image of $which any more"
		continue
	fi
	image "$release"
done
case ${1:-all} in
all | signatures)
	release=$(kver 7.3)
	if [ -n "$release" ] && "$TOP/scripts/stock.sh" module "$release"; then signatures "$release"; else fail "no image of 7.3 to load modules into"; fi
	;;
esac
[ $((PASSED + FAILED)) -gt 0 ] || fail "no image was tested"
echo "$PASSED passed, $FAILED failed, 0 skipped"
[ "$FAILED" -eq 0 ]
