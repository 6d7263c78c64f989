// SPDX-License-Identifier: GPL-2.0

//! The rate of a flow.

use crate::offload::rate::{takes_the_place_of, Pace};
use proptest::prelude::*;

const HZ: u64 = 250;

#[test]
fn a_rate_needs_two_looks_a_second_apart() {
    let mut pace = Pace::unknown();
    assert!(!pace.is_due(1_000_000, HZ));
    pace.look(1000, 7, HZ);
    assert_eq!(pace.rate(), None);
    pace.look(1000 + HZ - 1, 500, HZ);
    assert_eq!(pace.rate(), None);
    assert!(pace.is_due(1000 + HZ, HZ));
    pace.look(1000 + HZ, 107, HZ);
    assert_eq!(pace.rate(), Some(100));
}

#[test]
fn a_rate_is_of_packets_a_second_whatever_the_time_between() {
    let mut pace = Pace::unknown();
    pace.begin(0, 0);
    pace.look(10 * HZ, 1000, HZ);
    assert_eq!(pace.rate(), Some(100));
    // One packet in a long time is more than none.
    pace.begin(0, 0);
    pace.look(100 * HZ, 1, HZ);
    assert_eq!(pace.rate(), Some(1));
    pace.begin(0, 0);
    pace.look(100 * HZ, 0, HZ);
    assert_eq!(pace.rate(), Some(0));
}

#[test]
fn clock_and_counter_may_wrap() {
    let mut pace = Pace::unknown();
    let now = (5 << 32) - 10;
    pace.begin(now, u32::MAX - 49);
    pace.look(now + HZ, 50, HZ);
    assert_eq!(pace.rate(), Some(100));
}

#[test]
fn a_pause_halves_the_rate_with_each_look() {
    let mut pace = Pace::unknown();
    pace.begin(0, 0);
    pace.look(HZ, 1000, HZ);
    let rates: Vec<_> = (2..14)
        .map(|second| {
            pace.look(second * HZ, 1000, HZ);
            pace.rate().unwrap()
        })
        .collect();
    assert_eq!(rates, [500, 250, 125, 62, 31, 15, 7, 3, 1, 0, 0, 0]);
    pace.was_used();
    assert_eq!(pace.rate(), Some(1));
}

#[test]
fn what_was_not_measured_stays_so() {
    let mut pace = Pace::unknown();
    pace.was_used();
    assert_eq!(pace.rate(), None);
    pace.begin(0, 0);
    pace.was_used();
    assert_eq!(pace.rate(), None);
}

#[test]
fn only_a_much_busier_flow_takes_a_place() {
    assert!(takes_the_place_of(1, 0));
    assert!(!takes_the_place_of(0, 0));
    assert!(!takes_the_place_of(1, 1));
    assert!(!takes_the_place_of(2, 1));
    assert!(takes_the_place_of(3, 1));
    assert!(!takes_the_place_of(200, 100));
    assert!(takes_the_place_of(201, 100));
    assert!(!takes_the_place_of(u32::MAX, u32::MAX / 2 + 1));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 5000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Two flows do not evict each other in turn: each time the rate doubles.
    #[test]
    fn no_two_take_each_others_place(a in any::<u32>(), b in any::<u32>()) {
        prop_assert!(!(takes_the_place_of(a, b) && takes_the_place_of(b, a)));
    }

    /// A measured rate never turns into an unmeasured one.
    #[test]
    fn a_measured_rate_stays_one(
        looks in proptest::collection::vec((0u64..1 << 34, any::<u32>()), 1..20),
    ) {
        let mut pace = Pace::unknown();
        let mut now = 0;
        pace.begin(now, 0);
        let mut measured = false;
        for (later, packets) in looks {
            now += later;
            measured |= pace.is_due(now, HZ);
            pace.look(now, packets, HZ);
            prop_assert_eq!(pace.rate().is_some(), measured);
        }
    }
}
