// SPDX-License-Identifier: GPL-2.0

//! Measures how busy a flow is, and compares which of two flows hardware is better used for.
//!
//! Pure: the host tests compile this file as well.
//!
//! A flow is examined when there is a reason to, not at fixed intervals. The rate of a flow that
//! was busy and falls silent is halved at each examination, so that a pause does not cost a long
//! flow its place.

use core::num::NonZero;

/// The rate of a flow in packets per second, measured over a second or more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Pace {
    /// The time of the last measurement: low half of jiffies.
    since: u32,
    /// The packets until then: low half of the number.
    packets: u32,
    /// The rate in packets per second, [`Pace::UNKNOWN`] or [`Pace::NEVER`].
    rate: u32,
}

impl Pace {
    const UNKNOWN: u32 = u32::MAX;
    /// Nothing is measured yet, and the first measurement has not begun.
    const NEVER: u32 = u32::MAX - 1;

    /// Makes the rate of a flow that was never examined.
    pub(crate) const fn unknown() -> Self {
        Self {
            since: 0,
            packets: 0,
            rate: Self::NEVER,
        }
    }

    /// Starts a new measurement.
    ///
    /// `now` is in 64 bit jiffies; `packets` is the low half of the flow's packets so far.
    pub(crate) fn begin(&mut self, now: u64, packets: u32) {
        *self = Self {
            since: now as u32,
            packets,
            rate: Self::UNKNOWN,
        };
    }

    /// Returns the jiffies since the last measurement.
    pub(crate) fn elapsed(&self, now: u64) -> u64 {
        u64::from((now as u32).wrapping_sub(self.since))
    }

    /// Returns whether the next look measures: the last measurement was `second` jiffies ago or
    /// more.
    pub(crate) fn is_due(&self, now: u64, second: u64) -> bool {
        self.rate != Self::NEVER && self.elapsed(now) >= second
    }

    /// Measures the rate if a second has passed since the last time; the first call begins.
    ///
    /// `second` is in jiffies.
    pub(crate) fn look(&mut self, now: u64, packets: u32, second: u64) {
        if self.rate == Self::NEVER {
            return self.begin(now, packets);
        }
        if !self.is_due(now, second) {
            return;
        }
        // The type excludes zero: otherwise the oldest compiler that the kernel supports generates
        // a panic path for the division.
        let elapsed = NonZero::new(self.elapsed(now)).unwrap_or(NonZero::<u64>::MIN);
        let more = u64::from(packets.wrapping_sub(self.packets));
        let round_up = elapsed.get() - 1;
        let rate = more.saturating_mul(second).saturating_add(round_up) / elapsed;
        let rate = u32::try_from(rate).map_or(Self::NEVER - 1, |rate| rate.min(Self::NEVER - 1));
        let before = self.rate().map_or(0, |rate| rate / 2);
        *self = Self {
            since: now as u32,
            packets,
            rate: rate.max(before),
        };
    }

    /// Notes that the flow was used since the last measurement, for a driver that counts no
    /// packets.
    pub(crate) fn was_used(&mut self) {
        if let Some(rate) = self.rate() {
            self.rate = rate.max(1);
        }
    }

    /// Returns the packets per second, if the rate was measured.
    pub(crate) fn rate(&self) -> Option<u32> {
        (self.rate < Self::NEVER).then_some(self.rate)
    }
}

/// The seconds that a flow keeps its place at least.
pub(crate) const TENURE: u64 = 4;

/// Returns whether a flow may take the place of another in a full device.
///
/// It has to be twice as busy, so that the two do not change places again and again. Both rates are
/// in packets per second.
pub(crate) fn takes_the_place_of(busier: u32, other: u32) -> bool {
    busier > other.saturating_mul(2)
}
