// SPDX-License-Identifier: GPL-2.0

//! The contents of a driver profile.

use crate::translate::semantics::Semantics;

/// What a driver's byte counter counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Counts {
    /// Whole frames without their checksum, as a switch's counters do.
    Frames,
    /// The driver's source does not tell. The number is used as it is, as in the C core.
    Unknown,
}

/// The profile of a driver family.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct Profile {
    /// The name of the profile in the module parameter and wherever it is shown.
    pub(crate) name: &'static str,
    /// The drivers that it applies to, by the names that they register under.
    pub(super) drivers: &'static [&'static str],
    /// The drivers can be given rules over `TC_SETUP_BLOCK`.
    ///
    /// They read the whole of a rule of tc, and refuse what they cannot do, without a line in the
    /// log. Other drivers may not: stmmac leaves out actions that it does not know, and then has
    /// the port drop what the rule does not match (`tc_parse_flow_actions`); bnxt leaves them out
    /// as well, the decrement of the TTL among them (`bnxt_tc_parse_actions`); mlxsw logs each rule
    /// that it refuses. Most require RTNL besides: only mlx5 and nfp set `unlocked_driver_cb`.
    pub(crate) block: bool,
    /// The drivers are asked for their block, where that is allowed, before their flowtable.
    pub(crate) block_first: bool,
    /// The drivers' callback on such a block does not require RTNL, although they do not set
    /// `unlocked_driver_cb`. That is a property of the driver, not of the way in which it reads
    /// rules, so it does not come with a profile that the user has set.
    pub(crate) unlocked: bool,
    /// How the drivers read a rule.
    pub(crate) semantics: Semantics,
    /// What their byte counters count.
    pub(crate) counts: Counts,
    /// The errors of a DESTROY or STATS for a rule that the driver does not know, as positive
    /// numbers.
    pub(crate) unknown_rule: &'static [u32],
}

/// The error of a driver that looks the cookie up and does not find it.
pub(super) const ENOENT: u32 = 2;
/// The error of other drivers.
pub(super) const EINVAL: u32 = 22;
