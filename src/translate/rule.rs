// SPDX-License-Identifier: GPL-2.0

//! A rule, piece by piece: what a packet must look like, and what is done to it.

use crate::{
    proto::Header,
    translate::{
        flow::{
            Family,
            Protocol,
            Tunnel, //
        },
        refusal::Refusal, //
    }, //
};

/// Something that a packet has to have. All bits count unless said otherwise.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Key {
    /// The index of the device on which it arrives.
    Ingress(u32),
    /// The tunnel that it came out of, as its outer header says. Its key is not looked at if `None`; an address of zeros matches every
    /// address, a port of zeros every port.
    Tunnel(Tunnel),
    /// The outer VLAN tag.
    Vlan {
        /// Ethertype, host order.
        tpid: u16,
        /// VLAN, 12 bits.
        vid: u16,
        /// 802.1p priority, 3 bits; not looked at if `None`.
        priority: Option<u8>,
    },
    /// The inner VLAN tag.
    InnerVlan {
        /// Ethertype, host order.
        tpid: u16,
        /// VLAN, 12 bits; the priority is not looked at.
        vid: u16,
    },
    /// A PPPoE session that carries this network layer.
    Pppoe {
        /// The session.
        session: u16,
        /// What is in it.
        family: Family,
    },
    /// The protocol after the Ethernet header and what comes before IP (host order), and the one after the IP header.
    Protocols {
        /// Ethertype, host order.
        ethertype: u16,
        /// IP protocol number.
        ip_protocol: u8,
    },
    /// IPv4 source and destination.
    Ipv4([u8; 4], [u8; 4]),
    /// IPv6 source and destination.
    Ipv6([u8; 16], [u8; 16]),
    /// Source and destination port, network order.
    Ports([u8; 2], [u8; 2]),
    /// TCP flags, host order.
    TcpFlags {
        /// The flags that must be set.
        flags: u16,
        /// The flags that are looked at.
        mask: u16,
    },
    /// Not a fragment, not even a first one. After the addresses.
    NotFragment,
}

/// The four bytes at `offset` of a header, as they lie in the packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Word {
    /// The header.
    pub(crate) header: Header,
    /// Bytes from its start.
    pub(crate) offset: u8,
    /// Bits that stay as they are.
    pub(crate) keep: [u8; 4],
    /// What the other bits become, or what is added to them.
    pub(crate) value: [u8; 4],
}

/// Something that is done to a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Action {
    /// Take the tunnel's headers off.
    TunnelDecap,
    /// Write a word.
    Mangle(Word),
    /// Add to a word.
    Add(Word),
    /// Take the outermost VLAN tag off.
    VlanPop,
    /// Put a VLAN tag on.
    VlanPush {
        /// Ethertype, host order.
        tpid: u16,
        /// VLAN, 12 bits.
        vid: u16,
        /// 802.1p priority, 3 bits.
        priority: u8,
    },
    /// Put a PPPoE header of this session on.
    PppoePush(u16),
    /// Bring checksums up to date.
    Checksum {
        /// Of the IPv4 header.
        ipv4_header: bool,
        /// Of TCP or UDP, whichever the flow is.
        transport: Option<Protocol>,
    },
    /// Put the headers of the direction's tunnel on, which is this one.
    TunnelEncap(Tunnel),
    /// Send it out of the device with this index.
    Redirect(u32),
}

/// Takes a rule, piece by piece.
pub(crate) trait RuleSink {
    /// Adds a match key.
    fn key(&mut self, key: Key);
    /// Appends an action; an error ends the translation.
    fn action(&mut self, action: Action) -> Result<(), Refusal>;
}

impl Key {
    /// Whether it says where the packet arrives ([`Semantics::sees_arrival`]).
    pub(super) fn is_arrival(&self) -> bool {
        matches!(
            self,
            Key::Ingress(_) | Key::Vlan { .. } | Key::InnerVlan { .. } | Key::Pppoe { .. }
        )
    }
}
