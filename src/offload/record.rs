// SPDX-License-Identifier: GPL-2.0

//! What the engine knows about one flow, from its first REPLACE to its DESTROY.

use super::Reason;
use kernel::sync::atomic::{
    Atomic,
    Relaxed, //
};

/// A rule that a driver holds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rule {
    /// The binding that it was given to, by the index of its device.
    pub(crate) ifindex: u32,
    /// Its name at the driver.
    pub(crate) cookie: u64,
    /// The translation that it was made from.
    pub(crate) fingerprint: u64,
}

/// Both rules of a flow.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rules {
    /// Of the original direction.
    pub(crate) original: Rule,
    /// Of the reply direction.
    pub(crate) reply: Rule,
}

/// Where a flow is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Record {
    /// Both directions are in hardware.
    InHardware(Rules),
    /// In software, for this reason.
    Software(Reason),
    /// Its rules were taken out and the flow was told to end; it gets none any more.
    Removing,
}

/// A name that no rule had before: drivers may still know an old one, as the core's own names recur at once.
pub(crate) fn new_cookie() -> u64 {
    static NEXT: Atomic<u64> = Atomic::new(1);
    NEXT.fetch_add(1u64, Relaxed)
}
