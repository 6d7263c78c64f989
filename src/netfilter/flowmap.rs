// SPDX-License-Identifier: GPL-2.0

//! What the engine knows about each flow, for as long as the flow lives.
//!
//! An entry comes with a REPLACE and goes with the DESTROY that always follows. The core frees a flow only after that
//! DESTROY has returned, so an entry that is seen under the lock of its part belongs to a flow that is alive.
//!
//! In parts, each with a lock and a cache line of its own, so that flows that come and go at the same time seldom meet.

use super::{
    bindings,
    flow::{
        Flow,
        LiveFlow, //
    },
    flowtable::Flowtable, //
};
use crate::container::{
    self,
    Places, //
};
use core::{
    num::NonZeroUsize,
    ops::ControlFlow, //
};
use kernel::{
    error::code,
    new_mutex,
    prelude::*,
    sync::Mutex, //
};
use pin_init::pin_init_array_from_fn;

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

/// How many parts there are.
const PARTS: usize = 1 << PART_BITS;
const PART_BITS: u32 = 5;
/// A place within its part, in what names a place.
const PLACE_BITS: u32 = usize::BITS - PART_BITS;

/// A part of the entries.
#[pin_data]
#[repr(align(64))]
struct Part<T> {
    #[pin]
    entries: Mutex<Places<T>>,
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
    parts: [Part<T>; PARTS],
}

impl<T: Copy + Unpin> FlowMap<T> {
    /// An empty map. Only the adapter makes one, as only it removes the entries.
    pub(super) fn new(flowtable: Flowtable) -> impl PinInit<Self> {
        let part = |_| {
            pin_init!(Part {
                entries <- new_mutex!(Places::new(), "FlowMap::entries"),
            })
        };
        pin_init!(Self {
            flowtable,
            parts <- pin_init_array_from_fn(part),
        })
    }

    /// Calls `f` for the part that a key belongs to, under its lock.
    fn part<R>(&self, address: usize, f: impl FnOnce(NonZeroUsize, &mut Places<T>) -> R) -> Option<R> {
        let key = NonZeroUsize::new(address)?;
        let part = self.parts.get(container::part(key, PARTS))?;
        Some(f(key, &mut part.entries.lock()))
    }

    /// The flow's entry; `make` makes it if it has none. `ENOMEM` leaves the map as it was.
    pub(crate) fn get_or(&self, flow: LiveFlow<'_>, make: impl FnOnce() -> T) -> Result<T> {
        self.part(flow.address(), |key, entries| {
            if let Some(present) = entries.get(key) {
                return Ok(*present);
            }
            let entry = make();
            // INVARIANT: `LiveFlow` says that a DESTROY follows.
            entries.set(key, entry).map(|()| entry)
        })
        .unwrap_or(Err(code::EINVAL))
    }

    /// The flow's entry.
    pub(crate) fn get(&self, flow: &Flow) -> Option<T> {
        self.part(flow.address(), |key, entries| entries.get(key).copied())
            .flatten()
    }

    /// Calls `f` for the flow with this name and its entry, under the lock: `f` must not use this map.
    pub(crate) fn find<R>(&self, id: FlowId, f: impl FnOnce(&Flow, &mut T) -> R) -> Option<R> {
        self.part(id.0, |key, entries| {
            let entry = entries.get_mut(key)?;
            // SAFETY: By the type invariant the flow waits for its DESTROY callback, which needs the lock held here.
            let flow = unsafe { Flow::from_raw(key.get() as *mut bindings::flow_offload) };
            Some(f(flow, entry))
        })
        .flatten()
    }

    /// The name of the flow whose packets arrive so on a device, without tags or tunnels, if the core forwards them. It may
    /// end at any time, so that [`FlowMap::find`] finds none, or another one.
    pub(crate) fn of_packets(&self, tuple: &Tuple<'_>, ifindex: u32) -> Option<FlowId> {
        self.flowtable.find(tuple, ifindex).map(FlowId)
    }

    /// Calls `f` for each flow and its entry, under the lock of its part: `f` must not use this map.
    pub(crate) fn for_each(&self, mut f: impl FnMut(&Flow, &mut T)) {
        self.walk(0, |flow, entry| {
            f(flow, entry);
            ControlFlow::Continue(())
        });
    }

    /// Calls `f` for each flow and its entry from a place on, in the order of the places, under the lock of its part: `f` must
    /// not use this map. The place at which `f` said to stop, if it did; a flow keeps its place.
    pub(crate) fn walk(
        &self,
        from: usize,
        mut f: impl FnMut(&Flow, &mut T) -> ControlFlow<()>,
    ) -> Option<usize> {
        // CAST: What a place was made of, below.
        let mut place = (from & (usize::MAX >> PART_BITS)) as u32;
        for (number, part) in self.parts.iter().enumerate().skip(from >> PLACE_BITS) {
            let stopped = part.entries.lock().walk(place, |address, entry| {
                // SAFETY: As in `find`.
                let flow = unsafe { Flow::from_raw(address.get() as *mut bindings::flow_offload) };
                f(flow, entry)
            });
            if let Some(place) = stopped {
                // CAST: A place is below 2^27, as a flow and its entry take more than 32 bytes (32 bit machines).
                return Some(number << PLACE_BITS | place as usize);
            }
            place = 0;
        }
        None
    }

    /// Removes the flow's entry; for the DESTROY callback.
    pub(super) fn forget(&self, flow: &Flow) {
        self.part(flow.address(), |key, entries| entries.remove(key));
    }
}
