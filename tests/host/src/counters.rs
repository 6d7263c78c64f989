// SPDX-License-Identifier: GPL-2.0

//! Counters and times, beside what the core does with them.

use crate::offload::counters::{ends_soon, gained, last_used, network_bytes, plausible, widen};
use crate::offload::profile::definition::Counts;
use proptest::prelude::*;

/// Computes the new end as `flow_offload_work_stats` does: the 64-bit maximum of a 32-bit number,
/// cut to 32 bits.
fn core_end(end: u32, answer: u64, lifetime: u64) -> u32 {
    u64::from(end).max(answer + lifetime) as u32
}

/// Jiffies at boot: 300 s before the low half wraps.
fn boot(hz: u64) -> u64 {
    u64::from(0u32.wrapping_sub((300 * hz) as u32))
}

#[test]
fn frames_lose_their_ethernet_header() {
    assert_eq!(network_bytes(Counts::Frames, 10, 15_140), 15_000);
    // A wrong number from a driver does not make the count wrap.
    assert_eq!(network_bytes(Counts::Frames, 10, 3), 0);
    assert_eq!(network_bytes(Counts::Frames, u64::MAX, u64::MAX), 0);
}

#[test]
fn an_idle_rule_does_not_end_a_live_flow() {
    let lifetime = 30 * 250;
    for uptime in [10, 299, 301, 4_000_000] {
        let now = boot(250) + uptime * 250;
        // The CPU saw a packet 2 s ago; the hardware saw the last one 20 s ago.
        let end = (now + 28 * 250) as u32;
        let answer = last_used(now, end, lifetime, now - 20 * 250);
        assert_eq!(core_end(end, answer, lifetime), end, "uptime {uptime}");
    }
}

#[test]
fn a_busy_rule_prolongs_the_flow() {
    let lifetime = 30 * 250;
    for uptime in [10, 299, 301, 4_000_000] {
        let now = boot(250) + uptime * 250;
        let end = (now + 3 * 250) as u32;
        let answer = last_used(now, end, lifetime, now - 250);
        let expected = (now + 29 * 250) as u32;
        assert_eq!(core_end(end, answer, lifetime), expected, "uptime {uptime}");
    }
}

#[test]
fn a_short_clock_is_widened() {
    let now = (7 << 32) + 1000;
    // Ten jiffies ago, also across the wrap; in the future; unknown.
    assert_eq!(widen(now, 990, 32), now - 10);
    assert_eq!(
        widen((7 << 32) + 3, u64::from(u32::MAX - 6), 32),
        (7 << 32) - 7
    );
    assert_eq!(widen(now, 1002, 32), now + 2);
    assert_eq!(widen(now, 0, 32), 0);
    assert_eq!(widen(now, 990, 64), 990);
}

#[test]
fn a_time_in_the_future_is_unknown() {
    for now in [1000, (3 << 32) - 100, u64::MAX - 10] {
        assert_eq!(plausible(now, 0, 250), 0);
        assert_eq!(plausible(now, now - 10, 250), now - 10);
        assert_eq!(plausible(now, now, 250), now);
        // The clocks of two processors.
        assert_eq!(plausible(now, now.saturating_add(250), 250), now);
    }
    assert_eq!(plausible(1000, 1251, 250), 0);
    assert_eq!(plausible(1000, u64::MAX, 250), 0);
}

#[test]
fn the_last_third_of_a_life_is_the_end() {
    let lifetime = 30 * 250;
    for now in [1000, boot(250) + 1000, (3 << 32) - 100] {
        for (left, soon) in [
            (30, false),
            (11, false),
            (10, true),
            (1, true),
            (0, true),
            (-5, true),
        ] {
            let end = u64::saturating_add_signed(now, left * 250) as u32;
            assert_eq!(
                ends_soon(now, end, lifetime),
                soon,
                "{left} s left at {now}"
            );
        }
    }
}

#[test]
fn a_time_in_the_future_counts_as_now() {
    let (now, lifetime) = (boot(250) + 1_000_000, 7500);
    let end = (now + 100) as u32;
    assert_eq!(last_used(now, end, lifetime, u64::MAX), now);
    assert_eq!(last_used(now, end, lifetime, now + 1), now);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 5000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the driver reports, the end of a flow never moves backwards, nor further than one
    /// lifetime from now.
    #[test]
    fn the_end_moves_forwards_only(
        uptime in 0u64..1 << 40,
        left in -7500i64..7500,
        reported in prop_oneof![Just(0u64), any::<u64>(), 0u64..1 << 41],
    ) {
        let (hz, lifetime) = (250, 7500);
        let now = boot(hz) + uptime;
        let end = now.saturating_add_signed(left) as u32;
        let answer = last_used(now, end, lifetime, reported);
        let new_end = core_end(end, answer, lifetime);
        let moved = new_end.wrapping_sub(end) as i32;
        // Until the low half of jiffies wraps for the first time, both numbers are small and the core's maximum is right.
        prop_assert!(moved >= 0, "moved by {moved}");
        let from_now = new_end.wrapping_sub(now as u32) as i32;
        prop_assert!(i64::from(from_now) <= 7500.max(left));
    }
}

#[test]
fn a_negative_count_is_none() {
    assert_eq!(gained(0), 0);
    assert_eq!(gained(17), 17);
    assert_eq!(gained(i64::MAX as u64), i64::MAX as u64);
    // What airoha reports after its hardware has counted 100 frames, dropped the rule, and counted 3.
    assert_eq!(gained(3u64.wrapping_sub(100)), 0);
    assert_eq!(gained(u64::MAX), 0);
}
