// SPDX-License-Identifier: GPL-2.0

//! A flow as plain data.

use crate::{
    proto::{
        Dir,
        Mac, //
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
    /// Network layer.
    pub(crate) family: Family,
    /// Transport layer.
    pub(crate) protocol: Protocol,
    /// The source of the original direction is translated.
    pub(crate) snat: bool,
    /// The destination of the original direction is translated.
    pub(crate) dnat: bool,
    /// The original direction.
    pub(crate) original: Side,
    /// The reply direction.
    pub(crate) reply: Side,
}

/// One direction of a flow: its packets as they arrive, before any translation, and where they go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Side {
    /// Source address; an IPv4 address is in the first four bytes.
    pub(crate) source: [u8; 16],
    /// Destination address, likewise.
    pub(crate) destination: [u8; 16],
    /// Source port, network order.
    pub(crate) source_port: [u8; 2],
    /// Destination port, network order.
    pub(crate) destination_port: [u8; 2],
    /// Index of the lowest device on which they arrive.
    pub(crate) ingress: u32,
    /// The headers between Ethernet and IP that they carry on arrival. The other direction's packets leave with them.
    pub(crate) layers: Layers,
    /// What fits.
    pub(crate) mtu: Mtu,
    /// The lightweight tunnel of their route, into which they are sent. The other direction's packets come out of it.
    pub(crate) tunnel: Option<Tunnel>,
    /// Where they go.
    pub(crate) egress: Egress,
}

/// Headers between Ethernet and IP, outermost first; as many as the core holds (`NF_FLOW_TABLE_ENCAP_MAX`).
pub(crate) type Layers = [Option<Layer>; 2];

/// A header between Ethernet and IP.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Layer {
    /// A VLAN tag.
    Vlan(Tag),
    /// A PPPoE session, by its number.
    Pppoe(u16),
    /// Something else, by its Ethertype.
    Other(u16),
}

/// A VLAN tag.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Tag {
    /// Ethertype, host order: 802.1Q or 802.1ad.
    pub(crate) tpid: u16,
    /// VLAN, 12 bits.
    pub(crate) vid: u16,
    /// 802.1p priority of frames that leave with it, 3 bits. Not matched.
    pub(crate) priority: u8,
    /// The switch behind the device takes it off and puts it on by itself (`in_vlan_ingress`).
    pub(crate) by_switch: bool,
}

/// Sizes in bytes of IP packets, or of what follows the Ethernet header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Mtu {
    /// MTU of the ingress device; 0 if unknown.
    pub(crate) ingress: u32,
    /// MTU of the egress device; 0 if unknown.
    pub(crate) egress: u32,
    /// The largest IP packet that the route takes.
    pub(crate) flow: u32,
}

/// A lightweight IP tunnel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Tunnel {
    /// The tunnel's key: VNI, GRE key; network order. `None` without one.
    pub(crate) id: Option<[u8; 4]>,
    /// Address family of the outer header.
    pub(crate) family: Family,
    /// Source address of packets that are sent into it; zeros where the kernel chooses. IPv4 as in [`Side::source`].
    pub(crate) source: [u8; 16],
    /// Destination address of packets that are sent into it.
    pub(crate) destination: [u8; 16],
    /// Destination UDP port, network order; zeros for a tunnel without UDP.
    pub(crate) port: [u8; 2],
}

/// Where the packets of a direction go.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Egress {
    /// Out of an Ethernet device with these addresses.
    Ethernet {
        /// Index of the lowest device.
        ifindex: u32,
        /// Source address of the frame.
        source: Mac,
        /// Destination address of the frame.
        destination: Mac,
        /// The source address is that of the device.
        own_source: bool,
    },
    /// Into a tunnel ([`Side::tunnel`]) through a device without Ethernet addresses.
    Tunnel {
        /// Index of the tunnel's device.
        ifindex: u32,
    },
    /// Nowhere that a rule can express, and why.
    Impossible(Refusal),
}

impl Flow {
    pub(super) fn side(&self, dir: Dir) -> &Side {
        match dir {
            Dir::Original => &self.original,
            Dir::Reply => &self.reply,
        }
    }

    pub(super) fn sides(&self) -> [&Side; 2] {
        [&self.original, &self.reply]
    }

    pub(super) fn nat(&self) -> bool {
        self.snat || self.dnat
    }
}
