// SPDX-License-Identifier: GPL-2.0

//! Translates one direction of a flow into a rule: what a packet must look like, and what is done to it.
//!
//! Pure: no `unsafe`, no allocation, no type of the kernel. A flow comes in as plain data, the rule goes out through a
//! [`RuleSink`]; so the same code runs in the kernel and in the tests on the host. One file a concern:
//!
//! | file               | what it writes                                                           |
//! |--------------------|--------------------------------------------------------------------------|
//! | `matching.rs`      | the match keys of addresses, ports and flags                             |
//! | `encapsulation.rs` | VLAN tags and PPPoE headers: matched, taken off, put on                  |
//! | `tunnel.rs`        | lightweight tunnels: matched, taken off, put on                          |
//! | `ethernet.rs`      | the addresses of the frame                                               |
//! | `hops.rs`          | time to live, hop limit                                                  |
//! | `nat.rs`           | source and destination, address and port, and the checksums              |
//! | `mtu.rs`           | nothing: refuses flows whose packets may not fit                         |
//! | `redirect.rs`      | the way out                                                              |
//!
//! The order of the actions is the order in which they are done, as in tc. What differs from driver to driver is in
//! [`Semantics`]. The whole table of cases is in `docs/translation.md`.

mod encapsulation;
mod ethernet;
mod hops;
mod match_hash;
mod matching;
mod mtu;
mod nat;
mod redirect;
mod tunnel;

pub(crate) use match_hash::{
    MatchHash,
    Secret, //
};

/// An Ethernet address.
pub(crate) type Mac = [u8; 6];

/// A direction of a flow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Dir {
    /// From the side that opened the connection.
    Original,
    /// Back to it.
    Reply,
}

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

/// In which order headers are put on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum PushOrder {
    /// As tc does it: each goes in front of those before it.
    InnerFirst,
    /// As the C core writes it and mtk and airoha read it.
    OuterFirst,
    /// Nobody knows.
    Unknown,
}

/// How a driver reads a rule, and what it takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Semantics {
    /// The hardware decrements TTL and hop limit only if the rule says so.
    pub(crate) explicit_hop_limit: bool,
    /// The rule says which checksums change also where the C core does not: IPv6 translation, the IPv4 header after an
    /// explicit TTL.
    pub(crate) explicit_checksums: bool,
    /// The order in which it reads headers that are put on.
    pub(crate) push_order: PushOrder,
    /// It can leave fragments to the CPU (`FLOW_DIS_IS_FRAGMENT`).
    pub(crate) excludes_fragments: bool,
    /// It can leave TCP packets with SYN to the CPU, by a match on the flags.
    pub(crate) excludes_syn: bool,
    /// It takes PPPoE: puts it on by an action, and off without one, as none exists.
    pub(crate) pppoe: bool,
    /// It takes 802.1ad tags.
    pub(crate) service_tags: bool,
    /// It takes any tags off and puts any others on. Else it rewrites the VLAN of one 802.1Q tag, which keeps its priority.
    pub(crate) retags: bool,
    /// It writes the source address of IPv6 frames. Else they get that of the egress device.
    pub(crate) source_mac6: bool,
    /// It translates IPv6 addresses.
    pub(crate) nat6: bool,
    /// It takes rules without ports, which GRE has not.
    pub(crate) gre: bool,
    /// It takes lightweight tunnels.
    pub(crate) tunnels: bool,
    /// The hardware leaves frames that are larger than the MTU of its devices to the CPU.
    pub(crate) checks_mtu: bool,
    /// It looks at where a frame arrives: at the ingress device, the tags, the PPPoE session. Else it takes the packets of all flows
    /// with the same addresses, ports and protocol for those of one.
    pub(crate) sees_arrival: bool,
}

impl Semantics {
    /// How many tags it puts on or takes off at most.
    pub(crate) fn vlan_depth(&self) -> u8 {
        match self.push_order {
            PushOrder::Unknown => 1,
            PushOrder::InnerFirst | PushOrder::OuterFirst => 2,
        }
    }
}

/// The header that a mangle counts its offset from.
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
    fn is_arrival(&self) -> bool {
        matches!(
            self,
            Key::Ingress(_) | Key::Vlan { .. } | Key::InnerVlan { .. } | Key::Pppoe { .. }
        )
    }
}

impl Dir {
    fn other(self) -> Self {
        match self {
            Dir::Original => Dir::Reply,
            Dir::Reply => Dir::Original,
        }
    }
}

impl Flow {
    fn side(&self, dir: Dir) -> &Side {
        match dir {
            Dir::Original => &self.original,
            Dir::Reply => &self.reply,
        }
    }

    fn sides(&self) -> [&Side; 2] {
        [&self.original, &self.reply]
    }

    fn nat(&self) -> bool {
        self.snat || self.dnat
    }
}

/// Whether the rules of `flow` can be expressed, those of both directions: one alone would be of no use.
pub(crate) fn check(flow: &Flow, semantics: Semantics) -> Result<(), Refusal> {
    matching::check(flow)?;
    redirect::check(flow)?;
    ethernet::check(flow, semantics)?;
    encapsulation::check(flow, semantics)?;
    nat::check(flow, semantics)?;
    tunnel::check(flow, semantics)?;
    mtu::check(flow, semantics)
}

/// Writes the match of the rule for one direction of `flow` into `sink`.
pub(crate) fn write_match(flow: &Flow, dir: Dir, semantics: Semantics, sink: &mut impl RuleSink) {
    let (side, other) = (flow.side(dir), flow.side(dir.other()));
    sink.key(Key::Ingress(side.ingress));
    tunnel::write_match(other, sink);
    encapsulation::write_match(flow.family, side, other, semantics, sink);
    matching::write(flow, dir, semantics, sink);
}

/// Writes the rule for one direction of `flow`, which passed [`check`] with the same `semantics`, into `sink`.
///
/// On an error the sink holds a part of a rule, which must not be used.
pub(crate) fn write(
    flow: &Flow,
    dir: Dir,
    semantics: Semantics,
    sink: &mut impl RuleSink,
) -> Result<(), Refusal> {
    let (side, other) = (flow.side(dir), flow.side(dir.other()));
    write_match(flow, dir, semantics, sink);

    tunnel::write_decap(other, sink)?;
    ethernet::write(side, sink)?;
    encapsulation::write_pops(side, sink)?;
    // Between the two: with two tags before it, tc does not find the IP header (`pedit_skb_hdr_offset`).
    hops::write(flow, semantics, sink)?;
    nat::write(flow, dir, sink)?;
    nat::write_checksums(flow, semantics, sink)?;
    encapsulation::write_pushes(other, semantics, sink)?;
    tunnel::write_encap(side, sink)?;
    redirect::write(side, sink)
}

/// Writes the rule for one direction of `flow`, if it can be expressed, into `sink`.
pub(crate) fn rule(
    flow: &Flow,
    dir: Dir,
    semantics: Semantics,
    sink: &mut impl RuleSink,
) -> Result<(), Refusal> {
    check(flow, semantics)?;
    write(flow, dir, semantics, sink)
}
