// SPDX-License-Identifier: GPL-2.0

//! The ruleset of a network namespace, and the flows that it has accepted.
//!
//! C headers: [`include/net/netns/nftables.h`](srctree/include/net/netns/nftables.h),
//! [`include/net/netfilter/nf_flow_table.h`](srctree/include/net/netfilter/nf_flow_table.h)

use crate::net::{
    bindings,
    flowtable::{
        flow::Flow,
        instances,
        view::Flowtable, //
    },
    netdevice::Netns, //
};
use kernel::ffi::c_void;

/// Which state of a namespace's ruleset packets pass: the number of its transaction, never 0, and which of its two copies, 0 or 1.
/// A transaction changes both, the copy a moment after the number.
pub(crate) fn generation(net: Netns<'_>) -> (u32, u8) {
    let mut cursor = 0;
    // SAFETY: By its type invariant the namespace exists.
    let number = unsafe { bindings::nfto_ruleset_generation(net.as_raw(), &raw mut cursor) };
    (number, cursor)
}

/// Waits until the packets that are on their way through the ruleset have passed it, and the flows that they bring are in their
/// flowtables. Not those that wait in a queue for userspace. May sleep.
///
/// C header: [`include/linux/rcupdate.h`](srctree/include/linux/rcupdate.h)
pub(crate) fn wait_for_packets() {
    // SAFETY: An FFI call with no requirements; the callers may sleep.
    unsafe { bindings::synchronize_rcu() }
}

impl Flowtable {
    /// Ends the flows that are wanted, as [`Flow::teardown`] does: also those of which the engine does not know yet. `wants` is
    /// called in atomic context. How many there were; none if the flowtable is being taken down.
    pub(crate) fn teardown<F: FnMut(&Flow) -> bool>(&self, mut wants: F) -> u64 {
        let Some(_open) = instances::reference_of(self) else {
            return 0;
        };
        // SAFETY: `nf_flow_table_free` destroys the table of flows only after the instance was closed, which waits for the
        // reference. The function hands `wants` through to `is_wanted::<F>`, and does not keep it.
        unsafe {
            bindings::nfto_flowtable_teardown(
                self.as_raw(),
                Some(is_wanted::<F>),
                (&raw mut wants).cast(),
            )
        }
    }
}

/// Calls `F` for a flow.
///
/// # Safety
///
/// The flow is not freed during the call, nor are its conntrack entry and its routes. `wants` points to an `F` that nobody else
/// uses.
unsafe extern "C" fn is_wanted<F: FnMut(&Flow) -> bool>(
    flow: *mut bindings::flow_offload,
    wants: *mut c_void,
) -> bool {
    // SAFETY: By the safety requirement.
    let (flow, wants) = unsafe { (Flow::from_raw(flow), &mut *wants.cast::<F>()) };
    wants(flow)
}
