// SPDX-License-Identifier: GPL-2.0

//! Rates of counters. The kernel reads the counters of hardware only every few seconds, so a rate
//! is an average over the last [`WINDOW`].

use crate::netlink::family::{Device, Flow};
use serde::{Serialize, Serializer};
use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
    time::Duration,
};

/// The time over which a rate is averaged, or one interval if that is longer.
pub const WINDOW: Duration = Duration::from_secs(10);

/// A value for each counter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Each<T> {
    /// Packets forwarded by hardware.
    pub packets: T,
    /// Bytes forwarded by hardware.
    pub bytes: T,
    /// Rules that drivers have accepted.
    pub adds: T,
    /// Rules that drivers have destroyed.
    pub deletes: T,
    /// Refused attempts to offload a flow.
    pub refusals: T,
    /// Packets that reached the CPU although their flow has rules in hardware.
    pub hardware_misses: T,
    /// Flows that were evicted for a busier one.
    pub evictions: T,
}

impl<T: Copy> Each<T> {
    /// Combines two values for each counter.
    fn with<U: Copy, V>(self, other: Each<U>, f: impl Fn(T, U) -> V) -> Each<V> {
        Each {
            packets: f(self.packets, other.packets),
            bytes: f(self.bytes, other.bytes),
            adds: f(self.adds, other.adds),
            deletes: f(self.deletes, other.deletes),
            refusals: f(self.refusals, other.refusals),
            hardware_misses: f(self.hardware_misses, other.hardware_misses),
            evictions: f(self.evictions, other.evictions),
        }
    }
}

/// Counters.
pub type Counters = Each<u64>;

impl Counters {
    /// Returns the counters of a device.
    pub fn of_device(device: &Device) -> Self {
        Self {
            packets: device.packets,
            bytes: device.bytes,
            adds: device.adds,
            deletes: device.deletes,
            refusals: device.refused(),
            hardware_misses: device.hardware_misses,
            evictions: device.evictions,
        }
    }

    /// Returns the counters of a flow, for both directions.
    pub fn of_flow(flow: &Flow) -> Self {
        Self {
            packets: flow.original.packets.saturating_add(flow.reply.packets),
            bytes: flow.original.bytes.saturating_add(flow.reply.bytes),
            ..Self::default()
        }
    }

    /// Adds counters.
    pub fn plus(self, more: Self) -> Self {
        self.with(more, u64::saturating_add)
    }

    /// Returns the difference to earlier counters. A counter that has decreased was reset.
    fn since(self, before: Self) -> Self {
        self.with(before, |now, before| now.checked_sub(before).unwrap_or(now))
    }
}

/// A number per second.
#[derive(Debug, Clone, Copy, Default, PartialEq, PartialOrd)]
pub struct Rate(pub f64);

impl Serialize for Rate {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_f64((self.0 * 10.0).round() / 10.0)
    }
}

/// Rates.
pub type Rates = Each<Rate>;

impl Rates {
    /// Adds rates.
    pub fn plus(self, more: Self) -> Self {
        self.with(more, |a, b| Rate(a.0 + b.0))
    }
}

/// The history of the counters of a device or a flow.
struct Track {
    last: Counters,
    /// What was counted since the first look.
    sum: Counters,
    /// The sum at each look within the window, and the last one before it.
    looks: VecDeque<(Duration, Counters)>,
}

impl Track {
    fn new(counters: Counters) -> Self {
        Self {
            last: counters,
            sum: Counters::default(),
            looks: VecDeque::new(),
        }
    }

    /// Records the counters of a look, and returns the rates since the start of the window.
    fn look(&mut self, now: Duration, counters: Counters) -> Option<Rates> {
        self.sum = self.sum.plus(counters.since(self.last));
        self.last = counters;
        self.looks.push_back((now, self.sum));
        // The first look is as old as the window, or older.
        while matches!(self.looks.get(1), Some((next, _)) if now.saturating_sub(*next) >= WINDOW) {
            self.looks.pop_front();
        }
        let (then, before) = *self.looks.front()?;
        let seconds = now.saturating_sub(then).as_secs_f64();
        // Two looks at the same time give no rate.
        (seconds > 0.0).then(|| {
            let since = self.sum.since(before);
            since.with(since, |n, _| Rate(n as f64 / seconds))
        })
    }
}

/// The counters of earlier looks, by device or flow.
pub struct History<K>(HashMap<K, Track>);

impl<K> Default for History<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Eq + Hash> History<K> {
    /// Records the current counters, and returns the rates in their order.
    ///
    /// There is no rate for a key that the last look did not have.
    pub fn look(
        &mut self,
        now: Duration,
        counted: impl IntoIterator<Item = (K, Counters)>,
    ) -> Vec<Option<Rates>> {
        let mut before = std::mem::take(&mut self.0);
        let mut look = |(key, counters): (K, Counters)| {
            let mut track = before.remove(&key).unwrap_or_else(|| Track::new(counters));
            let rates = track.look(now, counters);
            self.0.insert(key, track);
            rates
        };
        counted.into_iter().map(&mut look).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn packets(packets: u64) -> Counters {
        Counters {
            packets,
            ..Counters::default()
        }
    }

    fn rate(history: &mut History<u8>, seconds: u64, counted: &[(u8, u64)]) -> Vec<Option<f64>> {
        let counted: Vec<_> = counted.iter().map(|(k, n)| (*k, packets(*n))).collect();
        let rates = history.look(Duration::from_secs(seconds), counted);
        rates.iter().map(|r| r.map(|r| r.packets.0)).collect()
    }

    #[test]
    fn a_rate_is_averaged_over_the_window() {
        let mut history = History::default();
        assert_eq!(rate(&mut history, 0, &[(1, 1000)]), [None]);
        assert_eq!(rate(&mut history, 2, &[(1, 1200)]), [Some(100.0)]);
        assert_eq!(rate(&mut history, 4, &[(1, 1200)]), [Some(50.0)]);
        assert_eq!(rate(&mut history, 12, &[(1, 1200)]), [Some(0.0)]);
        assert_eq!(rate(&mut history, 60, &[(1, 1296)]), [Some(2.0)]);
    }

    #[test]
    fn a_counter_may_be_reset() {
        let mut history = History::default();
        rate(&mut history, 0, &[(1, 1000)]);
        assert_eq!(rate(&mut history, 1, &[(1, 40)]), [Some(40.0)]);
        assert_eq!(rate(&mut history, 2, &[(1, 60)]), [Some(30.0)]);
    }

    #[test]
    fn keys_may_come_and_go() {
        let mut history = History::default();
        rate(&mut history, 0, &[(1, 10)]);
        assert_eq!(
            rate(&mut history, 1, &[(2, 500), (1, 20)]),
            [None, Some(10.0)]
        );
        assert_eq!(rate(&mut history, 2, &[(2, 505)]), [Some(5.0)]);
        // It was away: nothing is known about the time in between.
        assert_eq!(
            rate(&mut history, 3, &[(1, 9000), (2, 510)]),
            [None, Some(5.0)]
        );
        assert_eq!(rate(&mut history, 4, &[]), [] as [Option<f64>; 0]);
        assert_eq!(history.0.len(), 0);
    }

    #[test]
    fn two_looks_at_once_give_no_rate() {
        let mut history = History::default();
        rate(&mut history, 5, &[(1, 1)]);
        assert_eq!(rate(&mut history, 5, &[(1, 2)]), [None]);
        // Nor does the same key twice in a look.
        assert_eq!(rate(&mut history, 6, &[(1, 2), (1, 2)]), [Some(1.0), None]);
    }

    proptest! {
        #[test]
        fn a_rate_is_a_number(counts in prop::collection::vec((any::<u64>(), 0u64..100_000), 0..50)) {
            let mut history = History::default();
            let mut now = Duration::ZERO;
            for (n, ms) in counts {
                now += Duration::from_millis(ms);
                for rates in history.look(now, [((), packets(n))]).into_iter().flatten() {
                    prop_assert!(rates.packets.0.is_finite() && rates.packets.0 >= 0.0);
                }
                prop_assert!(history.0[&()].looks.len() <= 10_002);
            }
        }
    }
}
