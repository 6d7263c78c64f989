// SPDX-License-Identifier: GPL-2.0

//! Driver profiles: how a driver reads a rule, what it takes, and how it counts.
//!
//! Each profile has a file. A device's profile depends on the name of its driver; the module
//! parameter `profile` forces one. Pure: the host tests compile these files as well.

pub(crate) mod airoha;
pub(crate) mod default;
pub(crate) mod definition;
pub(crate) mod mlx5;
pub(crate) mod mtk;
pub(crate) mod sfc;
pub(crate) mod tc;

use crate::offload::profile::definition::Profile;

/// All profiles.
pub(crate) static ALL: [&Profile; 6] = [
    &tc::PROFILE,
    &mlx5::PROFILE,
    &mtk::PROFILE,
    &airoha::PROFILE,
    &default::PROFILE,
    &sfc::PROFILE,
];

/// Returns the profile of drivers that take rules for the devices of others.
///
/// That is tc's where they take a block of tc. Otherwise it is mlx5's, as it is the only driver in
/// the tree that takes a flowtable then.
pub(crate) fn for_others(block: bool) -> &'static Profile {
    if block {
        &tc::PROFILE
    } else {
        &mlx5::PROFILE
    }
}

/// Looks up the profile of a driver, by the driver's name.
pub(crate) fn for_driver(driver: &[u8]) -> &'static Profile {
    let knows = |profile: &&&Profile| {
        let is = |name: &&str| name.as_bytes() == driver;
        profile.drivers.iter().any(is)
    };
    ALL.iter().find(knows).copied().unwrap_or(&default::PROFILE)
}

/// Looks up a profile by its name.
pub(crate) fn by_name(name: &[u8]) -> Option<&'static Profile> {
    let is = |profile: &&&Profile| profile.name.as_bytes() == name;
    ALL.iter().find(is).copied()
}
