// SPDX-License-Identifier: GPL-2.0

//! The state of a flowtable with `flags offload`.
//!
//! | file           | what                                                                        |
//! |----------------|-----------------------------------------------------------------------------|
//! | `callbacks.rs` | what the core calls                                                         |
//! | `session.rs`   | the locks of one command, and what a command does with a flow's record      |
//! | `install.rs`   | offloads flows                                                              |
//! | `remove.rs`    | destroys rules, and retries what a driver did not destroy                   |
//! | `rebind.rs`    | binds devices when they join, and retries later                             |
//! | `evict.rs`     | makes room for a busier flow                                                |
//! | `watch.rs`     | ends flows whose path has changed                                           |
//! | `closing.rs`   | notes flows whose connection closes, so that they leave hardware            |
//! | `operator.rs`  | what an operator changes: flows taken out of hardware, settings of devices  |

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
        match_owner::MatchOwner,
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
        rule::{
            Key,
            RuleSink, //
        }, //
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

/// The command of which a driver error is reported.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum About {
    Replace,
    Destroy,
}

/// A driver error that was reported.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Complaint {
    about: About,
    ifindex: u32,
    errno: i32,
}

/// The engine of one flowtable.
///
/// Lock order: `bindings`, `batch`, a part of the flow map, one of the others.
#[pin_data]
pub(crate) struct Table<E> {
    pub(super) flowtable: Flowtable,
    /// The devices of the flowtable.
    ///
    /// Held for writing while a device is bound or unbound, and for reading by every caller of a
    /// driver, so no driver is unbound while it is being called.
    #[pin]
    pub(super) bindings: RwSem<Bindings>,
    /// Serialises removals in batches.
    ///
    /// Taken between `bindings` and the flow map, and held over the driver calls of one batch.
    #[pin]
    pub(super) batch: Mutex<Batch>,
    #[pin]
    pub(super) match_owner: MatchOwner,
    #[pin]
    pub(super) tombstones: Mutex<Tombstones>,
    /// The driver errors that were reported already.
    #[pin]
    pub(super) complaints: Mutex<KVec<Complaint>>,
    /// What was refused, kept to answer queries.
    #[pin]
    pub(super) refusals: Mutex<Refusals>,
    /// The reasons that were reported: a bit for the number of each.
    pub(super) reported: Atomic<u64>,
    /// When the first of `tombstones` is due, in 64 bit jiffies; `u64::MAX` if there are none.
    pub(super) next_retry: Atomic<u64>,
    /// There may be tombstones, or a device that is not bound.
    pub(super) chores: Atomic<bool>,
    /// Flows may be waiting for room on a device, which the removal of another flowtable's rules
    /// can make.
    pub(super) awaits_room: Atomic<bool>,
    /// Unbound devices have to be offered to the drivers again.
    pub(super) rebind_pending: Atomic<bool>,
    /// Devices below which something has changed.
    #[pin]
    pub(super) rebind_below: Mutex<KVec<u32>>,
    /// Counts the events that can change the answer for a refused flow.
    pub(super) changes: Atomic<u32>,
    /// Counts the events that made room for flows refused for lack of it.
    pub(super) room: Atomic<u32>,
    /// The key of the flow map at which the next search for a flow to evict starts.
    pub(super) clock_hand: Atomic<usize>,
    /// Changes noted that can affect the path of flows.
    pub(super) watch: Watch,
    /// Flows whose connections close.
    pub(super) closing: Closing,
    /// The secret of the match hash.
    pub(super) secret: Secret,
    /// Whether one direction of a flow may be in hardware alone.
    pub(super) directions: Directions,
    /// The packets that a flow must have passed before it is offloaded.
    pub(super) admit: u64,
    /// It was reported that `admit` has no effect, as the packets are not counted.
    pub(super) said_blind: Atomic<bool>,
    /// Flows end when the ruleset changes; the chores check for that.
    pub(super) follows_ruleset: bool,
    /// The state of the ruleset when it was last checked; `None` unless `follows_ruleset`.
    #[pin]
    pub(super) reloads: Mutex<Option<Reloads>>,
    pub(super) _events: PhantomData<E>,
}

impl<E: Events> Table<E> {
    /// Upper bound on the distinct driver errors logged per flowtable.
    const MAX_COMPLAINTS: usize = 64;

    /// Returns a hash of what hardware can tell of the packets of a direction: without tags that a
    /// switch handles, and without their arrival unless the hardware `sees_arrival`.
    pub(super) fn match_hash(&self, flow: &Flow, dir: Dir, sees_arrival: bool) -> u64 {
        let mut hash = MatchHash::new(self.secret, sees_arrival);
        hash.key(Key::Ingress(flow.ingress_ifindex(dir)));
        for encap in flow.encaps(dir).into_iter().flatten() {
            if !encap.by_switch {
                hash.key(Key::InnerVlan {
                    tpid: encap.ethertype,
                    vid: encap.id,
                    next: None,
                });
            }
        }
        hash.key(Key::Protocols {
            ethertype: flow.family().into(),
            ip_protocol: flow.protocol(),
        });
        hash.key(Key::Ipv6(flow.source(dir), flow.destination(dir)));
        let (source, destination) = flow.ports(dir);
        hash.key(Key::Ports(source, destination));
        hash.value()
    }

    /// Records that a flow stays in software for now.
    ///
    /// `changes` is the count of changes read before the flow was examined.
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
            // A room counter read now, so that the room that the flow itself has given back does
            // not count.
            Stage::Capacity => {
                self.awaits_room.store(true, Relaxed);
                self.changes_for(why.reason)
            }
            _ if why.reason.stands() == Stands::ForGood => self.changes_for(why.reason),
            _ => changes,
        };
        record.refused(held, why, now, pause, changes);
    }

    /// Returns whether a flow has passed enough packets to be offloaded.
    pub(super) fn is_admitted(&self, flow: &Flow) -> bool {
        if self.admit == 0 {
            return true;
        }
        match flow.packets() {
            Some(packets) if self.flowtable.counts() => packets >= self.admit,
            _ => {
                let said = self.said_blind.load(Relaxed) || self.said_blind.xchg(true, Relaxed);
                if !said && self.may_log_flows() {
                    E::admission_is_blind();
                }
                true
            }
        }
    }

    /// Returns the counter of the events that can change the answer for a flow refused for
    /// `reason`.
    pub(super) fn changes_for(&self, reason: Reason) -> u32 {
        match reason.stage() {
            // No event changes what the user has configured.
            _ if reason.stands() == Stands::ForGood => 0,
            Stage::Capacity => self.room.load(Relaxed),
            _ => self.changes.load(Acquire),
        }
    }

    /// Notes that something has changed that can change the answer for refused flows.
    pub(super) fn note_change(&self) {
        // Released after the change, for readers that load the counter first.
        self.changes.fetch_add(1u32, Release);
    }

    /// Sends the event that a device is full, at most once a second.
    pub(super) fn tell_if_full(&self, binding: &Binding) {
        if binding.is_full_news(jiffies64()) {
            self.tell_of(DeviceNews::Full, binding);
        }
    }

    /// Returns whether the log may have lines about flows of this flowtable.
    ///
    /// Only in the system's own network namespaces: the administrator of another one does not see
    /// the log, and could fill it with new flowtables.
    fn may_log_flows(&self) -> bool {
        self.flowtable.net().is_initial()
    }

    /// Reports a driver's refusal, once for each device and error.
    ///
    /// A temporary error is not reported, as the core's next attempt may succeed.
    pub(super) fn complain(&self, binding: &Binding, error: &DriverError) {
        let news = !error.is_temporary() && self.may_log_flows();
        if news && self.is_new_complaint(About::Replace, binding.ifindex, error) {
            if let Some(dev) = self.flowtable.net().device(binding.ifindex) {
                E::rule_refused(&dev, error);
            }
        }
    }

    /// Returns whether this error of this device was not reported yet, and remembers it.
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
        // Without memory the error is reported once more.
        let _ = complaints.push(complaint, GFP_KERNEL_ACCOUNT);
        true
    }

    /// Forgets the errors of a device that has left, so that they are reported again when it is
    /// back.
    pub(super) fn forget_complaints(&self, ifindex: u32) {
        keep_only(&mut self.complaints.lock(), |complaint| {
            complaint.ifindex != ifindex
        });
    }

    /// Reports why a flow stays in software, once for each reason.
    ///
    /// A driver's refusals are reported with its own words, and what the user has configured is not
    /// news.
    pub(super) fn report(&self, reason: Reason) {
        if matches!(reason.stage(), Stage::Driver | Stage::Policy) || !self.may_log_flows() {
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

    /// Books what a driver has reported for a rule of a flow.
    ///
    /// Returns the same statistics with bytes of the network layer, and the last use in 64 bit
    /// jiffies, or 0 if the driver has not reported it.
    pub(super) fn book(
        &self,
        binding: &Binding,
        record: &mut Record,
        dir: Dir,
        stats: Stats,
        now: u64,
    ) -> Stats {
        let packets = counters::gained(stats.packets);
        let bytes = counters::gained(stats.bytes);
        let bytes = counters::network_bytes(binding.profile.counts, packets, bytes);
        let reported = counters::widen(now, stats.last_used, usize::BITS);
        let mut last_used = counters::plausible(now, reported, seconds(1));
        if packets != 0 {
            record.carry(dir, packets, bytes);
            binding.count_carried(packets, bytes);
            if last_used == 0 {
                // The packets passed since the last report.
                last_used = now;
            }
        }
        if packets != 0 || last_used > record.since {
            binding.note_use();
        }
        record.last_used = record.last_used.max(last_used);
        Stats {
            packets,
            bytes,
            last_used,
        }
    }

    /// Adds what was booked to the counters of conntrack.
    ///
    /// Called where the core does not do so.
    pub(super) fn account(&self, flow: &Flow, dir: Dir, stats: Stats) {
        if stats.packets != 0 && self.flowtable.counts() {
            flow.account(dir, stats.packets, stats.bytes);
        }
    }

    /// Calls `f` for each device from an index on, in the order of the indexes, until it breaks.
    ///
    /// May sleep. `f` must not use this engine.
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

/// Works as `KVec::retain`, which uses an index and so has a panic path (7.2).
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
