// SPDX-License-Identifier: GPL-2.0

//! A hash of what a rule matches: two rules with the same number match the same packets.
//!
//! A peer that chooses addresses must not be able to choose the number, because two flows with the
//! same number would remove each other's rules. The hash is therefore keyed. It is computed over
//! keys packed into words, and over many words at once: `derive(Hash)` would pass each field,
//! discriminant and length to the hasher separately, which takes three times as long.

use crate::translate::{
    flow::Tunnel,
    matching::words,
    refusal::Refusal,
    rule::{
        Action,
        Key,
        RuleSink, //
    }, //
};
use core::hash::Hasher;
// The keyed hash of `core`. Its replacement is only in `std`.
#[allow(deprecated)]
use core::hash::SipHasher;

/// The secret key of the hashes of one flowtable.
pub(crate) type Secret = [u64; 2];

/// The kind of a key, stored in the lowest byte of its first word.
///
/// The kind also implies how many words follow, so that no two sequences of keys are packed into
/// the same words.
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
}

/// Returns the first word of a key, in which every value has its own bits.
fn first(kind: Kind, byte: u8, half: u16) -> u32 {
    kind as u32 | u32::from(byte) << 8 | u32::from(half) << 16
}

fn put_address(address: [u8; 16], put: &mut impl FnMut(u32)) {
    for word in words(address) {
        put(u32::from_ne_bytes(word));
    }
}

fn put_tag(vid: u16, next: Option<u16>, put: &mut impl FnMut(u32)) {
    put(vid.into());
    put(next.map_or(0, |next| 1 << 16 | u32::from(next)));
}

fn put_tunnel(tunnel: Tunnel, put: &mut impl FnMut(u32)) {
    let Tunnel {
        id,
        family,
        source,
        destination,
        port,
    } = tunnel;
    let flags = family as u8 | u8::from(id.is_some()) << 1;
    put(first(Kind::Tunnel, flags, u16::from_ne_bytes(port)));
    put(id.map_or(0, u32::from_ne_bytes));
    put_address(source, put);
    put_address(destination, put);
}

impl Key {
    /// Passes the words that the key is packed into to `put`.
    pub(crate) fn pack(self, put: &mut impl FnMut(u32)) {
        match self {
            Key::Ingress(ifindex) => {
                put(first(Kind::Ingress, 0, 0));
                put(ifindex);
            }
            Key::Tunnel(tunnel) => put_tunnel(tunnel, put),
            Key::Vlan {
                tpid,
                vid,
                priority,
                next,
            } => {
                put(match priority {
                    None => first(Kind::Vlan, 0, tpid),
                    Some(priority) => first(Kind::VlanOfPriority, priority, tpid),
                });
                put_tag(vid, next, put);
            }
            Key::InnerVlan { tpid, vid, next } => {
                put(first(Kind::InnerVlan, 0, tpid));
                put_tag(vid, next, put);
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

/// A sink that keeps only a 64-bit SipHash-2-4 of the keys of a rule, in their order.
pub(crate) struct MatchHash {
    #[allow(deprecated)]
    hasher: SipHasher,
    /// Words that the hasher has not been given yet; `used` of them are valid.
    words: [[u8; 4]; Self::WORDS],
    used: usize,
    sees_arrival: bool,
}

impl MatchHash {
    /// As many words as the keys of most rules have. Those of a longer rule reach the hasher in
    /// parts.
    const WORDS: usize = 20;

    /// Returns the hash of a rule without keys and actions.
    ///
    /// `sees_arrival` says whether the hardware considers where a packet arrives; only then are
    /// keys that describe the arrival hashed.
    pub(crate) fn new([first, second]: Secret, sees_arrival: bool) -> Self {
        #[allow(deprecated)]
        let hasher = SipHasher::new_with_keys(first, second);
        Self {
            hasher,
            words: [[0; 4]; Self::WORDS],
            used: 0,
            sees_arrival,
        }
    }

    /// Returns the hash of what the rule matches.
    pub(crate) fn value(&mut self) -> u64 {
        self.flush();
        self.hasher.finish()
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

impl RuleSink for MatchHash {
    fn key(&mut self, key: Key) {
        if self.sees_arrival || !key.is_arrival() {
            key.pack(&mut |word| self.put(word));
        }
    }

    fn action(&mut self, _: Action) -> Result<(), Refusal> {
        Ok(())
    }
}
