// SPDX-License-Identifier: GPL-2.0

//! The clock, which the test moves.

use crate::world::World;

/// Jiffies in a second.
pub(crate) const HZ: u64 = 250;

pub(crate) fn sleep_ms(_: u32) {}

pub(crate) fn cond_resched() {}

pub(crate) fn seconds(seconds: u64) -> u64 {
    seconds.saturating_mul(HZ)
}

pub(crate) fn jiffies64() -> u64 {
    World::with(|world| world.now)
}

pub(crate) fn now_ns() -> u64 {
    World::with(|world| world.now) * 4_000_000
}
