// SPDX-License-Identifier: GPL-2.0

//! The engine's record of each flow.
//!
//! A REPLACE adds an entry, and the DESTROY that always follows removes it. The core frees a flow
//! only after that DESTROY has returned, so an entry that is found under the lock of its part
//! belongs to a live flow.
//!
//! The map is split into parts, each with a lock and a cache line of its own, so that concurrent
//! additions and removals rarely contend.

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
    ffi::c_uint,
    new_mutex,
    prelude::*,
    sync::{
        Mutex,
        MutexGuard, //
    }, //
};
use pin_init::pin_init_array_from_fn;

/// Identifies a flow as long as it has an entry: the number of its place, from 1. The number may be
/// reused afterwards.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct FlowId(NonZeroU32);

impl FlowId {
    fn new(part: usize, place: u32) -> Self {
        // CAST: The number of parts fits in 32 bits.
        let id = (part as u32) << PLACE_BITS | place;
        // The addition cannot saturate: no entry has the highest possible place.
        Self(NonZeroU32::MIN.saturating_add(id))
    }

    fn part_and_place(self) -> (usize, u32) {
        let id = self.0.get().wrapping_sub(1);
        ((id >> PLACE_BITS) as usize, id & ((1 << PLACE_BITS) - 1))
    }
}

/// The address at which a flow was found. The flow may have ended, and another one may have the
/// address.
#[derive(Clone, Copy)]
pub(crate) struct FlowAddress(NonZeroUsize);

impl FlowAddress {
    /// Returns the address as a number.
    pub(crate) fn to_bits(self) -> usize {
        self.0.get()
    }

    /// Creates an address from a number; `None` for 0.
    pub(crate) fn from_bits(bits: usize) -> Option<Self> {
        NonZeroUsize::new(bits).map(Self)
    }
}

/// Returns the mark of the flows that arrive on a device. Several devices may share a mark.
fn mark(ifindex: u32) -> u64 {
    1 << (ifindex & 63)
}

/// The number of parts.
const PARTS: usize = 1 << (u32::BITS - PLACE_BITS);

/// One part of the entries.
#[pin_data]
#[repr(align(64))]
struct Part<T> {
    #[pin]
    entries: Mutex<SlabMap<T>>,
}

/// Stores one entry of type `T` per flow. Its methods may sleep.
///
/// # Invariants
///
/// Every key is the address of a flow whose DESTROY callback has not removed the key yet, unless
/// [`PROMISE`] is broken.
#[pin_data]
pub(crate) struct FlowMap<T> {
    /// The flowtable of the flows. The core's table of its flows exists as long as the instance is
    /// referenced.
    flowtable: Flowtable,
    #[pin]
    parts: [Part<T>; PARTS],
}

impl<T: Copy + Unpin> FlowMap<T> {
    /// Creates an empty map. Called by the adapter only, as only the adapter removes entries.
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

    /// Locks a part; `None` once [`PROMISE`] is broken.
    fn lock(&self, number: usize) -> Option<MutexGuard<'_, SlabMap<T>>> {
        let part = self.parts.get(number)?;
        (!PROMISE.is_broken()).then(|| part.entries.lock())
    }

    /// Calls `f` with the number of the part to which a flow belongs, the key of the flow, and the
    /// locked part.
    fn part<R>(
        &self,
        flow: &Flow,
        f: impl FnOnce(usize, NonZeroUsize, &mut SlabMap<T>) -> R,
    ) -> Option<R> {
        let key = NonZeroUsize::new(flow.address())?;
        let number = slab_map::part(key, PARTS);
        Some(f(number, key, &mut *self.lock(number)?))
    }

    /// Returns whether the flow has an entry.
    pub(in crate::net) fn has(&self, flow: &Flow) -> bool {
        self.of(flow, |_| ()).is_some()
    }

    /// Calls `f` for the entry of the flow as [`FlowMap::of`] does.
    ///
    /// If there is none, `make` creates one for the ID of the flow.
    ///
    /// # Errors
    ///
    /// `ENOMEM` leaves the map unchanged.
    pub(crate) fn of_or<R>(
        &self,
        flow: LiveFlow<'_>,
        make: impl FnOnce(FlowId) -> T,
        f: impl FnOnce(&mut T) -> R,
    ) -> Result<R> {
        let found = self.part(&flow, |part, key, entries| {
            if let Some(present) = entries.get_mut(key) {
                return Ok(f(present));
            }
            let arrives = |dir| mark(flow.ingress_ifindex(dir));
            let marks = arrives(Dir::Original) | arrives(Dir::Reply);
            // INVARIANT: `LiveFlow` guarantees that a DESTROY follows.
            let added = entries.add(key, marks, |place| make(FlowId::new(part, place)));
            added.map(f)
        });
        found.unwrap_or(Err(code::EINVAL))
    }

    /// Returns the entry of the flow.
    pub(crate) fn get(&self, flow: &Flow) -> Option<T> {
        self.of(flow, |entry| *entry)
    }

    /// Calls `f` for the entry of the flow, under the lock: `f` must not use this map.
    pub(crate) fn of<R>(&self, flow: &Flow, f: impl FnOnce(&mut T) -> R) -> Option<R> {
        self.part(flow, |_, key, entries| entries.get_mut(key).map(f))
            .flatten()
    }

    /// Calls `f` for the flow with this ID and its entry, under the lock: `f` must not use this
    /// map.
    pub(crate) fn find<R>(&self, id: FlowId, f: impl FnOnce(&Flow, &mut T) -> R) -> Option<R> {
        let (part, place) = id.part_and_place();
        let mut entries = self.lock(part)?;
        let (address, entry) = entries.at(place)?;
        // SAFETY: By the type invariant the flow waits for its DESTROY callback, which needs the
        // lock held here. The lock is not given out once the core is known to send none (`lock`).
        let flow = unsafe { Flow::from_raw(address.get() as *mut bindings::flow_offload) };
        Some(f(flow, entry))
    }

    /// Looks up the flow of an untagged, untunnelled packet received on `ifindex`, if the core
    /// forwards it.
    ///
    /// Lockless: the flow may be freed at any time, so the result is only a key. [`FlowMap::at`]
    /// may find no flow, or a different one.
    pub(crate) fn of_packets(&self, tuple: &Tuple<'_>, ifindex: u32) -> Option<FlowAddress> {
        NonZeroUsize::new(self.flowtable.find(tuple, ifindex)?).map(FlowAddress)
    }

    /// Returns the first answer of `f` for another flow with the same packets as a direction of
    /// `flow`, which the core has in its table; `None` if there is no answer.
    ///
    /// The core has such flows for one connection after the other: one that was torn down, until
    /// its DESTROY has ended, and the next one. `f` receives the flow, its direction with these
    /// packets, and its entry, under the lock: `f` must not use this map. In the meantime another
    /// flow may have taken the address of the one that was found; [`Flow::is_twin`] tells.
    pub(crate) fn find_twin<R>(
        &self,
        flow: &Flow,
        dir: Dir,
        mut f: impl FnMut(&Flow, Dir, &mut T) -> Option<R>,
    ) -> Option<R> {
        const AT_ONCE: usize = 4;
        let mut skip = 0;
        loop {
            let mut found = [0; AT_ONCE];
            // SAFETY: The flowtable exists as long as the map. `flow` is one of its flows, and is in
            // the core's table, which therefore exists as well: the core takes a flow out after its
            // DESTROY. `found` has room for as many addresses.
            let count = unsafe {
                bindings::nfto_flow_twins(
                    self.flowtable.as_raw(),
                    flow.as_raw(),
                    dir as c_uint,
                    skip,
                    found.as_mut_ptr(),
                    AT_ONCE as c_uint,
                )
            };
            for tagged in found.iter().take(count as usize) {
                let dir = match tagged & 1 {
                    0 => Dir::Original,
                    _ => Dir::Reply,
                };
                let address = FlowAddress::from_bits(tagged & !1)?;
                let answer = self.at(address, |flow, entry| f(flow, dir, entry));
                if let Some(answer) = answer.flatten() {
                    return Some(answer);
                }
            }
            if (count as usize) < AT_ONCE {
                return None;
            }
            skip = skip.saturating_add(count);
        }
    }

    /// Calls `f` for the flow at this address and its entry, under the lock: `f` must not use this
    /// map.
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

    /// Calls `f` for each flow and its entry, in the order of their places, starting at the place
    /// `from`.
    ///
    /// Returns the place at which `f` broke, if it did. A flow keeps its place. `f` is called under
    /// the lock of a part, so it must not use this map.
    pub(crate) fn walk(
        &self,
        from: usize,
        f: impl FnMut(&Flow, &mut T) -> ControlFlow<()>,
    ) -> Option<usize> {
        self.walk_marked(from, u64::MAX, f)
    }

    /// Calls `f` as [`FlowMap::walk`], for the flows of which a direction arrives on a device, and
    /// for some others.
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
        // CAST: The masked value fits.
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

    /// Removes the entry of the flow; called by the DESTROY callback.
    pub(in crate::net) fn forget(&self, flow: &Flow) {
        self.part(flow, |_, key, entries| entries.remove(key));
    }
}
