// SPDX-License-Identifier: GPL-2.0

//! The number of a match is that of words that distinguish any two matches.

// The recommended replacement has no keys of its own choice.
#![allow(deprecated)]

use crate::translate::flow::{Family, Tunnel};
use crate::translate::match_hash::MatchHash;
use crate::translate::rule::{Action, Key, RuleSink};
use proptest::prelude::*;
use std::hash::{Hasher, SipHasher};

fn packed(key: &Key) -> Vec<u32> {
    let mut words = vec![];
    key.pack(&mut |word| words.push(word));
    words
}

/// Bytes that the fields of the largest key are filled from; a smaller one uses the first ones.
const SIZE: usize = 40;

/// The source of the fields of a key.
struct Bits<'a>(&'a [u8]);

impl Bits<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let (taken, rest) = self.0.split_first_chunk().unwrap();
        self.0 = rest;
        *taken
    }

    fn u8(&mut self) -> u8 {
        u8::from_ne_bytes(self.take())
    }

    fn u16(&mut self) -> u16 {
        u16::from_ne_bytes(self.take())
    }

    fn u32(&mut self) -> u32 {
        u32::from_ne_bytes(self.take())
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[usize::from(self.u8()) % all.len()]
    }

    fn bool(&mut self) -> bool {
        self.one_of(&[false, true])
    }

    fn family(&mut self) -> Family {
        self.one_of(&[Family::Ipv4, Family::Ipv6])
    }

    fn tunnel(&mut self) -> Tunnel {
        Tunnel {
            id: self.bool().then_some(self.take()),
            family: self.family(),
            source: self.take(),
            destination: self.take(),
            port: self.take(),
        }
    }
}

/// The number of kinds of keys.
const KEYS: usize = 11;

/// Builds a key of that kind from these bits.
fn key(kind: usize, bits: &[u8; SIZE]) -> Key {
    let mut bits = Bits(bits);
    match kind {
        0 => Key::Ingress(bits.u32()),
        1 => Key::Tunnel(bits.tunnel()),
        2 => Key::Vlan {
            tpid: bits.u16(),
            vid: bits.u16(),
            priority: bits.bool().then_some(bits.u8()),
            next: bits.bool().then_some(bits.u16()),
        },
        3 => Key::InnerVlan {
            tpid: bits.u16(),
            vid: bits.u16(),
            next: bits.bool().then_some(bits.u16()),
        },
        4 => Key::Pppoe {
            session: bits.u16(),
            family: bits.family(),
        },
        5 => Key::Protocols {
            ethertype: bits.u16(),
            ip_protocol: bits.u8(),
        },
        6 => Key::Ipv4(bits.take(), bits.take()),
        7 => Key::Ipv6(bits.take(), bits.take()),
        8 => Key::Ports(bits.take(), bits.take()),
        9 => Key::TcpFlags {
            flags: bits.u16(),
            mask: bits.u16(),
        },
        _ => Key::NotFragment,
    }
}

/// The words of no key begin with those of another one, so words can be taken apart into keys in one way only.
#[test]
fn no_key_begins_with_another() {
    let mut keys = vec![];
    for kind in 0..KEYS {
        // Each bit of each field changed on its own, among zeros and among ones.
        for base in [0, u8::MAX] {
            keys.push(key(kind, &[base; SIZE]));
            for bit in 0..SIZE * 8 {
                let mut bits = [base; SIZE];
                bits[bit / 8] ^= 1 << (bit % 8);
                keys.push(key(kind, &bits));
            }
        }
    }
    let mut all: Vec<_> = keys.iter().map(|key| (packed(key), key)).collect();
    // In this order all that begins with a key comes right after it.
    all.sort_by(|(a, _), (b, _)| a.cmp(b));
    for pair in all.windows(2) {
        let ((a, first), (b, second)) = (&pair[0], &pair[1]);
        assert!(first == second || !b.starts_with(a), "{first:?} {second:?}");
    }
}

/// A change to a sequence of keys.
#[derive(Clone, Debug)]
enum Change {
    Bit(usize, usize),
    Kind(usize, usize),
    Remove(usize),
    Swap(usize, usize),
}

fn change() -> impl Strategy<Value = Change> {
    let at = || any::<usize>();
    prop_oneof![
        (at(), 0..SIZE * 8).prop_map(|(at, bit)| Change::Bit(at, bit)),
        (at(), 0..KEYS).prop_map(|(at, kind)| Change::Kind(at, kind)),
        at().prop_map(Change::Remove),
        (at(), at()).prop_map(|(a, b)| Change::Swap(a, b)),
    ]
}

/// The number of the words of these keys.
fn number(keys: &[Key]) -> u64 {
    let mut hasher = SipHasher::new_with_keys(1, 2);
    for word in keys.iter().flat_map(packed) {
        hasher.write(&word.to_ne_bytes());
    }
    hasher.finish()
}

fn keys() -> impl Strategy<Value = Vec<(usize, [u8; SIZE])>> {
    prop::collection::vec((0..KEYS, any::<[u8; SIZE]>()), 1..30)
}

fn made(of: &[(usize, [u8; SIZE])]) -> Vec<Key> {
    of.iter().map(|(kind, bits)| key(*kind, bits)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    /// Sequences of keys have the same words only if they are equal.
    #[test]
    fn other_keys_have_other_words(
        of in keys(),
        changes in prop::collection::vec(change(), 1..3),
    ) {
        let mut changed = of.clone();
        for change in changes {
            let at = |at: usize| at % changed.len().max(1);
            match change {
                _ if changed.is_empty() => {}
                Change::Bit(i, bit) => { let i = at(i); changed[i].1[bit / 8] ^= 1 << (bit % 8) }
                Change::Kind(i, kind) => { let i = at(i); changed[i].0 = kind }
                Change::Remove(i) => { changed.remove(at(i)); }
                Change::Swap(i, j) => { let (i, j) = (at(i), at(j)); changed.swap(i, j) }
            }
        }
        let (before, after) = (made(&of), made(&changed));
        let words = |keys: &[Key]| -> Vec<u32> { keys.iter().flat_map(packed).collect() };
        prop_assert_eq!(words(&before) == words(&after), before == after);
    }

    /// The number depends on the words only, however many there are; actions do not change it.
    #[test]
    fn the_number_is_that_of_the_words(of in keys(), actions in 0u32..30) {
        let keys = made(&of);
        let mut hash = MatchHash::new([1, 2], true);
        keys.iter().for_each(|key| hash.key(*key));
        (0..actions).for_each(|_| hash.action(Action::VlanPop).unwrap());
        prop_assert_eq!(hash.value(), number(&keys));
    }
}
