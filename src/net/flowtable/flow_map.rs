// SPDX-License-Identifier: GPL-2.0

//! What the engine knows about each flow, for as long as the flow lives.
//!
//! An entry comes with a REPLACE and goes with the DESTROY that always follows. The core frees a flow only after that
//! DESTROY has returned, so an entry that is seen under the lock of its part belongs to a flow that is alive.
//!
//! In parts, each with a lock and a cache line of its own, so that flows that come and go at the same time seldom meet.

use crate::{
    container::slab_map::{
        self,
        SlabMap,
        PLACE_BITS, //
    },
    net::{
        bindings,
        flowtable::{
            flow::{
                Flow,
                LiveFlow,
                Tuple, //
            },
            promise::PROMISE,
            view::Flowtable, //
        }, //
    },
    proto::Dir, //
};
use core::{
    num::{
        NonZeroU32,
        NonZeroUsize, //
    },
    ops::ControlFlow, //
};
use kernel::{
    error::code,
    new_mutex,
    prelude::*,
    sync::{
        Mutex,
        MutexGuard, //
    }, //
};
use pin_init::pin_init_array_from_fn;

/// Names a flow as long as it has an entry; afterwards it may name another one. The number of its place, from 1.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct FlowId(NonZeroU32);

impl FlowId {
    fn new(part: usize, place: u32) -> Self {
        // CAST: There are as many parts as a number of 32 bits has room for.
        let id = (part as u32) << PLACE_BITS | place;
        // No place is the last one that there could be.
        Self(NonZeroU32::MIN.saturating_add(id))
    }

    fn part_and_place(self) -> (usize, u32) {
        let id = self.0.get().wrapping_sub(1);
        ((id >> PLACE_BITS) as usize, id & ((1 << PLACE_BITS) - 1))
    }
}

/// Where a flow was. There may be none by now, or another one.
#[derive(Clone, Copy)]
pub(crate) struct FlowAddress(NonZeroUsize);

impl FlowAddress {
    /// The address as a number.
    pub(crate) fn to_bits(self) -> usize {
        self.0.get()
    }

    /// The address that is this number; none is 0.
    pub(crate) fn from_bits(bits: usize) -> Option<Self> {
        NonZeroUsize::new(bits).map(Self)
    }
}

/// The mark of the flows that arrive on a device; that of some other devices as well.
fn mark(ifindex: u32) -> u64 {
    1 << (ifindex & 63)
}

/// How many parts there are.
const PARTS: usize = 1 << (u32::BITS - PLACE_BITS);

/// A part of the entries.
#[pin_data]
#[repr(align(64))]
struct Part<T> {
    #[pin]
    entries: Mutex<SlabMap<T>>,
}

/// Entries of type `T`, one for each flow. Its methods may sleep.
///
/// # Invariants
///
/// Every key is the address of a flow whose DESTROY callback has not removed it yet, unless [`PROMISE`] is broken.
#[pin_data]
pub(crate) struct FlowMap<T> {
    /// Whose flows they are. The core's table of them exists as long as there are references to the instance.
    flowtable: Flowtable,
    #[pin]
    parts: [Part<T>; PARTS],
}

impl<T: Copy + Unpin> FlowMap<T> {
    /// An empty map. Only the adapter makes one, as only it removes the entries.
    pub(in crate::net) fn new(flowtable: Flowtable) -> impl PinInit<Self> {
        let part = |_| {
            pin_init!(Part {
                entries <- new_mutex!(SlabMap::new(), "FlowMap::entries"),
            })
        };
        pin_init!(Self {
            flowtable,
            parts <- pin_init_array_from_fn(part),
        })
    }

    /// Locks a part; none once [`PROMISE`] is broken.
    fn lock(&self, number: usize) -> Option<MutexGuard<'_, SlabMap<T>>> {
        let part = self.parts.get(number)?;
        (!PROMISE.is_broken()).then(|| part.entries.lock())
    }

    /// Calls `f` for the part that a flow belongs to, under its lock, with the number of the part and the flow's key.
    fn part<R>(
        &self,
        flow: &Flow,
        f: impl FnOnce(usize, NonZeroUsize, &mut SlabMap<T>) -> R,
    ) -> Option<R> {
        let key = NonZeroUsize::new(flow.address())?;
        let number = slab_map::part(key, PARTS);
        Some(f(number, key, &mut *self.lock(number)?))
    }

    /// Whether the flow has an entry.
    pub(in crate::net) fn has(&self, flow: &Flow) -> bool {
        self.of(flow, |_| ()).is_some()
    }

    /// The flow's entry; `make` makes one for the flow's name if it has none. `ENOMEM` leaves the map as it was.
    pub(crate) fn get_or(&self, flow: LiveFlow<'_>, make: impl FnOnce(FlowId) -> T) -> Result<T> {
        let found = self.part(&flow, |part, key, entries| match entries.get(key) {
            Some(present) => Ok(*present),
            // INVARIANT: `LiveFlow` says that a DESTROY follows.
            None => {
                let arrives = |dir| mark(flow.ingress_ifindex(dir));
                let marks = arrives(Dir::Original) | arrives(Dir::Reply);
                entries.add(key, marks, |place| make(FlowId::new(part, place)))
            }
        });
        found.unwrap_or(Err(code::EINVAL))
    }

    /// The flow's entry.
    pub(crate) fn get(&self, flow: &Flow) -> Option<T> {
        self.of(flow, |entry| *entry)
    }

    /// Calls `f` for the flow's entry, under the lock: `f` must not use this map.
    pub(crate) fn of<R>(&self, flow: &Flow, f: impl FnOnce(&mut T) -> R) -> Option<R> {
        self.part(flow, |_, key, entries| entries.get_mut(key).map(f))
            .flatten()
    }

    /// Calls `f` for the flow with this name and its entry, under the lock: `f` must not use this map.
    pub(crate) fn find<R>(&self, id: FlowId, f: impl FnOnce(&Flow, &mut T) -> R) -> Option<R> {
        let (part, place) = id.part_and_place();
        let mut entries = self.lock(part)?;
        let (address, entry) = entries.at(place)?;
        // SAFETY: By the type invariant the flow waits for its DESTROY callback, which needs the lock held here.
        let flow = unsafe { Flow::from_raw(address.get() as *mut bindings::flow_offload) };
        Some(f(flow, entry))
    }

    /// The flow whose packets arrive so on a device, without tags or tunnels, if the core forwards them. It may end at any time,
    /// so that [`FlowMap::at`] finds none, or another one. Takes no lock.
    pub(crate) fn of_packets(&self, tuple: &Tuple<'_>, ifindex: u32) -> Option<FlowAddress> {
        NonZeroUsize::new(self.flowtable.find(tuple, ifindex)?).map(FlowAddress)
    }

    /// Calls `f` for the flow at this address and its entry, under the lock: `f` must not use this map.
    pub(crate) fn at<R>(
        &self,
        FlowAddress(key): FlowAddress,
        f: impl FnOnce(&Flow, &mut T) -> R,
    ) -> Option<R> {
        let mut entries = self.lock(slab_map::part(key, PARTS))?;
        let entry = entries.get_mut(key)?;
        // SAFETY: As in `find`.
        let flow = unsafe { Flow::from_raw(key.get() as *mut bindings::flow_offload) };
        Some(f(flow, entry))
    }

    /// Calls `f` for each flow and its entry from a place on, in the order of the places, under the lock of its part: `f` must
    /// not use this map. The place at which `f` said to stop, if it did; a flow keeps its place.
    pub(crate) fn walk(
        &self,
        from: usize,
        f: impl FnMut(&Flow, &mut T) -> ControlFlow<()>,
    ) -> Option<usize> {
        self.walk_marked(from, u64::MAX, f)
    }

    /// Does what [`FlowMap::walk`] does for the flows of which a direction arrives on a device, and for some others.
    pub(crate) fn walk_device(
        &self,
        ifindex: u32,
        from: usize,
        f: impl FnMut(&Flow, &mut T) -> ControlFlow<()>,
    ) -> Option<usize> {
        self.walk_marked(from, mark(ifindex), f)
    }

    fn walk_marked(
        &self,
        from: usize,
        marks: u64,
        mut f: impl FnMut(&Flow, &mut T) -> ControlFlow<()>,
    ) -> Option<usize> {
        const BITS: u32 = PLACE_BITS;
        // CAST: The mask leaves what fits.
        let mut place = (from & ((1 << BITS) - 1)) as u32;
        for number in from >> BITS..PARTS {
            let stopped = self.lock(number)?.walk(place, marks, |address, entry| {
                // SAFETY: As in `find`.
                let flow = unsafe { Flow::from_raw(address.get() as *mut bindings::flow_offload) };
                f(flow, entry)
            });
            if let Some(place) = stopped {
                return Some(number << BITS | place as usize);
            }
            place = 0;
        }
        None
    }

    /// Removes the flow's entry; for the DESTROY callback.
    pub(in crate::net) fn forget(&self, flow: &Flow) {
        self.part(flow, |_, key, entries| entries.remove(key));
    }
}
