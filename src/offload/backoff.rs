// SPDX-License-Identifier: GPL-2.0

//! When a refused flow is tried again, and a device that nobody takes rules for. Pure: also compiled and tested on the host.
//!
//! The core asks once a second for a flow whose packets reach the CPU (`flow_offload_refresh`). Most refusals stand for as
//! long as the ruleset and the devices do, so each one doubles the time until the next attempt; what happens to a device
//! begins it anew. A refusal that passes by itself is tried every time.

/// How long a refusal stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stands {
    /// It can pass without anything that the engine hears of.
    Passes,
    /// Until there is room, or the flow is busier than one that has a place.
    WhileFull,
    /// As long as nothing changes.
    Long,
    /// As long as the flow lives.
    ForGood,
}

impl Stands {
    /// The longest time between two attempts, in seconds.
    pub(crate) const fn longest(self) -> u64 {
        match self {
            Stands::Passes => 0,
            Stands::WhileFull => 8,
            Stands::Long => 64,
            Stands::ForGood => u64::MAX,
        }
    }
}

/// Seconds until the next attempt, after so many refusals in a row.
pub(crate) fn seconds(refusals: u32, stands: Stands) -> u64 {
    let longest = stands.longest();
    if stands == Stands::ForGood {
        return longest;
    }
    let Some(before) = refusals.checked_sub(1) else {
        return 0;
    };
    1u64.checked_shl(before)
        .map_or(longest, |seconds| seconds.min(longest))
}

/// The longest time between two attempts to bind a device, in seconds.
pub(crate) const LONGEST_OF_DEVICE: u64 = 60;

/// Seconds until the next attempt to bind a device, after so many that found nobody who takes its rules.
pub(crate) fn device_seconds(refusals: u32) -> u64 {
    1u64.checked_shl(refusals)
        .map_or(LONGEST_OF_DEVICE, |seconds| seconds.min(LONGEST_OF_DEVICE))
}
