// SPDX-License-Identifier: GPL-2.0

//! A flow and a driver's semantics from bytes. `tests/fuzz/seeds.py` writes what this reads, in the same order.

use super::Input;
use crate::offload::profile;
use crate::translate::flow::{Egress, Family, Flow, Layer, Mtu, Protocol, Side, Tag, Tunnel};
use crate::translate::refusal::Refusal;
use crate::translate::semantics::{PushOrder, Semantics};

/// Those of a profile, or any.
pub(super) fn semantics(input: &mut Input<'_>) -> Semantics {
    let known = input.byte();
    if let Some(profile) = profile::ALL.get(usize::from(known)) {
        return profile.semantics;
    }
    let explicit_hop_limit = input.bit();
    Semantics {
        explicit_hop_limit,
        // No bits of their own, so that older seeds mean what they did.
        excludes_syn: explicit_hop_limit,
        match_after_tags: explicit_hop_limit,
        explicit_checksums: input.bit(),
        push_order: input.one_of(&[
            PushOrder::InnerFirst,
            PushOrder::OuterFirst,
            PushOrder::Unknown,
        ]),
        excludes_fragments: input.bit(),
        pppoe: input.bit(),
        service_tags: input.bit(),
        retags: input.bit(),
        source_mac6: input.bit(),
        nat4: true,
        nat6: input.bit(),
        gre: input.bit(),
        tunnels: input.bit(),
        checks_mtu: input.bit(),
        names_ingress: true,
        sees_arrival: true,
    }
}

pub(super) fn flow(input: &mut Input<'_>) -> Flow {
    Flow {
        family: family(input),
        protocol: input.one_of(&[Protocol::Tcp, Protocol::Udp, Protocol::Gre]),
        snat: input.bit(),
        dnat: input.bit(),
        original: side(input),
        reply: side(input),
    }
}

fn family(input: &mut Input<'_>) -> Family {
    input.one_of(&[Family::Ipv4, Family::Ipv6])
}

fn side(input: &mut Input<'_>) -> Side {
    Side {
        source: input.bytes(),
        destination: input.bytes(),
        source_port: input.bytes(),
        destination_port: input.bytes(),
        ingress: input.u32(),
        layers: [layer(input), layer(input)],
        mtu: Mtu {
            ingress: input.u32(),
            egress: input.u32(),
            flow: input.u32(),
        },
        tunnel: input.bit().then(|| Tunnel {
            id: input.bit().then(|| input.bytes()),
            family: family(input),
            source: input.bytes(),
            destination: input.bytes(),
            port: input.bytes(),
        }),
        egress: match input.byte() % 3 {
            0 => Egress::Ethernet {
                ifindex: input.u32(),
                source: input.bytes(),
                destination: input.bytes(),
                own_source: input.bit(),
            },
            1 => Egress::Tunnel {
                ifindex: input.u32(),
            },
            _ => Egress::Impossible(input.one_of(&[
                Refusal::Xfrm,
                Refusal::NotEthernet,
                Refusal::Unresolved,
                Refusal::Transmit,
                Refusal::NoEgress,
                Refusal::Lwtunnel,
                Refusal::TunnelDevice,
            ])),
        },
    }
}

fn layer(input: &mut Input<'_>) -> Option<Layer> {
    let tpid = match input.byte() % 6 {
        0 => return None,
        1 => return Some(Layer::Pppoe(input.u16())),
        2 => return Some(Layer::Other(input.u16())),
        3 => 0x8100,
        4 => 0x88a8,
        // Nothing that the core knows.
        _ => input.u16(),
    };
    Some(Layer::Vlan(Tag {
        tpid,
        vid: input.u16() & 0xfff,
        priority: input.byte() & 7,
        by_switch: input.bit(),
    }))
}
