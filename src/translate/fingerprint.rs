// SPDX-License-Identifier: GPL-2.0

//! A rule as one number, to see whether a translation has changed without keeping it.

use super::{
    Action,
    Key,
    Refusal,
    RuleSink, //
};
use core::hash::{
    Hash,
    Hasher, //
};

/// A sink that keeps only a 64 bit FNV-1a hash of what it is given, keys and actions in their order.
#[derive(Clone, Copy)]
pub(crate) struct Fingerprint(u64);

impl Fingerprint {
    /// Of a rule with no keys and no actions.
    pub(crate) const fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    /// The number.
    pub(crate) fn value(self) -> u64 {
        self.0
    }
}

impl Hasher for Fingerprint {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

impl RuleSink for Fingerprint {
    fn key(&mut self, key: Key) {
        key.hash(self);
    }

    fn action(&mut self, action: Action) -> Result<(), Refusal> {
        action.hash(self);
        Ok(())
    }
}
