// SPDX-License-Identifier: GPL-2.0

//! Atomics. A lock does for the host, where they need not be fast.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// An ordering; the host's are all the strongest.
pub trait Ordering {}

macro_rules! orderings {
    ($($name:ident)*) => {
        $(
            #[doc = stringify!($name)]
            pub struct $name;
            impl Ordering for $name {}
        )*
    };
}

orderings! { Relaxed Acquire Release Full }

/// A number that can be added to.
pub trait Number: Copy {
    /// The sum, wrapped around.
    fn plus(self, other: Self) -> Self;
    /// The difference, wrapped around.
    fn minus(self, other: Self) -> Self;
}

macro_rules! numbers {
    ($($name:ty)*) => {
        $(
            impl Number for $name {
                fn plus(self, other: Self) -> Self {
                    self.wrapping_add(other)
                }

                fn minus(self, other: Self) -> Self {
                    self.wrapping_sub(other)
                }
            }
        )*
    };
}

numbers! { i32 i64 isize u32 u64 usize }

/// A value that threads share.
pub struct Atomic<T>(Mutex<T>);

impl<T: Copy> Atomic<T> {
    /// With this value.
    pub const fn new(value: T) -> Self {
        Self(Mutex::new(value))
    }

    fn value(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The value.
    pub fn load(&self, _: impl Ordering) -> T {
        *self.value()
    }

    /// Sets the value.
    pub fn store(&self, value: T, _: impl Ordering) {
        *self.value() = value;
    }

    /// Sets the value; the one before.
    pub fn xchg(&self, value: T, _: impl Ordering) -> T {
        core::mem::replace(&mut *self.value(), value)
    }

    /// Sets the value if it is `old`; the one before.
    pub fn cmpxchg(&self, old: T, new: T, _: impl Ordering) -> Result<T, T>
    where
        T: PartialEq,
    {
        let mut value = self.value();
        if *value != old {
            return Err(*value);
        }
        *value = new;
        Ok(old)
    }

    /// Adds.
    pub fn add(&self, other: T, _: impl Ordering)
    where
        T: Number,
    {
        let mut value = self.value();
        *value = value.plus(other);
    }

    /// Adds; the value before.
    pub fn fetch_add(&self, other: T, _: impl Ordering) -> T
    where
        T: Number,
    {
        let mut value = self.value();
        let before = *value;
        *value = before.plus(other);
        before
    }

    /// Subtracts; the value before.
    pub fn fetch_sub(&self, other: T, _: impl Ordering) -> T
    where
        T: Number,
    {
        let mut value = self.value();
        let before = *value;
        *value = before.minus(other);
        before
    }
}
