// SPDX-License-Identifier: GPL-2.0

//! Which flow's rule has a match.
//!
//! After a teardown the core learns a flow anew at once, and asks for its rules up to two seconds before it destroys those of
//! the old one, which match the same packets. Drivers refuse the new rule then, or keep the old one's actions. So the
//! holder of a match has to let go first.
//!
//! A hash table, as it is asked for each rule that comes and goes: open addressing, of parts that grow and shrink each by itself,
//! so that none of it takes long. The keys are hashes already, with a secret (`translate::Fingerprint`).

use crate::netfilter::FlowId;
use core::{
    mem::take,
    num::NonZeroU64, //
};
use kernel::{
    alloc::KVVec,
    error::code,
    new_mutex,
    prelude::*,
    sync::Mutex, //
};

/// The flow whose rule has a match.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Holder {
    /// The rule; never 0.
    pub(crate) cookie: u64,
    /// Its flow.
    pub(crate) flow: FlowId,
}

/// The holders of matches, which go by their hash.
#[pin_data]
pub(crate) struct Matches {
    #[pin]
    parts: Mutex<[Part; PARTS]>,
}

const PARTS: usize = 1 << PART_BITS;
const PART_BITS: u32 = 5;

impl Matches {
    /// No holders.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            parts <- new_mutex!([const { Part::new() }; PARTS], "Matches::parts"),
        })
    }

    fn with<R>(&self, matching: u64, f: impl FnOnce(&mut Part) -> R) -> Option<R> {
        // CAST: As many bits as there are parts.
        let part = (matching >> (u64::BITS - PART_BITS)) as usize;
        self.parts.lock().get_mut(part).map(f)
    }

    /// The present holder of a match.
    pub(crate) fn holder(&self, matching: u64) -> Option<Holder> {
        self.with(matching, |part| part.get(matching)).flatten()
    }

    /// Makes `holder` the holder of a match. `ENOMEM` changes nothing.
    pub(crate) fn claim(&self, matching: u64, holder: Holder) -> Result {
        self.with(matching, |part| part.set(matching, holder))
            .unwrap_or(Ok(()))
    }

    /// The rule `cookie` lets go of its match, if it has it.
    pub(crate) fn release(&self, matching: u64, cookie: u64) {
        self.with(matching, |part| {
            if part.get(matching).is_some_and(|h| h.cookie == cookie) {
                part.remove(matching);
            }
        });
    }
}

/// A place in the table.
#[derive(Clone, Copy)]
struct Slot {
    matching: u64,
    /// A cookie that is not 0 leaves room for the `None`.
    holder: Option<(NonZeroU64, FlowId)>,
}

const EMPTY: Slot = Slot {
    matching: 0,
    holder: None,
};

/// A part of the table.
///
/// Its length is a power of two, or zero, and at least a quarter of it is empty. From the place that a match's hash names to where
/// it is there is no empty one.
struct Part {
    slots: KVVec<Slot>,
    used: usize,
}

impl Part {
    /// The first length.
    const SMALLEST: usize = 16;

    const fn new() -> Self {
        Self {
            slots: KVVec::new(),
            used: 0,
        }
    }

    fn mask(&self) -> usize {
        self.slots.len().wrapping_sub(1)
    }

    /// Where a match is: its place; else the empty one where it would be; `None` without any.
    fn find(&self, matching: u64) -> Option<(usize, Slot)> {
        // CAST: The mask leaves what fits.
        let mut place = matching as usize & self.mask();
        loop {
            let slot = *self.slots.get(place)?;
            if slot.holder.is_none() || slot.matching == matching {
                return Some((place, slot));
            }
            place = place.wrapping_add(1) & self.mask();
        }
    }

    fn get(&self, matching: u64) -> Option<Holder> {
        let (cookie, flow) = self.find(matching)?.1.holder?;
        Some(Holder {
            cookie: cookie.get(),
            flow,
        })
    }

    fn put(&mut self, place: usize, slot: Slot) {
        if let Some(to) = self.slots.get_mut(place) {
            *to = slot;
        }
    }

    fn set(&mut self, matching: u64, holder: Holder) -> Result {
        let cookie = NonZeroU64::new(holder.cookie).ok_or(code::EINVAL)?;
        // A quarter stays empty, also with one more.
        if self.used >= self.slots.len() / 4 * 3 {
            let len = self.slots.len().saturating_mul(2).max(Self::SMALLEST);
            self.rebuild(len)?;
        }
        if let Some((place, present)) = self.find(matching) {
            let holder = Some((cookie, holder.flow));
            self.put(place, Slot { matching, holder });
            if present.holder.is_none() {
                self.used = self.used.saturating_add(1);
            }
        }
        Ok(())
    }

    fn remove(&mut self, matching: u64) {
        let Some((mut hole, slot)) = self.find(matching) else {
            return;
        };
        if slot.holder.is_none() {
            return;
        }
        self.used = self.used.saturating_sub(1);
        // What comes behind it moves up, unless it is in front of where its hash names then.
        let mask = self.mask();
        let mut place = hole;
        loop {
            place = place.wrapping_add(1) & mask;
            let Some(slot) = self.slots.get(place).copied() else {
                break;
            };
            if slot.holder.is_none() {
                break;
            }
            let from_home = place.wrapping_sub(slot.matching as usize) & mask;
            if from_home >= place.wrapping_sub(hole) & mask {
                self.put(hole, slot);
                hole = place;
            }
        }
        self.put(hole, EMPTY);
        self.shrink();
    }

    fn shrink(&mut self) {
        let len = self.slots.len();
        if self.used == 0 {
            self.slots = KVVec::new();
        } else if len > Self::SMALLEST && self.used < len / 8 {
            // Without memory it stays as long as it is.
            let _ = self.rebuild(len / 2);
        }
    }

    /// Gives it another length, a power of two with room for all.
    fn rebuild(&mut self, len: usize) -> Result {
        let mut slots = KVVec::with_capacity(len, GFP_KERNEL)?;
        for _ in 0..len {
            slots.push(EMPTY, GFP_KERNEL)?;
        }
        let old = take(&mut self.slots);
        self.slots = slots;
        for slot in &old {
            if slot.holder.is_some() {
                if let Some((place, _)) = self.find(slot.matching) {
                    self.put(place, *slot);
                }
            }
        }
        Ok(())
    }
}
