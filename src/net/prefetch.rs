// SPDX-License-Identifier: GPL-2.0

//! Prefetching of memory.

use crate::net::bindings;

/// Prefetches memory that is about to be written.
///
/// C header: [`include/linux/prefetch.h`](srctree/include/linux/prefetch.h)
pub(crate) fn prefetch<T>(place: &T) {
    // SAFETY: An FFI call with no requirements.
    unsafe { bindings::nfto_prefetch(core::ptr::from_ref(place).cast()) }
}
