// SPDX-License-Identifier: GPL-2.0

//! Batches of flows whose drivers are called with the lock of the flow map released.

use crate::{
    net::{
        flow_offload::block::Stats,
        flowtable::{
            flow::Flow,
            flow_map::{
                FlowId,
                FlowMap, //
            }, //
        },
        time::jiffies64, //
    },
    offload::record::{
        Held,
        Record,
        Rule, //
    },
    proto::Dir, //
};
use kernel::{
    alloc::KVec,
    prelude::*, //
};

/// The flows in a batch. A writer of `Table::bindings` waits for the driver calls of one batch.
pub(super) const BATCH: usize = 8;
/// Flows whose drivers are called with the lock of the flow map released.
pub(super) struct Batch(pub(super) KVec<Pinned>);

/// A flow in a batch.
pub(super) struct Pinned {
    pub(super) id: FlowId,
    pub(super) held: Held,
    rules: [Option<Rule>; 2],
    answers: [Option<Answer>; 2],
}

/// A driver's answer about a rule.
#[derive(Clone, Copy)]
pub(super) struct Answer {
    pub(super) rule: Rule,
    /// What the rule has carried since the last report.
    pub(super) stats: Option<Stats>,
    /// The error of the DESTROY, negative; 0 without one.
    pub(super) error: i32,
    /// The driver still has the rule.
    pub(super) kept: bool,
}

impl Pinned {
    /// Asks the drivers about the flow's rules.
    pub(super) fn ask(&mut self, mut ask: impl FnMut(Rule) -> Answer) {
        self.answers = self.rules.map(|rule| rule.map(&mut ask));
    }

    /// Returns the answers of the drivers.
    pub(super) fn answers(&self) -> impl Iterator<Item = (Dir, Answer)> {
        let directions = [Dir::Original, Dir::Reply].into_iter();
        let answers = directions.zip(self.answers);
        answers.filter_map(|(dir, answer)| Some((dir, answer?)))
    }
}

impl Batch {
    /// Makes an empty batch with room for [`BATCH`] flows. `ENOMEM` without memory.
    pub(super) fn new() -> Result<Self> {
        Ok(Self(KVec::with_capacity(BATCH, GFP_KERNEL_ACCOUNT)?))
    }

    pub(super) fn is_full(&self) -> bool {
        self.0.len() >= BATCH
    }

    /// Pins a flow. `record` is the one in the map. Returns false if the batch is full.
    pub(super) fn pin(&mut self, flow: &Flow, record: &mut Record) -> bool {
        let held = record.held();
        let rule = |dir| held.of(dir).map(|cookie| Rule::of(flow, dir, cookie));
        let pinned = Pinned {
            id: record.id,
            held,
            rules: [rule(Dir::Original), rule(Dir::Reply)],
            answers: [None; 2],
        };
        if self.is_full() || self.0.push_within_capacity(pinned).is_err() {
            return false;
        }
        record.pinned = true;
        true
    }

    /// Pins a flow to remove its rules: only this batch changes it from now on.
    ///
    /// Returns false if the batch is full.
    pub(super) fn pin_removal(&mut self, flow: &Flow, record: &mut Record) -> bool {
        let pinned = self.pin(flow, record);
        if pinned {
            record.removed(jiffies64());
        }
        pinned
    }

    /// Unpins the flows and calls `f` for each, under the lock of the flow map. Empties the batch.
    pub(super) fn finish(
        &mut self,
        flows: &FlowMap<Record>,
        mut f: impl FnMut(&Flow, &mut Record, &Pinned),
    ) {
        for pinned in &self.0 {
            flows.find(pinned.id, |flow, record| {
                record.pinned = false;
                f(flow, record, pinned);
            });
        }
        self.0.clear();
    }
}
