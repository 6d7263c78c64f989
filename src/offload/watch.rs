// SPDX-License-Identifier: GPL-2.0

//! Ends flows whose way has changed.
//!
//! Notifiers note what has changed ([`Watch::note`]); a work folds that, looks at the flows that it can concern, asks the resolver
//! about them ([`resolve`]), takes the rules of those that differ out of hardware and tears these flows down. Their next packet
//! learns them anew. No rule is changed in place.
//!
//! What no notifier tells of, such as a switch of forwarding, an IPsec policy or another next-hop object, changes a number of the
//! namespace ([`Netns::routing`]), which is read ten times a second as long as there are flows, or more seldom where there are very
//! many; all flows are looked at if it has changed. All of this takes a twentieth of a processor: after a work has looked at many
//! flows it pauses.
//!
//! A flow whose way cannot be found from outside, for example by a policy rule on a mark that nobody keeps, differs from the beginning.
//! It is ended once, and when the connection comes again it is marked: from then on each event that touches it ends it,
//! and no other. Where things change all the time it is marked after a few times: it may differ because of what has changed since
//! the core has learned it.
//!
//! What the core does not see at all, a bridge that does not forward, it makes flows for again and again. New flows of a namespace
//! with bridges are looked up for that.

use super::{
    behind::is_behind,
    record::{
        Held,
        Record,
        State, //
    },
    resolve,
    view::NFPROTO_IPV6,
    Events,
    Reason,
    Table, //
};
use crate::netfilter::{
    jiffies64,
    mac_place,
    now_ns,
    seconds,
    Change,
    Dir,
    Flow,
    FlowMap,
    MacSet,
    Netns,
    Prefix,
    Traced,
    Xmit,
    MAC_PLACES, //
};
use core::ops::ControlFlow;
use kernel::sync::atomic::{
    Acquire,
    Atomic,
    Full,
    Relaxed,
    Release, //
};

/// What has changed: bits.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Causes(u64);

impl Causes {
    const NONE: Self = Self(0);
    /// Routes to known prefixes.
    const ROUTES: Self = Self(1);
    /// Something that routes packets and is not known.
    const ROUTING: Self = Self(2);
    /// Policy rules.
    const RULES: Self = Self(4);
    /// Addresses of neighbours, or places of stations.
    const MACS: Self = Self(8);
    /// Addresses of neighbours that are not known.
    const ANY_MAC: Self = Self(16);
    /// Devices.
    const DEVICES: Self = Self(32);

    fn has(self, cause: Self) -> bool {
        self.0 & cause.0 != 0
    }

    fn with(self, cause: Self) -> Self {
        Self(self.0 | cause.0)
    }
}

/// Sets bits, and returns those that were set before.
fn set(word: &Atomic<u64>, bits: u64) -> u64 {
    let mut was = word.load(Relaxed);
    loop {
        match word.cmpxchg(was, was | bits, Release) {
            Ok(_) => return was,
            Err(now) => was = now,
        }
    }
}

fn first_bits(address: [u8; 16]) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = address;
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

/// Prefixes of addresses, and some others that look the same. Of each it counts the first 64 bits.
///
/// There is a bit for each length of each family that a prefix has, and bits that a hash of a prefix picks.
struct Prefixes {
    /// How many are being written or have been, and how many have been.
    begun: Atomic<u32>,
    done: Atomic<u32>,
    lengths: [Atomic<u64>; LENGTH_WORDS],
    bits: [Atomic<u64>; PREFIX_WORDS],
}

/// [`Prefixes`] as they were at a time.
struct PrefixSet {
    lengths: [u64; LENGTH_WORDS],
    bits: [u64; PREFIX_WORDS],
}

/// 8192 bits: of a thousand prefixes, 1 of 34 others looks the same; of a hundred, 1 of 20,000.
const PREFIX_WORDS: usize = 128;
const LENGTH_WORDS: usize = 2;
/// The first bit of the lengths of IPv6; there are 33 of IPv4.
const LENGTHS_IPV6: u8 = 63;

/// The bits of a prefix. The address has no bits but the prefix's.
fn prefix_bits(length: u8, address: u64) -> [usize; 3] {
    const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
    let hash = (address ^ u64::from(length)).wrapping_mul(GOLDEN);
    let hash = (hash ^ (hash >> 32)).wrapping_mul(GOLDEN);
    // The high bits are the good ones.
    [51, 38, 25].map(|shift| (hash >> shift) as usize % (PREFIX_WORDS * 64))
}

/// The first bits of an address.
fn masked(address: u64, len: u32) -> u64 {
    // A shift by all bits leaves none.
    address & u64::MAX.checked_shl(64u32.saturating_sub(len)).unwrap_or(0)
}

impl Prefixes {
    fn new() -> Self {
        Self {
            begun: Atomic::new(0),
            done: Atomic::new(0),
            lengths: [const { Atomic::new(0) }; LENGTH_WORDS],
            bits: [const { Atomic::new(0) }; PREFIX_WORDS],
        }
    }

    fn add(&self, prefix: Prefix) {
        let (first, most) = match prefix.family {
            NFPROTO_IPV6 => (LENGTHS_IPV6, 64),
            _ => (0, 32),
        };
        let len = prefix.len.min(most);
        let length = first.saturating_add(len);
        let address = masked(first_bits(prefix.address), len.into());
        // Before the bits, which are set with Release.
        self.begun.fetch_add(1u32, Relaxed);
        for bit in prefix_bits(length, address) {
            if let Some(word) = self.bits.get(bit / 64) {
                set(word, 1 << (bit % 64));
            }
        }
        if let Some(word) = self.lengths.get(usize::from(length / 64)) {
            set(word, 1 << (length % 64));
        }
        self.done.fetch_add(1u32, Release);
    }

    /// Takes them out. `None`: another one was being added, and may be a part of these.
    fn take(&self) -> Option<PrefixSet> {
        let done = self.done.load(Acquire);
        let mut taken = PrefixSet {
            lengths: [0; LENGTH_WORDS],
            bits: [0; PREFIX_WORDS],
        };
        for (to, from) in taken.lengths.iter_mut().zip(&self.lengths) {
            *to = from.xchg(0u64, Acquire);
        }
        for (to, from) in taken.bits.iter_mut().zip(&self.bits) {
            *to = from.xchg(0u64, Acquire);
        }
        // After the bits.
        (self.begun.fetch_add(0u32, Full) == done).then_some(taken)
    }
}

impl PrefixSet {
    fn is_empty(&self) -> bool {
        self.lengths == [0; LENGTH_WORDS]
    }

    /// Whether one of them may cover an address, of which these are the first bits.
    fn covers(&self, family: u8, address: u64) -> bool {
        let is_ipv6 = family == NFPROTO_IPV6;
        for (word, lengths) in self.lengths.iter().enumerate() {
            let mut left = *lengths;
            while left != 0 {
                // CAST: Below 128.
                let length = (word as u8)
                    .wrapping_mul(64)
                    .wrapping_add(left.trailing_zeros() as u8);
                left &= left.wrapping_sub(1);
                if (length >= LENGTHS_IPV6) != is_ipv6 {
                    continue;
                }
                let len = length.checked_sub(LENGTHS_IPV6).unwrap_or(length);
                let has = |bit: usize| {
                    let word = self.bits.get(bit / 64);
                    word.is_some_and(|word| word >> (bit % 64) & 1 != 0)
                };
                if prefix_bits(length, masked(address, len.into()))
                    .into_iter()
                    .all(has)
                {
                    return true;
                }
            }
        }
        false
    }
}

/// A connection whose flow was ended.
struct Ended {
    id: Atomic<u32>,
    /// How many flows of it differed when they were offered, one after the other.
    again: Atomic<u32>,
}

/// Connections that are remembered.
const ENDED: usize = 128;
/// So many flows of a connection can have been overtaken by changes, one after the other. If more of them differ, it is not that.
const OVERTAKEN: u32 = 8;
const MAC_WORDS: usize = MAC_PLACES / 64;

/// What was noted, and what the works have to know. Lockless, as notifiers are called in any context.
pub(super) struct Watch {
    causes: Atomic<u64>,
    prefixes: Prefixes,
    macs: [Atomic<u64>; MAC_WORDS],
    devices: Atomic<u64>,
    /// Devices of which something has changed that is written into rules.
    rewritten: Atomic<u64>,
    /// Devices of the flowtable: a bit for `ifindex % 64` of each.
    bound: Atomic<u64>,
    /// The next hops of flows that were offered.
    in_use: [Atomic<u64>; MAC_WORDS],
    /// There are flows whose next hop is looked up when their rules are made.
    looks_up: Atomic<bool>,
    /// When something was noted last, in 64 bit jiffies.
    last: Atomic<u64>,
    /// No work is to come, as there were no flows.
    asleep: Atomic<bool>,
    /// [`Netns::routing`] when it was read last, and when to read it again, in ns.
    routing: Atomic<u64>,
    routing_due: Atomic<u64>,
    /// When all pauses are over that are owed, in ns.
    paused_until: Atomic<u64>,
    /// When the neighbours were used last, in 64 bit jiffies.
    used: Atomic<u64>,
    /// Connections whose flow was ended lately, by their number.
    ended: [Ended; ENDED],
}

/// Milliseconds in which changes are gathered.
const FOLD: u32 = 10;
/// How many times as long as it has worked a work pauses.
const REST: u64 = 39;
/// So many ms of pauses can be owed before there is one: what comes at once is dealt with at once.
const CREDIT: u64 = 3000;
/// The longest pause, in ms.
const LONGEST: u64 = 1000;
/// Milliseconds between two looks at what no notifier tells of.
const POLL: u64 = 100;
/// The same at most, where a look at all flows takes long.
const SELDOM: u64 = 10_000;
/// Seconds after which the neighbours of flows that carry packets are used.
const USE_NEIGHBOURS: u64 = 8;
const NS_PER_MS: u64 = 1_000_000;

impl Watch {
    pub(super) fn new(net: Netns<'_>) -> Self {
        Self {
            causes: Atomic::new(0),
            prefixes: Prefixes::new(),
            macs: [const { Atomic::new(0) }; MAC_WORDS],
            devices: Atomic::new(0),
            rewritten: Atomic::new(0),
            bound: Atomic::new(0),
            in_use: [const { Atomic::new(0) }; MAC_WORDS],
            looks_up: Atomic::new(false),
            last: Atomic::new(0),
            asleep: Atomic::new(true),
            routing: Atomic::new(net.routing()),
            routing_due: Atomic::new(0),
            paused_until: Atomic::new(0),
            used: Atomic::new(jiffies64()),
            ended: [const {
                Ended {
                    id: Atomic::new(0),
                    again: Atomic::new(0),
                }
            }; ENDED],
        }
    }

    /// A device is in the flowtable.
    pub(super) fn add_device(&self, ifindex: u32) {
        set(&self.bound, 1 << (ifindex % 64));
    }

    fn add_mac(macs: &[Atomic<u64>; MAC_WORDS], mac: &[u8; 6]) {
        let (word, bits) = mac_place(mac);
        if let Some(word) = macs.get(word) {
            set(word, bits);
        }
    }

    fn has_mac(macs: &[u64; MAC_WORDS], mac: &[u8; 6]) -> bool {
        let (word, bits) = mac_place(mac);
        macs.get(word).is_some_and(|word| word & bits == bits)
    }

    fn is_in_use(&self, mac: &[u8; 6]) -> bool {
        let (word, bits) = mac_place(mac);
        let word = self.in_use.get(word);
        word.is_some_and(|word| word.load(Acquire) & bits == bits)
    }

    /// Notes the next hops of a flow.
    fn add_next_hops(&self, flow: &Flow) {
        for dir in [Dir::Original, Dir::Reply] {
            match flow.xmit(dir) {
                Xmit::Direct(hop) if !self.is_in_use(&hop.destination) => {
                    Self::add_mac(&self.in_use, &hop.destination);
                }
                Xmit::Neigh => self.looks_up.store(true, Relaxed),
                _ => {}
            }
        }
    }

    /// Notes a change. Returns in how many milliseconds it has to be looked at, if nothing else was noted that will be. Any
    /// context.
    pub(super) fn note(&self, change: Change) -> Option<u32> {
        // Also where it concerns nobody yet: a flow may be on its way. The barrier is for `add_next_hops`: either it is seen here
        // or this is seen there.
        self.last.xchg(jiffies64(), Full);
        let cause = match change {
            Change::Route(prefix) => {
                self.prefixes.add(prefix);
                Causes::ROUTES
            }
            Change::Rules => Causes::RULES,
            Change::Neighbour(None) => Causes::ANY_MAC,
            Change::Neighbour(Some(mac)) | Change::Station(mac) => {
                if !self.is_in_use(&mac) && !self.looks_up.load(Relaxed) {
                    return None;
                }
                Self::add_mac(&self.macs, &mac);
                Causes::MACS
            }
            Change::Devices { devices, rewrites } => {
                if devices & self.bound.load(Relaxed) == 0 {
                    return None;
                }
                if rewrites {
                    set(&self.rewritten, devices);
                }
                set(&self.devices, devices);
                Causes::DEVICES
            }
        };
        let was = set(&self.causes, cause.0);
        (was == 0).then(|| self.pause())
    }

    /// Milliseconds until the next work that has something to do.
    fn pause(&self) -> u32 {
        let left = self.paused_until.load(Relaxed).saturating_sub(now_ns());
        let left = (left / NS_PER_MS).saturating_sub(CREDIT);
        // CAST: At most `LONGEST`.
        FOLD.max(left.min(LONGEST) as u32)
    }

    /// A work has ended: owes a pause.
    fn owe(&self, ended: u64, rest: u64) {
        let until = self.paused_until.load(Relaxed).max(ended);
        let most = ended.saturating_add(NS_PER_MS * (CREDIT + LONGEST));
        let until = until.saturating_add(rest).min(most);
        self.paused_until.store(until, Relaxed);
    }

    /// Reads [`Netns::routing`] again when it is due, or after this time if that is longer, in ns.
    fn read_routing_in(&self, now: u64, rest: u64) {
        let due = now.saturating_add(rest.clamp(NS_PER_MS * POLL, NS_PER_MS * SELDOM));
        self.routing_due.store(due, Relaxed);
    }

    /// Milliseconds until [`Netns::routing`] is read again.
    fn until_routing(&self) -> u32 {
        let left = self.routing_due.load(Relaxed).saturating_sub(now_ns());
        // CAST: At most `LONGEST`.
        left.div_ceil(NS_PER_MS).min(LONGEST) as u32
    }

    /// There may be a first flow. Returns in how many milliseconds it has to be looked at, if nothing else comes before.
    pub(super) fn wake(&self) -> Option<u32> {
        // CAST: As it is.
        (self.asleep.load(Acquire) && self.asleep.xchg(false, Relaxed)).then_some(POLL as u32)
    }

    /// Takes what was noted.
    fn take(&self, net: Netns<'_>) -> Noticed {
        // First, so that what is noted meanwhile is looked at twice rather than not at all.
        let mut causes = Causes(self.causes.xchg(0u64, Acquire));
        let prefixes = self.prefixes.take();
        match &prefixes {
            None => causes = causes.with(Causes::ROUTING),
            Some(prefixes) if !prefixes.is_empty() => causes = causes.with(Causes::ROUTES),
            Some(_) => {}
        }
        let mut changed = false;
        let now = now_ns();
        if now >= self.routing_due.load(Relaxed) {
            self.read_routing_in(now, 0);
            let routing = net.routing();
            if self.routing.xchg(routing, Relaxed) != routing {
                self.last.store(jiffies64(), Relaxed);
                causes = causes.with(Causes::ROUTING);
                changed = true;
            }
        }
        let mut macs = [0; MAC_WORDS];
        for (to, from) in macs.iter_mut().zip(&self.macs) {
            *to = from.xchg(0u64, Acquire);
            if *to != 0 {
                causes = causes.with(Causes::MACS);
            }
        }
        let rewritten = self.rewritten.xchg(0u64, Acquire);
        // What was noted of a device between the two is looked at now, and once more.
        let devices = self.devices.xchg(0u64, Acquire) | rewritten;
        if devices != 0 {
            causes = causes.with(Causes::DEVICES);
        }
        Noticed {
            causes,
            prefixes,
            macs,
            devices,
            rewritten,
            routing: changed,
        }
    }

    fn ended(&self, flow: &Flow) -> Option<(&Ended, u32)> {
        let id = flow.connection().id;
        Some((self.ended.get(id as usize % ENDED)?, id))
    }

    /// Remembers that the flow of a connection was ended.
    fn remember(&self, flow: &Flow) {
        if let Some((ended, id)) = self.ended(flow) {
            if ended.id.xchg(id, Relaxed) != id {
                ended.again.store(0, Relaxed);
            }
        }
    }

    /// The connection, if an earlier flow of it was ended lately.
    fn remembers(&self, flow: &Flow) -> Option<&Ended> {
        let (ended, id) = self.ended(flow)?;
        (id != 0 && ended.id.load(Relaxed) == id).then_some(ended)
    }

    /// Whether something may have been noted since the core has learned a flow, whose first REPLACE this is. A packet that came
    /// a second later hides when that was.
    fn is_behind(&self, flow: &Flow) -> bool {
        // With a barrier, for `note`.
        let last = self.last.fetch_add(0u64, Full);
        let now = jiffies64();
        // CAST: The low half of jiffies, as the core counts them.
        let learned = flow.timeout().wrapping_sub(flow.offload_timeout() as u32);
        last != 0 && is_behind(learned, last, now)
    }
}

/// What was noted until a work began.
struct Noticed {
    causes: Causes,
    prefixes: Option<PrefixSet>,
    macs: [u64; MAC_WORDS],
    devices: u64,
    rewritten: u64,
    /// [`Netns::routing`] was read, and has changed.
    routing: bool,
}

impl Noticed {
    fn has_device_of(&self, devices: u64, flow: &Flow) -> bool {
        let on = |dir| devices >> (flow.ingress_ifindex(dir) % 64) & 1 != 0;
        on(Dir::Original) || on(Dir::Reply)
    }

    /// Why the rules of a flow are not what they would be now, although its way may be the same.
    fn rewrites(&self, flow: &Flow) -> Option<Reason> {
        if self.has_device_of(self.rewritten, flow) {
            return Some(Reason::PathChanged);
        }
        // Its next hop was looked up when the rules were made.
        let looked_up = |dir| matches!(flow.xmit(dir), Xmit::Neigh);
        let macs = self.causes.has(Causes::MACS) || self.causes.has(Causes::ANY_MAC);
        (macs && (looked_up(Dir::Original) || looked_up(Dir::Reply)))
            .then_some(Reason::NeighbourChanged)
    }

    /// What of it touches a flow.
    fn touches(&self, flow: &Flow) -> Option<Reason> {
        let directions = [Dir::Original, Dir::Reply];
        if self.causes.has(Causes::DEVICES) && self.has_device_of(self.devices, flow) {
            return Some(Reason::PathChanged);
        }
        if self.causes.has(Causes::MACS) || self.causes.has(Causes::ANY_MAC) {
            let to = |dir| match flow.xmit(dir) {
                Xmit::Direct(hop) => {
                    self.causes.has(Causes::ANY_MAC) || Watch::has_mac(&self.macs, &hop.destination)
                }
                _ => true,
            };
            if directions.into_iter().any(to) {
                return Some(Reason::NeighbourChanged);
            }
        }
        if self.causes.has(Causes::RULES) {
            return Some(Reason::RouteChanged);
        }
        if self.causes.has(Causes::ROUTES) {
            // Each direction goes where the other one comes from.
            let family = flow.family();
            let [one, other] = directions.map(|dir| first_bits(flow.source(dir)));
            let covered = |address| {
                let prefixes = self.prefixes.as_ref();
                prefixes.is_some_and(|prefixes| prefixes.covers(family, address))
            };
            if covered(one) || covered(other) {
                return Some(Reason::RouteChanged);
            }
        }
        None
    }
}

impl<E: Events> Table<E> {
    /// A flow is offered for the first time: its next hops are watched. Returns why it has to end at once, as what the core has
    /// learned was true no more.
    pub(super) fn welcome(&self, flow: &Flow, record: &mut Record) -> Option<Reason> {
        self.watch.add_next_hops(flow);
        let ended = self.watch.remembers(flow);
        let is_behind = self.watch.is_behind(flow);
        if ended.is_none() && !is_behind && !flow.net().has_bridges() {
            return None;
        }
        let difference = resolve::difference(flow);
        if let Some(difference) = difference.filter(|difference| difference.is_blocked) {
            return Some(difference.reason);
        }
        let Some(ended) = ended else {
            let difference = difference.filter(|_| is_behind);
            return difference.map(|difference| difference.reason);
        };
        let Some(difference) = difference else {
            ended.again.store(0, Relaxed);
            return None;
        };
        let is_overtaken = is_behind && ended.again.fetch_add(1u32, Relaxed) < OVERTAKEN;
        if !difference.is_final && !is_overtaken {
            record.unchecked = true;
            return None;
        }
        Some(difference.reason)
    }

    /// Ends a flow that was offered for the first time, which has no rules.
    pub(super) fn turn_away(&self, flows: &FlowMap<Record>, flow: &Flow, reason: Reason) {
        flows.of(flow, |record| {
            self.outdate(flow, record, reason);
            record.removed(Held::default(), jiffies64());
        });
        flow.teardown();
    }

    /// Notes that a flow ends for a reason. It has no rules, or they are about to be removed.
    pub(super) fn outdate(&self, flow: &Flow, record: &mut Record, reason: Reason) {
        self.watch.remember(flow);
        let error = 0;
        let ifindex = flow.ingress_ifindex(Dir::Original);
        Traced {
            flow,
            dir: Dir::Original,
            ifindex,
            cookie: 0,
            reason: reason as u8,
            error,
        }
        .evict();
        record.outdated = Some(reason);
    }

    /// Ends the flows that what was noted concerns and whose way differs. Returns in how many milliseconds to look again, if there
    /// are flows.
    pub(super) fn watch_flows(&self, flows: &FlowMap<Record>) -> Option<u32> {
        let began = now_ns();
        let noticed = self.watch.take(self.flowtable.net());
        if noticed.causes != Causes::NONE {
            self.end_changed(flows, &noticed);
        }
        // Also where something changes all the time.
        let now = jiffies64();
        if now.saturating_sub(self.watch.used.load(Relaxed)) >= seconds(USE_NEIGHBOURS) {
            self.watch.used.store(now, Relaxed);
            self.use_neighbours(flows);
        }
        let ended = now_ns();
        let rest = ended.saturating_sub(began).saturating_mul(REST);
        if noticed.routing {
            // Where routes change all the time, so does the number: what else is noted does not wait for it. Half as often, so
            // that both take a fortieth and an eightieth of a processor.
            self.watch.read_routing_in(ended, rest.saturating_mul(2));
        } else {
            self.watch.owe(ended, rest);
        }
        // First, so that a flow that is not seen here wakes it.
        self.watch.asleep.store(true, Relaxed);
        let idle = flows.walk(0, |_, _| ControlFlow::Break(())).is_none();
        if !idle {
            self.watch.asleep.store(false, Relaxed);
        }
        match Causes(self.watch.causes.load(Relaxed)) {
            Causes::NONE if idle => None,
            Causes::NONE => Some(self.watch.pause().max(self.watch.until_routing())),
            _ => Some(self.watch.pause()),
        }
    }

    fn end_changed(&self, flows: &FlowMap<Record>, noticed: &Noticed) {
        let wants = |flow: &Flow, record: &mut Record| {
            if matches!(record.state, State::Removing(_)) {
                return ControlFlow::Continue(false);
            }
            let touched = noticed.touches(flow);
            let differs = || resolve::difference(flow).map(|difference| difference.reason);
            let reason = match touched {
                Some(reason) if record.unchecked => Some(reason),
                Some(_) => differs().or_else(|| noticed.rewrites(flow)),
                None if !noticed.causes.has(Causes::ROUTING) => None,
                None if record.unchecked => resolve::difference(flow)
                    .filter(|difference| difference.is_final)
                    .map(|difference| difference.reason),
                None => differs(),
            };
            let Some(reason) = reason else {
                return ControlFlow::Continue(false);
            };
            self.outdate(flow, record, reason);
            let held = record.held();
            if held.any().is_none() {
                record.removed(held, jiffies64());
                flow.teardown();
            }
            ControlFlow::Continue(true)
        };
        self.remove_many(flows, None, 0, wants, |session, flow, record, held| {
            if let Some(reason) = record.outdated {
                let (_, rule) = held.any().unzip();
                let ifindex = rule.map_or(0, |rule| rule.ifindex);
                session.count(ifindex, reason, None);
            }
            self.tell_of_flow(flow, held, record);
            flow.set_hw_offload(false);
            flow.teardown();
        });
    }

    /// Keeps the neighbours of flows that hardware carries packets of from being forgotten.
    fn use_neighbours(&self, flows: &FlowMap<Record>) {
        let mut used = MacSet::new();
        let since = jiffies64().saturating_sub(seconds(USE_NEIGHBOURS * 2));
        let mut from = Some(0);
        while let Some(next) = from {
            let mut looks = 512u32;
            from = flows.walk(next, |flow, record| {
                if looks == 0 {
                    return ControlFlow::Break(());
                }
                looks = looks.saturating_sub(1);
                if record.held() != Held::default() && record.last_used >= since {
                    for dir in [Dir::Original, Dir::Reply] {
                        if let Xmit::Direct(hop) = flow.xmit(dir) {
                            used.add(&hop.destination);
                        }
                    }
                }
                ControlFlow::Continue(())
            });
        }
        used.use_neighbours(self.flowtable.net());
    }
}
