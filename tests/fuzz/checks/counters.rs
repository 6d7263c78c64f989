// SPDX-License-Identifier: GPL-2.0

//! Whatever a driver reports.

use super::Input;
use crate::offload::counters::{last_used, network_bytes, widen};
use crate::offload::profile::definition::Counts;

/// A fuzz target: times and counters.
pub fn counters(data: &[u8]) {
    let mut input = Input(data);
    let (packets, bytes) = (input.u64(), input.u64());
    for counts in [Counts::Frames, Counts::Unknown] {
        assert!(network_bytes(counts, packets, bytes) <= bytes);
    }

    let (now, reported, end, lifetime) = (input.u64(), input.u64(), input.u32(), input.u64());
    assert_eq!(widen(now, reported, 64), reported);
    let wide = widen(now, reported, 32);
    if reported == 0 {
        assert_eq!(wide, 0);
    } else if (1 << 31..u64::MAX - (1 << 31)).contains(&now) {
        assert_eq!(wide as u32, reported as u32);
        assert!(wide.abs_diff(now) <= 1 << 31);
    }

    // Neither in the future, nor further back than the flow's end implies.
    let used = last_used(now, end, lifetime, reported);
    assert!(used <= now);
    let left = i64::from(end.wrapping_sub(now as u32) as i32);
    if left >= 0 {
        assert!(used.saturating_add(lifetime) >= now);
    }
    assert!(used >= reported.min(now));
}
