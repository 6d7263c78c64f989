// SPDX-License-Identifier: GPL-2.0

//! Reads the module parameters.
//!
//! Those that apply to single devices are lists of `DEVICE:VALUE`, separated by commas, of which
//! the last one for a device counts, or of `DEVICE` alone. Pure: the host tests compile this file
//! as well.

use crate::offload::profile::{
    self,
    definition::Profile, //
};

/// A parameter as it was given.
#[derive(Clone, Copy)]
pub(crate) struct PerDevice<'a>(&'a [u8]);

/// What is wrong with an item of a parameter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Invalid<'a> {
    /// The item is not `DEVICE:VALUE`.
    Form(&'a [u8]),
    /// No interface can have this name: names have 1 to 15 characters.
    Device(&'a [u8]),
    /// The value is not valid.
    Value(&'a [u8]),
}

impl<'a> PerDevice<'a> {
    /// Checks a parameter whose values are valid if `read` returns `Some`.
    ///
    /// An empty parameter is valid, and so is a comma at its end.
    fn check<T>(text: &'a [u8], read: impl Fn(&[u8]) -> Option<T>) -> Result<(), Invalid<'a>> {
        for item in Self(text).items() {
            let (device, value) = Self::split(item).ok_or(Invalid::Form(item))?;
            check_device(device)?;
            read(value).ok_or(Invalid::Value(value))?;
        }
        Ok(())
    }

    fn items(&self) -> impl DoubleEndedIterator<Item = &'a [u8]> {
        items(self.0)
    }

    /// Splits an item at its first colon. The name of an interface has none (`dev_valid_name`).
    fn split(item: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
        let colon = item.iter().position(|byte| *byte == b':')?;
        Some((item.get(..colon)?, item.get(colon + 1..)?))
    }

    fn get(&self, device: &[u8]) -> Option<&'a [u8]> {
        let mine = |item| Self::split(item).filter(|(name, _)| *name == device);
        let (_, value) = self.items().rev().find_map(mine)?;
        Some(value)
    }
}

fn items(text: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    let end = |byte: &u8| *byte == b',' || *byte == b'\n';
    text.split(end).filter(|item| !item.is_empty())
}

fn check_device(name: &[u8]) -> Result<(), Invalid<'_>> {
    /// The longest name of an interface (`IFNAMSIZ` includes the terminator).
    const MAX_NAME: usize = 15;
    match name.is_empty() || name.len() > MAX_NAME || name.contains(&b':') {
        true => Err(Invalid::Device(name)),
        false => Ok(()),
    }
}

/// Checks the parameter `profile`.
pub(crate) fn check_profile(text: &[u8]) -> Result<(), Invalid<'_>> {
    PerDevice::check(text, profile::by_name)
}

/// Returns the profile that is forced on a device.
pub(crate) fn profile(text: &[u8], device: &[u8]) -> Option<&'static Profile> {
    profile::by_name(PerDevice(text).get(device)?)
}

/// Checks the parameter `limit`.
pub(crate) fn check_limit(text: &[u8]) -> Result<(), Invalid<'_>> {
    PerDevice::check(text, number)
}

/// Returns how many rules a device may hold.
pub(crate) fn limit(text: &[u8], device: &[u8]) -> Option<u64> {
    number(PerDevice(text).get(device)?)
}

/// Checks the parameter `block`: names of devices, separated by commas.
pub(crate) fn check_block(text: &[u8]) -> Result<(), Invalid<'_>> {
    items(text).try_for_each(check_device)
}

/// Returns whether a device's driver may be given rules through its block of tc.
pub(crate) fn block(text: &[u8], device: &[u8]) -> bool {
    items(text).any(|item| item == device)
}

fn number(text: &[u8]) -> Option<u64> {
    core::str::from_utf8(text).ok()?.parse().ok()
}

/// What to do with a device whose driver takes no rules.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Unsupported {
    /// Its flows stay in software.
    Software,
    /// The ruleset does not load, as with the C type.
    Reject,
}

/// Reads the parameter `unsupported`.
pub(crate) fn unsupported(text: &[u8]) -> Option<Unsupported> {
    match text.trim_ascii_end() {
        b"software" => Some(Unsupported::Software),
        b"reject" => Some(Unsupported::Reject),
        _ => None,
    }
}

/// What to do with a flow of which hardware takes only one direction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Directions {
    /// Both directions are in hardware, or none.
    Both,
    /// The direction that hardware takes is in hardware.
    Any,
}

/// Reads the parameter `directions`.
pub(crate) fn directions(text: &[u8]) -> Option<Directions> {
    match text.trim_ascii_end() {
        b"both" => Some(Directions::Both),
        b"any" => Some(Directions::Any),
        _ => None,
    }
}

/// Reads the parameter `admit`: how many packets a flow must have passed before it is offloaded.
pub(crate) fn admit(text: &[u8]) -> Option<u64> {
    number(text.trim_ascii_end())
}
