// SPDX-License-Identifier: GPL-2.0

//! One command of the core, or one step of a work: its locks, and its changes to the record of a
//! flow.

use crate::{
    net::{
        flow_offload::driver_error::DriverError,
        flowtable::{
            flow::Flow,
            flow_map::FlowMap, //
        },
        percpu_rwsem::ReadGuard,
        time::jiffies64, //
    },
    offload::{
        binding::Bindings,
        events::{
            Events,
            FlowNews, //
        },
        reason::Reason,
        record::{
            Held,
            Record,
            State, //
        },
        table::Table, //
    },
    proto::Dir, //
};
use core::ops::Deref;
use kernel::sync::atomic::Acquire;

/// A flowtable with its bindings locked for reading: no driver is unbound meanwhile.
pub(super) struct Session<'a, E> {
    table: &'a Table<E>,
    pub(super) bindings: ReadGuard<'a, Bindings>,
    pub(super) flows: &'a FlowMap<Record>,
}

impl<E> Deref for Session<'_, E> {
    type Target = Table<E>;

    fn deref(&self) -> &Table<E> {
        self.table
    }
}

impl<E: Events> Table<E> {
    /// Locks the bindings for reading. May sleep.
    pub(super) fn session<'a>(&'a self, flows: &'a FlowMap<Record>) -> Session<'a, E> {
        Session {
            table: self,
            bindings: self.bindings.read(),
            flows,
        }
    }
}

impl<E: Events> Session<'_, E> {
    /// Counts a refusal, if the device is in the flowtable.
    pub(super) fn count(&self, ifindex: u32, reason: Reason, error: Option<&DriverError>) {
        if self.bindings.get(ifindex).is_some() {
            self.refusals.lock().count(ifindex, reason, error);
        }
    }

    /// Returns whether the packets of a direction arrive on a device of the flowtable.
    pub(super) fn knows_a_device(&self, flow: &Flow) -> bool {
        let knows = |dir| self.bindings.get(flow.ingress_ifindex(dir)).is_some();
        knows(Dir::Original) || knows(Dir::Reply)
    }

    /// Counts that packets of a flow have reached the CPU although its rules are in, if they still
    /// are.
    pub(super) fn missed(&self, flow: &Flow) {
        self.flows.of(flow, |present| {
            if !present.is_in_hardware() {
                return;
            }
            present.misses = present.misses.saturating_add(1);
            // The DESTROY of an earlier flow of this connection may have cleared the flag.
            flow.set_hw_offload(true);
            if let Some(binding) = self.bindings.get(flow.ingress_ifindex(Dir::Original)) {
                binding.count_miss();
            }
        });
    }

    /// Asks the drivers for the rules of a flow whose packets have reached the CPU.
    ///
    /// The core asks only for flows whose packets the CPU does not see. Returns whether a driver
    /// has lost one of the rules. The flow is in software then, to be tried again.
    pub(super) fn has_lost(&self, flow: &Flow, held: Held) -> bool {
        let mut answered = true;
        for (dir, cookie) in held.each() {
            let Some(binding) = self.bindings.get(flow.ingress_ifindex(dir)) else {
                continue;
            };
            match binding.stats(cookie.get()) {
                Ok(stats) => {
                    let now = jiffies64();
                    let book = |present: &mut Record| self.book(binding, present, dir, stats, now);
                    if let Some(stats) = self.flows.of(flow, book) {
                        self.account(flow, dir, stats);
                    }
                }
                Err(error) if binding.is_unknown_rule(&error) => {
                    self.return_to_software(flow, held, Reason::RuleLost, Some(&error));
                    return true;
                }
                // Any other error says nothing about the rule.
                Err(_) => answered = false,
            }
        }
        if answered {
            self.flows.of(flow, |present| {
                if present.is_in_hardware() {
                    present.look(jiffies64());
                }
            });
        }
        false
    }

    /// Writes back the outcome of an attempt.
    ///
    /// The flow was as `before` says and becomes as `record` says, unless it was told to end
    /// meanwhile; then its new rules are removed.
    pub(super) fn settle(&self, flow: &Flow, before: &Record, record: &mut Record) {
        let held = record.held();
        let ends = self.flows.of(flow, |present| {
            let told = present.state == State::Removing || flow.is_closing();
            let ends = told && held.any().is_some();
            if !ends {
                present.update(*record);
                flow.set_hw_offload(record.is_in_hardware());
            }
            ends
        });
        if ends == Some(true) {
            // These rules are in no record yet, so only this work knows them.
            self.remove(flow, record, held);
            record.removed(jiffies64());
            self.flows.of(flow, |present| {
                record.outdated = present.outdated;
                present.update(*record);
                flow.set_hw_offload(false);
            });
            return self.tell_of_flow(flow, before.held(), record);
        }
        let had = before.held();
        self.tell_of_flow(flow, had, record);
        if record.is_in_hardware() {
            return;
        }
        let stays = had.any().is_none() && record.held().any().is_none();
        if stays && before.reason() != record.reason() {
            E::flow(FlowNews::Refused, &self.flowtable, flow, record);
        }
        if let Some(reason) = record.reason() {
            self.report(reason);
        }
    }

    /// Claims a flow's rules for the caller: only the caller removes them from now on.
    ///
    /// Returns the record as it is then, or `None` if its rules are not `held` any more.
    pub(super) fn claim(&self, flow: &Flow, held: Held) -> Option<Record> {
        let claimed = self.of_unpinned(flow, |record| {
            if record.held() != held {
                return None;
            }
            record.claim();
            Some(*record)
        });
        claimed.flatten()
    }

    /// Returns a flow from hardware to software, unless its rules are not `held` any more.
    pub(super) fn return_to_software(
        &self,
        flow: &Flow,
        held: Held,
        why: Reason,
        error: Option<&DriverError>,
    ) {
        let Some(mut record) = self.claim(flow, held) else {
            return;
        };
        let ingress = flow.ingress_ifindex(Dir::Original);
        self.count(ingress, why, error);
        self.remove(flow, &mut record, held);
        let now = (jiffies64(), self.changes.load(Acquire));
        self.refuse(flow, &mut record, Held::default(), why.into(), now);
        self.flows.of(flow, |present| {
            present.update(record);
            flow.set_hw_offload(false);
        });
        self.report(why);
        self.tell_of_flow(flow, held, &record);
    }

    /// Calls `f` for a flow's record as [`FlowMap::of`] does, once the flow is in no batch.
    ///
    /// The caller holds `bindings` for reading at most.
    pub(super) fn of_unpinned<R>(
        &self,
        flow: &Flow,
        mut f: impl FnMut(&mut Record) -> R,
    ) -> Option<R> {
        let mut unpinned = |record: &mut Record| (!record.pinned).then(|| f(record));
        loop {
            match self.flows.of(flow, &mut unpinned)? {
                Some(result) => return Some(result),
                None => drop(self.batch.lock()),
            }
        }
    }
}
