// SPDX-License-Identifier: GPL-2.0

//! Tells whether something has happened since a flow was learned. Only the low half of the time
//! when it was learned is known.

/// Returns whether an event at `last` can have happened after `learned`.
///
/// All times are in jiffies. `learned` has 32 bits and is not later than `now`. A flow that was
/// learned up to one jiffy later counts as well, as the two clocks are not read together.
pub(crate) fn is_behind(learned: u32, last: u64, now: u64) -> bool {
    // CAST: Only the low half is needed.
    let age = (now as u32).wrapping_sub(learned);
    // The age is negative if the timeout has been changed since. It counts as 0 then.
    let age = if age > u32::MAX / 2 { 0 } else { age };
    last.saturating_add(1) >= now.saturating_sub(age.into())
}
