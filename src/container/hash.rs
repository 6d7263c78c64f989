// SPDX-License-Identifier: GPL-2.0

//! A hash table with open addressing and linear probing.

use core::mem::take;
use kernel::{
    alloc::KVVec,
    prelude::*, //
};

/// Returns the hash of an address. No two addresses have the same hash.
pub(crate) fn of_address(address: usize) -> u64 {
    const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
    // The high bits of the product are well distributed, the low ones of a hash count.
    (address as u64).wrapping_mul(GOLDEN).rotate_left(32)
}

/// A slot of the table.
pub(crate) trait Slot: Copy {
    /// The empty slot.
    const EMPTY: Self;

    /// Returns the hash of the contents; `None` for an empty slot. The low bits are the significant
    /// ones.
    fn hash(&self) -> Option<u64>;
}

/// The table. It grows and shrinks as needed.
///
/// Its length is a power of two, or zero, and at least a quarter of it is empty. There is no empty
/// slot between the place that a hash selects and the slot that has this hash.
pub(crate) struct HashTable<S> {
    slots: KVVec<S>,
    used: usize,
}

impl<S: Slot> HashTable<S> {
    /// The initial length.
    const SMALLEST: usize = 16;

    /// Returns an empty table, which uses no memory.
    pub(crate) const fn new() -> Self {
        Self {
            slots: KVVec::new(),
            used: 0,
        }
    }

    /// Returns the mask that reduces a hash to a place.
    fn mask(&self) -> usize {
        self.slots.len().wrapping_sub(1)
    }

    /// Finds the slot with this hash that `is` accepts.
    ///
    /// Returns its place; otherwise that of the empty slot where it would be; `None` if the table
    /// has no slots.
    fn find(&self, hash: u64, is: impl Fn(&S) -> bool) -> Option<(usize, S)> {
        // CAST: The mask leaves a value that fits.
        let mut place = hash as usize & self.mask();
        loop {
            let slot = self.slots.get(place)?;
            if slot.hash().is_none() || is(slot) {
                return Some((place, *slot));
            }
            place = place.wrapping_add(1) & self.mask();
        }
    }

    /// Looks up the slot with this hash that `is` accepts.
    pub(crate) fn get(&self, hash: u64, is: impl Fn(&S) -> bool) -> Option<S> {
        let (_, slot) = self.find(hash, is)?;
        slot.hash().map(|_| slot)
    }

    fn write(&mut self, place: usize, slot: S) {
        if let Some(to) = self.slots.get_mut(place) {
            *to = slot;
        }
    }

    /// Stores a slot: replaces the one with the same hash that `is` accepts, or adds another one.
    ///
    /// Returns `ENOMEM` without any change if there is no memory.
    pub(crate) fn put(&mut self, slot: S, is: impl Fn(&S) -> bool) -> Result {
        let Some(hash) = slot.hash() else {
            return Ok(());
        };
        // A quarter stays empty, even with one more.
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

    /// Removes the slot with this hash that `is` accepts, and returns it.
    pub(crate) fn remove(&mut self, hash: u64, is: impl Fn(&S) -> bool) -> Option<S> {
        let (mut hole, found) = self.find(hash, is)?;
        found.hash()?;
        self.used = self.used.saturating_sub(1);
        // The slots behind the hole move up, unless one would then be in front of the place that
        // its hash selects.
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

    /// Halves the table if little of it is used, and frees an empty one.
    fn shrink(&mut self) {
        let len = self.slots.len();
        if self.used == 0 {
            self.slots = KVVec::new();
        } else if len > Self::SMALLEST && self.used < len / 8 {
            // Without memory the table keeps its length.
            let _ = self.rebuild(len / 2);
        }
    }

    /// Changes the length to `len`, a power of two with room for all slots.
    fn rebuild(&mut self, len: usize) -> Result {
        let mut slots = KVVec::with_capacity(len, GFP_KERNEL_ACCOUNT)?;
        for _ in 0..len {
            slots.push(S::EMPTY, GFP_KERNEL_ACCOUNT)?;
        }
        let old = take(&mut self.slots);
        self.slots = slots;
        for slot in &old {
            if let Some(hash) = slot.hash() {
                // All slots differ from each other, so none is to be replaced.
                if let Some((place, _)) = self.find(hash, |_| false) {
                    self.write(place, *slot);
                }
            }
        }
        Ok(())
    }
}
