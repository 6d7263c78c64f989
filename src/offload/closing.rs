// SPDX-License-Identifier: GPL-2.0

//! Takes the rules of TCP connections that close out of hardware at once.
//!
//! The core leaves them there until its next round, up to a second later. A connection that uses the same source port
//! meanwhile would be sent on by the rules of the one before, to a port of the address translation that is not its own.

use super::{
    record::Record,
    Events,
    Table, //
};
use crate::netfilter::{
    FlowAddress,
    FlowMap, //
};
use kernel::sync::atomic::{
    Acquire,
    Atomic,
    Release, //
};

/// Connections that are noted at most between two calls of [`Table::remove_closing`].
const PLACES: usize = 128;

/// Flows whose connection closes. One that finds no place is left to the core.
pub(super) struct Closing {
    flows: [Atomic<usize>; PLACES],
    next: Atomic<u32>,
}

impl Closing {
    pub(super) const fn new() -> Self {
        Self {
            flows: [const { Atomic::new(0) }; PLACES],
            next: Atomic::new(0),
        }
    }

    /// Notes a flow. Any context.
    pub(super) fn note(&self, flow: FlowAddress) {
        let next = self.next.fetch_add(1u32, Acquire) as usize;
        if let Some(place) = self.flows.get(next % PLACES) {
            place.store(flow.to_bits(), Release);
        }
    }

    /// Takes the flows that were noted.
    fn take(&self) -> impl Iterator<Item = FlowAddress> + '_ {
        let places = self.flows.iter();
        places.filter_map(|place| FlowAddress::from_bits(place.xchg(0usize, Acquire)))
    }
}

impl<E: Events> Table<E> {
    /// Removes the rules of the flows that were noted. Their DESTROY follows, as the core ends them. May
    /// sleep.
    pub(super) fn remove_closing(&self, flows: &FlowMap<Record>) {
        let mut closing = self.closing.take().peekable();
        while closing.peek().is_some() {
            let session = self.session(flows);
            let mut batch = self.batch.lock();
            while let Some(address) = closing.next_if(|_| !batch.is_full()) {
                flows.at(address, |flow, record| {
                    // The address may be that of another flow by now.
                    if flow.is_closing() && record.held().any().is_some() {
                        batch.pin_removal(record);
                    }
                });
            }
            session.remove_batch(&mut batch, |flow, record, held| {
                self.tell_of_flow(flow, held, record);
                flow.set_hw_offload(false);
            });
        }
    }
}
