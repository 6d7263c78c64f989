// SPDX-License-Identifier: GPL-2.0

//! Makes room in a full device: the least busy of some flows is evicted for a busier one.
//!
//! A clock hand goes around the flows, as in the clock algorithm of page caches, and examines a few
//! of them for each flow that wants a place. This costs the driver at most one STATS per rule and
//! second.

use crate::{
    net::{
        flowtable::{
            flow::Flow,
            flow_map::FlowId, //
        },
        time::{
            jiffies64,
            seconds, //
        }, //
    },
    offload::{
        binding::Binding,
        events::Events,
        operator::trace_eviction,
        rate::{
            takes_the_place_of,
            TENURE, //
        },
        reason::Reason,
        record::{
            Held,
            Record, //
        },
        session::Session,
        table::Table, //
    }, //
};
use core::ops::ControlFlow;
use kernel::sync::atomic::Relaxed;

/// The flows that are examined for one that wants a place.
const LOOKS: usize = 64;
/// The flows among them that are compared.
const SAMPLE: usize = 8;

/// A flow that may be evicted.
struct Candidate {
    flow: FlowId,
    held: Held,
    rate: u32,
}

impl<E: Events> Table<E> {
    /// Returns the rate of a flow that waits for room.
    ///
    /// `None` if the flow does not wait for room, or was not observed for a second yet. Where
    /// conntrack does not count its packets, the rate is unknown and taken to be one packet per
    /// second.
    pub(super) fn pace_of_waiting(
        &self,
        flow: &Flow,
        record: &mut Record,
        now: u64,
    ) -> Option<u32> {
        if !record.waits_for_room() {
            return None;
        }
        let packets = self.flowtable.counts().then(|| flow.packets()).flatten();
        record
            .pace
            .look(now, packets.unwrap_or(0) as u32, seconds(1));
        let rate = record.pace.rate()?;
        Some(if packets.is_some() { rate } else { 1 })
    }
}

impl<E: Events> Session<'_, E> {
    /// Makes room on a device for a flow with `rate` packets per second.
    ///
    /// Returns whether it did: one of the flows examined must be much less busy.
    pub(super) fn make_room(&self, binding: &Binding, rate: u32) -> bool {
        if !binding.reports_use() {
            // All flows of the device would seem idle.
            return false;
        }
        let Some(least) = self.least_busy(binding) else {
            return false;
        };
        takes_the_place_of(rate, least.rate) && self.evict(binding, &least)
    }

    /// Returns the least busy of the next flows on a device.
    fn least_busy(&self, binding: &Binding) -> Option<Candidate> {
        let now = jiffies64();
        let tenure = seconds(TENURE);
        let mut least: Option<Candidate> = None;
        let mut batch = self.batch.lock();
        let (mut looks, mut sample) = (LOOKS, SAMPLE);
        let mut look = |flow: &Flow, record: &mut Record| {
            if looks == 0 || sample == 0 {
                return ControlFlow::Break(());
            }
            looks = looks.saturating_sub(1);
            let held = record.held();
            if record.pinned {
                // The hand has come around and met the flow before.
                return ControlFlow::Continue(());
            }
            if !held.is_on(flow, binding.ifindex) || now.saturating_sub(record.since) < tenure {
                return ControlFlow::Continue(());
            }
            sample = sample.saturating_sub(1);
            // The flow's counters are read from the driver below, unless that was done within the
            // last second.
            if !record.pace.is_due(now, seconds(1)) || !batch.pin(flow, record) {
                compare(&mut least, record);
            }
            ControlFlow::Continue(())
        };
        let from = self.clock_hand.load(Relaxed);
        let next = match self.flows.walk(from, &mut look) {
            Some(next) => next,
            // At the end the walk starts again from the beginning, once.
            None if from != 0 => self.flows.walk(0, &mut look).unwrap_or(0),
            None => 0,
        };
        self.clock_hand.store(next, Relaxed);
        self.read_batch(&mut batch, |_, record| {
            if record.is_in_hardware() {
                record.look(now);
            }
            compare(&mut least, record);
        });
        least
    }

    /// Evicts a flow to make room, if its rules are still those that were examined.
    fn evict(&self, binding: &Binding, least: &Candidate) -> bool {
        let why = Reason::Evicted;
        let mut batch = self.batch.lock();
        let found = self.flows.find(least.flow, |flow, record| {
            let same = record.held() == least.held && batch.pin_removal(flow, record);
            if same {
                trace_eviction(flow, least.held, why);
            }
            same
        });
        if found != Some(true) {
            return false;
        }
        self.remove_batch(&mut batch, |flow, record, held| {
            self.put_back(flow, record, held, why);
            let packets = flow.packets().unwrap_or(0) as u32;
            record.pace.begin(jiffies64(), packets);
        });
        drop(batch);
        binding.count_eviction();
        self.count(binding.ifindex, why, None);
        self.report(why);
        true
    }
}

/// Makes a flow the candidate if it is less busy than the present one.
fn compare(least: &mut Option<Candidate>, record: &Record) {
    let Some(rate) = record.pace.rate() else {
        return;
    };
    if least.as_ref().is_none_or(|least| rate < least.rate) {
        *least = Some(Candidate {
            flow: record.id,
            held: record.held(),
            rate,
        });
    }
}
