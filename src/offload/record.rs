// SPDX-License-Identifier: GPL-2.0

//! What the engine knows about one flow, from its first REPLACE to its DESTROY.

use crate::{
    net::{
        flowtable::{
            flow::Flow,
            flow_map::FlowId, //
        },
        time::seconds, //
    },
    offload::{
        backoff::Stands,
        rate::Pace,
        reason::{
            Reason,
            Stage, //
        }, //
    },
    proto::Dir,
    translate::refusal::Refusal, //
};
use core::num::NonZeroU64;

/// The name of a rule at its driver.
pub(crate) type Cookie = NonZeroU64;

/// A rule that a driver holds, with its devices.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rule {
    /// The binding that the rule was given to, by the index of its device: the lowest device on
    /// which its packets arrive.
    pub(crate) ifindex: u32,
    /// The index of the device that its packets leave through: the lowest device on which the
    /// packets of the other direction arrive.
    pub(crate) leads_to: u32,
    /// Its name at the driver.
    pub(crate) cookie: Cookie,
}

impl Rule {
    /// Returns the rule of a direction of a flow. The flow determines the devices, so records need
    /// not store them.
    pub(crate) fn of(flow: &Flow, dir: Dir, cookie: Cookie) -> Self {
        Self {
            ifindex: flow.ingress_ifindex(dir),
            leads_to: flow.ingress_ifindex(dir.other()),
            cookie,
        }
    }
}

/// Both rules of a flow.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rules {
    /// The rule of the original direction.
    pub(crate) original: Cookie,
    /// The rule of the reply direction.
    pub(crate) reply: Cookie,
}

/// Where a flow is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Both directions are in hardware.
    InHardware(Rules),
    /// One direction is in hardware, the other in software, for this reason (module parameter
    /// `directions`).
    OneDirection(Dir, Cookie, Reason),
    /// In software, for this reason.
    Software(Reason),
    /// Its rules were removed and the flow was told to end; it gets no more rules.
    Removing,
}

/// What hardware has carried of a direction.
#[derive(Clone, Copy, Default)]
pub(crate) struct Carried {
    /// The number of packets.
    pub(crate) packets: u64,
    /// The number of bytes of the network layer.
    pub(crate) bytes: u64,
}

/// The state of a flow.
#[derive(Clone, Copy)]
pub(crate) struct Record {
    /// The name of the flow.
    pub(crate) id: FlowId,
    /// Where the flow is.
    pub(crate) state: State,
    /// The time since when it is there, in 64 bit jiffies.
    pub(crate) since: u64,
    /// The time when hardware last carried a packet of it, in 64 bit jiffies; 0 if it never did.
    pub(crate) last_used: u64,
    /// What hardware has carried: of the original direction, of the reply.
    pub(crate) carried: [Carried; 2],
    /// The time of the first attempt, low half of jiffies.
    pub(crate) born: u32,
    /// The refusals in succession.
    pub(crate) refusals: u16,
    /// The driver's error of the last refusal, positive; 0 if the refusal was not the driver's.
    pub(crate) errno: u16,
    /// The time of the next attempt, in 64 bit jiffies, unless something has changed before.
    retry: u64,
    /// The engine's count of changes at the last attempt.
    changes: u32,
    /// How often a packet of it reached the CPU although its rules were in.
    pub(crate) misses: u32,
    /// It is in a batch (`super::batch`): its DESTROY waits for the end of the batch.
    pub(crate) pinned: bool,
    /// An attempt to offload it is being made, which may have given drivers rules already that are
    /// not noted here.
    pub(crate) attempted: bool,
    /// It has no rules, and keeps other flows from having its matches (`super::same_key`).
    pub(crate) occupies: bool,
    /// Its path cannot be found from outside (`super::watch`).
    pub(crate) unchecked: bool,
    /// The change of its path because of which it ends.
    pub(crate) outdated: Option<Reason>,
    /// Its rate: in hardware from what hardware carries, in software from what conntrack counts.
    pub(crate) pace: Pace,
}

// With its key, 32 records fill a page (`container::slab_map`).
const _: () = assert!(core::mem::size_of::<Record>() <= 120);

impl Record {
    /// Makes the record of a flow that was never tried.
    pub(crate) fn new(id: FlowId, now: u64) -> Self {
        Self {
            id,
            state: State::Software(Reason::NotTried),
            since: now,
            last_used: 0,
            carried: [Carried::default(); 2],
            born: now as u32,
            refusals: 0,
            errno: 0,
            retry: 0,
            changes: 0,
            misses: 0,
            pinned: false,
            attempted: false,
            occupies: false,
            unchecked: false,
            outdated: None,
            pace: Pace::unknown(),
        }
    }

    /// Returns whether both directions are in hardware.
    pub(crate) fn is_in_hardware(&self) -> bool {
        matches!(self.state, State::InHardware(_))
    }

    /// Returns the rule of a direction, if that is in hardware.
    pub(crate) fn rule(&self, dir: Dir) -> Option<Cookie> {
        match self.state {
            State::InHardware(rules) => Some(match dir {
                Dir::Original => rules.original,
                Dir::Reply => rules.reply,
            }),
            State::OneDirection(held, rule, _) if held == dir => Some(rule),
            _ => None,
        }
    }

    /// Returns the rules that are in hardware.
    pub(crate) fn held(&self) -> Held {
        Held {
            original: self.rule(Dir::Original),
            reply: self.rule(Dir::Reply),
        }
    }

    /// Returns the packets that hardware has carried of both directions; the low half of the
    /// number.
    pub(crate) fn packets(&self) -> u32 {
        let [original, reply] = self.carried;
        original.packets.wrapping_add(reply.packets) as u32
    }

    /// Returns what hardware has carried of a direction.
    pub(crate) fn carried(&self, dir: Dir) -> Carried {
        let [original, reply] = self.carried;
        match dir {
            Dir::Original => original,
            Dir::Reply => reply,
        }
    }

    /// Returns the time since the first attempt, in jiffies; wrong after the low half of jiffies
    /// has wrapped around.
    pub(crate) fn age(&self, now: u64) -> u64 {
        u64::from((now as u32).wrapping_sub(self.born))
    }

    /// Returns why the flow, or one of its directions, is in software, or why it ends.
    pub(crate) fn reason(&self) -> Option<Reason> {
        match self.state {
            State::Software(reason) | State::OneDirection(_, _, reason) => Some(reason),
            State::Removing => self.outdated,
            State::InHardware(_) => None,
        }
    }

    /// Returns whether it was not tried yet.
    pub(crate) fn is_new(&self) -> bool {
        self.state == State::Software(Reason::NotTried) && self.refusals == 0
    }

    fn enter(&mut self, state: State, now: u64) {
        if self.state != state {
            self.since = now;
        }
        self.state = state;
    }

    /// Notes that both rules are in hardware.
    pub(crate) fn installed(&mut self, rules: Rules, now: u64) {
        self.refusals = 0;
        self.errno = 0;
        if !self.is_in_hardware() {
            self.pace.begin(now, self.packets());
        }
        self.enter(State::InHardware(rules), now);
    }

    /// Notes that the flow, or the direction that is not `held`, stays in software or goes back
    /// there.
    ///
    /// It is tried again after `pause` jiffies, or when `changes` is another number.
    pub(crate) fn refused(&mut self, held: Held, why: Refused, now: u64, pause: u64, changes: u32) {
        self.refusals = self.refusals.saturating_add(1);
        self.errno = why.errno.unsigned_abs() as u16;
        self.retry = now.saturating_add(pause);
        self.changes = changes;
        let state = match held.any() {
            Some((dir, rule)) => State::OneDirection(dir, rule, why.reason),
            None => State::Software(why.reason),
        };
        self.enter(state, now);
    }

    /// Adds packets of a direction that hardware has carried, and their bytes of the network layer.
    pub(crate) fn carry(&mut self, dir: Dir, packets: u64, bytes: u64) {
        let [original, reply] = &mut self.carried;
        let carried = match dir {
            Dir::Original => original,
            Dir::Reply => reply,
        };
        carried.packets = carried.packets.saturating_add(packets);
        carried.bytes = carried.bytes.saturating_add(bytes);
    }

    /// Measures its rate in hardware.
    pub(crate) fn look(&mut self, now: u64) {
        let elapsed = self.pace.elapsed(now);
        self.pace.look(now, self.packets(), seconds(1));
        if self.last_used != 0 && now.saturating_sub(self.last_used) <= elapsed {
            // Its driver may report only the time, and no packets.
            self.pace.was_used();
        }
    }

    /// Returns whether it, or one of its directions, is in software for lack of room.
    ///
    /// Its rate is then measured by what conntrack counts.
    pub(crate) fn waits_for_room(&self) -> bool {
        self.reason()
            .is_some_and(|reason| reason.stage() == Stage::Capacity)
    }

    /// Takes over the outcome of an attempt, which began with a copy of this record.
    ///
    /// A flow without rules that was told to end meanwhile stays so.
    pub(crate) fn update(&mut self, to: Self) {
        let before = *self;
        *self = to;
        self.pinned = before.pinned;
        self.attempted = false;
        if before.state == State::Removing && to.held().any().is_none() {
            self.state = before.state;
            self.since = before.since;
            self.outdated = before.outdated;
        }
    }

    /// Restores the time since when it is in its state, if it is where it was before its rules were
    /// claimed.
    pub(crate) fn stayed(&mut self, before: &Record) {
        if self.state == before.state {
            self.since = before.since;
        }
    }

    /// Notes that the flow was told to end.
    pub(crate) fn removed(&mut self, now: u64) {
        self.enter(State::Removing, now);
    }

    /// Claims its rules to change them: no other work may remove them.
    pub(crate) fn claim(&mut self) {
        self.state = State::Software(Reason::NotTried);
    }

    /// Returns whether the last refusal still stands, so that it is not tried now.
    pub(crate) fn stands(&self, now: u64, changes: u32) -> bool {
        let refused = match self.state {
            State::Software(_) | State::OneDirection(_, _, _) => self.refusals != 0,
            State::InHardware(_) | State::Removing => false,
        };
        refused && self.changes == changes && now < self.retry
    }

    /// Returns its rules that may have been lost, now that a packet of it has reached the CPU.
    ///
    /// `None` if they were installed or looked at a moment ago. The core reports such packets once
    /// a second (`flow_offload_refresh`).
    pub(crate) fn suspect(&self, now: u64) -> Option<Held> {
        let held = self.held();
        let may_be = held.any().is_some() && self.pace.elapsed(now) >= seconds(1) / 2;
        may_be.then_some(held)
    }

    /// Returns whether it is in software because it has not passed enough packets.
    pub(crate) fn waits_for_packets(&self) -> bool {
        self.state == State::Software(Reason::Admission)
    }
}

/// The rules of a flow that are in hardware, if any.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Held {
    /// The rule of the original direction.
    pub(crate) original: Option<Cookie>,
    /// The rule of the reply direction.
    pub(crate) reply: Option<Cookie>,
}

impl Held {
    /// Returns both rules, if both are in hardware.
    pub(crate) fn both(self) -> Option<Rules> {
        Some(Rules {
            original: self.original?,
            reply: self.reply?,
        })
    }

    /// Returns the first rule.
    pub(crate) fn any(self) -> Option<(Dir, Cookie)> {
        self.each().next()
    }

    /// Returns the rule of a direction.
    pub(crate) fn of(self, dir: Dir) -> Option<Cookie> {
        match dir {
            Dir::Original => self.original,
            Dir::Reply => self.reply,
        }
    }

    /// Sets the rule of a direction.
    pub(crate) fn set(&mut self, dir: Dir, rule: Option<Cookie>) {
        match dir {
            Dir::Original => self.original = rule,
            Dir::Reply => self.reply = rule,
        }
    }

    /// Returns each rule with its direction.
    pub(crate) fn each(self) -> impl Iterator<Item = (Dir, Cookie)> {
        let original = self.original.map(|rule| (Dir::Original, rule));
        let reply = self.reply.map(|rule| (Dir::Reply, rule));
        original.into_iter().chain(reply)
    }

    /// Returns whether one of these rules of a flow is on a device.
    pub(crate) fn is_on(self, flow: &Flow, ifindex: u32) -> bool {
        self.each()
            .any(|(dir, _)| flow.ingress_ifindex(dir) == ifindex)
    }
}

/// A refusal.
#[derive(Clone, Copy)]
pub(crate) struct Refused {
    /// The reason.
    pub(crate) reason: Reason,
    /// The driver's error; 0 if the refusal was not the driver's.
    pub(crate) errno: i32,
    /// For how long the refusal stands.
    pub(crate) stands: Stands,
}

impl From<Reason> for Refused {
    fn from(reason: Reason) -> Self {
        Self {
            reason,
            errno: 0,
            stands: reason.stands(),
        }
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Reason::from(refusal).into()
    }
}
