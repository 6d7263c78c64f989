// SPDX-License-Identifier: GPL-2.0

//! Clocks, sleeping and rescheduling.

use crate::net::bindings;

/// Converts seconds to jiffies.
pub(crate) fn seconds(seconds: u64) -> u64 {
    seconds.saturating_mul(u64::from(bindings::HZ))
}

/// Converts jiffies to milliseconds.
pub(crate) fn milliseconds(jiffies: u64) -> u64 {
    jiffies.saturating_mul(1000) / u64::from(bindings::HZ)
}

/// Sleeps for about the given number of milliseconds.
pub(crate) fn sleep_ms(milliseconds: u32) {
    // SAFETY: An FFI call with no requirements; the callers may sleep.
    unsafe { bindings::nfto_sleep_ms(milliseconds) }
}

/// Lets other runnable tasks run.
///
/// C header: [`include/linux/sched.h`](srctree/include/linux/sched.h)
pub(crate) fn cond_resched() {
    // SAFETY: An FFI call with no requirements; the callers may sleep.
    unsafe { bindings::nfto_cond_resched() }
}

/// Returns the current time in jiffies, 64 bit on every architecture.
///
/// C header: [`include/linux/jiffies.h`](srctree/include/linux/jiffies.h)
pub(crate) fn jiffies64() -> u64 {
    // SAFETY: An FFI call with no requirements.
    unsafe { bindings::nfto_jiffies64() }
}

/// Returns the monotonic time in nanoseconds since boot.
pub(crate) fn now_ns() -> u64 {
    // SAFETY: An FFI call with no requirements.
    unsafe { bindings::nfto_now_ns() }
}
