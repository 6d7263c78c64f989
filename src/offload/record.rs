// SPDX-License-Identifier: GPL-2.0

//! What the engine knows about one flow, from its first REPLACE to its DESTROY.

use super::Reason;
use crate::{
    netfilter::Dir,
    translate::Refusal, //
};
use kernel::sync::atomic::{
    Atomic,
    Relaxed, //
};

/// A rule that a driver holds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rule {
    /// The binding that it was given to, by the index of its device.
    pub(crate) ifindex: u32,
    /// Its name at the driver.
    pub(crate) cookie: u64,
    /// The translation that it was made from.
    pub(crate) fingerprint: u64,
    /// What it matches.
    pub(crate) matching: u64,
}

/// Both rules of a flow.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rules {
    /// Of the original direction.
    pub(crate) original: Rule,
    /// Of the reply direction.
    pub(crate) reply: Rule,
}

/// Where a flow is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Both directions are in hardware.
    InHardware(Rules),
    /// In software, for this reason.
    Software(Reason),
    /// Its rules were taken out and the flow was told to end; it gets none any more. What the original one has matched.
    Removing(u64),
}

/// What hardware has carried of a direction.
#[derive(Clone, Copy, Default)]
pub(crate) struct Carried {
    /// Packets.
    pub(crate) packets: u64,
    /// Bytes of the network layer.
    pub(crate) bytes: u64,
}

/// What is known of a flow.
#[derive(Clone, Copy)]
pub(crate) struct Record {
    /// Where it is.
    pub(crate) state: State,
    /// Since when, in 64 bit jiffies.
    pub(crate) since: u64,
    /// When hardware last carried a packet of it, in 64 bit jiffies; 0 if it never did.
    pub(crate) last_used: u64,
    /// What hardware has carried: the original direction, the reply.
    pub(crate) carried: [Carried; 2],
    /// How often in a row it was refused.
    pub(crate) refusals: u32,
    /// The driver's error of the last refusal; 0 if it was not the driver's.
    pub(crate) errno: i32,
    /// Not tried again before this time, in 64 bit jiffies, unless what refused it has changed since.
    retry: u64,
    /// The engine's count of changes when it was refused.
    changes: u32,
    /// How often a packet of it reached the CPU although its rules were in.
    pub(crate) misses: u32,
}

impl Record {
    /// Of a flow that was never tried.
    pub(crate) fn new(now: u64) -> Self {
        Self {
            state: State::Software(Reason::NotTried),
            since: now,
            last_used: 0,
            carried: [Carried::default(); 2],
            refusals: 0,
            errno: 0,
            retry: 0,
            changes: 0,
            misses: 0,
        }
    }

    /// The flow's rules, if it is in hardware.
    pub(crate) fn rules(&self) -> Option<Rules> {
        match self.state {
            State::InHardware(rules) => Some(rules),
            _ => None,
        }
    }

    /// The rule of a direction, if the flow is in hardware.
    pub(crate) fn rule(&self, dir: Dir) -> Option<Rule> {
        let rules = self.rules()?;
        Some(match dir {
            Dir::Original => rules.original,
            Dir::Reply => rules.reply,
        })
    }

    /// What hardware has carried of a direction.
    pub(crate) fn carried(&self, dir: Dir) -> Carried {
        let [original, reply] = self.carried;
        match dir {
            Dir::Original => original,
            Dir::Reply => reply,
        }
    }

    /// Why the flow is in software.
    pub(crate) fn reason(&self) -> Option<Reason> {
        match self.state {
            State::Software(reason) => Some(reason),
            _ => None,
        }
    }

    fn enter(&mut self, state: State, now: u64) {
        if self.state != state {
            self.since = now;
        }
        self.state = state;
    }

    /// Both rules are in.
    pub(crate) fn installed(&mut self, rules: Rules, now: u64) {
        self.refusals = 0;
        self.errno = 0;
        self.enter(State::InHardware(rules), now);
    }

    /// The flow stays in software, or goes back there. It is tried again after `pause` jiffies or when `changes` is another
    /// number.
    pub(crate) fn refused(&mut self, why: Refused, now: u64, pause: u64, changes: u32) {
        self.refusals = self.refusals.saturating_add(1);
        self.errno = why.errno;
        self.retry = now.saturating_add(pause);
        self.changes = changes;
        self.enter(State::Software(why.reason), now);
    }

    /// Hardware has carried packets of a direction; bytes of the network layer.
    pub(crate) fn carry(&mut self, dir: Dir, packets: u64, bytes: u64) {
        let [original, reply] = &mut self.carried;
        let carried = match dir {
            Dir::Original => original,
            Dir::Reply => reply,
        };
        carried.packets = carried.packets.saturating_add(packets);
        carried.bytes = carried.bytes.saturating_add(bytes);
    }

    /// The flow was told to end.
    pub(crate) fn removed(&mut self, rules: Rules, now: u64) {
        self.enter(State::Removing(rules.original.matching), now);
    }

    /// Why it is not tried now: its last refusal still stands.
    pub(crate) fn stands(&self, now: u64, changes: u32) -> Option<Reason> {
        match self.state {
            State::Software(reason)
                if self.refusals != 0 && self.changes == changes && now < self.retry =>
            {
                Some(reason)
            }
            _ => None,
        }
    }
}

/// A refusal.
#[derive(Clone, Copy)]
pub(crate) struct Refused {
    /// Why.
    pub(crate) reason: Reason,
    /// The driver's error, 0 if it was not the driver.
    pub(crate) errno: i32,
    /// It can pass without anything that the engine hears of.
    pub(crate) passes_by_itself: bool,
}

impl From<Reason> for Refused {
    fn from(reason: Reason) -> Self {
        Self {
            reason,
            errno: 0,
            passes_by_itself: reason.passes_by_itself(),
        }
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Reason::from(refusal).into()
    }
}

/// A name that no rule had before: drivers may still know an old one, as the core's own names recur at once.
pub(crate) fn new_cookie() -> u64 {
    static NEXT: Atomic<u64> = Atomic::new(1);
    NEXT.fetch_add(1u64, Relaxed)
}
