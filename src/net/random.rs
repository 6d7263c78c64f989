// SPDX-License-Identifier: GPL-2.0

//! Random numbers.

use crate::net::bindings;

/// Returns an unpredictable number.
///
/// C header: [`include/linux/random.h`](srctree/include/linux/random.h)
pub(crate) fn random() -> u64 {
    // SAFETY: An FFI call with no requirements.
    unsafe { bindings::nfto_random() }
}
