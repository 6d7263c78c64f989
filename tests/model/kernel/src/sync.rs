// SPDX-License-Identifier: GPL-2.0

//! Locks and atomics.

use crate::{
    init::{FromFn, PinInit},
    lockdep::{self, Lock},
};
use core::ops::{Deref, DerefMut};
use std::sync::{self, PoisonError};

pub mod atomic;

macro_rules! lock {
    ($(#[$doc:meta])* $name:ident, $new:ident, $guard:ident) => {
        $(#[$doc])*
        pub struct $name<T> {
            lock: Lock,
            data: sync::Mutex<T>,
        }

        impl<T> $name<T> {
            /// An initialiser, for the macro.
            pub fn with_name(data: T, name: &'static str) -> impl PinInit<Self> {
                FromFn(move || {
                    Ok(Self {
                        lock: Lock::new(name),
                        data: sync::Mutex::new(data),
                    })
                })
            }

            /// Takes the lock.
            pub fn lock(&self) -> $guard<'_, T> {
                lockdep::acquire(self.lock, false);
                $guard {
                    lock: self.lock,
                    data: self.data.lock().unwrap_or_else(PoisonError::into_inner),
                }
            }
        }

        /// The lock is held while this exists.
        pub struct $guard<'a, T> {
            lock: Lock,
            data: sync::MutexGuard<'a, T>,
        }

        impl<T> Deref for $guard<'_, T> {
            type Target = T;

            fn deref(&self) -> &T {
                &self.data
            }
        }

        impl<T> DerefMut for $guard<'_, T> {
            fn deref_mut(&mut self) -> &mut T {
                &mut self.data
            }
        }

        impl<T> Drop for $guard<'_, T> {
            fn drop(&mut self) {
                lockdep::release(self.lock);
            }
        }

        /// As in the kernel; the name is the one in the order of the locks.
        #[macro_export]
        macro_rules! $new {
            ($data:expr, $text:literal) => {
                $crate::sync::$name::with_name($data, $text)
            };
            ($data:expr) => {
                $crate::sync::$name::with_name(
                    $data,
                    ::core::concat!(::core::file!(), ":", ::core::line!()),
                )
            };
        }
    };
}

lock! {
    /// A sleeping lock.
    Mutex, new_mutex, MutexGuard
}

lock! {
    /// A lock that does not sleep.
    SpinLock, new_spinlock, SpinLockGuard
}
