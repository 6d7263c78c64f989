// SPDX-License-Identifier: GPL-2.0

//! Prefetching.

use crate::net::bindings;

/// Something is about to be written that may be far away: the processor is to fetch it meanwhile.
///
/// C header: [`include/linux/prefetch.h`](srctree/include/linux/prefetch.h)
pub(crate) fn prefetch<T>(place: &T) {
    // SAFETY: An FFI call with no requirements.
    unsafe { bindings::nfto_prefetch(core::ptr::from_ref(place).cast()) }
}
