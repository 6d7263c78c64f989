// SPDX-License-Identifier: GPL-2.0

//! Entries of flows, by the addresses of the flows: the table of the module, in one part.

use super::{Flow, LiveFlow};
use crate::container::Places;
use kernel::{new_mutex, prelude::*, sync::Mutex};
use std::{num::NonZeroUsize, ops::ControlFlow};

/// Names a flow as long as it has an entry.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct FlowId(usize);

impl Flow {
    pub(crate) fn id(&self) -> FlowId {
        FlowId(self.address())
    }
}

/// An address of the model begins with 0.
fn key(address: usize) -> NonZeroUsize {
    NonZeroUsize::new(address + 1).expect("not the last one")
}

/// Entries of type `T`, one for each flow.
pub(crate) struct FlowMap<T> {
    entries: Mutex<Places<T>>,
}

impl<T: Copy + Unpin> FlowMap<T> {
    pub(super) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            entries <- new_mutex!(Places::new(), "FlowMap::entries"),
        })
    }

    pub(crate) fn get_or(&self, flow: LiveFlow<'_>, make: impl FnOnce() -> T) -> Result<T> {
        let mut entries = self.entries.lock();
        let key = key(flow.address());
        if let Some(present) = entries.get(key) {
            return Ok(*present);
        }
        let entry = make();
        entries.set(key, entry)?;
        Ok(entry)
    }

    pub(crate) fn get(&self, flow: &Flow) -> Option<T> {
        self.entries.lock().get(key(flow.address())).copied()
    }

    pub(crate) fn find<R>(&self, id: FlowId, f: impl FnOnce(&Flow, &mut T) -> R) -> Option<R> {
        let mut entries = self.entries.lock();
        let entry = entries.get_mut(key(id.0))?;
        Some(f(&Flow::at(id.0), entry))
    }

    pub(crate) fn walk(
        &self,
        from: usize,
        mut f: impl FnMut(&Flow, &mut T) -> ControlFlow<()>,
    ) -> Option<usize> {
        let each = |key: NonZeroUsize, entry: &mut T| f(&Flow::at(key.get() - 1), entry);
        let place = self.entries.lock().walk(from as u32, each);
        place.map(|place| place as usize)
    }

    pub(crate) fn for_each(&self, mut f: impl FnMut(&Flow, &mut T)) {
        self.walk(0, |flow, entry| {
            f(flow, entry);
            ControlFlow::Continue(())
        });
    }

    pub(super) fn forget(&self, flow: &Flow) {
        self.entries.lock().remove(key(flow.address()));
    }

    /// How many entries there are; for the test.
    pub(crate) fn count(&self) -> usize {
        self.entries.lock().len()
    }
}
