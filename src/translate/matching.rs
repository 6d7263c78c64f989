// SPDX-License-Identifier: GPL-2.0

//! The match on IP and the layers above: which packets belong to a direction of a flow, as they
//! arrive.

use crate::{
    proto::{
        Dir,
        IPPROTO_GRE,
        IPPROTO_TCP,
        IPPROTO_UDP, //
    },
    translate::{
        flow::{
            Family,
            Flow,
            Protocol,
            Side, //
        },
        refusal::Refusal,
        rule::{
            Key,
            RuleSink, //
        },
        semantics::Semantics, //
    }, //
};

const TCP_FLAG_FIN: u16 = 0x01;
const TCP_FLAG_SYN: u16 = 0x02;
const TCP_FLAG_RST: u16 = 0x04;

/// Returns the first four bytes of an address, which hold an IPv4 address.
pub(super) fn ipv4([a, b, c, d, ..]: [u8; 16]) -> [u8; 4] {
    [a, b, c, d]
}

/// Returns the 32-bit words of an IPv6 address, in network order.
pub(super) fn words(address: [u8; 16]) -> [[u8; 4]; 4] {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = address;
    [[a, b, c, d], [e, f, g, h], [i, j, k, l], [m, n, o, p]]
}

/// Returns whether an address has many receivers: multicast, or the limited broadcast of IPv4.
fn is_for_many(family: Family, address: [u8; 16]) -> bool {
    match (family, ipv4(address)) {
        (Family::Ipv4, [255, 255, 255, 255] | [224..=239, ..]) => true,
        (Family::Ipv4, _) => false,
        (Family::Ipv6, [first, ..]) => first == 0xff,
    }
}

/// Checks that each direction of a flow has a single receiver.
///
/// The core also creates flows for forwarded multicast, with the route of the copy that came first;
/// the other copies would be lost (`nft_flow_route`).
pub(super) fn check(flow: &Flow) -> Result<(), Refusal> {
    let to_many = |side: &Side| is_for_many(flow.family, side.destination);
    match flow.sides().into_iter().any(to_many) {
        true => Err(Refusal::ToMany),
        false => Ok(()),
    }
}

/// Writes the match keys.
///
/// A TCP packet with FIN or RST is left to the CPU, where conntrack sees the end of the connection.
/// A TCP packet with SYN is left to the CPU where the driver can recognize it: it opens another
/// connection, which may follow at once on the ports of a closing one. Fragments are left to the
/// CPU where the driver can recognize them, as only the first one has ports.
pub(super) fn write(flow: &Flow, dir: Dir, semantics: Semantics, sink: &mut impl RuleSink) {
    let side = flow.side(dir);
    sink.key(Key::Protocols {
        ethertype: flow.family.ethertype(),
        ip_protocol: match flow.protocol {
            Protocol::Tcp => IPPROTO_TCP,
            Protocol::Udp => IPPROTO_UDP,
            Protocol::Gre => IPPROTO_GRE,
        },
    });
    sink.key(match flow.family {
        Family::Ipv4 => Key::Ipv4(ipv4(side.source), ipv4(side.destination)),
        Family::Ipv6 => Key::Ipv6(side.source, side.destination),
    });
    if flow.protocol != Protocol::Gre {
        sink.key(Key::Ports(side.source_port, side.destination_port));
    }
    if flow.protocol == Protocol::Tcp {
        sink.key(Key::TcpFlags {
            flags: 0,
            mask: match semantics.excludes_syn {
                true => TCP_FLAG_FIN | TCP_FLAG_SYN | TCP_FLAG_RST,
                false => TCP_FLAG_FIN | TCP_FLAG_RST,
            },
        });
    }
    if semantics.excludes_fragments {
        sink.key(Key::NotFragment);
    }
}
