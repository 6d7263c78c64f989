// SPDX-License-Identifier: GPL-2.0

//! Memory, which runs out when the test says so.

use core::{
    cell::Cell,
    ops::{Deref, DerefMut},
};

/// Allocation flags.
#[derive(Clone, Copy)]
pub struct Flags;

/// The flags by their names.
pub mod flags {
    use super::Flags;
    /// May sleep.
    pub const GFP_KERNEL: Flags = Flags;
    /// May sleep, and is charged to the caller.
    pub const GFP_KERNEL_ACCOUNT: Flags = Flags;
    /// May not.
    pub const GFP_ATOMIC: Flags = Flags;
    /// No warning on failure.
    pub const __GFP_NOWARN: Flags = Flags;
}

/// No memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AllocError;

/// There is no such element.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RemoveError;

/// There is no room or no such place; the element that was to be there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum InsertError<T> {
    /// No such place.
    IndexOutOfBounds(T),
    /// No room.
    OutOfCapacity(T),
}

thread_local! {
    static COUNTDOWN: Cell<Option<u32>> = const { Cell::new(None) };
    static FAILED: Cell<u64> = const { Cell::new(0) };
}

/// The allocation after the next `n` fails, and then none; `None` takes it back.
pub fn fail_in(n: Option<u32>) {
    COUNTDOWN.set(n);
}

/// How many allocations of this thread have failed.
pub fn failed() -> u64 {
    FAILED.get()
}

/// An allocation, for stand-ins that are not made of the types below.
pub fn allocate() -> Result<(), AllocError> {
    match COUNTDOWN.get() {
        None => Ok(()),
        Some(0) => {
            COUNTDOWN.set(None);
            FAILED.set(FAILED.get() + 1);
            Err(AllocError)
        }
        Some(n) => {
            COUNTDOWN.set(Some(n - 1));
            Ok(())
        }
    }
}

/// A vector. It grows by one element at a time, so that nearly every push can fail.
#[derive(Debug, PartialEq, Eq)]
pub struct KVec<T>(Vec<T>);

impl<T> KVec<T> {
    /// Without elements and memory.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// With room for so many elements.
    pub fn with_capacity(capacity: usize, flags: Flags) -> Result<Self, AllocError> {
        let mut vec = Self::new();
        vec.reserve(capacity, flags)?;
        Ok(vec)
    }

    /// Makes room for so many more elements.
    pub fn reserve(&mut self, additional: usize, _: Flags) -> Result<(), AllocError> {
        if self.0.capacity() - self.0.len() < additional {
            allocate()?;
            self.0.reserve_exact(additional);
        }
        Ok(())
    }

    /// Appends an element.
    pub fn push(&mut self, value: T, flags: Flags) -> Result<(), AllocError> {
        self.reserve(1, flags)?;
        self.0.push(value);
        Ok(())
    }

    /// Appends an element if there is room.
    pub fn push_within_capacity(&mut self, value: T) -> Result<(), T> {
        if self.0.len() == self.0.capacity() {
            return Err(value);
        }
        self.0.push(value);
        Ok(())
    }

    /// Inserts an element if there is room.
    pub fn insert_within_capacity(&mut self, i: usize, value: T) -> Result<(), InsertError<T>> {
        if i > self.0.len() {
            return Err(InsertError::IndexOutOfBounds(value));
        }
        if self.0.len() == self.0.capacity() {
            return Err(InsertError::OutOfCapacity(value));
        }
        self.0.insert(i, value);
        Ok(())
    }

    /// Appends copies of elements.
    pub fn extend_from_slice(&mut self, other: &[T], flags: Flags) -> Result<(), AllocError>
    where
        T: Clone,
    {
        self.reserve(other.len(), flags)?;
        self.0.extend_from_slice(other);
        Ok(())
    }

    /// Takes the last element.
    pub fn pop(&mut self) -> Option<T> {
        self.0.pop()
    }

    /// Takes an element out.
    pub fn remove(&mut self, i: usize) -> Result<T, RemoveError> {
        if i >= self.0.len() {
            return Err(RemoveError);
        }
        Ok(self.0.remove(i))
    }

    /// Drops the elements from `len` on.
    pub fn truncate(&mut self, len: usize) {
        self.0.truncate(len);
    }

    /// Drops all elements.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// How many elements there is room for.
    pub fn capacity(&self) -> usize {
        self.0.capacity()
    }

    /// Keeps some elements.
    pub fn retain(&mut self, f: impl FnMut(&mut T) -> bool) {
        self.0.retain_mut(f);
    }

    /// Takes all elements out.
    pub fn drain_all(&mut self) -> std::vec::Drain<'_, T> {
        self.0.drain(..)
    }
}

/// One that may be large.
pub type KVVec<T> = KVec<T>;

impl<T> Default for KVec<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Deref for KVec<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T> DerefMut for KVec<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.0
    }
}

impl<T> IntoIterator for KVec<T> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a, T> IntoIterator for &'a KVec<T> {
    type Item = &'a T;
    type IntoIter = core::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl<'a, T> IntoIterator for &'a mut KVec<T> {
    type Item = &'a mut T;
    type IntoIter = core::slice::IterMut<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter_mut()
    }
}

/// A box.
#[derive(Debug)]
pub struct KBox<T>(Box<T>);

impl<T> KBox<T> {
    /// Allocates.
    pub fn new(value: T, _: Flags) -> Result<Self, AllocError> {
        allocate()?;
        Ok(Self(Box::new(value)))
    }

    /// Takes the value out.
    pub fn into_inner(self) -> T {
        *self.0
    }
}

impl<T> Deref for KBox<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for KBox<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}
