// SPDX-License-Identifier: GPL-2.0

//! A hash table: open addressing, linear.

use core::mem::take;
use kernel::{
    alloc::KVVec,
    prelude::*, //
};

/// A place in the table.
pub(crate) trait Slot: Copy {
    /// With nothing in it.
    const EMPTY: Self;

    /// The hash of what is in it; `None` for nothing. Its low bits are the ones that count.
    fn hash(&self) -> Option<u64>;
}

/// The table. It grows and shrinks by itself.
///
/// Its length is a power of two, or zero, and at least a quarter of it is empty. From the place that a hash names to where
/// what has it is there is no empty one.
pub(crate) struct HashTable<S> {
    slots: KVVec<S>,
    used: usize,
}

impl<S: Slot> HashTable<S> {
    /// The first length.
    const SMALLEST: usize = 16;

    /// Without anything, and without memory.
    pub(crate) const fn new() -> Self {
        Self {
            slots: KVVec::new(),
            used: 0,
        }
    }

    fn mask(&self) -> usize {
        self.slots.len().wrapping_sub(1)
    }

    /// Where the slot with this hash is that is meant: its place; else the empty one where it would be; `None` without any.
    fn find(&self, hash: u64, is: impl Fn(&S) -> bool) -> Option<(usize, S)> {
        // CAST: The mask leaves what fits.
        let mut place = hash as usize & self.mask();
        loop {
            let slot = self.slots.get(place)?;
            if slot.hash().is_none() || is(slot) {
                return Some((place, *slot));
            }
            place = place.wrapping_add(1) & self.mask();
        }
    }

    /// The place where a look for this hash begins.
    pub(crate) fn first(&self, hash: u64) -> Option<&S> {
        // CAST: The mask leaves what fits.
        self.slots.get(hash as usize & self.mask())
    }

    /// The slot with this hash that is meant.
    pub(crate) fn get(&self, hash: u64, is: impl Fn(&S) -> bool) -> Option<S> {
        let (_, slot) = self.find(hash, is)?;
        slot.hash().map(|_| slot)
    }

    fn write(&mut self, place: usize, slot: S) {
        if let Some(to) = self.slots.get_mut(place) {
            *to = slot;
        }
    }

    /// Puts a slot in the place of the one that is meant, or as another one. `ENOMEM` changes nothing.
    pub(crate) fn put(&mut self, slot: S, is: impl Fn(&S) -> bool) -> Result {
        let Some(hash) = slot.hash() else {
            return Ok(());
        };
        // A quarter stays empty, also with one more.
        if self.used >= self.slots.len() / 4 * 3 {
            let len = self.slots.len().saturating_mul(2).max(Self::SMALLEST);
            self.rebuild(len)?;
        }
        if let Some((place, present)) = self.find(hash, is) {
            self.write(place, slot);
            if present.hash().is_none() {
                self.used = self.used.saturating_add(1);
            }
        }
        Ok(())
    }

    /// Takes the slot with this hash out that is meant.
    pub(crate) fn remove(&mut self, hash: u64, is: impl Fn(&S) -> bool) -> Option<S> {
        let (mut hole, found) = self.find(hash, is)?;
        found.hash()?;
        self.used = self.used.saturating_sub(1);
        // What comes behind it moves up, unless it is in front of where its hash names then.
        let mask = self.mask();
        let mut place = hole;
        loop {
            place = place.wrapping_add(1) & mask;
            let Some(slot) = self.slots.get(place).copied() else {
                break;
            };
            let Some(hash) = slot.hash() else {
                break;
            };
            let from_home = place.wrapping_sub(hash as usize) & mask;
            if from_home >= place.wrapping_sub(hole) & mask {
                self.write(hole, slot);
                hole = place;
            }
        }
        self.write(hole, S::EMPTY);
        self.shrink();
        Some(found)
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
        let mut slots = KVVec::with_capacity(len, GFP_KERNEL_ACCOUNT)?;
        for _ in 0..len {
            slots.push(S::EMPTY, GFP_KERNEL_ACCOUNT)?;
        }
        let old = take(&mut self.slots);
        self.slots = slots;
        for slot in &old {
            if let Some(hash) = slot.hash() {
                // They differ from each other.
                if let Some((place, _)) = self.find(hash, |_| false) {
                    self.write(place, *slot);
                }
            }
        }
        Ok(())
    }
}
