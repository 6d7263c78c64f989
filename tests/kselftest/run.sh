#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Runs kselftests inside a VM, one after the other, and looks at the kernel log after each.
#
#   run.sh OUT TEST...     names without test_ and .sh
#
# Several VMs can share OUT: each takes the next test that no other one has taken. A test's TAP goes to OUT/TEST.tap,
# which ends with a line "# done" when the test was not cut off. After a test with a line "# guest: spent" no other one is
# taken: its kernel is not as it was.
set -u
cd "$(dirname "$0")" || exit 1
out=$1
shift

# What must not be in the kernel log. The module's taint is not among it.
BAD='WARNING:|BUG[: ]|Poison|Redzone|Oops|UBSAN:|KASAN:|kmemleak:|INFO: (possible|task|rcu|trying)|possible (recursive|circular)|suspicious RCU|inconsistent lock|unregister_netdevice: waiting|ref_tracker:|refcount_t:|Call Trace|general protection|soft lockup|workqueue lockup|[Pp]anic|list_(add|del) corruption|DEBUG_LOCKS|scheduling while atomic|sleeping function'

log_check() { # TEST MARK
	local log bad line
	log=$(dmesg | sed -n "/$2/,\$p")
	if ! bad=$(grep -nE "$BAD" <<<"$log"); then
		echo "ok 0 the kernel log is clean"
		return
	fi
	echo "not ok 0 the kernel log is clean"
	head -n 5 <<<"$bad" | sed 's/^/# /'
	line=$(head -n 1 <<<"$bad" | cut -d: -f1)
	sed -n "$((line > 3 ? line - 3 : 1)),$((line + 60))p" <<<"$log" | sed 's/^/#   /'
}

main() {
	for test in "$@"; do
		mkdir "$out/$test.taken" 2>/dev/null || continue
		mark="nft-offload-test $test $RANDOM"
		echo "$mark" >/dev/kmsg
		start=$SECONDS
		{
			timeout -k 5 "${NFT_OFFLOAD_TEST_TIMEOUT:-500}" bash "./test_$test.sh" 2>&1
			rc=$?
			[ $rc -ne 124 ] || echo "not ok 0 finished in time"
			log_check "$test" "$mark"
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
