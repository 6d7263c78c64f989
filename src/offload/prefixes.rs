// SPDX-License-Identifier: GPL-2.0

//! Sets of address prefixes of a fixed size, which are added to without a lock.

use crate::{
    net::listener::Prefix,
    proto::NFPROTO_IPV6, //
};
use kernel::sync::atomic::{
    Acquire,
    Atomic,
    Full,
    Relaxed,
    Release, //
};

/// Sets bits, and returns those that were set before.
pub(super) fn set(word: &Atomic<u64>, bits: u64) -> u64 {
    let mut was = word.load(Relaxed);
    loop {
        match word.cmpxchg(was, was | bits, Release) {
            Ok(_) => return was,
            Err(now) => was = now,
        }
    }
}

pub(super) fn first_bits(address: [u8; 16]) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = address;
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

/// A set of address prefixes with false positives. Only the first 64 bits of a prefix count.
///
/// There is a bit for each length in use, per family, and there are bits that a hash of each prefix
/// picks.
pub(super) struct Prefixes {
    /// The number of additions begun, in progress included, and the number of those done.
    begun: Atomic<u32>,
    done: Atomic<u32>,
    lengths: [Atomic<u64>; LENGTH_WORDS],
    bits: [Atomic<u64>; PREFIX_WORDS],
}

/// The content of [`Prefixes`] at a time.
pub(super) struct PrefixSet {
    lengths: [u64; LENGTH_WORDS],
    bits: [u64; PREFIX_WORDS],
}

/// 8192 bits: with a thousand prefixes, 1 of 34 others is a false positive; with a hundred, 1 of
/// 20,000.
const PREFIX_WORDS: usize = 128;
const LENGTH_WORDS: usize = 2;
/// The first bit of the lengths of IPv6; there are 33 of IPv4.
const LENGTHS_IPV6: u8 = 63;

/// Returns the bits of a prefix. The address has no bits set beyond the prefix.
fn prefix_bits(length: u8, address: u64) -> [usize; 3] {
    const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
    let hash = (address ^ u64::from(length)).wrapping_mul(GOLDEN);
    let hash = (hash ^ (hash >> 32)).wrapping_mul(GOLDEN);
    // The high bits of the product are mixed best.
    [51, 38, 25].map(|shift| (hash >> shift) as usize % (PREFIX_WORDS * 64))
}

/// Returns an address with all but its first `len` bits cleared.
fn masked(address: u64, len: u32) -> u64 {
    // A shift by all bits leaves none.
    address & u64::MAX.checked_shl(64u32.saturating_sub(len)).unwrap_or(0)
}

impl Prefixes {
    pub(super) fn new() -> Self {
        Self {
            begun: Atomic::new(0),
            done: Atomic::new(0),
            lengths: [const { Atomic::new(0) }; LENGTH_WORDS],
            bits: [const { Atomic::new(0) }; PREFIX_WORDS],
        }
    }

    pub(super) fn add(&self, prefix: Prefix) {
        let (first, most) = match prefix.family {
            NFPROTO_IPV6 => (LENGTHS_IPV6, 64),
            _ => (0, 32),
        };
        let len = prefix.len.min(most);
        let length = first.saturating_add(len);
        let address = masked(first_bits(prefix.address), len.into());
        // Counted before the bits, which are set with Release.
        self.begun.fetch_add(1u32, Relaxed);
        for bit in prefix_bits(length, address) {
            if let Some(word) = self.bits.get(bit / 64) {
                set(word, 1 << (bit % 64));
            }
        }
        if let Some(word) = self.lengths.get(usize::from(length / 64)) {
            set(word, 1 << (length % 64));
        }
        self.done.fetch_add(1u32, Release);
    }

    /// Takes the prefixes out.
    ///
    /// `None` if another one was being added, and a part of it may have been taken.
    pub(super) fn take(&self) -> Option<PrefixSet> {
        let done = self.done.load(Acquire);
        let mut taken = PrefixSet {
            lengths: [0; LENGTH_WORDS],
            bits: [0; PREFIX_WORDS],
        };
        for (to, from) in taken.lengths.iter_mut().zip(&self.lengths) {
            *to = from.xchg(0u64, Acquire);
        }
        for (to, from) in taken.bits.iter_mut().zip(&self.bits) {
            *to = from.xchg(0u64, Acquire);
        }
        // Read after the bits.
        (self.begun.fetch_add(0u32, Full) == done).then_some(taken)
    }
}

impl PrefixSet {
    pub(super) fn is_empty(&self) -> bool {
        self.lengths == [0; LENGTH_WORDS]
    }

    /// Returns whether a prefix of the set may cover an address, given by its first 64 bits.
    pub(super) fn covers(&self, family: u8, address: u64) -> bool {
        let is_ipv6 = family == NFPROTO_IPV6;
        for (word, lengths) in self.lengths.iter().enumerate() {
            let mut left = *lengths;
            while left != 0 {
                // CAST: Below 128.
                let length = (word as u8)
                    .wrapping_mul(64)
                    .wrapping_add(left.trailing_zeros() as u8);
                left &= left.wrapping_sub(1);
                if (length >= LENGTHS_IPV6) != is_ipv6 {
                    continue;
                }
                let len = length.checked_sub(LENGTHS_IPV6).unwrap_or(length);
                let has = |bit: usize| {
                    let word = self.bits.get(bit / 64);
                    word.is_some_and(|word| word >> (bit % 64) & 1 != 0)
                };
                if prefix_bits(length, masked(address, len.into()))
                    .into_iter()
                    .all(has)
                {
                    return true;
                }
            }
        }
        false
    }
}
