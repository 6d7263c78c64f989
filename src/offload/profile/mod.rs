// SPDX-License-Identifier: GPL-2.0

//! Driver profiles: how a driver reads a rule, what it takes, how it counts. One file a profile. Pure: also compiled and
//! tested on the host.
//!
//! A device's profile goes by the name of its driver; the module parameter `profile` forces one ([`Forced`]).

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
    /// How it reads a rule.
    pub(crate) semantics: Semantics,
    /// What its byte counter counts.
    pub(crate) counts: Counts,
}

/// All of them.
pub(crate) static ALL: [&Profile; 5] = [
    &tc::PROFILE,
    &mlx5::PROFILE,
    &mtk::PROFILE,
    &airoha::PROFILE,
    &default::PROFILE,
];

/// The profile for a driver, by its name.
pub(crate) fn for_driver(driver: &[u8]) -> &'static Profile {
    let knows = |profile: &&&Profile| {
        let is = |name: &&str| name.as_bytes() == driver;
        profile.drivers.iter().any(is)
    };
    ALL.iter().find(knows).copied().unwrap_or(&default::PROFILE)
}

/// The module parameter `profile`: `DEVICE:PROFILE`, separated by commas; the last one for a device counts.
#[derive(Clone, Copy)]
pub(crate) struct Forced<'a>(&'a [u8]);

/// What is wrong with the parameter: one item of it, and how.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Invalid<'a> {
    /// The item is not `DEVICE:PROFILE`.
    Form(&'a [u8]),
    /// No interface can have this name: 1 to 15 characters.
    Device(&'a [u8]),
    /// No profile has this name.
    Profile(&'a [u8]),
}

impl<'a> Forced<'a> {
    /// Longest name of an interface (`IFNAMSIZ` with its end).
    const MAX_NAME: usize = 15;

    /// Reads the parameter; empty, and a comma at the end, are fine.
    pub(crate) fn parse(text: &'a [u8]) -> Result<Self, Invalid<'a>> {
        let forced = Self(text);
        for item in forced.items() {
            let (device, profile) = Self::split(item).ok_or(Invalid::Form(item))?;
            if device.is_empty() || device.len() > Self::MAX_NAME {
                return Err(Invalid::Device(device));
            }
            by_name(profile).ok_or(Invalid::Profile(profile))?;
        }
        Ok(forced)
    }

    fn items(&self) -> impl DoubleEndedIterator<Item = &'a [u8]> {
        let end = |byte: &u8| *byte == b',' || *byte == b'\n';
        self.0.split(end).filter(|item| !item.is_empty())
    }

    /// An interface's name has no colon in it (`dev_valid_name`).
    fn split(item: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
        let colon = item.iter().position(|byte| *byte == b':')?;
        Some((item.get(..colon)?, item.get(colon + 1..)?))
    }

    /// The profile that is forced on a device.
    pub(crate) fn get(&self, device: &[u8]) -> Option<&'static Profile> {
        let mine = |item| Self::split(item).filter(|(name, _)| *name == device);
        let (_, profile) = self.items().rev().find_map(mine)?;
        by_name(profile)
    }
}

fn by_name(name: &[u8]) -> Option<&'static Profile> {
    let is = |profile: &&&Profile| profile.name.as_bytes() == name;
    ALL.iter().find(is).copied()
}
