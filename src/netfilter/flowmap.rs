// SPDX-License-Identifier: GPL-2.0

//! What the engine knows about each flow, for as long as the flow lives.
//!
//! An entry comes with a REPLACE and goes with the DESTROY that always follows. The core frees a flow only after that
//! DESTROY has returned, so an entry that is seen under the lock belongs to a flow that is alive.

use super::{
    bindings,
    flow::{
        Flow,
        LiveFlow, //
    },
    flowtable::Flowtable, //
};
use core::ops::ControlFlow;
use kernel::{
    new_mutex,
    prelude::*,
    rbtree::RBTree,
    sync::Mutex, //
};

/// Names a flow as long as it has an entry; afterwards it may name another one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct FlowId(usize);

impl Flow {
    /// The name of the flow in its flowtable's map.
    pub(crate) fn id(&self) -> FlowId {
        FlowId(self.address())
    }
}

/// Whose packets: as they arrive, network order.
pub(crate) struct Tuple<'a> {
    /// `IPPROTO_*`.
    pub(crate) protocol: u8,
    /// Its source address, of 4 or 16 bytes.
    pub(crate) source: &'a [u8],
    /// Its destination address, as long as the source.
    pub(crate) destination: &'a [u8],
    /// Source and destination port.
    pub(crate) ports: ([u8; 2], [u8; 2]),
}

/// Entries of type `T`, one for each flow. Its methods may sleep.
///
/// # Invariants
///
/// Every key is the address of a flow whose DESTROY callback has not removed it yet.
#[pin_data]
pub(crate) struct FlowMap<T> {
    /// That of the flows. The core's table of it is there while the engine can be looked at (`live`).
    flowtable: Flowtable,
    #[pin]
    entries: Mutex<RBTree<usize, T>>,
}

impl<T: Copy + Unpin> FlowMap<T> {
    /// An empty map. Only the adapter makes one, as only it removes the entries.
    pub(super) fn new(flowtable: Flowtable) -> impl PinInit<Self> {
        pin_init!(Self {
            flowtable,
            entries <- new_mutex!(RBTree::new(), "FlowMap::entries"),
        })
    }

    /// The flow's entry.
    pub(crate) fn get(&self, flow: &Flow) -> Option<T> {
        self.entries.lock().get(&flow.address()).copied()
    }

    /// Creates or replaces the flow's entry. `ENOMEM` leaves the map as it was.
    pub(crate) fn set(&self, flow: LiveFlow<'_>, entry: T) -> Result {
        // INVARIANT: `LiveFlow` says that a DESTROY follows.
        self.entries
            .lock()
            .try_create_and_insert(flow.address(), entry, GFP_KERNEL)?;
        Ok(())
    }

    /// Replaces the entry of a flow that has one.
    pub(crate) fn update(&self, flow: &Flow, entry: T) {
        if let Some(present) = self.entries.lock().get_mut(&flow.address()) {
            *present = entry;
        }
    }

    /// Calls `f` for the flow with this name and its entry, under the lock: `f` must not use this map.
    pub(crate) fn find<R>(&self, id: FlowId, f: impl FnOnce(&Flow, &mut T) -> R) -> Option<R> {
        let mut entries = self.entries.lock();
        let entry = entries.get_mut(&id.0)?;
        // SAFETY: By the type invariant the flow waits for its DESTROY callback, which needs the lock held here.
        let flow = unsafe { Flow::from_raw(id.0 as *mut bindings::flow_offload) };
        Some(f(flow, entry))
    }

    /// The name of the flow whose packets arrive so on a device, without tags or tunnels, if the core forwards them. It may
    /// end at any time, so that [`FlowMap::find`] finds none, or another one.
    pub(crate) fn of_packets(&self, tuple: &Tuple<'_>, ifindex: u32) -> Option<FlowId> {
        self.flowtable.find(tuple, ifindex).map(FlowId)
    }

    /// Calls `f` for each flow and its entry, under the lock: `f` must not use this map.
    pub(crate) fn for_each(&self, mut f: impl FnMut(&Flow, &mut T)) {
        for (address, entry) in self.entries.lock().iter_mut() {
            // SAFETY: By the type invariant the flow waits for its DESTROY callback, which needs the lock held here.
            let flow = unsafe { Flow::from_raw(*address as *mut bindings::flow_offload) };
            f(flow, entry);
        }
    }

    /// Calls `f` for each flow and its entry from a key on, in the order of the keys, under the lock: `f` must not use this
    /// map. The key at which `f` said to stop, if it did; a flow keeps its key.
    pub(crate) fn walk(
        &self,
        from: usize,
        mut f: impl FnMut(&Flow, &mut T) -> ControlFlow<()>,
    ) -> Option<usize> {
        let mut entries = self.entries.lock();
        let mut cursor = entries.cursor_lower_bound_mut(&from)?;
        loop {
            let (address, entry) = cursor.current_mut();
            // SAFETY: As in `for_each`.
            let flow = unsafe { Flow::from_raw(*address as *mut bindings::flow_offload) };
            if f(flow, entry).is_break() {
                return Some(*address);
            }
            cursor = cursor.move_next()?;
        }
    }

    /// Removes the flow's entry; for the DESTROY callback.
    pub(super) fn forget(&self, flow: &Flow) {
        self.entries.lock().remove_node(&flow.address());
    }
}
