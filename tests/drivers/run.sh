#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Runs the tests of the drivers' own code in user-mode Linux, and prints their TAP output.
#
#   run.sh [DRIVER...]    default: all
#   run.sh fuzz           generated rules for FUZZ_TIME= seconds (300), for all drivers that have them; stops at a finding.
#                         RULE_SEED= repeats one rule
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/common.sh"
# shellcheck source=scripts/guest-files.sh
. "$TOP/scripts/guest-files.sh"
load_env

HERE=$TOP/tests/drivers
BUILT=$TOP/build/umltest/drivers

tests() {
	local out=$TOP/build/test/drivers drivers=("$@") d rc=0
	if [ $# -eq 0 ]; then
		for d in "$HERE"/*/files.sh; do
			d=${d%/files.sh}
			drivers+=("${d##*/}")
		done
	fi
	mkdir -p "$out"
	guest_files umltest
	for d in "${drivers[@]}"; do
		"$HERE/build.sh" "$d" "$BUILT/$d" umltest
		# shellcheck disable=SC1090 # sets ARGS, the arguments of the test
		ARGS=() && . "$HERE/$d/args.sh"
		"$TOP/scripts/uml.sh" run --timeout 600 --memory 1G --append slab_debug=FZP "${GUEST_ARGS[@]}" \
			--module "$BUILT/$d/nfto_$d.ko" --env NFT_OFFLOAD_ACCEPT --out "$out" --dmesg "$out/dmesg.$d" \
			"$HERE/$d/test_$d.sh" "${ARGS[@]}" || rc=$?
	done
	return $rc
}

# number NAME VALUE: checks that the value is a number.
number() {
	case $2 in '' | *[!0-9]*) die "$1=$2 is no number" ;; esac
}

fuzz() {
	local seconds=${FUZZ_TIME:-300} seed=${RULE_SEED:-} out=$TOP/build/drivers-fuzz what=rule drivers=() args=() d rc=0
	number FUZZ_TIME "$seconds"
	for d in "$HERE"/*/generate; do
		d=${d%/generate}
		d=${d##*/}
		"$HERE/build.sh" "$d" "$BUILT/$d" umltest
		drivers+=("$d")
		args+=(--module "$BUILT/$d/nfto_$d.ko")
	done
	rm -rf "$out"
	mkdir -p "$out"
	if [ -n "$seed" ]; then
		number RULE_SEED "$seed"
	else
		what=from
		seed=$((SRANDOM << 20))
		set -m # a process group of its own, so that the sleep ends with it
		{ sleep "$seconds" && touch "$out/stop"; } &
		CLOCK=$!
		set +m
		trap 'kill -TERM -- "-$CLOCK" 2>/dev/null || :' EXIT
	fi
	"$TOP/scripts/uml.sh" run --timeout $((seconds + 300)) --memory 1G "${args[@]}" --out "$out" --dmesg "$out/dmesg" \
		"$HERE/fuzz.sh" "$what" "$seed" "${drivers[@]}" || rc=$?
	# What goes wrong without a wrong answer.
	if grep -qE 'WARNING:|BUG:|Oops|possible recursive|suspicious RCU' "$out/dmesg"; then
		grep -m 3 -E -A 12 'WARNING:|BUG:|Oops|possible recursive|suspicious RCU' "$out/dmesg"
		rc=1
	fi
	return $rc
}

if [ "${1:-}" = fuzz ]; then fuzz; else tests "$@"; fi
