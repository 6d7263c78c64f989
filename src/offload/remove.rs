// SPDX-License-Identifier: GPL-2.0

//! Removes rules: those of one flow, and those of many.
//!
//! No driver is called with a lock of the flow map held. A flow's own work removes the flow's rules
//! directly ([`Session::remove`]). All other works remove rules in batches: flows are pinned under
//! the lock of the map, their drivers are called without it, and the outcome is recorded under it
//! again. The DESTROY of a pinned flow waits for the end of the batch, so the core does not free
//! the flow meanwhile. The holder of `Table::batch` finds no other flow pinned.

use crate::{
    net::{
        flow_offload::driver_error::DriverError,
        flowtable::{
            flow::Flow,
            flow_map::{
                FlowId,
                FlowMap, //
            }, //
        },
        time::{
            cond_resched,
            jiffies64,
            seconds,
            sleep_ms, //
        },
        trace::Traced, //
    },
    offload::{
        batch::{
            Answer,
            Batch,
            BATCH, //
        },
        binding::Binding,
        events::Events,
        reason::Reason,
        record::{
            Held,
            Record,
            Refused,
            Rule,
            State, //
        },
        session::Session,
        table::{
            About,
            Table, //
        },
        tombstones::{
            Tombstone,
            Tombstones, //
        }, //
    },
    proto::Dir, //
};
use core::ops::ControlFlow::{
    self,
    Break,
    Continue, //
};
use kernel::sync::atomic::Relaxed;

/// The records that a walk examines under one lock of the flow map.
const LOOKS: usize = 512;

/// The flows of a device that [`Table::empty`] ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Flows {
    /// The flows with rules on the device.
    InHardware,
    /// Also all flows that arrive on the device, as the flowtable no longer sees their packets. In
    /// a network namespace that is being removed these flows would outlive the counters that the
    /// core counts them in.
    All,
}

impl<E: Events> Table<E> {
    /// The tombstones that one command of the core retries at most.
    pub(super) const RETRIES: usize = 4;

    /// The tombstones that are retried every second at most.
    pub(super) const RETRIES_OF_CHORES: usize = Tombstones::MAX / 64;

    /// The pause after each attempt to destroy the tombstones of a device that leaves, in ms.
    const LAST_CHANCES: [u32; 5] = [1, 2, 4, 8, 0];

    /// The failures in succession that end one of these attempts, except the first.
    const HOPELESS: usize = 64;

    /// The tombstones that are retried while `Table::bindings` is held once.
    const RETRIES_AT_ONCE: usize = 4 * BATCH;

    /// Remembers a rule that its driver did not destroy, to retry it later.
    fn keep_for_later(&self, binding: &Binding, rule: Rule, error: &DriverError) {
        if self.is_new_complaint(About::Destroy, binding.ifindex, error) {
            if let Some(dev) = self.flowtable.net().device(binding.ifindex) {
                E::rule_kept(&dev, rule.cookie.get(), error);
            }
        }
        let tombstone = Tombstone {
            ifindex: binding.ifindex,
            leads_to: rule.leads_to,
            cookie: rule.cookie.get(),
        };
        let (now, second) = (jiffies64(), seconds(1));
        let added = self.with_tombstones(|tombstones| tombstones.add(tombstone, now, second));
        if added.is_ok() {
            self.chores.store(true, Relaxed);
        } else if binding.destroy_again(rule.cookie.get()) {
            // It could not be remembered, so it was retried at once, and that has succeeded.
            binding.count_gone();
            self.note_room(binding);
        }
    }

    /// Lets the flows that wait for room be tried again, if there was room on the device.
    pub(super) fn look_for_room(&self, binding: &Binding) {
        if binding.had_room() {
            self.room.fetch_add(1u32, Relaxed);
        }
    }

    /// Notes that a rule has gone, so that flows that wait for room are tried again.
    fn note_room(&self, binding: &Binding) {
        binding.note_room();
        self.look_for_room(binding);
    }

    /// Removes the rules of the flows that `wants` picks, from a key on, until it breaks.
    ///
    /// Returns the key at which it did. Flows that do not arrive on the device `ifindex`, if there
    /// is one, are skipped where that is cheap. `after` is called as in [`Session::remove_batch`].
    /// May sleep.
    pub(super) fn remove_many(
        &self,
        flows: &FlowMap<Record>,
        ifindex: Option<u32>,
        from: usize,
        mut wants: impl FnMut(&Flow, &mut Record) -> ControlFlow<(), bool>,
        mut after: impl FnMut(&Session<'_, E>, &Flow, &mut Record, Held),
    ) -> Option<usize> {
        let mut next = Some(from);
        while let Some(from) = next {
            let session = self.session(flows);
            let mut batch = self.batch.lock();
            let mut looks = LOOKS;
            let mut stopped = false;
            let look = |flow: &Flow, record: &mut Record| {
                if looks == 0 || batch.is_full() {
                    return Break(());
                }
                looks = looks.saturating_sub(1);
                let Continue(wanted) = wants(flow, record) else {
                    stopped = true;
                    return Break(());
                };
                if wanted && record.held().any().is_some() {
                    batch.pin_removal(flow, record);
                }
                Continue(())
            };
            next = match ifindex {
                Some(ifindex) => flows.walk_device(ifindex, from, look),
                None => flows.walk(from, look),
            };
            session.remove_batch(&mut batch, |flow, record, held| {
                after(&session, flow, record, held);
            });
            if stopped {
                return next;
            }
            drop(batch);
            drop(session);
            cond_resched();
        }
        None
    }

    /// Returns the flow to software, for `why`, after its rules were removed in a batch.
    pub(super) fn put_back(&self, flow: &Flow, record: &mut Record, held: Held, why: Reason) {
        let counted = (jiffies64(), self.changes_for(why));
        self.refuse(flow, record, Held::default(), Refused::from(why), counted);
        flow.set_hw_offload(false);
        self.tell_of_flow(flow, held, record);
    }

    /// Removes the rules of the flows that were noted as closing.
    ///
    /// Their DESTROY follows when the core ends them. May sleep.
    pub(super) fn remove_closing(&self, flows: &FlowMap<Record>) {
        let mut closing = self.closing.take().peekable();
        while closing.peek().is_some() {
            let session = self.session(flows);
            let mut batch = self.batch.lock();
            while let Some(address) = closing.next_if(|_| !batch.is_full()) {
                flows.at(address, |flow, record| {
                    // The address may belong to another flow by now.
                    if flow.is_closing() && record.held().any().is_some() {
                        batch.pin_removal(flow, record);
                    }
                });
            }
            session.remove_batch(&mut batch, |flow, record, held| {
                self.tell_of_flow(flow, held, record);
                flow.set_hw_offload(false);
            });
        }
    }

    /// Removes the rules of a device that takes no more of them, and tells their flows to end.
    pub(super) fn empty(&self, flows: &FlowMap<Record>, ifindex: u32, which: Flows) {
        let wants = |flow: &Flow, record: &mut Record| {
            let held = record.held();
            let arrives = |dir| flow.ingress_ifindex(dir) == ifindex;
            let arrives = arrives(Dir::Original) || arrives(Dir::Reply);
            if which == Flows::InHardware || !arrives {
                return Continue(held.is_on(flow, ifindex));
            }
            if held.any().is_none() && record.state != State::Removing {
                record.removed(jiffies64());
                flow.teardown();
            }
            Continue(true)
        };
        self.remove_many(flows, Some(ifindex), 0, wants, |_, flow, record, held| {
            self.tell_of_flow(flow, held, record);
            flow.set_hw_offload(false);
            flow.teardown();
        });
        // Flows whose rules a worker has claimed were passed over. The worker holds the bindings
        // for reading until it is done with them, and no other worker starts.
        drop(self.bindings.write());
        // This is the last opportunity to remove what is left.
        self.last_chances(flows, ifindex);
        let bindings = self.bindings.read();
        // Includes the rules that could not be remembered.
        let left = bindings
            .get(ifindex)
            .map_or(0, |binding| binding.counts().rules.get());
        if left != 0 {
            if let Some(dev) = bindings.get(ifindex).and_then(Binding::device) {
                E::rules_left(dev, left);
            }
        }
    }

    /// Calls `f` with the tombstones locked, and notes when the next one is due.
    fn with_tombstones<T>(&self, f: impl FnOnce(&mut Tombstones) -> T) -> T {
        let mut tombstones = self.tombstones.lock();
        let answer = f(&mut tombstones);
        let due = tombstones.due().unwrap_or(u64::MAX);
        self.next_retry.store(due, Relaxed);
        answer
    }

    /// Retries the tombstones of a device that leaves: the rules on it or leading to it.
    ///
    /// A driver that fails for a moment gets a few more chances. One that fails for good costs a
    /// few commands more than there are tombstones. Afterwards there are no tombstones on the
    /// device.
    fn last_chances(&self, flows: &FlowMap<Record>, ifindex: u32) {
        let mut hopeless = usize::MAX;
        for pause in Self::LAST_CHANCES {
            let mut from = Some(0);
            let (mut left, mut failures) = (false, 0usize);
            while from.is_some() {
                let session = self.session(flows);
                for _ in 0..Self::RETRIES_AT_ONCE {
                    let is = |rule: &Tombstone| rule.ifindex == ifindex || rule.leads_to == ifindex;
                    let next = from.filter(|_| failures < hopeless);
                    let next = next.and_then(|from| self.tombstones.lock().next(from, is));
                    from = next.map(|(_, place)| place);
                    let Some((tombstone, _)) = next else {
                        break;
                    };
                    if session.retry(tombstone) {
                        failures = 0;
                    } else {
                        left = true;
                        failures = failures.saturating_add(1);
                    }
                }
            }
            if !left {
                break;
            }
            hopeless = Self::HOPELESS;
            sleep_ms(pause);
        }
        self.with_tombstones(|tombstones| tombstones.forget(ifindex));
    }
}

impl<E: Events> Session<'_, E> {
    /// Removes rules of a flow from hardware and books their last counters, for the flow's own
    /// work.
    pub(super) fn remove(&self, flow: &Flow, record: &mut Record, held: Held) {
        for (dir, cookie) in held.each() {
            self.release_match(flow, dir, record.id);
            let answer = self.remove_rule(Rule::of(flow, dir, cookie));
            self.book_removal(flow, record, dir, answer);
        }
    }

    /// Removes a rule from hardware. Calls only the driver of its device.
    fn remove_rule(&self, rule: Rule) -> Answer {
        let mut answer = Answer {
            rule,
            stats: None,
            error: 0,
            kept: false,
        };
        let Some(binding) = self.bindings.get(rule.ifindex) else {
            return answer;
        };
        answer.stats = binding.stats(rule.cookie.get()).ok();
        if let Err(error) = binding.destroy(rule.cookie.get()) {
            answer.error = error.errno.to_errno();
            if !binding.is_unknown_rule(&error) {
                answer.kept = true;
                self.keep_for_later(binding, rule, &error);
                return answer;
            }
        }
        self.note_room(binding);
        answer
    }

    /// Books the counters that a driver has reported for a rule.
    fn book_stats(&self, flow: &Flow, record: &mut Record, dir: Dir, answer: Answer) {
        if let (Some(binding), Some(stats)) = (self.bindings.get(answer.rule.ifindex), answer.stats)
        {
            let stats = self.book(binding, record, dir, stats, jiffies64());
            self.account(flow, dir, stats);
        }
    }

    /// Books the last counters of a rule that was removed.
    fn book_removal(&self, flow: &Flow, record: &mut Record, dir: Dir, answer: Answer) {
        let rule = answer.rule;
        if self.bindings.get(rule.ifindex).is_none() {
            return;
        }
        self.book_stats(flow, record, dir, answer);
        let traced = Traced {
            flow,
            dir,
            ifindex: rule.ifindex,
            cookie: rule.cookie.get(),
            reason: 0,
            error: answer.error,
        };
        traced.remove();
        if answer.kept {
            traced.stale();
        }
    }

    /// Removes the rules of the flows in a batch and empties the batch.
    ///
    /// Calls `after` for each flow with its record and the rules that it had, under the lock of the
    /// flow map.
    pub(super) fn remove_batch(
        &self,
        batch: &mut Batch,
        mut after: impl FnMut(&Flow, &mut Record, Held),
    ) {
        for pinned in batch.0.iter_mut() {
            pinned.ask(|rule| self.remove_rule(rule));
        }
        batch.finish(self.flows, |flow, record, pinned| {
            for (dir, answer) in pinned.answers() {
                self.release_match(flow, dir, record.id);
                self.book_removal(flow, record, dir, answer);
            }
            after(flow, record, pinned.held);
        });
    }

    /// Reads the counters of the flows in a batch and empties the batch.
    ///
    /// Calls `after` for each flow whose rules are still the same, under the lock of the flow map.
    pub(super) fn read_batch(&self, batch: &mut Batch, mut after: impl FnMut(&Flow, &mut Record)) {
        for pinned in batch.0.iter_mut() {
            pinned.ask(|rule| Answer {
                rule,
                stats: self
                    .bindings
                    .get(rule.ifindex)
                    .and_then(|binding| binding.stats(rule.cookie.get()).ok()),
                error: 0,
                kept: false,
            });
        }
        batch.finish(self.flows, |flow, record, pinned| {
            for (dir, answer) in pinned.answers() {
                self.book_stats(flow, record, dir, answer);
            }
            if record.held() == pinned.held {
                after(flow, record);
            }
        });
    }

    /// Removes the rules of `owner` if `is_it` picks one of them: another flow is about to take the
    /// match of that one. Waits for a batch that removes them.
    ///
    /// The core has torn `owner` down and will send its DESTROY.
    ///
    /// # Errors
    ///
    /// [`Reason::NotTried`]: an attempt to offload `owner` is being made, which may have given
    /// drivers rules that are not known before it has ended. Nothing is removed.
    pub(super) fn displace(
        &self,
        owner: FlowId,
        is_it: impl Fn(&Flow, Dir) -> bool,
    ) -> Result<(), Reason> {
        let mut batch = self.batch.lock();
        let attempted = self.flows.find(owner, |flow, old| {
            if old.held().each().any(|(dir, _)| is_it(flow, dir)) {
                batch.pin_removal(flow, old);
            }
            old.attempted && (is_it(flow, Dir::Original) || is_it(flow, Dir::Reply))
        });
        self.remove_batch(&mut batch, |old, record, held| {
            self.tell_of_flow(old, held, record);
            old.teardown();
        });
        match attempted {
            Some(true) => Err(Reason::NotTried),
            _ => Ok(()),
        }
    }

    /// Retries the tombstones that are due, at most `limit`.
    pub(super) fn retry_tombstones(&self, limit: usize) {
        let due = self.next_retry.load(Relaxed);
        if due == u64::MAX || jiffies64() < due {
            return;
        }
        for _ in 0..limit {
            let (now, second) = (jiffies64(), seconds(1));
            let due = self.with_tombstones(|tombstones| tombstones.next_due(now, second));
            let Some(tombstone) = due else {
                return;
            };
            self.retry(tombstone);
        }
    }

    /// Retries a tombstone. Returns whether the rule is gone.
    fn retry(&self, tombstone: Tombstone) -> bool {
        let binding = self.bindings.get(tombstone.ifindex);
        if binding.is_some_and(|binding| !binding.destroy_again(tombstone.cookie)) {
            return false;
        }
        // Another task may have retried it at the same time.
        let mine = self.with_tombstones(|tombstones| tombstones.remove(tombstone.cookie));
        if let Some(binding) = binding.filter(|_| mine) {
            binding.count_gone();
            self.note_room(binding);
        }
        true
    }
}
