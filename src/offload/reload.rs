// SPDX-License-Identifier: GPL-2.0

//! When a change of the ruleset ends the flows that an earlier ruleset has accepted (module parameter `flush_on_reload`). Pure:
//! also compiled and tested on the host.

/// A state of a network namespace's ruleset: each transaction leaves another one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Generation {
    /// The number of the transaction, never 0 (`base_seq`).
    pub(crate) number: u32,
    /// Which of the two copies of the rules packets pass, 0 or 1 (`gencursor`). A transaction changes it a moment after the number.
    pub(crate) cursor: u8,
}

impl Generation {
    /// The state after the next transaction.
    pub(crate) fn next(self) -> Self {
        let number = self.number.wrapping_add(1);
        Self {
            number: number.max(1),
            cursor: self.cursor ^ 1,
        }
    }
}

/// The ruleset of a flowtable, as it is looked at now and then.
///
/// However often the ruleset changes, flows end at most every [`Reloads::LONGEST`] seconds and for a twentieth of the time; after
/// the last change they end once more.
pub(crate) struct Reloads {
    /// The flows that there are were learned with this ruleset, or with a later one.
    seen: Generation,
    /// Flows do not end before this time, in jiffies.
    next: u64,
    /// How long flows do not end after the next time that they do, in seconds.
    pause: u64,
}

impl Reloads {
    /// The first pause, in seconds.
    const SHORTEST: u64 = 1;
    /// The longest pause, in seconds, unless it takes that long to end the flows.
    const LONGEST: u64 = 8;
    /// A pause is at least as many times as long as it took to end the flows.
    const SHARE: u64 = 19;

    /// Of a flowtable that is made in a transaction, while the ruleset is as it was `before` that.
    pub(crate) fn new(before: Generation) -> Self {
        Self {
            // There are no flows before the transaction has come to its end.
            seen: before.next(),
            next: 0,
            pause: Self::SHORTEST,
        }
    }

    /// Whether flows end now, as the ruleset is another one. Then [`Reloads::flushed`] is to be called.
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

    /// The flows have ended, which took from `began` until `now`.
    pub(crate) fn flushed(&mut self, began: u64, now: u64, second: u64) {
        let took = now.saturating_sub(began).saturating_mul(Self::SHARE);
        let pause = self.pause.saturating_mul(second).max(took);
        self.next = now.saturating_add(pause);
        self.pause = self.pause.saturating_mul(2).min(Self::LONGEST);
    }
}
