// SPDX-License-Identifier: GPL-2.0

//! Why a flow has no translation.

/// A reason why a flow has no translation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Refusal {
    /// The transport protocol is none of TCP, UDP and GRE.
    Protocol,
    /// Packets carry a header before IP that is neither a VLAN tag nor a PPPoE header.
    Encapsulation,
    /// IPsec transforms the packets.
    Xfrm,
    /// The packets leave through a device that is not Ethernet.
    NotEthernet,
    /// The address of the next hop is not known yet.
    Unresolved,
    /// The core sends the packets in a way that a rule cannot express.
    Transmit,
    /// The rule needs more actions than a rule can have.
    TooManyActions,
    /// The egress device is gone.
    NoEgress,
    /// The route has a lightweight tunnel that is not an IP tunnel, or one with options.
    Lwtunnel,
    /// The packets leave through a tunnel device whose header the core does not pass on.
    TunnelDevice,
    /// Packets larger than the MTU of the flow can arrive.
    Oversize,
    /// The addresses of a GRE flow are translated.
    GreNat,
    /// There is no memory for the rule.
    NoMemory,
    /// The driver does not support PPPoE.
    Pppoe,
    /// The driver does not support 802.1ad tags.
    ServiceTag,
    /// Two headers are added, and the order in which the driver reads them is unknown.
    LayerOrder,
    /// Tags are removed and others added, in a way that the driver would mix up.
    Retag,
    /// IPv6 frames need a source address other than that of the egress device, which is the one
    /// that the driver writes.
    SourceMac,
    /// The driver does not translate IPv4 addresses.
    Nat4,
    /// The driver does not translate IPv6 addresses.
    Nat6,
    /// The driver does not support GRE.
    Gre,
    /// The driver does not support tunnels.
    Tunnel,
    /// Packets go to a multicast or broadcast address, which has many receivers; a rule knows one.
    ToMany,
}
