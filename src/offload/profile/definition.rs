// SPDX-License-Identifier: GPL-2.0

//! What a driver profile says.

use crate::translate::semantics::Semantics;

/// What a driver's byte counter counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Counts {
    /// Whole frames without their checksum, as a switch's counters do.
    Frames,
    /// The sources do not say: taken as it is, as the C core does.
    Unknown,
}

/// A driver family.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct Profile {
    /// Its name in the module parameter and wherever it is shown.
    pub(crate) name: &'static str,
    /// The drivers that it is for, by the names that they register under.
    pub(super) drivers: &'static [&'static str],
    /// Its drivers read the whole of a rule of tc, and refuse what they do not do, without a line in the log: they can be
    /// given rules over `TC_SETUP_BLOCK`. Others may not: stmmac leaves out actions that it does not know, and then has the
    /// port drop what the rule does not match (`tc_parse_flow_actions`); bnxt leaves them out as well; i40e, iavf and igb look
    /// at the match only; mlxsw logs each rule that it refuses.
    pub(crate) block: bool,
    /// How it reads a rule.
    pub(crate) semantics: Semantics,
    /// What its byte counter counts.
    pub(crate) counts: Counts,
    /// The errors, as positive numbers, of a DESTROY or STATS for a rule that it does not know.
    pub(crate) unknown_rule: &'static [u32],
}

/// What a driver answers that looks the cookie up and does not find it.
pub(super) const ENOENT: u32 = 2;
/// What others do.
pub(super) const EINVAL: u32 = 22;
