// SPDX-License-Identifier: GPL-2.0

//! Entries of flows, by the addresses of the flows.

use super::{Flow, LiveFlow};
use kernel::{alloc, new_mutex, prelude::*, sync::Mutex};
use std::{collections::BTreeMap, ops::ControlFlow};

/// Names a flow as long as it has an entry.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct FlowId(usize);

impl Flow {
    pub(crate) fn id(&self) -> FlowId {
        FlowId(self.address())
    }
}

/// Entries of type `T`, one for each flow.
pub(crate) struct FlowMap<T> {
    entries: Mutex<BTreeMap<usize, T>>,
}

impl<T: Copy + Unpin> FlowMap<T> {
    pub(super) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            entries <- new_mutex!(BTreeMap::new(), "FlowMap::entries"),
        })
    }

    pub(crate) fn get(&self, flow: &Flow) -> Option<T> {
        self.entries.lock().get(&flow.address()).copied()
    }

    pub(crate) fn set(&self, flow: LiveFlow<'_>, entry: T) -> Result {
        let mut entries = self.entries.lock();
        // Also to replace an entry, as `try_create_and_insert` has its node ready before it looks.
        alloc::allocate()?;
        entries.insert(flow.address(), entry);
        Ok(())
    }

    pub(crate) fn update(&self, flow: &Flow, entry: T) {
        if let Some(present) = self.entries.lock().get_mut(&flow.address()) {
            *present = entry;
        }
    }

    pub(crate) fn find<R>(&self, id: FlowId, f: impl FnOnce(&Flow, &mut T) -> R) -> Option<R> {
        let mut entries = self.entries.lock();
        let entry = entries.get_mut(&id.0)?;
        Some(f(&Flow::at(id.0), entry))
    }

    pub(crate) fn walk(
        &self,
        from: usize,
        mut f: impl FnMut(&Flow, &mut T) -> ControlFlow<()>,
    ) -> Option<usize> {
        for (address, entry) in self.entries.lock().range_mut(from..) {
            if f(&Flow::at(*address), entry).is_break() {
                return Some(*address);
            }
        }
        None
    }

    pub(crate) fn for_each(&self, mut f: impl FnMut(&Flow, &mut T)) {
        for (address, entry) in self.entries.lock().iter_mut() {
            f(&Flow::at(*address), entry);
        }
    }

    pub(super) fn forget(&self, flow: &Flow) {
        self.entries.lock().remove(&flow.address());
    }

    /// How many entries there are; for the test.
    pub(crate) fn count(&self) -> usize {
        self.entries.lock().len()
    }
}
