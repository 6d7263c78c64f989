// SPDX-License-Identifier: GPL-2.0

//! Address and port translation.
//!
//! The translated addresses of one direction are those that the packets of the other direction are
//! sent to or come from. Like the C core, a rule writes both address and port, even where only one
//! of them changes.

use crate::{
    proto::{
        Dir,
        Header, //
    },
    translate::{
        flow::{
            Family,
            Flow,
            Protocol, //
        },
        matching::{
            ipv4,
            words, //
        },
        refusal::Refusal,
        rule::{
            Action,
            RuleSink,
            Word, //
        },
        semantics::Semantics, //
    }, //
};

/// Checks whether the translation can be expressed, and whether the driver accepts it.
pub(super) fn check(flow: &Flow, semantics: Semantics) -> Result<(), Refusal> {
    if flow.protocol == Protocol::Gre {
        if !semantics.gre {
            return Err(Refusal::Gre);
        }
        // nftables does not offload translated GRE (`nft_flow_offload_eval`).
        if flow.nat() {
            return Err(Refusal::GreNat);
        }
    }
    if !flow.nat() {
        return Ok(());
    }
    match flow.family {
        Family::Ipv4 if !semantics.nat4 => Err(Refusal::Nat4),
        Family::Ipv6 if !semantics.nat6 => Err(Refusal::Nat6),
        _ => Ok(()),
    }
}

/// The endpoint of a packet that is rewritten.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Source,
    Destination,
}

/// Writes the translation: source first, then destination.
pub(super) fn write(flow: &Flow, dir: Dir, sink: &mut impl RuleSink) -> Result<(), Refusal> {
    let (original, reply) = (&flow.original, &flow.reply);
    if flow.snat {
        match dir {
            Dir::Original => {
                let port = reply.destination_port;
                rewrite(flow, End::Source, reply.destination, port, sink)?;
            }
            Dir::Reply => {
                let port = original.source_port;
                rewrite(flow, End::Destination, original.source, port, sink)?;
            }
        }
    }
    if flow.dnat {
        match dir {
            Dir::Original => {
                let port = reply.source_port;
                rewrite(flow, End::Destination, reply.source, port, sink)?;
            }
            Dir::Reply => {
                let port = original.destination_port;
                rewrite(flow, End::Source, original.destination, port, sink)?;
            }
        }
    }
    Ok(())
}

fn rewrite(
    flow: &Flow,
    end: End,
    address: [u8; 16],
    port: [u8; 2],
    sink: &mut impl RuleSink,
) -> Result<(), Refusal> {
    match flow.family {
        Family::Ipv4 => {
            // `struct iphdr`: saddr at 12, daddr at 16.
            let offset = if end == End::Source { 12 } else { 16 };
            mangle(sink, Header::Ipv4, offset, [0; 4], ipv4(address))?;
        }
        Family::Ipv6 => {
            // `struct ipv6hdr`: saddr at 8, daddr at 24.
            let offsets = match end {
                End::Source => [8, 12, 16, 20],
                End::Destination => [24, 28, 32, 36],
            };
            for (offset, word) in offsets.into_iter().zip(words(address)) {
                mangle(sink, Header::Ipv6, offset, [0; 4], word)?;
            }
        }
    }
    let header = match flow.protocol {
        Protocol::Tcp => Header::Tcp,
        Protocol::Udp => Header::Udp,
        Protocol::Gre => return Err(Refusal::GreNat),
    };
    // Both ports are in the first word; the mask selects one of them.
    let [high, low] = port;
    match end {
        End::Source => mangle(sink, header, 0, [0, 0, 0xff, 0xff], [high, low, 0, 0]),
        End::Destination => mangle(sink, header, 0, [0xff, 0xff, 0, 0], [0, 0, high, low]),
    }
}

fn mangle(
    sink: &mut impl RuleSink,
    header: Header,
    offset: u8,
    keep: [u8; 4],
    value: [u8; 4],
) -> Result<(), Refusal> {
    sink.action(Action::Mangle(Word {
        header,
        offset,
        keep,
        value,
    }))
}

/// Writes the action that updates the checksums which the actions before have invalidated.
///
/// The C core writes it only for translated IPv4; IPv6 has no header checksum, but those of TCP and
/// UDP cover its addresses.
pub(super) fn write_checksums(
    flow: &Flow,
    semantics: Semantics,
    sink: &mut impl RuleSink,
) -> Result<(), Refusal> {
    let (ipv4_header, transport) = match flow.family {
        Family::Ipv4 => (
            flow.nat() || (semantics.explicit_hop_limit && semantics.explicit_checksums),
            flow.nat(),
        ),
        Family::Ipv6 => (false, flow.nat() && semantics.explicit_checksums),
    };
    if !ipv4_header && !transport {
        return Ok(());
    }
    sink.action(Action::Checksum {
        ipv4_header,
        transport: transport.then_some(flow.protocol),
    })
}
