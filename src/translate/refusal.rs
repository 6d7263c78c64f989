// SPDX-License-Identifier: GPL-2.0

//! Why a flow has no translation.

/// Why a flow has no translation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Refusal {
    /// The transport protocol is none of TCP, UDP and GRE.
    Protocol,
    /// Packets carry a header before IP that is no VLAN tag and no PPPoE session.
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
    /// The packets leave through a tunnel device whose header the core does not hand over.
    TunnelDevice,
    /// Packets that are larger than the flow's MTU can arrive.
    Oversize,
    /// GRE whose addresses are translated.
    GreNat,
    /// No memory for the rule.
    NoMemory,
    /// The driver takes no PPPoE.
    Pppoe,
    /// The driver takes no 802.1ad tags.
    ServiceTag,
    /// Two headers are put on, and it is not known in which order the driver reads them.
    LayerOrder,
    /// Tags are taken off and others put on, in a way that the driver would mix up.
    Retag,
    /// IPv6 frames get a source address that is not the egress device's, and the driver writes that one.
    SourceMac,
    /// The driver does not translate IPv6 addresses.
    Nat6,
    /// The driver takes no GRE.
    Gre,
    /// The driver takes no tunnels.
    Tunnel,
    /// Packets go to a multicast or broadcast address: to many, of which a rule knows one.
    ToMany,
}
