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

/// Returns the generation of the ruleset that packets currently pass.
///
/// The first value is the number of the transaction, never 0. The second is the index of the active
/// one of the two copies of the ruleset, 0 or 1. A transaction changes both, the index a moment
/// after the number.
pub(crate) fn generation(net: Netns<'_>) -> (u32, u8) {
    let mut cursor = 0;
    // SAFETY: By its type invariant the namespace exists.
    let number = unsafe { bindings::nfto_ruleset_generation(net.as_raw(), &raw mut cursor) };
    (number, cursor)
}

/// Waits until the packets that are traversing the ruleset have passed it, and their flows are in
/// the flowtables.
///
/// Packets queued to userspace are not waited for. May sleep.
///
/// C header: [`include/linux/rcupdate.h`](srctree/include/linux/rcupdate.h)
pub(crate) fn wait_for_packets() {
    // SAFETY: An FFI call with no requirements; the callers may sleep.
    unsafe { bindings::synchronize_rcu() }
}

impl Flowtable {
    /// Ends the flows for which `wants` returns `true`, as [`Flow::teardown`] does.
    ///
    /// Includes flows that the engine does not know yet. `wants` is called in atomic context.
    /// Returns the number of flows ended; 0 if the flowtable is being freed.
    pub(crate) fn teardown<F: FnMut(&Flow) -> bool>(&self, mut wants: F) -> u64 {
        let Some(_open) = instances::reference_of(self) else {
            return 0;
        };
        // SAFETY: `nf_flow_table_free` destroys the table of flows only after the instance was
        // closed, which waits for the reference. The function passes `wants` through to
        // `is_wanted::<F>`, and does not keep it.
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
/// The flow is not freed during the call, nor are its conntrack entry and its routes. `wants`
/// points to an `F` that is not used elsewhere meanwhile.
unsafe extern "C" fn is_wanted<F: FnMut(&Flow) -> bool>(
    flow: *mut bindings::flow_offload,
    wants: *mut c_void,
) -> bool {
    // SAFETY: By the safety requirement.
    let (flow, wants) = unsafe { (Flow::from_raw(flow), &mut *wants.cast::<F>()) };
    wants(flow)
}
