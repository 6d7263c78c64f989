// SPDX-License-Identifier: GPL-2.0

//! The number of a rule: it is that of words that tell any two rules apart.

// What is to be used instead has no keys of one's own.
#![allow(deprecated)]

use crate::translate::{
    Action, Family, Fingerprint, Header, Key, Protocol, RuleSink, Tunnel, Word,
};
use proptest::prelude::*;
use std::hash::{Hasher, SipHasher};

/// A key or an action.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Piece {
    Key(Key),
    Action(Action),
}

impl Piece {
    fn pack(self) -> Vec<u32> {
        let mut words = vec![];
        match self {
            Piece::Key(key) => key.pack(&mut |word| words.push(word)),
            Piece::Action(action) => action.pack(&mut |word| words.push(word)),
        }
        words
    }
}

/// Bytes that the fields of the largest piece are made of; a smaller one is made of the first ones.
const SIZE: usize = 40;

/// What the fields of a piece are made of.
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

    fn word(&mut self) -> Word {
        use Header::{Ethernet, Ipv4, Ipv6, Tcp, Udp};
        Word {
            header: self.one_of(&[Ethernet, Ipv4, Ipv6, Tcp, Udp]),
            offset: self.u8(),
            keep: self.take(),
            value: self.take(),
        }
    }
}

/// How many kinds of keys and of actions there are.
const KEYS: usize = 11;
const ACTIONS: usize = 9;

/// A piece of that kind, made of these bits.
fn piece(kind: usize, bits: &[u8; SIZE]) -> Piece {
    let mut bits = Bits(bits);
    if let Some(action) = kind.checked_sub(KEYS) {
        return Piece::Action(match action {
            0 => Action::TunnelDecap,
            1 => Action::Mangle(bits.word()),
            2 => Action::Add(bits.word()),
            3 => Action::VlanPop,
            4 => Action::VlanPush {
                tpid: bits.u16(),
                vid: bits.u16(),
                priority: bits.u8(),
            },
            5 => Action::PppoePush(bits.u16()),
            6 => Action::Checksum {
                ipv4_header: bits.bool(),
                transport: bits.one_of(&[
                    None,
                    Some(Protocol::Tcp),
                    Some(Protocol::Udp),
                    Some(Protocol::Gre),
                ]),
            },
            7 => Action::TunnelEncap(bits.tunnel()),
            _ => Action::Redirect(bits.u32()),
        });
    }
    Piece::Key(match kind {
        0 => Key::Ingress(bits.u32()),
        1 => Key::Tunnel(bits.tunnel()),
        2 => Key::Vlan {
            tpid: bits.u16(),
            vid: bits.u16(),
            priority: bits.bool().then_some(bits.u8()),
        },
        3 => Key::InnerVlan {
            tpid: bits.u16(),
            vid: bits.u16(),
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
    })
}

/// The words of no piece begin with those of another one, so words can be taken apart into pieces in one way only.
#[test]
fn no_piece_begins_with_another() {
    let mut packed = vec![];
    for kind in 0..KEYS + ACTIONS {
        // Each bit of each field changed by itself, among zeros and among ones.
        for base in [0, u8::MAX] {
            packed.push(piece(kind, &[base; SIZE]));
            for bit in 0..SIZE * 8 {
                let mut bits = [base; SIZE];
                bits[bit / 8] ^= 1 << (bit % 8);
                packed.push(piece(kind, &bits));
            }
        }
    }
    let mut packed: Vec<_> = packed.iter().map(|piece| (piece.pack(), piece)).collect();
    // In this order all that begins with a piece comes right after it.
    packed.sort_by(|(a, _), (b, _)| a.cmp(b));
    for pair in packed.windows(2) {
        let ((a, first), (b, second)) = (&pair[0], &pair[1]);
        assert!(first == second || !b.starts_with(a), "{first:?} {second:?}");
    }
}

/// What is done to a sequence of pieces to get another one.
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
        (at(), 0..KEYS + ACTIONS).prop_map(|(at, kind)| Change::Kind(at, kind)),
        at().prop_map(Change::Remove),
        (at(), at()).prop_map(|(a, b)| Change::Swap(a, b)),
    ]
}

/// The fingerprint of a rule with these keys and actions.
fn print(keys: &[Piece], actions: &[Piece]) -> Fingerprint {
    let mut print = Fingerprint::new([1, 2], true);
    for piece in keys.iter().chain(actions) {
        match piece {
            Piece::Key(key) => print.key(*key),
            Piece::Action(action) => print.action(*action).unwrap(),
        }
    }
    print
}

/// The number of the words of these pieces.
fn number(pieces: &[Piece]) -> u64 {
    let mut hasher = SipHasher::new_with_keys(1, 2);
    for word in pieces.iter().flat_map(|piece| piece.pack()) {
        hasher.write(&word.to_ne_bytes());
    }
    hasher.finish()
}

fn pieces(kinds: std::ops::Range<usize>) -> impl Strategy<Value = Vec<(usize, [u8; SIZE])>> {
    prop::collection::vec((kinds, any::<[u8; SIZE]>()), 1..30)
}

fn made(of: &[(usize, [u8; SIZE])]) -> Vec<Piece> {
    of.iter().map(|(kind, bits)| piece(*kind, bits)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    /// Pieces in whatever order have the words of others only if they are the same.
    #[test]
    fn other_pieces_have_other_words(
        of in pieces(0..KEYS + ACTIONS),
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
        let words = |pieces: &[Piece]| -> Vec<u32> { pieces.iter().flat_map(|piece| piece.pack()).collect() };
        prop_assert_eq!(words(&before) == words(&after), before == after);
    }

    /// The numbers are those of the words, however many there are; actions are counted.
    #[test]
    fn the_numbers_are_those_of_the_words(
        keys in pieces(0..KEYS),
        actions in pieces(KEYS..KEYS + ACTIONS),
    ) {
        let (keys, actions) = (made(&keys), made(&actions));
        let mut rule = print(&keys, &actions);
        prop_assert_eq!(rule.matching(), number(&keys));
        prop_assert_eq!(rule.value(), number(&[&keys[..], &actions].concat()));
        prop_assert_eq!(rule.actions() as usize, actions.len());
        let mut matching = print(&keys, &[]);
        prop_assert_eq!(matching.matching(), number(&keys));
        prop_assert_eq!(matching.value(), number(&keys));
        prop_assert_eq!(matching.actions(), 0);
    }
}
