// SPDX-License-Identifier: GPL-2.0

//! Whether something has happened since a flow was learned, of which only the low half of the time is known.

/// Whether what happened at `last` can have happened after `learned`, which is in 32 bits and not later than `now`. All in jiffies;
/// a flow that was learned up to one of them later counts, as the two clocks are not read together.
pub(crate) fn is_behind(learned: u32, last: u64, now: u64) -> bool {
    // CAST: The low half is meant.
    let age = (now as u32).wrapping_sub(learned);
    // In the future if the timeout has been changed since: taken for now.
    let age = if age > u32::MAX / 2 { 0 } else { age };
    last.saturating_add(1) >= now.saturating_sub(age.into())
}
