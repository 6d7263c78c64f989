// SPDX-License-Identifier: GPL-2.0

//! Entries of flows, by the addresses of the flows: the table of the module, in one part.

use super::flow::{Flow, LiveFlow};
use crate::container::slab_map::SlabMap;
use crate::proto::Dir;
use crate::world::World;
use kernel::{new_mutex, prelude::*, sync::Mutex};
use std::{
    num::{NonZeroU32, NonZeroUsize},
    ops::ControlFlow,
};

/// Names a flow as long as it has an entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct FlowId(pub(crate) NonZeroU32);

/// Where a flow was.
#[derive(Clone, Copy)]
pub(crate) struct FlowAddress(NonZeroUsize);

impl FlowAddress {
    /// Of the flow at an address of the model.
    pub(crate) fn of(address: usize) -> Self {
        Self(key(address))
    }

    pub(crate) fn to_bits(self) -> usize {
        self.0.get()
    }

    pub(crate) fn from_bits(bits: usize) -> Option<Self> {
        NonZeroUsize::new(bits).map(Self)
    }
}

/// An address of the model begins with 0.
fn key(address: usize) -> NonZeroUsize {
    NonZeroUsize::new(address + 1).expect("not the last one")
}

/// Entries of type `T`, one for each flow.
pub(crate) struct FlowMap<T> {
    entries: Mutex<SlabMap<T>>,
}

impl<T: Copy + Unpin> FlowMap<T> {
    pub(in crate::net) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            entries <- new_mutex!(SlabMap::new(), "FlowMap::entries"),
        })
    }

    pub(crate) fn of_or<R>(
        &self,
        flow: LiveFlow<'_>,
        make: impl FnOnce(FlowId) -> T,
        f: impl FnOnce(&mut T) -> R,
    ) -> Result<R> {
        let mut entries = self.entries.lock();
        let key = key(flow.address());
        if let Some(present) = entries.get_mut(key) {
            return Ok(f(present));
        }
        let arrives = |dir| 1u64 << flow.ingress_ifindex(dir);
        let marks = arrives(Dir::Original) | arrives(Dir::Reply);
        let id = |place| FlowId(NonZeroU32::MIN.saturating_add(place));
        entries.add(key, marks, |place| make(id(place))).map(f)
    }

    pub(crate) fn find_twin<R>(
        &self,
        flow: &Flow,
        dir: Dir,
        mut f: impl FnMut(&Flow, Dir, &mut T) -> Option<R>,
    ) -> Option<R> {
        let twins = World::with(|world| world.twins(flow.address(), dir));
        twins.into_iter().find_map(|(twin, dir)| {
            let answer = self.at(FlowAddress::of(twin), |flow, entry| f(flow, dir, entry));
            answer.flatten()
        })
    }

    pub(crate) fn get(&self, flow: &Flow) -> Option<T> {
        self.of(flow, |entry| *entry)
    }

    pub(crate) fn of<R>(&self, flow: &Flow, f: impl FnOnce(&mut T) -> R) -> Option<R> {
        self.entries.lock().get_mut(key(flow.address())).map(f)
    }

    pub(crate) fn at<R>(
        &self,
        FlowAddress(key): FlowAddress,
        f: impl FnOnce(&Flow, &mut T) -> R,
    ) -> Option<R> {
        let mut entries = self.entries.lock();
        let entry = entries.get_mut(key)?;
        Some(f(&Flow::at(key.get() - 1), entry))
    }

    pub(crate) fn find<R>(&self, id: FlowId, f: impl FnOnce(&Flow, &mut T) -> R) -> Option<R> {
        let mut entries = self.entries.lock();
        let (address, entry) = entries.at(id.0.get() - 1)?;
        Some(f(&Flow::at(address.get() - 1), entry))
    }

    pub(crate) fn walk(
        &self,
        from: usize,
        f: impl FnMut(&Flow, &mut T) -> ControlFlow<()>,
    ) -> Option<usize> {
        self.walk_marked(from, u64::MAX, f)
    }

    pub(crate) fn walk_device(
        &self,
        ifindex: u32,
        from: usize,
        f: impl FnMut(&Flow, &mut T) -> ControlFlow<()>,
    ) -> Option<usize> {
        self.walk_marked(from, 1 << ifindex, f)
    }

    fn walk_marked(
        &self,
        from: usize,
        marks: u64,
        mut f: impl FnMut(&Flow, &mut T) -> ControlFlow<()>,
    ) -> Option<usize> {
        let each = |key: NonZeroUsize, entry: &mut T| f(&Flow::at(key.get() - 1), entry);
        let place = self.entries.lock().walk(from as u32, marks, each);
        place.map(|place| place as usize)
    }

    pub(crate) fn for_each(&self, mut f: impl FnMut(&Flow, &mut T)) {
        self.walk(0, |flow, entry| {
            f(flow, entry);
            ControlFlow::Continue(())
        });
    }

    pub(in crate::net) fn forget(&self, flow: &Flow) {
        self.entries.lock().remove(key(flow.address()));
    }

    /// How many entries there are; for the test.
    pub(crate) fn count(&self) -> usize {
        self.entries.lock().len()
    }
}
