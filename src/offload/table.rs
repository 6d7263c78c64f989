// SPDX-License-Identifier: GPL-2.0

//! The state of a flowtable with `flags offload`.
//!
//! | file           | what                                                                            |
//! |----------------|---------------------------------------------------------------------------------|
//! | `callbacks.rs` | what the core calls                                                             |
//! | `session.rs`   | the locks of one command, and what a command does with a flow's record          |
//! | `install.rs`   | flows go into hardware                                                          |
//! | `remove.rs`    | rules are destroyed; what a driver does not destroy is tried again              |
//! | `rebind.rs`    | devices are bound, again and anew                                               |
//! | `evict.rs`     | a flow makes room for a busier one                                              |
//! | `watch.rs`     | flows end whose way has changed                                                 |
//! | `closing.rs`   | flows leave hardware whose connection closes                                    |
//! | `operator.rs`  | what a person changes: flows taken out, devices set                             |

use crate::{
    net::{
        flow_offload::{
            block::Stats,
            driver_error::DriverError, //
        },
        flowtable::{
            flow::Flow,
            view::Flowtable, //
        },
        percpu_rwsem::RwSem,
        time::{
            jiffies64,
            seconds, //
        },
        trace::Traced, //
    },
    offload::{
        backoff::{
            self,
            Stands, //
        },
        batch::Batch,
        binding::{
            Binding,
            Bindings,
            Device, //
        },
        changes::Watch,
        closing::Closing,
        counters,
        events::{
            DeviceNews,
            Events, //
        },
        matches::Matches,
        parameter::Directions,
        reason::{
            Reason,
            Stage, //
        },
        record::{
            Held,
            Record,
            Refused, //
        },
        refusals::Refusals,
        reload::Reloads,
        tombstones::Tombstones, //
    },
    proto::Dir,
    translate::{
        match_hash::{
            MatchHash,
            Secret, //
        },
        semantics::Semantics, //
    }, //
};
use core::{
    marker::PhantomData,
    ops::ControlFlow, //
};
use kernel::{
    alloc::KVec,
    prelude::*,
    sync::{
        atomic::{
            Acquire,
            Atomic,
            Relaxed,
            Release, //
        },
        Mutex, //
    }, //
};

/// What a driver can be reported for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum About {
    Replace,
    Destroy,
}

/// An error of a driver that was reported.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Complaint {
    about: About,
    ifindex: u32,
    errno: i32,
}

/// The engine of one flowtable.
///
/// Locks, in their order: `bindings`, `batch`, a part of the flow map, one of the others.
#[pin_data]
pub(crate) struct Table<E> {
    pub(super) flowtable: Flowtable,
    /// Written where a device is bound or unbound; whoever calls a driver holds it for reading, so nobody is in a driver
    /// that is being unbound.
    #[pin]
    pub(super) bindings: RwSem<Bindings>,
    /// Serialises removals in batches; held over the driver calls of one batch, between `bindings` and the flow map.
    #[pin]
    pub(super) batch: Mutex<Batch>,
    #[pin]
    pub(super) matches: Matches,
    #[pin]
    pub(super) tombstones: Mutex<Tombstones>,
    /// What was reported already.
    #[pin]
    pub(super) complaints: Mutex<KVec<Complaint>>,
    /// What was refused, for who asks.
    #[pin]
    pub(super) refusals: Mutex<Refusals>,
    /// Which reasons were reported, by their number.
    pub(super) reported: Atomic<u64>,
    /// When the first of `tombstones` is due, in 64 bit jiffies; `u64::MAX` without any.
    pub(super) next_retry: Atomic<u64>,
    /// There may be something in `tombstones`, or a device that is not bound.
    pub(super) chores: Atomic<bool>,
    /// Flows may wait for room on a device, where another flowtable's rules may go.
    pub(super) awaits_room: Atomic<bool>,
    /// Something about the devices has changed that may change who takes the rules of one that is not bound.
    pub(super) rebind_pending: Atomic<bool>,
    /// Devices below which something has changed.
    #[pin]
    pub(super) rebind_below: Mutex<KVec<u32>>,
    /// Counts what may change the answer for a flow that was refused.
    pub(super) changes: Atomic<u32>,
    /// Counts how often room was made for a flow that was refused for want of it.
    pub(super) room: Atomic<u32>,
    /// Where the next look for a flow that can make room begins: a key of the flow map.
    pub(super) clock_hand: Atomic<usize>,
    /// What has changed that may change the way of flows.
    pub(super) watch: Watch,
    /// Connections that close.
    pub(super) closing: Closing,
    /// What the numbers of its rules are made with.
    pub(super) secret: Secret,
    /// Whether one direction of a flow may be in hardware alone.
    pub(super) directions: Directions,
    /// How many packets a flow must have passed before it is offloaded.
    pub(super) admit: u64,
    /// It was said that nobody counts them.
    pub(super) said_blind: Atomic<bool>,
    /// Flows end when the ruleset changes, which is looked at in the chores.
    pub(super) follows_ruleset: bool,
    /// The ruleset as it was looked at, if that is so.
    #[pin]
    pub(super) reloads: Mutex<Option<Reloads>>,
    pub(super) _events: PhantomData<E>,
}

impl<E: Events> Table<E> {
    /// After so many different errors of its devices a flowtable reports no more.
    const MAX_COMPLAINTS: usize = 64;

    /// For the number of what a rule matches at a driver that reads rules so.
    pub(super) fn match_hash(&self, semantics: Semantics) -> MatchHash {
        MatchHash::new(self.secret, semantics.sees_arrival)
    }

    /// A flow stays in software, for now. `changes` was counted when its case was looked at.
    pub(super) fn refuse(
        &self,
        flow: &Flow,
        record: &mut Record,
        held: Held,
        why: Refused,
        (now, changes): (u64, u32),
    ) {
        let dir = match held.any() {
            Some((Dir::Original, _)) => Dir::Reply,
            _ => Dir::Original,
        };
        Traced {
            flow,
            dir,
            ifindex: flow.ingress_ifindex(dir),
            cookie: 0,
            reason: why.reason as u8,
            error: why.errno,
        }
        .refuse();
        let next = record.refusals.saturating_add(1);
        let pause = seconds(backoff::seconds(next.into(), why.stands));
        let changes = match why.reason.stage() {
            // What the flow has given back itself is not meant.
            Stage::Capacity => {
                self.awaits_room.store(true, Relaxed);
                self.changes_for(why.reason)
            }
            _ if why.reason.stands() == Stands::ForGood => self.changes_for(why.reason),
            _ => changes,
        };
        record.refused(held, why, now, pause, changes);
    }

    /// Whether a flow has passed as many packets as it must have.
    pub(super) fn is_admitted(&self, flow: &Flow) -> bool {
        if self.admit == 0 {
            return true;
        }
        match flow.packets() {
            Some(packets) if self.flowtable.counts() => packets >= self.admit,
            _ => {
                if !self.said_blind.load(Relaxed) && !self.said_blind.xchg(true, Relaxed) {
                    E::admission_is_blind();
                }
                true
            }
        }
    }

    /// What may change the answer for a flow that was refused for a reason.
    pub(super) fn changes_for(&self, reason: Reason) -> u32 {
        match reason.stage() {
            // Nothing changes what somebody wants.
            _ if reason.stands() == Stands::ForGood => 0,
            Stage::Capacity => self.room.load(Relaxed),
            _ => self.changes.load(Acquire),
        }
    }

    /// Something has changed that may change the answer for flows that were refused.
    pub(super) fn note_change(&self) {
        // After the change, for who reads the number first.
        self.changes.fetch_add(1u32, Release);
    }

    /// Tells who listens that there is no room on a device, at most once a second.
    pub(super) fn tell_if_full(&self, binding: &Binding) {
        if binding.is_full_news(jiffies64()) {
            self.tell_of(DeviceNews::Full, binding);
        }
    }

    /// Reports a driver's refusal once for each device and error; not one that the core's next try may find gone.
    pub(super) fn complain(&self, binding: &Binding, error: &DriverError) {
        if !error.is_temporary() && self.is_new_complaint(About::Replace, binding.ifindex, error) {
            if let Some(dev) = self.flowtable.net().device(binding.ifindex) {
                E::rule_refused(&dev, error);
            }
        }
    }

    /// Whether this error of this device was not reported yet; remembers it.
    pub(super) fn is_new_complaint(&self, about: About, ifindex: u32, error: &DriverError) -> bool {
        let complaint = Complaint {
            about,
            ifindex,
            errno: error.errno.to_errno(),
        };
        let mut complaints = self.complaints.lock();
        if complaints.len() >= Self::MAX_COMPLAINTS || complaints.contains(&complaint) {
            return false;
        }
        // Without memory it is said once more.
        let _ = complaints.push(complaint, GFP_KERNEL_ACCOUNT);
        true
    }

    /// A device has left: its errors are news again when it comes back.
    pub(super) fn forget_complaints(&self, ifindex: u32) {
        keep_only(&mut self.complaints.lock(), |complaint| {
            complaint.ifindex != ifindex
        });
    }

    /// Reports why a flow stays in software once for each reason; a driver's refusals are reported with its words, and what
    /// the user wants is no news.
    pub(super) fn report(&self, reason: Reason) {
        if matches!(reason.stage(), Stage::Driver | Stage::Policy) {
            return;
        }
        let bit = 1u64 << (reason as u8 & 63);
        let mut seen = self.reported.load(Relaxed);
        while seen & bit == 0 {
            match self.reported.cmpxchg(seen, seen | bit, Relaxed) {
                Ok(_) => return E::flow_in_software(reason),
                Err(now) => seen = now,
            }
        }
    }

    /// Books what a driver has reported for a rule of a flow. The same in bytes of the network layer, with the last use in
    /// 64 bit jiffies, 0 if the driver has said nothing of it.
    pub(super) fn book(
        &self,
        binding: &Binding,
        record: &mut Record,
        dir: Dir,
        stats: Stats,
        now: u64,
    ) -> Stats {
        let bytes = counters::network_bytes(binding.profile.counts, stats.packets, stats.bytes);
        let reported = counters::widen(now, stats.last_used, usize::BITS);
        let mut last_used = counters::plausible(now, reported, seconds(1));
        if stats.packets != 0 {
            record.carry(dir, stats.packets, bytes);
            binding.count_carried(stats.packets, bytes);
            if last_used == 0 {
                // It was since the last report.
                last_used = now;
            }
        }
        if stats.packets != 0 || last_used > record.since {
            binding.note_use();
        }
        record.last_used = record.last_used.max(last_used);
        Stats {
            packets: stats.packets,
            bytes,
            last_used,
        }
    }

    /// Tells conntrack what was booked, where the core does not.
    pub(super) fn account(&self, flow: &Flow, dir: Dir, stats: Stats) {
        if stats.packets != 0 && self.flowtable.counts() {
            flow.account(dir, stats.packets, stats.bytes);
        }
    }

    /// Calls `f` for each device from an index on, in the order of the indexes, until it says to stop. May sleep; `f` must
    /// not use this engine.
    pub(crate) fn walk_devices(
        &self,
        from: u32,
        mut f: impl FnMut(&Device<'_>) -> ControlFlow<()>,
    ) {
        let bindings = self.bindings.read();
        let refusals = self.refusals.lock();
        for binding in bindings.iter().filter(|binding| binding.ifindex >= from) {
            let dev = self.flowtable.net().device(binding.ifindex);
            let device = Device {
                binding,
                dev: dev.as_deref(),
                refusals: &refusals,
            };
            if f(&device).is_break() {
                return;
            }
        }
    }
}

/// As `KVec::retain`, which indexes and so has a way to panic (7.2).
fn keep_only<T>(list: &mut KVec<T>, mut keep: impl FnMut(&T) -> bool) {
    let mut i = 0;
    while let Some(item) = list.get(i) {
        if keep(item) {
            i += 1;
        } else if list.remove(i).is_err() {
            return;
        }
    }
}
