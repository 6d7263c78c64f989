// SPDX-License-Identifier: GPL-2.0

//! Translates one direction of a flow into a rule: what a packet must look like, and what is done to it.
//!
//! Pure: no `unsafe`, no allocation, no type of the kernel. A flow comes in as plain data, the rule goes out through a
//! [`RuleSink`]; so the same code runs in the kernel and in the tests on the host. One file a concern:
//!
//! | file          | what it writes                                              |
//! |---------------|-------------------------------------------------------------|
//! | `matching.rs` | the match keys                                              |
//! | `ethernet.rs` | the addresses of the frame                                  |
//! | `hops.rs`     | time to live, hop limit                                     |
//! | `nat.rs`      | source and destination, address and port, and the checksums |
//! | `redirect.rs` | the way out                                                 |
//!
//! The order of the actions is the order in which they are done, as in tc.

mod ethernet;
mod fingerprint;
mod hops;
mod matching;
mod nat;
mod redirect;

pub(crate) use fingerprint::Fingerprint;

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
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Family {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

/// The transport layer of a flow.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
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
    /// Number of VLAN tags and PPPoE headers that they carry on arrival.
    pub(crate) encapsulations: u8,
    /// Where they go.
    pub(crate) egress: Egress,
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
    },
    /// Nowhere that a rule can express, and why.
    Impossible(Refusal),
}

/// Why a flow has no translation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Refusal {
    /// The transport protocol is neither TCP nor UDP.
    Protocol,
    /// Packets carry VLAN tags or PPPoE headers on one side.
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
    /// No memory for the rule.
    NoMemory,
}

/// How a driver reads a rule.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Semantics {
    /// The hardware decrements TTL and hop limit only if the rule says so.
    pub(crate) explicit_hop_limit: bool,
    /// The rule says which checksums change also where the C core does not: IPv6 translation, the IPv4 header after an
    /// explicit TTL.
    pub(crate) explicit_checksums: bool,
}

/// The header that a mangle counts its offset from.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
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
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Key {
    /// The index of the device on which it arrives.
    Ingress(u32),
    /// The protocol after the Ethernet header (host order), and the one after the IP header.
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
}

/// The four bytes at `offset` of a header, as they lie in the packet.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Word {
    /// The header.
    pub(crate) header: Header,
    /// Bytes from its start.
    pub(crate) offset: u32,
    /// Bits that stay as they are.
    pub(crate) keep: [u8; 4],
    /// What the other bits become, or what is added to them.
    pub(crate) value: [u8; 4],
}

/// Something that is done to a packet.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Action {
    /// Write a word.
    Mangle(Word),
    /// Add to a word.
    Add(Word),
    /// Bring checksums up to date.
    Checksum {
        /// Of the IPv4 header.
        ipv4_header: bool,
        /// Of TCP or UDP, whichever the flow is.
        transport: Option<Protocol>,
    },
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

impl Flow {
    fn side(&self, dir: Dir) -> &Side {
        match dir {
            Dir::Original => &self.original,
            Dir::Reply => &self.reply,
        }
    }

    fn nat(&self) -> bool {
        self.snat || self.dnat
    }
}

/// Writes the rule for one direction of `flow` into `sink`.
///
/// On an error the sink holds a part of a rule, which must not be used.
pub(crate) fn rule(
    flow: &Flow,
    dir: Dir,
    semantics: Semantics,
    sink: &mut impl RuleSink,
) -> Result<(), Refusal> {
    // One direction alone would be of no use, so both are looked at first.
    for side in [&flow.original, &flow.reply] {
        if side.encapsulations != 0 {
            return Err(Refusal::Encapsulation);
        }
    }
    matching::write(flow, dir, sink);
    ethernet::write(flow.side(dir), sink)?;
    hops::write(flow, semantics, sink)?;
    nat::write(flow, dir, sink)?;
    nat::write_checksums(flow, semantics, sink)?;
    redirect::write(flow.side(dir), sink)
}
