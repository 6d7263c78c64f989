// SPDX-License-Identifier: GPL-2.0

//! When a refused flow is tried again. Pure: also compiled and tested on the host.
//!
//! The core asks once a second for a flow whose packets reach the CPU (`flow_offload_refresh`). Most refusals stand for as
//! long as the ruleset and the devices do, so each one doubles the time until the next attempt; what happens to a device
//! begins it anew. A refusal that passes by itself is tried every time.

/// The longest time between two attempts, in seconds.
pub(crate) const LONGEST: u64 = 64;

/// Seconds until the next attempt, after so many refusals in a row.
pub(crate) fn seconds(refusals: u32, passes_by_itself: bool) -> u64 {
    if passes_by_itself || refusals == 0 {
        return 0;
    }
    1u64.checked_shl(refusals - 1)
        .map_or(LONGEST, |seconds| seconds.min(LONGEST))
}
