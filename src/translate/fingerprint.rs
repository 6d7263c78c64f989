// SPDX-License-Identifier: GPL-2.0

//! A rule as one number, to see whether a translation has changed without keeping it.
//!
//! Who chooses addresses must not be able to choose the number: two flows with the same would take each other's rules out.
//! So it is a keyed hash: of keys and actions packed into words, and of many words at once. `derive(Hash)` would give it each
//! field, discriminant and length by itself, which takes three times as long.

use super::{
    matching::words,
    Action,
    Key,
    Refusal,
    RuleSink,
    Tunnel,
    Word, //
};
use core::hash::Hasher;
// The keyed hash of `core`; what is to be used instead is in `std` only.
#[allow(deprecated)]
use core::hash::SipHasher;

/// A secret of whom the numbers are for.
pub(crate) type Secret = [u64; 2];

/// What a key or an action is: the lowest byte of its first word. It says how many words follow, too, so that no two
/// sequences of keys and actions are packed into the same words.
#[derive(Clone, Copy)]
#[repr(u8)]
enum Kind {
    Ingress,
    Tunnel,
    Vlan,
    VlanOfPriority,
    InnerVlan,
    Pppoe,
    Protocols,
    Ipv4,
    Ipv6,
    Ports,
    TcpFlags,
    NotFragment,
    TunnelDecap,
    Mangle,
    Add,
    VlanPop,
    VlanPush,
    PppoePush,
    Checksum,
    TunnelEncap,
    Redirect,
}

/// The first word of a key or an action, in which everything has bits of its own.
fn first(kind: Kind, byte: u8, half: u16) -> u32 {
    kind as u32 | u32::from(byte) << 8 | u32::from(half) << 16
}

fn put_address(address: [u8; 16], put: &mut impl FnMut(u32)) {
    for word in words(address) {
        put(u32::from_ne_bytes(word));
    }
}

fn put_tunnel(kind: Kind, tunnel: Tunnel, put: &mut impl FnMut(u32)) {
    let Tunnel {
        id,
        family,
        source,
        destination,
        port,
    } = tunnel;
    let flags = family as u8 | u8::from(id.is_some()) << 1;
    put(first(kind, flags, u16::from_ne_bytes(port)));
    put(id.map_or(0, u32::from_ne_bytes));
    put_address(source, put);
    put_address(destination, put);
}

fn put_word(kind: Kind, word: Word, put: &mut impl FnMut(u32)) {
    let Word {
        header,
        offset,
        keep,
        value,
    } = word;
    put(first(kind, header as u8, offset.into()));
    put(u32::from_ne_bytes(keep));
    put(u32::from_ne_bytes(value));
}

impl Key {
    /// Gives `put` the words that it is packed into.
    pub(crate) fn pack(self, put: &mut impl FnMut(u32)) {
        match self {
            Key::Ingress(ifindex) => {
                put(first(Kind::Ingress, 0, 0));
                put(ifindex);
            }
            Key::Tunnel(tunnel) => put_tunnel(Kind::Tunnel, tunnel, put),
            Key::Vlan {
                tpid,
                vid,
                priority,
            } => {
                put(match priority {
                    None => first(Kind::Vlan, 0, tpid),
                    Some(priority) => first(Kind::VlanOfPriority, priority, tpid),
                });
                put(vid.into());
            }
            Key::InnerVlan { tpid, vid } => {
                put(first(Kind::InnerVlan, 0, tpid));
                put(vid.into());
            }
            Key::Pppoe { session, family } => put(first(Kind::Pppoe, family as u8, session)),
            Key::Protocols {
                ethertype,
                ip_protocol,
            } => put(first(Kind::Protocols, ip_protocol, ethertype)),
            Key::Ipv4(source, destination) => {
                put(first(Kind::Ipv4, 0, 0));
                put(u32::from_ne_bytes(source));
                put(u32::from_ne_bytes(destination));
            }
            Key::Ipv6(source, destination) => {
                put(first(Kind::Ipv6, 0, 0));
                put_address(source, put);
                put_address(destination, put);
            }
            Key::Ports(source, destination) => {
                put(first(Kind::Ports, 0, u16::from_ne_bytes(source)));
                put(u16::from_ne_bytes(destination).into());
            }
            Key::TcpFlags { flags, mask } => {
                put(first(Kind::TcpFlags, 0, flags));
                put(mask.into());
            }
            Key::NotFragment => put(first(Kind::NotFragment, 0, 0)),
        }
    }
}

impl Action {
    /// Gives `put` the words that it is packed into.
    pub(crate) fn pack(self, put: &mut impl FnMut(u32)) {
        match self {
            Action::TunnelDecap => put(first(Kind::TunnelDecap, 0, 0)),
            Action::Mangle(word) => put_word(Kind::Mangle, word, put),
            Action::Add(word) => put_word(Kind::Add, word, put),
            Action::VlanPop => put(first(Kind::VlanPop, 0, 0)),
            Action::VlanPush {
                tpid,
                vid,
                priority,
            } => {
                put(first(Kind::VlanPush, priority, tpid));
                put(vid.into());
            }
            Action::PppoePush(session) => put(first(Kind::PppoePush, 0, session)),
            Action::Checksum {
                ipv4_header,
                transport,
            } => {
                let transport = transport.map_or(0, |protocol| 1 + protocol as u16);
                put(first(Kind::Checksum, ipv4_header.into(), transport));
            }
            Action::TunnelEncap(tunnel) => put_tunnel(Kind::TunnelEncap, tunnel, put),
            Action::Redirect(ifindex) => {
                put(first(Kind::Redirect, 0, 0));
                put(ifindex);
            }
        }
    }
}

/// A sink that keeps only 64 bit SipHash-2-4 numbers of what it is given: the keys, those that the hardware does not see, and the
/// actions, each in their order.
pub(crate) struct Fingerprint {
    #[allow(deprecated)]
    hasher: SipHasher,
    /// Words that the hasher has not got yet, and how many: at most all.
    words: [[u8; 4]; Self::WORDS],
    used: usize,
    matching: Option<u64>,
    actions: u32,
    sees_arrival: bool,
    /// Keys that do not belong to `matching`.
    unseen: [Option<Key>; Self::ARRIVAL_KEYS],
}

impl Fingerprint {
    /// As many as the actions of most rules of IPv4 have; the hasher gets those of a longer one in parts.
    const WORDS: usize = 32;

    /// How many keys of a rule say where a packet arrives: the device, and two of a tag, another one, and a session.
    const ARRIVAL_KEYS: usize = 4;

    /// Of a rule with no keys and no actions, for hardware that looks at where a packet arrives or not.
    pub(crate) fn new([first, second]: Secret, sees_arrival: bool) -> Self {
        #[allow(deprecated)]
        let hasher = SipHasher::new_with_keys(first, second);
        Self {
            hasher,
            words: [[0; 4]; Self::WORDS],
            used: 0,
            matching: None,
            actions: 0,
            sees_arrival,
            unseen: [None; Self::ARRIVAL_KEYS],
        }
    }

    /// The number of the whole rule.
    pub(crate) fn value(&mut self) -> u64 {
        self.flush();
        self.hasher.finish()
    }

    /// The number of its keys alone, as far as the hardware sees them: of what it matches.
    pub(crate) fn matching(&mut self) -> u64 {
        match self.matching {
            Some(matching) => matching,
            None => self.value(),
        }
    }

    /// How many actions it has.
    pub(crate) fn actions(&self) -> u32 {
        self.actions
    }

    fn put(&mut self, word: u32) {
        if self.used >= Self::WORDS {
            self.flush();
        }
        if let Some(place) = self.words.get_mut(self.used) {
            *place = word.to_ne_bytes();
            self.used += 1;
        }
    }

    #[inline(never)]
    fn flush(&mut self) {
        let words = self.words.get(..self.used).unwrap_or_default();
        self.hasher.write(words.as_flattened());
        self.used = 0;
    }
}

impl RuleSink for Fingerprint {
    fn key(&mut self, key: Key) {
        if !self.sees_arrival && key.is_arrival() {
            if let Some(free) = self.unseen.iter_mut().find(|place| place.is_none()) {
                *free = Some(key);
                return;
            }
        }
        key.pack(&mut |word| self.put(word));
    }

    fn action(&mut self, action: Action) -> Result<(), Refusal> {
        if self.matching.is_none() {
            self.matching = Some(self.value());
            for key in self.unseen.into_iter().flatten() {
                key.pack(&mut |word| self.put(word));
            }
        }
        self.actions = self.actions.saturating_add(1);
        action.pack(&mut |word| self.put(word));
        Ok(())
    }
}
