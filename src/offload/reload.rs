// SPDX-License-Identifier: GPL-2.0

//! Decides when a change of the ruleset ends the flows that an earlier ruleset has accepted (module
//! parameter `flush_on_reload`).
//!
//! Pure: the host tests compile this file as well.

/// A state of a network namespace's ruleset. Each transaction leaves a new one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Generation {
    /// The number of the transaction, never 0 (`base_seq`).
    pub(crate) number: u32,
    /// The copy of the rules that packets pass, 0 or 1 (`gencursor`). A transaction changes it a
    /// moment after the number.
    pub(crate) cursor: u8,
}

impl Generation {
    /// Returns the state after the next transaction.
    pub(crate) fn next(self) -> Self {
        let number = self.number.wrapping_add(1);
        Self {
            number: number.max(1),
            cursor: self.cursor ^ 1,
        }
    }
}

/// The ruleset of a flowtable, as it was last checked.
///
/// However often the ruleset changes, flows end at most every [`Reloads::LONGEST`] seconds and for
/// a twentieth of the time; after the last change they end once more.
pub(crate) struct Reloads {
    /// The present flows were learned with this ruleset, or with a later one.
    seen: Generation,
    /// Flows do not end before this time, in jiffies.
    next: u64,
    /// The pause after the next time that flows end, in seconds.
    pause: u64,
}

impl Reloads {
    /// The first pause, in seconds.
    const SHORTEST: u64 = 1;
    /// The longest pause, in seconds, unless it takes that long to end the flows.
    const LONGEST: u64 = 8;
    /// The pause is at least this multiple of the time that it took to end the flows.
    const SHARE: u64 = 19;

    /// Makes the state of a flowtable that is made in a transaction. `before` is the ruleset before
    /// that.
    pub(crate) fn new(before: Generation) -> Self {
        Self {
            // There are no flows before the end of the transaction.
            seen: before.next(),
            next: 0,
            pause: Self::SHORTEST,
        }
    }

    /// Returns whether flows end now, as the ruleset has changed. The caller calls
    /// [`Reloads::flushed`] then.
    pub(crate) fn is_due(&mut self, now: u64, present: Generation, second: u64) -> bool {
        if present == self.seen {
            let calm = self.pause.saturating_mul(second);
            if now >= self.next.saturating_add(calm) {
                self.pause = Self::SHORTEST;
            }
            return false;
        }
        if now < self.next {
            return false;
        }
        self.seen = present;
        true
    }

    /// Notes that the flows have ended, which took from `began` until `now`.
    pub(crate) fn flushed(&mut self, began: u64, now: u64, second: u64) {
        let took = now.saturating_sub(began).saturating_mul(Self::SHARE);
        let pause = self.pause.saturating_mul(second).max(took);
        self.next = now.saturating_add(pause);
        self.pause = self.pause.saturating_mul(2).min(Self::LONGEST);
    }
}
