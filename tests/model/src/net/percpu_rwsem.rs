// SPDX-License-Identifier: GPL-2.0

//! A reader-writer lock of one thread: readers may come while others are in a driver's call, a writer would wait for
//! ever.

use core::ops::{Deref, DerefMut};
use kernel::{
    init::FromFn,
    lockdep::{self, Lock},
    prelude::*,
};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Data behind a lock.
pub(crate) struct RwSem<T> {
    lock: Lock,
    data: RwLock<T>,
}

impl<T> RwSem<T> {
    pub(crate) fn new(data: T) -> impl PinInit<Self> {
        FromFn(move || {
            Ok(Self {
                // As no name is given in the kernel, what is in it has to do.
                lock: Lock::new(core::any::type_name::<T>()),
                data: RwLock::new(data),
            })
        })
    }

    pub(crate) fn read(&self) -> ReadGuard<'_, T> {
        lockdep::acquire(self.lock, true);
        ReadGuard(
            self.data.read().unwrap_or_else(PoisonError::into_inner),
            self.lock,
        )
    }

    pub(crate) fn write(&self) -> WriteGuard<'_, T> {
        lockdep::acquire(self.lock, false);
        WriteGuard(
            self.data.write().unwrap_or_else(PoisonError::into_inner),
            self.lock,
        )
    }
}

/// Shared access.
pub(crate) struct ReadGuard<'a, T>(RwLockReadGuard<'a, T>, Lock);

impl<T> Deref for ReadGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> Drop for ReadGuard<'_, T> {
    fn drop(&mut self) {
        lockdep::release(self.1);
    }
}

/// Exclusive access.
pub(crate) struct WriteGuard<'a, T>(RwLockWriteGuard<'a, T>, Lock);

impl<T> Deref for WriteGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for WriteGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T> Drop for WriteGuard<'_, T> {
    fn drop(&mut self) {
        lockdep::release(self.1);
    }
}
