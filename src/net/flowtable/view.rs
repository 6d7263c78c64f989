// SPDX-License-Identifier: GPL-2.0

//! The view of `nf_flowtable`.
//!
//! C header: [`include/net/netfilter/nf_flow_table.h`](srctree/include/net/netfilter/nf_flow_table.h)

use crate::net::{
    bindings,
    flowtable::flow::Tuple,
    netdevice::Netns, //
};
use core::ptr::NonNull;
use kernel::{
    prelude::*,
    str::CStr, //
};

/// A flowtable as its engine sees it.
///
/// # Invariants
///
/// Belongs to an engine, and the flowtable exists longer than its engine.
pub(crate) struct Flowtable(pub(in crate::net) NonNull<bindings::nf_flowtable>);

// SAFETY: What is read of it may be read from every thread.
unsafe impl Send for Flowtable {}
// SAFETY: As above.
unsafe impl Sync for Flowtable {}

impl Flowtable {
    /// Its network namespace.
    pub(crate) fn net(&self) -> Netns<'_> {
        // SAFETY: By the type invariant the flowtable exists, and so does its namespace.
        unsafe { Netns::from_raw(bindings::nfto_flowtable_net(self.0.as_ptr())) }
    }

    pub(in crate::net) fn as_raw(&self) -> *mut bindings::nf_flowtable {
        self.0.as_ptr()
    }

    /// What nf_tables calls it: its table's family (`NFPROTO_*`), its table, itself.
    pub(crate) fn names(&self) -> (u8, &[u8], &[u8]) {
        let mut raw = bindings::nfto_names::default();
        // SAFETY: By the type invariant the flowtable exists. nf_tables has written its names before its `init`, and frees them,
        // and then the table's, after its `free` (`nf_tables_flowtable_destroy`).
        unsafe {
            bindings::nfto_flowtable_names(self.0.as_ptr(), &raw mut raw);
            (
                raw.family,
                CStr::from_char_ptr(raw.table).to_bytes(),
                CStr::from_char_ptr(raw.flowtable).to_bytes(),
            )
        }
    }

    /// The address of the flow whose packets arrive so on a device, see `FlowMap::of_packets`.
    pub(in crate::net) fn find(&self, tuple: &Tuple<'_>, ifindex: u32) -> Option<usize> {
        let raw = tuple.to_raw();
        // SAFETY: By the type invariant the flowtable exists. Its table of flows goes at the end of `nf_flow_table_free`, after
        // the last call of the engine with its flows, and after `free` has closed the instance.
        let address = unsafe { bindings::nfto_flow_find(self.0.as_ptr(), &raw const raw, ifindex) };
        (address != 0).then_some(address as usize)
    }

    /// Whether its network namespace is going.
    pub(crate) fn is_going(&self) -> bool {
        // SAFETY: By the type invariant the flowtable exists, and so does its namespace.
        unsafe { bindings::nfto_flowtable_is_going(self.0.as_ptr()) }
    }

    /// Whether the transaction that makes the flowtable was committed: one that fails, or is a dry run, is not.
    pub(crate) fn is_committed(&self) -> bool {
        // SAFETY: By the type invariant the flowtable exists, as a part of nf_tables' own, and so does its namespace. Both change
        // the bits that are read here in a commit only, a moment before or after.
        unsafe { bindings::nfto_flowtable_is_committed(self.0.as_ptr()) }
    }

    /// Has the core look at its flows now, and not within a second; those that were torn down are destroyed by its work soon
    /// after this. Not to be called with a lock that the work needs. May sleep.
    pub(crate) fn collect(&self) {
        // SAFETY: By the type invariant the flowtable exists; its collection ends in `nf_flow_table_free`.
        unsafe { bindings::nfto_flowtable_collect(self.0.as_ptr()) }
    }

    /// Whether conntrack counts the flows' packets (`counter` in the ruleset), which an update of the ruleset can change.
    pub(crate) fn counts(&self) -> bool {
        // SAFETY: By the type invariant the flowtable exists. nf_tables writes the flags without a lock, hence volatile.
        let flags = unsafe { (&raw const (*self.0.as_ptr()).flags).read_volatile() };
        flags & bindings::nf_flowtable_flags_NF_FLOWTABLE_COUNTER != 0
    }
}
