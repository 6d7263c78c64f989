// SPDX-License-Identifier: GPL-2.0

//! A rule as one number, to see whether a translation has changed without keeping it.
//!
//! Who chooses addresses must not be able to choose the number: two flows with the same would take each other's rules out.
//! So it is a keyed hash.

use super::{
    Action,
    Key,
    Refusal,
    RuleSink, //
};
// The keyed hash of `core`; what is to be used instead is in `std` only.
#[allow(deprecated)]
use core::hash::SipHasher;
use core::hash::{
    Hash,
    Hasher, //
};

/// A secret of whom the numbers are for.
pub(crate) type Secret = [u64; 2];

/// A sink that keeps only 64 bit SipHash-2-4 numbers of what it is given: the keys, and after them the actions, in their order.
#[derive(Clone)]
pub(crate) struct Fingerprint {
    #[allow(deprecated)]
    hasher: SipHasher,
    matching: Option<u64>,
}

impl Fingerprint {
    /// Of a rule with no keys and no actions.
    pub(crate) fn new([first, second]: Secret) -> Self {
        #[allow(deprecated)]
        let hasher = SipHasher::new_with_keys(first, second);
        Self {
            hasher,
            matching: None,
        }
    }

    /// The number of the whole rule.
    pub(crate) fn value(&self) -> u64 {
        self.hasher.finish()
    }

    /// The number of its keys alone: of what it matches.
    pub(crate) fn matching(&self) -> u64 {
        self.matching.unwrap_or_else(|| self.hasher.finish())
    }
}

impl RuleSink for Fingerprint {
    fn key(&mut self, key: Key) {
        key.hash(&mut self.hasher);
    }

    fn action(&mut self, action: Action) -> Result<(), Refusal> {
        if self.matching.is_none() {
            self.matching = Some(self.hasher.finish());
        }
        action.hash(&mut self.hasher);
        Ok(())
    }
}
