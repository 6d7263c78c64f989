// SPDX-License-Identifier: GPL-2.0

//! Reports a thing once.

use core::num::NonZeroU32;
use kernel::sync::atomic::{
    Atomic,
    Relaxed, //
};

/// Remembers up to `N` different things that were reported. Lockless.
pub(super) struct LogOnce<const N: usize>([Atomic<u32>; N]);

impl<const N: usize> LogOnce<N> {
    /// Makes an empty memory.
    pub(super) const fn new() -> Self {
        Self([const { Atomic::new(0) }; N])
    }

    /// Returns whether `thing` was not reported yet, and remembers it. After `N` things, none is
    /// new.
    pub(super) fn is_new(&self, thing: NonZeroU32) -> bool {
        for place in &self.0 {
            let mut said = place.load(Relaxed);
            if said == 0 {
                match place.cmpxchg(0, thing.get(), Relaxed) {
                    Ok(_) => return true,
                    Err(now) => said = now,
                }
            }
            if said == thing.get() {
                return false;
            }
        }
        false
    }
}
