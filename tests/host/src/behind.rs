// SPDX-License-Identifier: GPL-2.0

//! Whether a change has happened since a flow was learned.

use crate::offload::behind::is_behind;

const DAY: u64 = 24 * 60 * 60 * 1000;

#[test]
fn what_happened_after_it_was_learned_counts() {
    for now in [5_000, 1 << 31, 1 << 32, (1 << 32) + 100, 1 << 40] {
        // Ten jiffies ago.
        let learned = (now - 10) as u32;
        for (ago, expected) in [
            (0, true),
            (10, true),
            (11, true),
            (12, false),
            (4_000, false),
        ] {
            assert_eq!(
                is_behind(learned, now - ago, now),
                expected,
                "{ago} before {now}"
            );
        }
    }
}

#[test]
fn what_happened_long_ago_does_not_count_again() {
    let last = 1_000;
    for days in 1..200 {
        let now = last + days * DAY;
        assert!(!is_behind(now as u32, last, now), "after {days} days");
        assert!(is_behind(now as u32, now, now), "after {days} days");
    }
}

#[test]
fn a_time_in_the_future_is_now() {
    let now = 1 << 33;
    assert!(is_behind((now + 5_000) as u32, now - 1, now));
    assert!(!is_behind((now + 5_000) as u32, now - 2, now));
}
