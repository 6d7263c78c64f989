// SPDX-License-Identifier: GPL-2.0

//! How busy a flow is, and which of two flows hardware is better for. Pure: also compiled and tested on the host.
//!
//! A flow is looked at when there is a reason to, not every so many seconds. What was busy and falls silent is taken for
//! half as busy with each look, so that a pause does not cost a long flow its place.

use core::num::NonZero;

/// Packets a second, measured between two looks that are a second apart or more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Pace {
    /// When it was last measured: low half of jiffies.
    since: u32,
    /// The packets until then: low half of the number.
    packets: u32,
    /// [`Pace::UNKNOWN`] or packets a second.
    rate: u32,
}

impl Pace {
    const UNKNOWN: u32 = u32::MAX;
    /// Nothing is measured yet, not even a beginning.
    const NEVER: u32 = u32::MAX - 1;

    /// Of a flow that nobody has looked at.
    pub(crate) const fn unknown() -> Self {
        Self {
            since: 0,
            packets: 0,
            rate: Self::NEVER,
        }
    }

    /// Measures from now on, anew. `now`: 64 bit jiffies; `packets`: the flow's packets so far, low half.
    pub(crate) fn begin(&mut self, now: u64, packets: u32) {
        *self = Self {
            since: now as u32,
            packets,
            rate: Self::UNKNOWN,
        };
    }

    /// Jiffies since the last look that measured something.
    pub(crate) fn elapsed(&self, now: u64) -> u64 {
        u64::from((now as u32).wrapping_sub(self.since))
    }

    /// Whether the next look measures something: the last one was `second` jiffies ago or more.
    pub(crate) fn is_due(&self, now: u64, second: u64) -> bool {
        self.rate != Self::NEVER && self.elapsed(now) >= second
    }

    /// Looks at the flow; the first look begins. `second`: in jiffies.
    pub(crate) fn look(&mut self, now: u64, packets: u32, second: u64) {
        if self.rate == Self::NEVER {
            return self.begin(now, packets);
        }
        if !self.is_due(now, second) {
            return;
        }
        // Not zero by its type: the oldest compiler of the kernel sees a division that may panic otherwise.
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

    /// It was used since the last look, as somebody else knows who counts no packets.
    pub(crate) fn was_used(&mut self) {
        if let Some(rate) = self.rate() {
            self.rate = rate.max(1);
        }
    }

    /// Packets a second, if it was measured.
    pub(crate) fn rate(&self) -> Option<u32> {
        (self.rate < Self::NEVER).then_some(self.rate)
    }
}

/// Seconds that a flow keeps its place at least.
pub(crate) const TENURE: u64 = 4;

/// Whether a flow may take the place of another in a full device: it has to be twice as busy, so that they do not change
/// places again and again. Both in packets a second.
pub(crate) fn takes_the_place_of(busier: u32, other: u32) -> bool {
    busier > other.saturating_mul(2)
}
