// SPDX-License-Identifier: GPL-2.0

//! A flow as plain data.

use crate::{
    proto::{
        Dir,
        Mac,
        ETH_P_IP,
        ETH_P_IPV6,
        ETH_P_PPP_SES, //
    },
    translate::refusal::Refusal, //
};

/// The network layer of a flow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Family {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

impl Family {
    /// Returns the Ethertype of the network layer, in host order.
    pub(super) fn ethertype(self) -> u16 {
        match self {
            Family::Ipv4 => ETH_P_IP,
            Family::Ipv6 => ETH_P_IPV6,
        }
    }
}

/// The transport layer of a flow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// GRE version 0, which has no ports.
    Gre,
}

/// A flow as plain data.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flow {
    /// The network layer.
    pub(crate) family: Family,
    /// The transport layer.
    pub(crate) protocol: Protocol,
    /// Whether the source of the original direction is translated.
    pub(crate) snat: bool,
    /// Whether the destination of the original direction is translated.
    pub(crate) dnat: bool,
    /// The original direction.
    pub(crate) original: Side,
    /// The reply direction.
    pub(crate) reply: Side,
}

/// One direction of a flow: its packets as they arrive, before any translation, and their way out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Side {
    /// Source address. An IPv4 address is in the first four bytes.
    pub(crate) source: [u8; 16],
    /// Destination address, in the same form as `source`.
    pub(crate) destination: [u8; 16],
    /// Source port, network order.
    pub(crate) source_port: [u8; 2],
    /// Destination port, network order.
    pub(crate) destination_port: [u8; 2],
    /// Index of the lowest device on which the packets arrive.
    pub(crate) ingress: u32,
    /// The headers between Ethernet and IP on arrival. The packets of the other direction leave
    /// with them.
    pub(crate) layers: Layers,
    /// The sizes of packets that fit.
    pub(crate) mtu: Mtu,
    /// The lightweight tunnel of the route, into which the packets are sent. The packets of the
    /// other direction come out of it.
    pub(crate) tunnel: Option<Tunnel>,
    /// The way out.
    pub(crate) egress: Egress,
}

/// Headers between Ethernet and IP, outermost first. The core holds this many
/// (`NF_FLOW_TABLE_ENCAP_MAX`).
pub(crate) type Layers = [Option<Layer>; 2];

/// A header between Ethernet and IP.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Layer {
    /// A VLAN tag.
    Vlan(Tag),
    /// A PPPoE session, by its ID.
    Pppoe(u16),
    /// Another header, by its Ethertype.
    Other(u16),
}

impl Layer {
    /// Returns the Ethertype of the header, in host order.
    pub(super) fn ethertype(self) -> u16 {
        match self {
            Layer::Vlan(tag) => tag.tpid,
            Layer::Pppoe(_) => ETH_P_PPP_SES,
            Layer::Other(ethertype) => ethertype,
        }
    }
}

/// A VLAN tag.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Tag {
    /// Ethertype, host order: 802.1Q or 802.1ad.
    pub(crate) tpid: u16,
    /// VLAN ID, 12 bits.
    pub(crate) vid: u16,
    /// 802.1p priority of frames that leave with the tag, 3 bits. Not matched.
    pub(crate) priority: u8,
    /// Whether the switch behind the device removes and adds the tag (`in_vlan_ingress`).
    pub(crate) by_switch: bool,
}

/// Sizes in bytes, of IP packets or of everything after the Ethernet header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Mtu {
    /// MTU of the ingress device; 0 if unknown.
    pub(crate) ingress: u32,
    /// MTU of the egress device; 0 if unknown.
    pub(crate) egress: u32,
    /// Size of the largest IP packet that the route accepts.
    pub(crate) flow: u32,
}

/// A lightweight IP tunnel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Tunnel {
    /// Key of the tunnel, in network order: a VNI or a GRE key. `None` without a key.
    pub(crate) id: Option<[u8; 4]>,
    /// Address family of the outer header.
    pub(crate) family: Family,
    /// Source address of packets sent into the tunnel, in the form of [`Side::source`]. All zeros
    /// where the kernel chooses the address.
    pub(crate) source: [u8; 16],
    /// Destination address of packets sent into the tunnel.
    pub(crate) destination: [u8; 16],
    /// Destination UDP port, network order. Zero for a tunnel without UDP.
    pub(crate) port: [u8; 2],
}

/// The way out of the packets of a direction.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Egress {
    /// Out of an Ethernet device, with these addresses.
    Ethernet {
        /// Index of the lowest device.
        ifindex: u32,
        /// Source address of the frame.
        source: Mac,
        /// Destination address of the frame.
        destination: Mac,
        /// Whether the source address is that of the device.
        own_source: bool,
    },
    /// Into a tunnel ([`Side::tunnel`]) through a device without Ethernet addresses.
    Tunnel {
        /// Index of the tunnel device.
        ifindex: u32,
    },
    /// A rule cannot express the way out, for this reason.
    Impossible(Refusal),
}

impl Flow {
    /// Returns the side of a direction.
    pub(super) fn side(&self, dir: Dir) -> &Side {
        match dir {
            Dir::Original => &self.original,
            Dir::Reply => &self.reply,
        }
    }

    /// Returns the sides of both directions.
    pub(super) fn sides(&self) -> [&Side; 2] {
        [&self.original, &self.reply]
    }

    /// Returns whether an address of the flow is translated.
    pub(super) fn nat(&self) -> bool {
        self.snat || self.dnat
    }
}
