// SPDX-License-Identifier: GPL-2.0

//! Notes TCP connections that close, so that their rules are removed at once.
//!
//! The core leaves the rules in hardware until its next round, up to a second later. If a
//! connection uses the same source port meanwhile, the earlier connection's rules would forward its
//! packets to a port of the address translation that is not its own.

use crate::net::flowtable::flow_map::FlowAddress;
use kernel::sync::atomic::{
    Acquire,
    Atomic,
    Release, //
};

/// The connections that are noted at most between two calls of `Table::remove_closing`.
const PLACES: usize = 128;

/// Flows whose connection closes. A flow that finds no place is left to the core.
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
    pub(super) fn take(&self) -> impl Iterator<Item = FlowAddress> + '_ {
        let places = self.flows.iter();
        places.filter_map(|place| FlowAddress::from_bits(place.xchg(0usize, Acquire)))
    }
}
