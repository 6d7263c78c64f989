// SPDX-License-Identifier: GPL-2.0

//! How a driver reads a rule and counts its packets. Pure: also compiled and tested on the host.

use crate::translate::Semantics;

/// What a driver's byte counter counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Counts {
    /// Whole frames without their checksum, as a switch's counters do.
    Frames,
}

/// A driver family.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Profile {
    /// How it reads a rule.
    pub(crate) semantics: Semantics,
    /// What its byte counter counts.
    pub(crate) counts: Counts,
}

/// tc's own semantics: actions are done one after the other and say everything that changes.
pub(crate) const TC: Profile = Profile {
    semantics: Semantics {
        explicit_hop_limit: true,
        explicit_checksums: true,
    },
    counts: Counts::Frames,
};
