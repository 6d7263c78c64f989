// SPDX-License-Identifier: GPL-2.0

//! The tracepoints of the group `nft_offload`, which record what happens to each flow and rule.
//!
//! A disabled tracepoint costs a function call.
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

/// The arguments of a tracepoint for a direction of a flow. A value that is not known, or does not
/// apply, is 0.
#[derive(Clone, Copy)]
pub(crate) struct Traced<'a> {
    /// The flow.
    pub(crate) flow: &'a Flow,
    /// The direction.
    pub(crate) dir: Dir,
    /// The device on which its rule is, or would be.
    pub(crate) ifindex: u32,
    /// The cookie that identifies the rule to the driver.
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

    /// Traces that the direction was translated, or was not for a reason.
    pub(crate) fn translate(self) {
        self.call(bindings::nfto_trace_translate);
    }

    /// Traces that its rule was passed to a driver.
    pub(crate) fn install(self) {
        self.call(bindings::nfto_trace_install);
    }

    /// Traces that a driver was asked to destroy its rule.
    pub(crate) fn remove(self) {
        self.call(bindings::nfto_trace_remove);
    }

    /// Traces that the flow stays in software, or returns to software.
    pub(crate) fn refuse(self) {
        self.call(bindings::nfto_trace_refuse);
    }

    /// Traces that the flow was evicted for a busier one, or by an operator.
    pub(crate) fn evict(self) {
        self.call(bindings::nfto_trace_evict);
    }

    /// Traces that a driver has kept its rule.
    pub(crate) fn stale(self) {
        self.call(bindings::nfto_trace_stale);
    }
}
