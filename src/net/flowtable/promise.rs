// SPDX-License-Identifier: GPL-2.0

//! Whether the core sends a DESTROY for each flow that has a record.

use crate::net::flowtable::flow::Flow;
use kernel::sync::atomic::{
    Atomic,
    Relaxed, //
};

/// Whether the core sends a DESTROY for a flow although `Adapter::action` has answered with an error, which is what the records
/// of flows rest on: it does if it leaves `NF_FLOW_HW` set. Checked with the first flow that has a record.
pub(in crate::net) struct Promise(Atomic<usize>);

impl Promise {
    const UNKNOWN: usize = 0;
    const KEPT: usize = 1;
    const BROKEN: usize = 2;

    /// Whether it is known to be broken: flows that have records may be gone.
    pub(in crate::net) fn is_broken(&self) -> bool {
        self.0.load(Relaxed) == Self::BROKEN
    }

    /// Whether no flow is watched, nor was.
    pub(in crate::net) fn is_unknown(&self) -> bool {
        self.0.load(Relaxed) == Self::UNKNOWN
    }

    /// Watches a flow that has a record.
    pub(in crate::net) fn watch(&self, flow: &Flow) {
        // Another one is as good.
        let _ = self.0.cmpxchg(Self::UNKNOWN, flow.address(), Relaxed);
    }

    /// Looks at a flow, once the work of its REPLACE is over. Whether the promise is broken, which is said once.
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

    /// There was a DESTROY.
    pub(in crate::net) fn keep(&self, flow: &Flow) {
        if self.0.load(Relaxed) == flow.address() {
            let _ = self.0.cmpxchg(flow.address(), Self::KEPT, Relaxed);
        }
    }
}

/// That of this kernel.
pub(in crate::net) static PROMISE: Promise = Promise(Atomic::new(Promise::UNKNOWN));
