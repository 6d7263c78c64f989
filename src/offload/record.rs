// SPDX-License-Identifier: GPL-2.0

//! What the engine knows about one flow, from its first REPLACE to its DESTROY.

use crate::{
    net::{
        flowtable::flow_map::FlowId,
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
/// A rule that a driver holds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rule {
    /// The binding that it was given to, by the index of its device.
    pub(crate) ifindex: u32,
    /// The index of the device that its packets leave through.
    pub(crate) leads_to: u32,
    /// Its name at the driver.
    pub(crate) cookie: u64,
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
    /// One direction is in hardware, the other in software, for this reason (module parameter `directions`).
    OneDirection(Dir, Rule, Reason),
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
    /// Its name.
    pub(crate) id: FlowId,
    /// Where it is.
    pub(crate) state: State,
    /// Since when, in 64 bit jiffies.
    pub(crate) since: u64,
    /// When hardware last carried a packet of it, in 64 bit jiffies; 0 if it never did.
    pub(crate) last_used: u64,
    /// What hardware has carried: the original direction, the reply.
    pub(crate) carried: [Carried; 2],
    /// When it was first tried, low half of jiffies.
    pub(crate) born: u32,
    /// How often in a row it was refused.
    pub(crate) refusals: u16,
    /// The driver's error of the last refusal, positive; 0 if it was not the driver's.
    pub(crate) errno: u16,
    /// Not tried again before this time, in 64 bit jiffies, unless something has changed since.
    retry: u64,
    /// The engine's count of changes when it was tried.
    changes: u32,
    /// How often a packet of it reached the CPU although its rules were in.
    pub(crate) misses: u32,
    /// It is in a batch (`super::remove`): its DESTROY waits for the end of that.
    pub(crate) pinned: bool,
    /// It has no rules, and keeps others from having its matches (`super::same_key`).
    pub(crate) occupies: bool,
    /// Its way cannot be found from outside (`super::watch`).
    pub(crate) unchecked: bool,
    /// What of its way has changed, so that it ends.
    pub(crate) outdated: Option<Reason>,
    /// How busy it is: in hardware by what hardware carries, in software by what conntrack counts.
    pub(crate) pace: Pace,
}

impl Record {
    /// Of a flow that was never tried.
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
            occupies: false,
            unchecked: false,
            outdated: None,
            pace: Pace::unknown(),
        }
    }

    /// Whether both directions are in hardware.
    pub(crate) fn is_in_hardware(&self) -> bool {
        matches!(self.state, State::InHardware(_))
    }

    /// The rule of a direction, if that is in hardware.
    pub(crate) fn rule(&self, dir: Dir) -> Option<Rule> {
        match self.state {
            State::InHardware(rules) => Some(match dir {
                Dir::Original => rules.original,
                Dir::Reply => rules.reply,
            }),
            State::OneDirection(held, rule, _) if held == dir => Some(rule),
            _ => None,
        }
    }

    /// The rules that are in hardware: of the original direction, of the reply.
    pub(crate) fn held(&self) -> Held {
        Held {
            original: self.rule(Dir::Original),
            reply: self.rule(Dir::Reply),
        }
    }

    /// What hardware has carried of both directions, in packets; the low half of the number.
    pub(crate) fn packets(&self) -> u32 {
        let [original, reply] = self.carried;
        original.packets.wrapping_add(reply.packets) as u32
    }

    /// What hardware has carried of a direction.
    pub(crate) fn carried(&self, dir: Dir) -> Carried {
        let [original, reply] = self.carried;
        match dir {
            Dir::Original => original,
            Dir::Reply => reply,
        }
    }

    /// How long ago it was first tried, in jiffies; wrong after the low half of them has come around.
    pub(crate) fn age(&self, now: u64) -> u64 {
        u64::from((now as u32).wrapping_sub(self.born))
    }

    /// Why the flow, or one of its directions, is in software, or why it ends.
    pub(crate) fn reason(&self) -> Option<Reason> {
        match self.state {
            State::Software(reason) | State::OneDirection(_, _, reason) => Some(reason),
            State::Removing(_) => self.outdated,
            State::InHardware(_) => None,
        }
    }

    /// Whether it was not tried yet.
    pub(crate) fn is_new(&self) -> bool {
        self.state == State::Software(Reason::NotTried) && self.refusals == 0
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
        if !self.is_in_hardware() {
            self.pace.begin(now, self.packets());
        }
        self.enter(State::InHardware(rules), now);
    }

    /// The flow, or the direction that is not `held`, stays in software, or goes back there. It is tried again after
    /// `pause` jiffies or when `changes` is another number.
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

    /// Looks at how busy it is in hardware.
    pub(crate) fn look(&mut self, now: u64) {
        let elapsed = self.pace.elapsed(now);
        self.pace.look(now, self.packets(), seconds(1));
        if self.last_used != 0 && now.saturating_sub(self.last_used) <= elapsed {
            // Its driver may report the time only, and no packets.
            self.pace.was_used();
        }
    }

    /// Whether it, or one of its directions, is in software for want of room. How busy it is then is measured by what
    /// conntrack counts.
    pub(crate) fn waits_for_room(&self) -> bool {
        self.reason()
            .is_some_and(|reason| reason.stage() == Stage::Capacity)
    }

    /// Becomes what an attempt, which began with a copy, has made of that. A flow that was told to
    /// end meanwhile, as one without rules, stays so.
    pub(crate) fn update(&mut self, to: Self) {
        let before = *self;
        *self = to;
        self.pinned = before.pinned;
        if matches!(before.state, State::Removing(_)) && to.held().any().is_none() {
            self.state = before.state;
            self.since = before.since;
            self.outdated = before.outdated;
        }
    }

    /// It is where it was before its rules were claimed, if that is so.
    pub(crate) fn stayed(&mut self, before: &Record) {
        if self.state == before.state {
            self.since = before.since;
        }
    }

    /// The flow was told to end.
    pub(crate) fn removed(&mut self, held: Held, now: u64) {
        let matching = held.any().map_or(0, |(_, rule)| rule.matching);
        self.enter(State::Removing(matching), now);
    }

    /// Its rules are being changed: they are nobody else's to take out.
    pub(crate) fn claim(&mut self) {
        self.state = State::Software(Reason::NotTried);
    }

    /// Whether the last refusal still stands, so that it is not tried now.
    pub(crate) fn stands(&self, now: u64, changes: u32) -> bool {
        let refused = match self.state {
            State::Software(_) | State::OneDirection(_, _, _) => self.refusals != 0,
            State::InHardware(_) | State::Removing(_) => false,
        };
        refused && self.changes == changes && now < self.retry
    }

    /// Its rules that may have been lost, now that a packet of it has reached the CPU; none if they were put in or looked at a
    /// moment ago. The core tells of such packets once a second (`flow_offload_refresh`).
    pub(crate) fn suspect(&self, now: u64) -> Option<Held> {
        let held = self.held();
        let may_be = held.any().is_some() && self.pace.elapsed(now) >= seconds(1) / 2;
        may_be.then_some(held)
    }

    /// Whether it is in software because it has not passed enough packets.
    pub(crate) fn waits_for_packets(&self) -> bool {
        self.state == State::Software(Reason::Admission)
    }
}

/// Rules of a flow that are in hardware, or none.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Held {
    /// Of the original direction.
    pub(crate) original: Option<Rule>,
    /// Of the reply direction.
    pub(crate) reply: Option<Rule>,
}

impl Held {
    /// Both of them.
    pub(crate) fn both(self) -> Option<Rules> {
        Some(Rules {
            original: self.original?,
            reply: self.reply?,
        })
    }

    /// The first one.
    pub(crate) fn any(self) -> Option<(Dir, Rule)> {
        self.each().next()
    }

    /// That of a direction.
    pub(crate) fn of(self, dir: Dir) -> Option<Rule> {
        match dir {
            Dir::Original => self.original,
            Dir::Reply => self.reply,
        }
    }

    /// That of a direction is in, or not.
    pub(crate) fn set(&mut self, dir: Dir, rule: Option<Rule>) {
        match dir {
            Dir::Original => self.original = rule,
            Dir::Reply => self.reply = rule,
        }
    }

    /// Each of them.
    pub(crate) fn each(self) -> impl Iterator<Item = (Dir, Rule)> {
        let original = self.original.map(|rule| (Dir::Original, rule));
        let reply = self.reply.map(|rule| (Dir::Reply, rule));
        original.into_iter().chain(reply)
    }

    /// Whether one of them is on a device.
    pub(crate) fn is_on(self, ifindex: u32) -> bool {
        self.each().any(|(_, rule)| rule.ifindex == ifindex)
    }
}

/// A refusal.
#[derive(Clone, Copy)]
pub(crate) struct Refused {
    /// Why.
    pub(crate) reason: Reason,
    /// The driver's error, 0 if it was not the driver.
    pub(crate) errno: i32,
    /// For how long.
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
