// SPDX-License-Identifier: GPL-2.0

//! Tracepoints, which are always off here.

use crate::{net::flowtable::flow::Flow, proto::Dir};

#[derive(Clone, Copy)]
pub(crate) struct Traced<'a> {
    pub(crate) flow: &'a Flow,
    pub(crate) dir: Dir,
    pub(crate) ifindex: u32,
    pub(crate) cookie: u64,
    pub(crate) reason: u8,
    pub(crate) error: i32,
}

impl Traced<'_> {
    pub(crate) fn translate(self) {}
    pub(crate) fn install(self) {
        let Self { flow, dir, .. } = self;
        let _ = (flow.address(), dir as u8, self.ifindex, self.cookie);
        let _ = (self.reason, self.error);
    }
    pub(crate) fn remove(self) {}
    pub(crate) fn refuse(self) {}
    pub(crate) fn evict(self) {}
    pub(crate) fn stale(self) {}
}
