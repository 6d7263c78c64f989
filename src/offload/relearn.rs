// SPDX-License-Identifier: GPL-2.0

//! Ends flows before their time, so that their next packets pass the ruleset and are learned anew:
//! flows that an operator names, or all (`super::ruleset`).
//!
//! First the flows are torn down: the core does not find them for any packet any more, and no rule
//! of them goes into hardware. Then their rules are removed, before the core sends their DESTROYs,
//! which it does within a second.

use crate::{
    net::{
        flowtable::{
            flow::Flow,
            flow_map::FlowMap, //
        },
        time::{
            cond_resched,
            jiffies64, //
        }, //
    },
    offload::{
        events::Events,
        operator::trace_eviction,
        reason::Reason,
        record::{
            Record,
            State, //
        },
        table::Table, //
    }, //
};
use core::ops::ControlFlow::{
    Break,
    Continue, //
};

/// The records that are examined under one lock of the flow map.
const LOOKS: usize = 512;

impl<E: Events> Table<E> {
    /// Ends the flows that `wants` picks, including those that were not tried yet.
    ///
    /// Returns how many there were; their rules are out of hardware then. `wants` is called in
    /// atomic context. May sleep.
    pub(crate) fn relearn(
        &self,
        flows: &FlowMap<Record>,
        why: Reason,
        wants: impl FnMut(&Flow) -> bool,
    ) -> u64 {
        let ended = self.flowtable.teardown(wants);
        if ended != 0 {
            self.remove_ended(flows, why);
        }
        ended
    }

    /// Does the same as [`Table::relearn`] for flows that were tried, and picks them by their
    /// records.
    pub(crate) fn relearn_tried(
        &self,
        flows: &FlowMap<Record>,
        why: Reason,
        mut wants: impl FnMut(&Flow, &Record) -> bool,
    ) -> u64 {
        let mut ended = 0u64;
        let mut from = Some(0);
        while let Some(key) = from {
            let mut looks = LOOKS;
            from = flows.walk(key, |flow, record| {
                if looks == 0 {
                    return Break(());
                }
                looks = looks.saturating_sub(1);
                if !flow.is_torn_down() && wants(flow, record) {
                    flow.teardown();
                    ended = ended.saturating_add(1);
                }
                Continue(())
            });
            cond_resched();
        }
        if ended != 0 {
            self.remove_ended(flows, why);
        }
        ended
    }

    /// Removes the rules of all flows that were torn down.
    fn remove_ended(&self, flows: &FlowMap<Record>, why: Reason) {
        // Attempts that began before hold the bindings for reading until their rules are in the
        // flow map; later ones find that the flow has ended.
        drop(self.bindings.write());
        let wants = |flow: &Flow, record: &mut Record| {
            if !flow.is_torn_down() {
                return Continue(false);
            }
            let held = record.held();
            trace_eviction(flow, held, why);
            if held.any().is_none() && record.state != State::Removing {
                record.removed(jiffies64());
            }
            Continue(true)
        };
        self.remove_many(flows, None, 0, wants, |session, flow, record, held| {
            if let Some((dir, _)) = held.any() {
                session.count(flow.ingress_ifindex(dir), why, None);
            }
            self.tell_of_flow(flow, held, record);
            flow.set_hw_offload(false);
        });
    }
}
