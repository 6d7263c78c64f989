// SPDX-License-Identifier: GPL-2.0

//! Converts what a driver reports into what conntrack and the flowtable core need.
//!
//! Pure: the host tests compile this file as well.

use crate::offload::profile::definition::Counts;

/// The length of an untagged Ethernet header.
const ETH_HLEN: u64 = 14;

/// Returns the bytes of the network layer, which conntrack counts, from the driver's counters.
pub(crate) fn network_bytes(counts: Counts, packets: u64, bytes: u64) -> u64 {
    match counts {
        Counts::Frames => bytes.saturating_sub(packets.saturating_mul(ETH_HLEN)),
        Counts::Unknown => bytes,
    }
}

/// Returns what a driver says that a rule has counted since the last report.
///
/// airoha subtracts the last report from the hardware's counter, which begins at zero again if the
/// hardware has dropped the rule for a while (`airoha_ppe_flow_offload_stats`). A negative number
/// is none: the counters of conntrack do not go backwards.
pub(crate) fn gained(reported: u64) -> u64 {
    if reported > i64::MAX as u64 {
        return 0;
    }
    reported
}

/// Extends a time that a driver reported to 64 bit jiffies.
///
/// Drivers report `jiffies`, which has only `bits` bits: 32 on a 32 bit machine. The result is the
/// time nearest to `now` with this lower half. 0 stays 0, which means "unknown".
pub(crate) fn widen(now: u64, reported: u64, bits: u32) -> u64 {
    if bits >= u64::BITS || reported == 0 {
        return reported;
    }
    let ago = (reported as u32).wrapping_sub(now as u32) as i32;
    now.saturating_add_signed(i64::from(ago))
}

/// Returns a time that a driver reported, as [`widen`] returns it, but not later than `now`.
///
/// The clocks of two processors can be `slack` jiffies apart. A time further in the future is not
/// that of a packet: the result is 0, as if the driver did not know the time.
pub(crate) fn plausible(now: u64, reported: u64, slack: u64) -> u64 {
    if reported > now.saturating_add(slack) {
        return 0;
    }
    reported.min(now)
}

/// Returns when a flow was last used, for the core, in 64 bit jiffies.
///
/// The core sets the flow's end to the later one of the present end and `answer + lifetime`, but
/// compares a 32 bit number with a 64 bit one (`flow_offload_work_stats`): an answer that is older
/// than the present end implies would move the end backwards. So the answer is never older; nor is
/// it in the future, whatever the driver reports.
///
/// * `now`: 64 bit jiffies
/// * `end`: the flow's present end, low 32 bits of jiffies
/// * `lifetime`: how long the flow lives without a packet, in jiffies
/// * `reported`: what the driver reported, in 64 bit jiffies; 0 if it does not know the time
pub(crate) fn last_used(now: u64, end: u32, lifetime: u64, reported: u64) -> u64 {
    // The low halves are compared as the core does it: the difference is signed.
    let left = i64::from(end.wrapping_sub(now as u32) as i32);
    let implied = now
        .saturating_add_signed(left)
        .saturating_sub(lifetime)
        .min(now);
    reported.min(now).max(implied)
}

/// Returns whether a flow is in the last third of its time. The arguments are those of
/// [`last_used`].
pub(crate) fn ends_soon(now: u64, end: u32, lifetime: u64) -> bool {
    let left = i64::from(end.wrapping_sub(now as u32) as i32);
    left.saturating_mul(3) <= i64::try_from(lifetime).unwrap_or(i64::MAX)
}
