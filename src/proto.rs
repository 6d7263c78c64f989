// SPDX-License-Identifier: GPL-2.0

//! Protocol definitions that every part of the module uses.
//!
//! The code is pure: it is also compiled on the host.

/// An Ethernet address.
pub(crate) type Mac = [u8; 6];

/// A direction of a flow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Dir {
    /// From the peer that opened the connection.
    Original,
    /// Back to the peer that opened the connection.
    Reply,
}

impl Dir {
    /// Returns the opposite direction.
    pub(crate) fn other(self) -> Self {
        match self {
            Dir::Original => Dir::Reply,
            Dir::Reply => Dir::Original,
        }
    }
}

/// The header that the offset of a mangle action refers to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Header {
    /// Ethernet.
    Ethernet,
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// Ethertype of IPv4.
pub(crate) const ETH_P_IP: u16 = 0x0800;
/// Ethertype of an 802.1Q VLAN tag.
pub(crate) const ETH_P_8021Q: u16 = 0x8100;
/// Ethertype of IPv6.
pub(crate) const ETH_P_IPV6: u16 = 0x86dd;
/// Ethertype of a PPPoE session.
pub(crate) const ETH_P_PPP_SES: u16 = 0x8864;
/// Ethertype of an 802.1ad service tag.
pub(crate) const ETH_P_8021AD: u16 = 0x88a8;

/// PPP protocol of IPv4.
pub(crate) const PPP_IP: u16 = 0x0021;
/// PPP protocol of IPv6.
pub(crate) const PPP_IPV6: u16 = 0x0057;

/// IP protocol of TCP.
pub(crate) const IPPROTO_TCP: u8 = 6;
/// IP protocol of UDP.
pub(crate) const IPPROTO_UDP: u8 = 17;
/// IP protocol of GRE.
pub(crate) const IPPROTO_GRE: u8 = 47;

/// Netfilter's number of the family IPv4.
pub(crate) const NFPROTO_IPV4: u8 = 2;
/// Netfilter's number of the family IPv6.
pub(crate) const NFPROTO_IPV6: u8 = 10;
