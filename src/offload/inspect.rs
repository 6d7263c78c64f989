// SPDX-License-Identifier: GPL-2.0

//! The engine as one can look at it from outside: its devices. Its flows are in the flow map.

use super::{
    binding::Binding,
    refusals::Refusals,
    Events,
    Table, //
};
use crate::netfilter::NetDevice;
use core::ops::ControlFlow;

/// A device of a flowtable.
pub(crate) struct Device<'a> {
    /// What the engine knows of it.
    pub(crate) binding: &'a Binding,
    /// Itself, unless it is just leaving.
    pub(crate) dev: Option<&'a NetDevice>,
    /// What was refused, on this device and the others.
    pub(crate) refusals: &'a Refusals,
}

impl<E: Events> Table<E> {
    /// Calls `f` for each device from an index on, in the order of the indexes, until it says to stop. May sleep; `f` must
    /// not use this engine.
    pub(crate) fn walk_devices(
        &self,
        from: u32,
        mut f: impl FnMut(&Device<'_>) -> ControlFlow<()>,
    ) {
        let bindings = self.bindings.read();
        let refusals = self.refusals.lock();
        for binding in bindings.iter().filter(|binding| binding.ifindex >= from) {
            let dev = self.flowtable.net().device(binding.ifindex);
            let device = Device {
                binding,
                dev: dev.as_deref(),
                refusals: &refusals,
            };
            if f(&device).is_break() {
                return;
            }
        }
    }
}
