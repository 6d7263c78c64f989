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

/// A match key: a condition on a packet. All bits are compared unless stated otherwise.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Key {
    /// The index of the device on which the packet arrives.
    Ingress(u32),
    /// The tunnel that the packet came out of, according to its outer header.
    ///
    /// The tunnel's key is not compared if `None`. An address of all zeros matches every address, a
    /// port of zero every port.
    Tunnel(Tunnel),
    /// The outer VLAN tag.
    Vlan {
        /// Ethertype, host order.
        tpid: u16,
        /// VLAN ID, 12 bits.
        vid: u16,
        /// 802.1p priority, 3 bits; not compared if `None`.
        priority: Option<u8>,
        /// The Ethertype behind the tag, host order; not compared if `None`.
        next: Option<u16>,
    },
    /// The inner VLAN tag.
    InnerVlan {
        /// Ethertype, host order.
        tpid: u16,
        /// VLAN ID, 12 bits; the priority is not compared.
        vid: u16,
        /// The Ethertype behind the tag, host order; not compared if `None`.
        next: Option<u16>,
    },
    /// A PPPoE session that carries this network layer.
    Pppoe {
        /// The session ID.
        session: u16,
        /// The network layer inside the session.
        family: Family,
    },
    /// The protocol of the network layer, after any tags, and the one after the IP header.
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
        /// The flags that are compared.
        mask: u16,
    },
    /// The packet is not a fragment, not even the first one. Written after the addresses.
    NotFragment,
}

/// Four bytes at an offset of a header, as they lie in the packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Word {
    /// The header.
    pub(crate) header: Header,
    /// Offset from the start of the header, in bytes.
    pub(crate) offset: u8,
    /// Mask of the bits that do not change.
    pub(crate) keep: [u8; 4],
    /// The new value of the other bits, or what is added to them.
    pub(crate) value: [u8; 4],
}

/// An action on a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Action {
    /// Removes the headers of the tunnel.
    TunnelDecap,
    /// Writes a word.
    Mangle(Word),
    /// Adds to a word.
    Add(Word),
    /// Removes the outermost VLAN tag.
    VlanPop,
    /// Adds a VLAN tag.
    VlanPush {
        /// Ethertype, host order.
        tpid: u16,
        /// VLAN ID, 12 bits.
        vid: u16,
        /// 802.1p priority, 3 bits.
        priority: u8,
    },
    /// Adds a PPPoE header of this session.
    PppoePush(u16),
    /// Updates checksums.
    Checksum {
        /// Whether to update the checksum of the IPv4 header.
        ipv4_header: bool,
        /// The transport protocol of the flow, TCP or UDP, if its checksum is to be updated.
        transport: Option<Protocol>,
    },
    /// Adds the headers of this tunnel, which is that of the direction.
    TunnelEncap(Tunnel),
    /// Sends the packet out of the device with this index.
    Redirect(u32),
}

/// A receiver of a rule, piece by piece.
pub(crate) trait RuleSink {
    /// Adds a match key.
    fn key(&mut self, key: Key);
    /// Appends an action. An error ends the translation.
    fn action(&mut self, action: Action) -> Result<(), Refusal>;
}

impl Key {
    /// Returns whether the key describes where the packet arrives ([`Semantics::sees_arrival`]).
    pub(super) fn is_arrival(&self) -> bool {
        matches!(
            self,
            Key::Ingress(_) | Key::Vlan { .. } | Key::InnerVlan { .. } | Key::Pppoe { .. }
        )
    }
}
