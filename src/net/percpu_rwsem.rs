// SPDX-License-Identifier: GPL-2.0

//! A sleeping reader-writer lock, which the kernel crate does not provide yet.
//!
//! Readers share no cache line. A writer waits for an RCU grace period, unless another writer did
//! so a moment before.
//!
//! C header: [`include/linux/percpu-rwsem.h`](srctree/include/linux/percpu-rwsem.h)

use crate::net::bindings;
use core::{
    cell::UnsafeCell,
    ops::{
        Deref,
        DerefMut, //
    }, //
};
use kernel::{
    error::to_result,
    prelude::*,
    types::{
        NotThreadSafe,
        Opaque, //
    }, //
};

/// Protects data with a `struct percpu_rw_semaphore`. Locking may sleep.
#[pin_data(PinnedDrop)]
pub(crate) struct RwSem<T> {
    #[pin]
    sem: Opaque<bindings::percpu_rw_semaphore>,
    data: UnsafeCell<T>,
}

// SAFETY: The data moves with the lock, so it has to be `Send`; the semaphore itself is not bound
// to a thread.
unsafe impl<T: Send> Send for RwSem<T> {}
// SAFETY: Readers share `&T` across threads and writers move `&mut T` between them, hence both
// bounds.
unsafe impl<T: Send + Sync> Sync for RwSem<T> {}

impl<T> RwSem<T> {
    /// Returns an initialiser for the lock with `data`; `ENOMEM` if memory is short.
    pub(crate) fn new(data: T) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            sem <- Opaque::try_ffi_init(|sem| {
                // SAFETY: `sem` is valid memory for a `percpu_rw_semaphore` while the closure runs.
                to_result(unsafe { bindings::nfto_init_rwsem(sem) })
            }),
            data: UnsafeCell::new(data),
        }? Error)
    }

    /// Takes the lock for reading.
    pub(crate) fn read(&self) -> ReadGuard<'_, T> {
        // SAFETY: `sem` was initialised in `new`.
        unsafe { bindings::nfto_down_read(self.sem.get()) };
        ReadGuard(self, NotThreadSafe)
    }

    /// Takes the lock for writing.
    pub(crate) fn write(&self) -> WriteGuard<'_, T> {
        // SAFETY: `sem` was initialised in `new`.
        unsafe { bindings::nfto_down_write(self.sem.get()) };
        WriteGuard(self, NotThreadSafe)
    }
}

#[pinned_drop]
impl<T> PinnedDrop for RwSem<T> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: `sem` was initialised in `new`. A guard borrows the lock, so none is in use.
        unsafe { bindings::nfto_free_rwsem(self.sem.get()) };
    }
}

/// Shared access to the data.
///
/// # Invariants
///
/// The lock is held for reading while this exists.
pub(crate) struct ReadGuard<'a, T>(&'a RwSem<T>, NotThreadSafe);

impl<T> Deref for ReadGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: By the type invariant there is no writer.
        unsafe { &*self.0.data.get() }
    }
}

impl<T> Drop for ReadGuard<'_, T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant this task holds the lock for reading.
        unsafe { bindings::nfto_up_read(self.0.sem.get()) }
    }
}

/// Exclusive access to the data.
///
/// # Invariants
///
/// The lock is held for writing while this exists.
pub(crate) struct WriteGuard<'a, T>(&'a RwSem<T>, NotThreadSafe);

impl<T> Deref for WriteGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: By the type invariant this guard has exclusive access.
        unsafe { &*self.0.data.get() }
    }
}

impl<T> DerefMut for WriteGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: By the type invariant this guard has exclusive access.
        unsafe { &mut *self.0.data.get() }
    }
}

impl<T> Drop for WriteGuard<'_, T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant this task holds the lock for writing.
        unsafe { bindings::nfto_up_write(self.0.sem.get()) }
    }
}
