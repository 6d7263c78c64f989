// SPDX-License-Identifier: GPL-2.0

//! When a change of the ruleset ends flows.

use crate::offload::reload::{Generation, Reloads};
use proptest::prelude::*;

const HZ: u64 = 250;

fn at(number: u32) -> Generation {
    Generation {
        number,
        cursor: (number & 1) as u8,
    }
}

#[test]
fn the_transaction_that_makes_the_flowtable_ends_nothing() {
    let mut it = Reloads::new(at(7));
    for second in 0..100 {
        assert!(!it.is_due(second * HZ, at(8), HZ));
    }
}

#[test]
fn zero_is_no_number() {
    let last = Generation {
        number: u32::MAX,
        cursor: 1,
    };
    let next = Generation {
        number: 1,
        cursor: 0,
    };
    assert_eq!(last.next(), next);
}

#[test]
fn the_first_change_ends_flows_at_once_and_only_once() {
    let mut it = Reloads::new(at(1));
    assert!(it.is_due(5 * HZ, at(3), HZ));
    it.flushed(5 * HZ, 5 * HZ, HZ);
    for second in 6..20 {
        assert!(!it.is_due(second * HZ, at(3), HZ));
    }
}

#[test]
fn a_change_that_is_seen_halfway_is_seen_again() {
    let mut it = Reloads::new(at(1));
    let halfway = Generation { cursor: 0, ..at(3) };
    assert!(it.is_due(5 * HZ, halfway, HZ));
    it.flushed(5 * HZ, 5 * HZ, HZ);
    assert!(it.is_due(6 * HZ, at(3), HZ));
}

/// The times at which flows end, for a ruleset that changes every second, and takes that many
/// jiffies each time.
fn endings(seconds: u64, took: u64) -> Vec<u64> {
    let mut it = Reloads::new(at(1));
    let mut found = Vec::new();
    for second in 0..seconds {
        let now = second * HZ;
        if it.is_due(now, at(second as u32 + 3), HZ) {
            it.flushed(now, now + took, HZ);
            found.push(second);
        }
    }
    found
}

#[test]
fn many_changes_in_a_row_end_flows_more_and_more_seldom() {
    assert_eq!(endings(40, 0), [0, 1, 3, 7, 15, 23, 31, 39]);
}

#[test]
fn where_it_takes_long_it_is_a_twentieth_of_the_time() {
    assert_eq!(endings(60, HZ), [0, 20, 40]);
}

#[test]
fn after_some_calm_a_change_counts_at_once() {
    let mut it = Reloads::new(at(1));
    for (second, number) in [(0, 3), (1, 4), (3, 5), (7, 6)] {
        assert!(it.is_due(second * HZ, at(number), HZ));
        it.flushed(second * HZ, second * HZ, HZ);
    }
    for second in 8..24 {
        assert!(!it.is_due(second * HZ, at(6), HZ));
    }
    assert!(it.is_due(24 * HZ, at(7), HZ));
    it.flushed(24 * HZ, 24 * HZ, HZ);
    assert!(it.is_due(25 * HZ, at(8), HZ));
}

proptest! {
    #[test]
    fn the_last_change_is_never_lost(
        steps in prop::collection::vec((0u64..5 * HZ, 0u32..3, 0u64..HZ), 0..40)
    ) {
        let mut it = Reloads::new(at(1));
        let (mut now, mut number, mut flushed) = (0, 2, 2);
        for (later, changes, took) in steps {
            now += later;
            number += changes;
            if it.is_due(now, at(number), HZ) {
                prop_assert_ne!(number, flushed);
                flushed = number;
                it.flushed(now, now + took, HZ);
                now += took;
            }
        }
        let due = it.is_due(now + 20 * HZ, at(number), HZ);
        prop_assert_eq!(due, number != flushed);
    }
}
