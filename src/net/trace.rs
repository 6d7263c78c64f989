// SPDX-License-Identifier: GPL-2.0

//! The tracepoints of the group `nft_offload`: what happens to each flow and rule. They cost a call while they are off.
//!
//! Source: `trace.h` beside this file.

use crate::{
    net::{
        bindings,
        flowtable::flow::Flow, //
    },
    proto::Dir, //
};
use kernel::ffi::{
    c_int,
    c_uint, //
};

type Function =
    unsafe extern "C" fn(*const bindings::flow_offload, c_int, c_uint, u64, c_uint, c_int);

/// What is seen of a direction of a flow. What is not known, or does not apply, is 0.
#[derive(Clone, Copy)]
pub(crate) struct Traced<'a> {
    /// The flow.
    pub(crate) flow: &'a Flow,
    /// The direction.
    pub(crate) dir: Dir,
    /// The device that its rule is on, or would be.
    pub(crate) ifindex: u32,
    /// The rule's name at the driver.
    pub(crate) cookie: u64,
    /// The number of the reason.
    pub(crate) reason: u8,
    /// The driver's error, negative.
    pub(crate) error: i32,
}

impl Traced<'_> {
    fn call(self, function: Function) {
        let dir = match self.dir {
            Dir::Original => 0,
            Dir::Reply => 1,
        };
        let flow = self.flow.address() as *const bindings::flow_offload;
        // SAFETY: The flow lives as long as the reference to it; the functions only read it.
        unsafe {
            function(
                flow,
                dir,
                self.ifindex,
                self.cookie,
                c_uint::from(self.reason),
                self.error,
            )
        }
    }

    /// It was translated, or not, for a reason.
    pub(crate) fn translate(self) {
        self.call(bindings::nfto_trace_translate);
    }

    /// A driver was given its rule.
    pub(crate) fn install(self) {
        self.call(bindings::nfto_trace_install);
    }

    /// A driver was told to destroy its rule.
    pub(crate) fn remove(self) {
        self.call(bindings::nfto_trace_remove);
    }

    /// The flow stays in software, or goes back there.
    pub(crate) fn refuse(self) {
        self.call(bindings::nfto_trace_refuse);
    }

    /// The flow was taken out for a busier one, or by somebody.
    pub(crate) fn evict(self) {
        self.call(bindings::nfto_trace_evict);
    }

    /// A driver has kept its rule.
    pub(crate) fn stale(self) {
        self.call(bindings::nfto_trace_stale);
    }
}
