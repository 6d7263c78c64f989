// SPDX-License-Identifier: GPL-2.0

//! Computes when a refused flow is tried again, and when an unbound device is.
//!
//! Pure: the host tests compile this file as well.
//!
//! The core offers a flow whose packets reach the CPU once a second (`flow_offload_refresh`). Most
//! refusals stand for as long as the ruleset and the devices do, so each one doubles the time until
//! the next attempt; a change of a device starts again with the shortest time. A refusal that
//! passes on its own is retried every time.

/// How long a refusal stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stands {
    /// It can pass without an event that the engine sees.
    Passes,
    /// It stands until there is room, or the flow is busier than one that has a place.
    WhileFull,
    /// It stands as long as nothing changes.
    Long,
    /// It stands as long as the flow lives.
    ForGood,
}

impl Stands {
    /// Returns the longest time between two attempts, in seconds.
    pub(crate) const fn longest(self) -> u64 {
        match self {
            Stands::Passes => 0,
            Stands::WhileFull => 8,
            Stands::Long => 64,
            Stands::ForGood => u64::MAX,
        }
    }
}

/// Returns the seconds until the next attempt, after this number of refusals in succession.
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

/// Returns the seconds until the next attempt to bind a device.
///
/// `refusals` is the number of attempts that found no driver to take its rules.
pub(crate) fn device_seconds(refusals: u32) -> u64 {
    1u64.checked_shl(refusals)
        .map_or(LONGEST_OF_DEVICE, |seconds| seconds.min(LONGEST_OF_DEVICE))
}
