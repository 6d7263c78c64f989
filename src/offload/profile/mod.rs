// SPDX-License-Identifier: GPL-2.0

//! Driver profiles: how a driver reads a rule, what it takes, how it counts. One file a profile. Pure: also compiled and
//! tested on the host.
//!
//! A device's profile goes by the name of its driver; the module parameter `profile` forces one.

mod airoha;
mod default;
mod mlx5;
mod mtk;
mod tc;

use crate::translate::Semantics;

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
    drivers: &'static [&'static str],
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
const ENOENT: u32 = 2;
/// What others do.
const EINVAL: u32 = 22;

/// All of them.
pub(crate) static ALL: [&Profile; 5] = [
    &tc::PROFILE,
    &mlx5::PROFILE,
    &mtk::PROFILE,
    &airoha::PROFILE,
    &default::PROFILE,
];

/// That of drivers which take rules for the devices of others: tc's, where they take a block of tc; else mlx5's, the only one
/// in the tree that takes a flowtable then.
pub(crate) fn for_others(block: bool) -> &'static Profile {
    if block {
        &tc::PROFILE
    } else {
        &mlx5::PROFILE
    }
}

/// One whose hardware does not see where a frame arrives; all of these are given the same match.
pub(crate) fn without_arrival() -> Option<&'static Profile> {
    let blind = |profile: &&&Profile| !profile.semantics.sees_arrival;
    ALL.iter().find(blind).copied()
}

/// The profile for a driver, by its name.
pub(crate) fn for_driver(driver: &[u8]) -> &'static Profile {
    let knows = |profile: &&&Profile| {
        let is = |name: &&str| name.as_bytes() == driver;
        profile.drivers.iter().any(is)
    };
    ALL.iter().find(knows).copied().unwrap_or(&default::PROFILE)
}

/// The profile with this name.
pub(crate) fn by_name(name: &[u8]) -> Option<&'static Profile> {
    let is = |profile: &&&Profile| profile.name.as_bytes() == name;
    ALL.iter().find(is).copied()
}
