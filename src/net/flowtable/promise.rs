// SPDX-License-Identifier: GPL-2.0

//! Checks that the core sends a DESTROY for each flow that has a record.

use crate::net::flowtable::flow::Flow;
use kernel::sync::atomic::{
    Atomic,
    Relaxed, //
};

/// Records whether the core sends a DESTROY for a flow although `Adapter::action` has returned an
/// error.
///
/// The records of flows rely on that DESTROY. The core sends it if it leaves `NF_FLOW_HW` set. This
/// is checked with the first flow that has a record.
pub(in crate::net) struct Promise(Atomic<usize>);

impl Promise {
    const UNKNOWN: usize = 0;
    const KEPT: usize = 1;
    const BROKEN: usize = 2;

    /// Returns whether the promise is known to be broken: flows that have records may have been
    /// freed.
    pub(in crate::net) fn is_broken(&self) -> bool {
        self.0.load(Relaxed) == Self::BROKEN
    }

    /// Returns whether the promise has not been checked yet, and no flow is being watched.
    pub(in crate::net) fn is_unknown(&self) -> bool {
        self.0.load(Relaxed) == Self::UNKNOWN
    }

    /// Watches a flow that has a record, unless another flow is being watched.
    pub(in crate::net) fn watch(&self, flow: &Flow) {
        // If another flow is being watched already, that one serves as well.
        let _ = self.0.cmpxchg(Self::UNKNOWN, flow.address(), Relaxed);
    }

    /// Checks the watched flow, once the work of its REPLACE is over.
    ///
    /// Returns `true` once, when the promise turns out to be broken.
    pub(in crate::net) fn look_at(&self, flow: &Flow) -> bool {
        if self.0.load(Relaxed) != flow.address() || flow.is_pending() {
            return false;
        }
        let (to, broken) = match flow.has_destroy() {
            true => (Self::KEPT, false),
            false => (Self::BROKEN, true),
        };
        self.0.cmpxchg(flow.address(), to, Relaxed).is_ok() && broken
    }

    /// Records that the core has sent a DESTROY for the flow.
    pub(in crate::net) fn keep(&self, flow: &Flow) {
        if self.0.load(Relaxed) == flow.address() {
            let _ = self.0.cmpxchg(flow.address(), Self::KEPT, Relaxed);
        }
    }
}

/// The promise of the running kernel.
pub(in crate::net) static PROMISE: Promise = Promise(Atomic::new(Promise::UNKNOWN));
