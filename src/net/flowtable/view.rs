// SPDX-License-Identifier: GPL-2.0

//! A view of `struct nf_flowtable`.
//!
//! C header:
//! [`include/net/netfilter/nf_flow_table.h`](srctree/include/net/netfilter/nf_flow_table.h)

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
/// The value belongs to an engine, and the flowtable outlives that engine.
pub(crate) struct Flowtable(pub(in crate::net) NonNull<bindings::nf_flowtable>);

// SAFETY: The methods may be called from any thread: what they read does not change, or is read as
// the core writes it, and the functions that change the flowtable take the core's own locks.
unsafe impl Send for Flowtable {}
// SAFETY: As above.
unsafe impl Sync for Flowtable {}

impl Flowtable {
    /// Returns the network namespace.
    pub(crate) fn net(&self) -> Netns<'_> {
        // SAFETY: By the type invariant the flowtable exists, and so does its namespace.
        unsafe { Netns::from_raw(bindings::nfto_flowtable_net(self.0.as_ptr())) }
    }

    pub(in crate::net) fn as_raw(&self) -> *mut bindings::nf_flowtable {
        self.0.as_ptr()
    }

    /// Returns the names in nf_tables: the family of the table (`NFPROTO_*`), the table, the
    /// flowtable.
    pub(crate) fn names(&self) -> (u8, &[u8], &[u8]) {
        let mut raw = bindings::nfto_names::default();
        // SAFETY: By the type invariant the flowtable exists. nf_tables has written the name before
        // `init`; it frees that name, and then the name of the table, after `free`
        // (`nf_tables_flowtable_destroy`).
        unsafe {
            bindings::nfto_flowtable_names(self.0.as_ptr(), &raw mut raw);
            (
                raw.family,
                CStr::from_char_ptr(raw.table).to_bytes(),
                CStr::from_char_ptr(raw.flowtable).to_bytes(),
            )
        }
    }

    /// Returns the address of the flow of a packet received on a device, see `FlowMap::of_packets`.
    pub(in crate::net) fn find(&self, tuple: &Tuple<'_>, ifindex: u32) -> Option<usize> {
        let raw = tuple.to_raw();
        // SAFETY: By the type invariant the flowtable exists. Its table of flows is destroyed at
        // the end of `nf_flow_table_free`: after the last call of the engine for one of its flows,
        // and after `free` has closed the instance, which waits for those who have a reference.
        let address = unsafe { bindings::nfto_flow_find(self.0.as_ptr(), &raw const raw, ifindex) };
        (address != 0).then_some(address as usize)
    }

    /// Returns whether the network namespace is being destroyed.
    pub(crate) fn is_going(&self) -> bool {
        // SAFETY: By the type invariant the flowtable exists, and so does its namespace.
        unsafe { bindings::nfto_flowtable_is_going(self.0.as_ptr()) }
    }

    /// Returns whether the transaction that creates the flowtable was committed.
    ///
    /// A transaction that fails, or that is a dry run, is not committed.
    pub(crate) fn is_committed(&self) -> bool {
        // SAFETY: By the type invariant the flowtable exists, embedded in the one of nf_tables, and
        // so does its namespace. The bits that are read change only in a commit, a moment before or
        // after.
        unsafe { bindings::nfto_flowtable_is_committed(self.0.as_ptr()) }
    }

    /// Runs the core's garbage collection now instead of within a second. May sleep.
    ///
    /// The core's work destroys the flows that were torn down soon after this. Must not be called
    /// with a lock held that the work needs.
    pub(crate) fn collect(&self) {
        // SAFETY: By the type invariant the flowtable exists; its garbage collection ends in
        // `nf_flow_table_free`.
        unsafe { bindings::nfto_flowtable_collect(self.0.as_ptr()) }
    }

    /// Returns whether conntrack counts the packets of the flows (`counter` in the ruleset). A
    /// ruleset update can change this.
    pub(crate) fn counts(&self) -> bool {
        // SAFETY: By the type invariant the flowtable exists. nf_tables writes the flags without a
        // lock, hence volatile.
        let flags = unsafe { (&raw const (*self.0.as_ptr()).flags).read_volatile() };
        flags & bindings::nf_flowtable_flags_NF_FLOWTABLE_COUNTER != 0
    }
}
