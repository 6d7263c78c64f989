// SPDX-License-Identifier: GPL-2.0

//! The changes in a network namespace that can affect the path of flows, until
//! [`watch`](super::watch) looks at them.

use crate::{
    container::hash,
    net::{
        flowtable::flow::{
            Flow,
            Xmit, //
        },
        listener::Change,
        neighbour::{
            mac_place,
            MAC_PLACES, //
        },
        netdevice::Netns,
        time::{
            jiffies64,
            now_ns, //
        }, //
    },
    offload::{
        behind::is_behind,
        prefixes::{
            first_bits,
            set,
            PrefixSet,
            Prefixes, //
        },
        reason::Reason, //
    },
    proto::Dir, //
};
use kernel::sync::atomic::{
    Acquire,
    Atomic,
    Full,
    Relaxed, //
};

/// A set of causes: what kinds of things have changed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Causes(pub(super) u64);

impl Causes {
    pub(super) const NONE: Self = Self(0);
    /// Routes to known prefixes.
    pub(super) const ROUTES: Self = Self(1);
    /// Something unknown that takes part in routing.
    pub(super) const ROUTING: Self = Self(2);
    /// Policy rules.
    pub(super) const RULES: Self = Self(4);
    /// Addresses of neighbours, or the ports of stations.
    pub(super) const MACS: Self = Self(8);
    /// Addresses of neighbours that are not known.
    pub(super) const ANY_MAC: Self = Self(16);
    /// Devices.
    pub(super) const DEVICES: Self = Self(32);

    pub(super) fn has(self, cause: Self) -> bool {
        self.0 & cause.0 != 0
    }

    pub(super) fn with(self, cause: Self) -> Self {
        Self(self.0 | cause.0)
    }
}

/// A connection whose flow was ended.
pub(super) struct Ended {
    /// The address of its conntrack entry, which another connection may have by now.
    pub(super) address: Atomic<usize>,
    pub(super) id: Atomic<u32>,
    /// The flows of it in succession that differed when they were offered.
    pub(super) again: Atomic<u32>,
}

/// The connections that are remembered.
pub(super) const ENDED: usize = 128;
/// The flows of a connection in succession that changes can have overtaken. If more of them differ,
/// there is another reason.
pub(super) const OVERTAKEN: u32 = 8;
pub(super) const MAC_WORDS: usize = MAC_PLACES / 64;

/// The changes noted, and the state of the works. Lockless, as notifiers are called in any context.
pub(super) struct Watch {
    pub(super) causes: Atomic<u64>,
    pub(super) prefixes: Prefixes,
    pub(super) macs: [Atomic<u64>; MAC_WORDS],
    pub(super) devices: Atomic<u64>,
    /// Devices with changes of what is written into rules.
    pub(super) rewritten: Atomic<u64>,
    /// The devices of the flowtable: a bit for `ifindex % 64` of each.
    pub(super) bound: Atomic<u64>,
    /// The next hops of flows that were offered.
    pub(super) in_use: [Atomic<u64>; MAC_WORDS],
    /// There are flows whose next hop is looked up when their rules are made.
    pub(super) looks_up: Atomic<bool>,
    /// The time of the last note, in 64 bit jiffies.
    pub(super) last: Atomic<u64>,
    /// No work is scheduled, as there were no flows.
    pub(super) asleep: Atomic<bool>,
    /// The value of [`Netns::routing`] when it was last read, and the time to read it again, in ns.
    pub(super) routing: Atomic<u64>,
    pub(super) routing_due: Atomic<u64>,
    /// The end of all pauses that are owed, in ns.
    pub(super) paused_until: Atomic<u64>,
    /// The time when the neighbours were last used, in 64 bit jiffies.
    pub(super) used: Atomic<u64>,
    /// Connections whose flow was ended lately, by their number.
    pub(super) ended: [Ended; ENDED],
}

/// The time for which changes are gathered, in ms.
pub(super) const FOLD: u32 = 10;
/// The pause of a work, as a multiple of the time that it took.
pub(super) const REST: u64 = 39;
/// The pauses that can be owed before one is made, in ms, so that isolated changes are dealt with
/// at once.
pub(super) const CREDIT: u64 = 3000;
/// The longest pause, in ms.
pub(super) const LONGEST: u64 = 1000;
/// The interval of [`Netns::routing`] reads, in ms, for changes without a notifier.
pub(super) const POLL: u64 = 100;
/// The longest interval of these reads, in ms, where a look at all flows takes long.
pub(super) const SELDOM: u64 = 10_000;
/// The interval at which the neighbours of flows that carry packets are used, in seconds.
pub(super) const USE_NEIGHBOURS: u64 = 8;
pub(super) const NS_PER_MS: u64 = 1_000_000;

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
                    address: Atomic::new(0),
                    id: Atomic::new(0),
                    again: Atomic::new(0),
                }
            }; ENDED],
        }
    }

    /// Adds a device of the flowtable.
    pub(super) fn add_device(&self, ifindex: u32) {
        set(&self.bound, 1 << (ifindex % 64));
    }

    pub(super) fn add_mac(macs: &[Atomic<u64>; MAC_WORDS], mac: &[u8; 6]) {
        let (word, bits) = mac_place(mac);
        if let Some(word) = macs.get(word) {
            set(word, bits);
        }
    }

    pub(super) fn has_mac(macs: &[u64; MAC_WORDS], mac: &[u8; 6]) -> bool {
        let (word, bits) = mac_place(mac);
        macs.get(word).is_some_and(|word| word & bits == bits)
    }

    pub(super) fn is_in_use(&self, mac: &[u8; 6]) -> bool {
        let (word, bits) = mac_place(mac);
        let word = self.in_use.get(word);
        word.is_some_and(|word| word.load(Acquire) & bits == bits)
    }

    /// Notes the next hops of a flow.
    pub(super) fn add_next_hops(&self, flow: &Flow) {
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

    /// Notes a change.
    ///
    /// Returns the milliseconds until a work has to look at it, or `None` if the change concerns no
    /// device or address in use, or an earlier note that is not yet taken has a work coming. Any
    /// context.
    pub(super) fn note(&self, change: Change) -> Option<u32> {
        // Noted even where it concerns no flow yet: a flow may be on its way. The barrier pairs
        // with that of `is_behind`: either the next hops that `add_next_hops` has noted are seen
        // here, or this note is seen there.
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

    /// Returns the milliseconds until the next work that has something to do.
    pub(super) fn pause(&self) -> u32 {
        let left = self.paused_until.load(Relaxed).saturating_sub(now_ns());
        let left = (left / NS_PER_MS).saturating_sub(CREDIT);
        // CAST: At most `LONGEST`.
        FOLD.max(left.min(LONGEST) as u32)
    }

    /// Adds a pause of `rest` ns to those that are owed, for a work that ended at `ended`.
    pub(super) fn owe(&self, ended: u64, rest: u64) {
        let until = self.paused_until.load(Relaxed).max(ended);
        let most = ended.saturating_add(NS_PER_MS * (CREDIT + LONGEST));
        let until = until.saturating_add(rest).min(most);
        self.paused_until.store(until, Relaxed);
    }

    /// Has [`Netns::routing`] read again when it is due, or after `rest` ns if that is longer.
    pub(super) fn read_routing_in(&self, now: u64, rest: u64) {
        let due = now.saturating_add(rest.clamp(NS_PER_MS * POLL, NS_PER_MS * SELDOM));
        self.routing_due.store(due, Relaxed);
    }

    /// Returns the milliseconds until [`Netns::routing`] is read again.
    pub(super) fn until_routing(&self) -> u32 {
        let left = self.routing_due.load(Relaxed).saturating_sub(now_ns());
        // CAST: At most `LONGEST`.
        left.div_ceil(NS_PER_MS).min(LONGEST) as u32
    }

    /// Notes that there may be a first flow.
    ///
    /// Returns the milliseconds until a work has to look at it, or `None` if one is scheduled.
    pub(super) fn wake(&self) -> Option<u32> {
        // CAST: `POLL` fits.
        (self.asleep.load(Acquire) && self.asleep.xchg(false, Relaxed)).then_some(POLL as u32)
    }

    /// Takes the changes that were noted.
    pub(super) fn take(&self, net: Netns<'_>) -> Noticed {
        // Taken first, so that what is noted meanwhile is looked at twice rather than not at all.
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
        // A device that was noted between the two exchanges is looked at now, and once more.
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

    /// Returns the entry in which the connection of a flow is remembered, or would be.
    fn ended(&self, flow: &Flow) -> Option<&Ended> {
        // The ID of a connection is expensive to compute.
        let hash = hash::of_address(flow.connection_address());
        self.ended.get(hash as usize % ENDED)
    }

    /// Remembers that the flow of a connection was ended.
    pub(super) fn remember(&self, flow: &Flow) {
        if let Some(ended) = self.ended(flow) {
            let id = flow.connection_id();
            if ended.id.xchg(id, Relaxed) != id {
                ended.again.store(0, Relaxed);
            }
            ended.address.store(flow.connection_address(), Relaxed);
        }
    }

    /// Returns the entry of the connection, if an earlier flow of it was ended lately.
    pub(super) fn remembers(&self, flow: &Flow) -> Option<&Ended> {
        let ended = self.ended(flow)?;
        let here = ended.address.load(Relaxed) == flow.connection_address();
        (here && ended.id.load(Relaxed) == flow.connection_id()).then_some(ended)
    }

    /// Returns whether a change may have been noted since the core has learned the flow.
    ///
    /// Called for the flow's first REPLACE. A packet that comes a second after the first one hides
    /// when the core has learned the flow.
    pub(super) fn is_behind(&self, flow: &Flow) -> bool {
        // A load with a full barrier, which pairs with that of `note`.
        let last = self.last.fetch_add(0u64, Full);
        let now = jiffies64();
        // CAST: The low half of jiffies, as the core counts them.
        let learned = flow.timeout().wrapping_sub(flow.offload_timeout() as u32);
        last != 0 && is_behind(learned, last, now)
    }
}

/// The changes that were noted when a work began.
pub(super) struct Noticed {
    pub(super) causes: Causes,
    pub(super) prefixes: Option<PrefixSet>,
    pub(super) macs: [u64; MAC_WORDS],
    pub(super) devices: u64,
    pub(super) rewritten: u64,
    /// [`Netns::routing`] was read, and has changed.
    pub(super) routing: bool,
}

impl Noticed {
    pub(super) fn has_device_of(&self, devices: u64, flow: &Flow) -> bool {
        let on = |dir| devices >> (flow.ingress_ifindex(dir) % 64) & 1 != 0;
        on(Dir::Original) || on(Dir::Reply)
    }

    /// Returns why the rules of a flow would be different now, although its path may be the same.
    pub(super) fn rewrites(&self, flow: &Flow) -> Option<Reason> {
        if self.has_device_of(self.rewritten, flow) {
            return Some(Reason::PathChanged);
        }
        // The next hop was looked up when the rules were made.
        let looked_up = |dir| matches!(flow.xmit(dir), Xmit::Neigh);
        let macs = self.causes.has(Causes::MACS) || self.causes.has(Causes::ANY_MAC);
        (macs && (looked_up(Dir::Original) || looked_up(Dir::Reply)))
            .then_some(Reason::NeighbourChanged)
    }

    /// Returns the change that touches a flow, if there is one.
    pub(super) fn touches(&self, flow: &Flow) -> Option<Reason> {
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
            // Each direction goes to the source of the other one.
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
