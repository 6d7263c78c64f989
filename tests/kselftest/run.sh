#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Runs kselftests in a guest, one after the other. Guests can share the work; make run_tests is the simple way.
#
#   run.sh OUT TEST...     names without test_ and .sh
#
# Guests with the same OUT each take the next test that no other guest has taken. The output of a test goes to OUT/TEST.tap,
# which ends with a line "# done" unless the guest died. A test with a line "# guest: spent" leaves a kernel that no other
# test can use: the guest takes no more tests.
set -u
cd "$(dirname "$0")" || exit 1
out=$1
shift

# shellcheck source=tests/kselftest/log.sh
. ./log.sh

# log_check: for a test that was killed before it checked the kernel log.
log_check() {
	local errors
	if errors=$(log_errors); then
		echo "not ok 0 the kernel log is clean"
		echo "# ${errors//$'\n'/$'\n'# }"
	fi
}

main() {
	local seconds
	seconds=${NFT_OFFLOAD_TEST_TIMEOUT:-$(sed -n 's/^timeout=//p' settings)}
	for test in "$@"; do
		mkdir "$out/$test.taken" 2>/dev/null || continue
		log_mark "$test"
		start=$SECONDS
		{
			timeout -k 5 "$seconds" bash "./test_$test.sh" 2>&1
			rc=$?
			[ $rc -ne 124 ] || echo "not ok 0 finished in time"
			[ $rc -le 1 ] || log_check
			echo "# done"
		} >"$out/$test.tap"
		printf '%s %d\n' "$test" $((SECONDS - start)) >>"$out/times"
		printf '%-12s %3d passed  %3d failed  %4d s\n' "$test" "$(grep -c '^ok' "$out/$test.tap")" \
			"$(grep -c '^not ok' "$out/$test.tap")" $((SECONDS - start))
		grep -A 12 '^not ok' "$out/$test.tap" | grep -v '^ok' | head -n 40 | sed 's/^/    /'
		! grep -q '^# guest: spent' "./test_$test.sh" || break
	done
}

main "$@"
