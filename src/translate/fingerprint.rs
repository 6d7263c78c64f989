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

/// A sink that keeps only 64 bit FNV-1a hashes of what it is given: the keys, and after them the actions, in their order.
#[derive(Clone, Copy)]
pub(crate) struct Fingerprint {
    hash: u64,
    matching: u64,
}

impl Fingerprint {
    /// Of a rule with no keys and no actions.
    pub(crate) const fn new() -> Self {
        const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
        Self {
            hash: BASIS,
            matching: BASIS,
        }
    }

    /// The number of the whole rule.
    pub(crate) fn value(self) -> u64 {
        self.hash
    }

    /// The number of its keys alone: of what it matches.
    pub(crate) fn matching(self) -> u64 {
        self.matching
    }
}

impl Hasher for Fingerprint {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.hash = (self.hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        self.hash
    }
}

impl RuleSink for Fingerprint {
    fn key(&mut self, key: Key) {
        key.hash(self);
        self.matching = self.hash;
    }

    fn action(&mut self, action: Action) -> Result<(), Refusal> {
        action.hash(self);
        Ok(())
    }
}
