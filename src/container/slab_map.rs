// SPDX-License-Identifier: GPL-2.0

//! A map whose values stay at their places, so that a walk can stop and continue while values are
//! added and removed.
//!
//! The values are stored in chunks of a few adjacent ones; a hash table maps keys to places. A
//! chunk without values uses no memory. Each value has marks, 64 bits that belong to the caller,
//! and each chunk has those of all its values: a walk over the values with some mark does not read
//! the chunks that have none.

use crate::container::hash::{
    self,
    HashTable,
    Slot, //
};
use core::{
    num::{
        NonZeroU32,
        NonZeroUsize, //
    },
    ops::ControlFlow, //
};
use kernel::{
    alloc::{
        KVVec,
        KVec, //
    },
    error::code,
    prelude::*, //
};

/// The place of a key, and a part of the key's hash.
#[derive(Clone, Copy)]
struct Index {
    tag: u32,
    place: Option<NonZeroU32>,
}

impl Slot for Index {
    const EMPTY: Self = Self {
        tag: 0,
        place: None,
    };

    fn hash(&self) -> Option<u64> {
        self.place.map(|_| u64::from(self.tag))
    }
}

/// The number of values per chunk: as many as fit into a page, if they are as large as a record.
const PER_CHUNK: usize = 32;

/// The number that stands for no chunk.
const NONE: u32 = u32::MAX;

/// Exclusive upper bound of the numbers of places.
pub(crate) const END: u32 = 1 << PLACE_BITS;
/// The maximum number of bits of the number of a place.
pub(crate) const PLACE_BITS: u32 = 27;

type Entry<T> = Option<(NonZeroUsize, T)>;

/// A chunk of adjacent values.
struct Chunk<T> {
    /// `PER_CHUNK` entries, or none.
    entries: KVec<Entry<T>>,
    /// A bit for each entry: set if it holds a value.
    used: u32,
    /// The marks of its values, and of those that it has held since it was last empty.
    marks: u64,
    /// The neighbours of the chunk in its list, `NONE` at the ends.
    before: u32,
    after: u32,
}

/// The map.
///
/// A chunk with room and memory is in the list `roomy`, one without values is in the list `vacant`,
/// and a full one is in no list.
pub(crate) struct SlabMap<T> {
    index: HashTable<Index>,
    chunks: KVVec<Chunk<T>>,
    roomy: u32,
    vacant: u32,
    len: usize,
}

/// Returns which of `parts` parts, a power of two, a key belongs to.
///
/// Neighbouring addresses belong to the same part: the allocator returns them one after the other,
/// and they get adjacent places, so that a walk accesses memory in order.
pub(crate) fn part(key: NonZeroUsize, parts: usize) -> usize {
    const NEIGHBOURS_BITS: u32 = 14;
    // CAST: The mask leaves what fits.
    hash::of_address(key.get() >> NEIGHBOURS_BITS) as usize & parts.wrapping_sub(1)
}

impl<T: Copy> SlabMap<T> {
    /// Returns an empty map, which uses no memory.
    pub(crate) const fn new() -> Self {
        Self {
            index: HashTable::new(),
            chunks: KVVec::new(),
            roomy: NONE,
            vacant: NONE,
            len: 0,
        }
    }

    /// Splits a place into the number of its chunk and the index of its entry.
    fn split(place: u32) -> (u32, usize) {
        let per_chunk = PER_CHUNK as u32;
        (place / per_chunk, (place % per_chunk) as usize)
    }

    fn chunk(&mut self, number: u32) -> Option<&mut Chunk<T>> {
        self.chunks.get_mut(number as usize)
    }

    fn entry(chunks: &[Chunk<T>], place: NonZeroU32) -> Option<&(NonZeroUsize, T)> {
        let (chunk, entry) = Self::split(place.get().wrapping_sub(1));
        chunks
            .get(chunk as usize)?
            .entries
            .get(entry)
            .and_then(Option::as_ref)
    }

    /// Returns the key and a mutable reference to the value at a place.
    pub(crate) fn at(&mut self, place: u32) -> Option<(NonZeroUsize, &mut T)> {
        let (chunk, entry) = Self::split(place);
        let entry = self.chunk(chunk)?.entries.get_mut(entry)?;
        entry.as_mut().map(|(key, value)| (*key, value))
    }

    /// Looks up the place of a key, plus one.
    fn find(&self, key: NonZeroUsize) -> Option<NonZeroU32> {
        let hash = hash::of_address(key.get());
        let chunks = &self.chunks;
        let mine = |index: &Index| Self::is(chunks, index, key, hash);
        // CAST: The table uses a part of the hash.
        self.index.get(u64::from(hash as u32), mine)?.place
    }

    /// Returns whether `index` is that of a key.
    fn is(chunks: &[Chunk<T>], index: &Index, key: NonZeroUsize, hash: u64) -> bool {
        index.tag == hash as u32
            && index
                .place
                .and_then(|place| Self::entry(chunks, place))
                .is_some_and(|(present, _)| *present == key)
    }

    /// Looks up the value of a key.
    pub(crate) fn get(&self, key: NonZeroUsize) -> Option<&T> {
        let place = self.find(key)?;
        Self::entry(&self.chunks, place).map(|(_, value)| value)
    }

    /// Looks up the value of a key, for a change.
    pub(crate) fn get_mut(&mut self, key: NonZeroUsize) -> Option<&mut T> {
        let place = self.find(key)?.get().wrapping_sub(1);
        self.at(place).map(|(_, value)| value)
    }

    /// Removes a chunk from its list, of which it may be the first.
    fn unlink(&mut self, number: u32) {
        let Some(chunk) = self.chunk(number) else {
            return;
        };
        let (before, after) = (chunk.before, chunk.after);
        (chunk.before, chunk.after) = (NONE, NONE);
        if let Some(chunk) = self.chunk(before) {
            chunk.after = after;
        } else if self.roomy == number {
            self.roomy = after;
        } else {
            self.vacant = after;
        }
        if let Some(chunk) = self.chunk(after) {
            chunk.before = before;
        }
    }

    /// Links a chunk in front of the list that begins with `first`. The caller updates the list's
    /// head.
    fn link(&mut self, number: u32, first: u32) {
        if let Some(chunk) = self.chunk(number) {
            chunk.after = first;
        }
        if let Some(chunk) = self.chunk(first) {
            chunk.before = number;
        }
    }

    /// Returns the number of a chunk with room and memory, which is in the list `roomy`.
    ///
    /// Returns `ENOMEM` or `ENOSPC` without any change if there is none.
    fn with_room(&mut self) -> Result<u32> {
        if self.roomy != NONE {
            return Ok(self.roomy);
        }
        let mut entries = KVec::with_capacity(PER_CHUNK, GFP_KERNEL_ACCOUNT)?;
        for _ in 0..PER_CHUNK {
            entries.push(None, GFP_KERNEL_ACCOUNT)?;
        }
        let number = match self.vacant {
            NONE => {
                let number = u32::try_from(self.chunks.len()).unwrap_or(NONE);
                // No value has the highest place.
                if number >= END / PER_CHUNK as u32 - 1 {
                    return Err(code::ENOSPC);
                }
                let chunk = Chunk {
                    entries,
                    used: 0,
                    marks: 0,
                    before: NONE,
                    after: NONE,
                };
                self.chunks.push(chunk, GFP_KERNEL_ACCOUNT)?;
                number
            }
            number => {
                self.unlink(number);
                if let Some(chunk) = self.chunk(number) {
                    chunk.entries = entries;
                }
                number
            }
        };
        self.link(number, self.roomy);
        self.roomy = number;
        Ok(number)
    }

    /// Adds a value with these marks for a key that has none; `make` creates it from its place.
    ///
    /// Returns `ENOMEM` or `ENOSPC` without any change on failure.
    pub(crate) fn add(
        &mut self,
        key: NonZeroUsize,
        marks: u64,
        make: impl FnOnce(u32) -> T,
    ) -> Result<&mut T> {
        let number = self.with_room()?;
        let used = self.chunk(number).map_or(0, |chunk| chunk.used);
        let free = used.trailing_ones();
        let place = number.wrapping_mul(PER_CHUNK as u32).wrapping_add(free);
        let index = Index {
            tag: hash::of_address(key.get()) as u32,
            place: NonZeroU32::new(place.wrapping_add(1)),
        };
        if let Err(error) = self.index.put(index, |_| false) {
            self.tidy(number);
            return Err(error);
        }
        self.len = self.len.saturating_add(1);
        if let Some(chunk) = self.chunk(number) {
            chunk.used |= 1 << (free & 31);
            chunk.marks |= marks;
            if chunk.used.trailing_ones() as usize >= PER_CHUNK {
                self.unlink(number);
            }
        }
        let chunk = self.chunk(number).ok_or(code::EINVAL)?;
        let entry = chunk.entries.get_mut(free as usize).ok_or(code::EINVAL)?;
        Ok(&mut entry.insert((key, make(place))).1)
    }

    /// Frees the memory of a chunk with room if the chunk holds no value.
    fn tidy(&mut self, number: u32) {
        if self.chunk(number).is_none_or(|chunk| chunk.used != 0) {
            return;
        }
        self.unlink(number);
        if let Some(chunk) = self.chunk(number) {
            chunk.entries = KVec::new();
            chunk.marks = 0;
        }
        self.link(number, self.vacant);
        self.vacant = number;
        if self.len == 0 {
            *self = Self::new();
        }
    }

    /// Removes a key and its value.
    pub(crate) fn remove(&mut self, key: NonZeroUsize) {
        let hash = hash::of_address(key.get());
        let chunks = &self.chunks;
        let mine = |index: &Index| Self::is(chunks, index, key, hash);
        let removed = self.index.remove(u64::from(hash as u32), mine);
        let Some(place) = removed.and_then(|index| index.place) else {
            return;
        };
        let (number, entry) = Self::split(place.get().wrapping_sub(1));
        let Some(chunk) = self.chunk(number) else {
            return;
        };
        let was_full = chunk.used.trailing_ones() as usize >= PER_CHUNK;
        chunk.used &= !(1 << (entry & 31));
        if let Some(entry) = chunk.entries.get_mut(entry) {
            *entry = None;
        }
        self.len = self.len.saturating_sub(1);
        if was_full {
            self.link(number, self.roomy);
            self.roomy = number;
        }
        self.tidy(number);
    }

    /// Returns the number of values.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Calls `f` for each key and value from a place on, until `f` breaks, and returns the place at
    /// which it did.
    ///
    /// The walk skips values without any of `marks` where it can, but not all of them; `u64::MAX`
    /// skips no value that has marks.
    pub(crate) fn walk(
        &mut self,
        from: u32,
        marks: u64,
        mut f: impl FnMut(NonZeroUsize, &mut T) -> ControlFlow<()>,
    ) -> Option<u32> {
        let (first, mut skip) = Self::split(from);
        let mut number = first;
        for chunk in self.chunks.iter_mut().skip(first as usize) {
            let base = number.wrapping_mul(PER_CHUNK as u32);
            let skipped = if chunk.marks & marks == 0 {
                PER_CHUNK
            } else {
                skip
            };
            for (i, entry) in chunk.entries.iter_mut().enumerate().skip(skipped) {
                if let Some((key, value)) = entry {
                    if f(*key, value).is_break() {
                        return Some(base.wrapping_add(i as u32));
                    }
                }
            }
            skip = 0;
            number = number.wrapping_add(1);
        }
        None
    }
}
