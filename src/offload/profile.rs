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
pub(crate) static TC: Profile = Profile {
    semantics: Semantics {
        explicit_hop_limit: true,
        explicit_checksums: true,
    },
    counts: Counts::Frames,
};

/// Drivers written for flowtables: they decrement the hop limit by themselves and refuse a rule that says it
/// (`mtk_flow_offload_replace`, `airoha_ppe_flow_offload_replace`: no `FLOW_ACTION_ADD`).
pub(crate) static FLOWTABLE: Profile = Profile {
    semantics: Semantics {
        explicit_hop_limit: false,
        explicit_checksums: true,
    },
    counts: Counts::Frames,
};

/// The profile for a driver, by its name. Unknown ones get rules as the C core writes them: what takes `TC_SETUP_FT` today
/// is written for those, but for mlx5, which reads rules as tc's.
pub(crate) fn for_driver(name: &[u8]) -> &'static Profile {
    match name {
        b"mlx5_core" | b"netdevsim" => &TC,
        _ => &FLOWTABLE,
    }
}
