// SPDX-License-Identifier: GPL-2.0

//! Driver profiles: how a driver reads a rule, what it takes, how it counts. One file a profile. Pure: also compiled and
//! tested on the host.
//!
//! A device's profile goes by the name of its driver; the module parameter `profile` forces one.

pub(crate) mod airoha;
pub(crate) mod default;
pub(crate) mod definition;
pub(crate) mod mlx5;
pub(crate) mod mtk;
pub(crate) mod tc;

use crate::offload::profile::definition::Profile;

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
