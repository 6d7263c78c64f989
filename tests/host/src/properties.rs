// SPDX-License-Identifier: GPL-2.0

//! Properties of every flow, tried on generated flows.

use crate::offload::profile;
use crate::packet::{apply, apply_engine, apply_mae, apply_mlx5, Between, Description};
use crate::proto::Dir;
use crate::rule::{
    flow, translate, End, Rule, AD, AS_C, AS_TC, CLIENT_MAC, LAN, LAN_MAC, Q, SERVER_MAC, WAN,
    WAN_MAC,
};
use crate::translate::flow::{Egress, Family, Flow, Layer, Layers, Mtu, Protocol, Tag, Tunnel};
use crate::translate::refusal::Refusal;
use crate::translate::rule::{Action, Key};
use crate::translate::semantics::Semantics;
use proptest::prelude::*;

#[derive(Clone, Debug)]
struct Case {
    flow: Flow,
    client: End,
    dialled: End,
    seen: End,
    served: End,
}

/// An address of one host, and a port.
fn end(family: Family) -> impl Strategy<Value = End> {
    (any::<[u8; 16]>(), any::<u16>()).prop_map(move |(mut address, port)| {
        if address[0] >= 224 {
            address[0] -= 128;
        }
        if family == Family::Ipv4 {
            address[4..].fill(0);
        }
        (address, port)
    })
}

fn a_tag(tpids: &'static [u16]) -> impl Strategy<Value = Layer> {
    let tpid = proptest::sample::select(tpids);
    (tpid, 0u16..0x1000, 0u8..8, prop::bool::weighted(0.1)).prop_map(
        |(tpid, vid, priority, by_switch)| {
            Layer::Vlan(Tag {
                tpid,
                vid,
                priority,
                by_switch,
            })
        },
    )
}

/// Zero to two headers, the most that the core can hold.
fn layers(tpids: &'static [u16], pppoe: bool) -> BoxedStrategy<Layers> {
    let session = || any::<u16>().prop_map(Layer::Pppoe);
    let tags = prop_oneof![
        4 => Just([None; 2]),
        3 => a_tag(tpids).prop_map(|tag| [Some(tag), None]),
        2 => (a_tag(tpids), a_tag(tpids)).prop_map(|(outer, inner)| [Some(outer), Some(inner)]),
    ];
    if pppoe {
        prop_oneof![
            3 => tags,
            1 => session().prop_map(|session| [Some(session), None]),
            1 => (a_tag(tpids), session()).prop_map(|(tag, session)| [Some(tag), Some(session)]),
        ]
        .boxed()
    } else {
        tags.boxed()
    }
}

/// A flow of one of the protocols, with address translation or without, and headers on both sides.
fn case(
    protocols: &'static [Protocol],
    nat6: bool,
    headers: impl Fn() -> BoxedStrategy<Layers>,
) -> impl Strategy<Value = Case> {
    let family = prop_oneof![Just(Family::Ipv4), Just(Family::Ipv6)];
    let protocol = proptest::sample::select(protocols);
    let nat = any::<(bool, bool)>();
    (family, protocol, nat, headers(), headers()).prop_flat_map(
        move |(family, protocol, (snat, dnat), lan, wan)| {
            let nat = protocol != Protocol::Gre && (nat6 || family == Family::Ipv4);
            (end(family), end(family), end(family), end(family)).prop_map(
                move |(client, dialled, seen, served)| {
                    let seen = if snat && nat { seen } else { client };
                    let served = if dnat && nat { served } else { dialled };
                    let mut flow = flow(family, protocol, client, dialled, seen, served);
                    flow.original.layers = lan;
                    flow.reply.layers = wan;
                    Case {
                        flow,
                        client,
                        dialled,
                        seen,
                        served,
                    }
                },
            )
        },
    )
}

const ALL_PROTOCOLS: &[Protocol] = &[Protocol::Tcp, Protocol::Udp, Protocol::Gre];
const WITH_PORTS: &[Protocol] = &[Protocol::Tcp, Protocol::Udp];

/// Everything that tc's semantics accept.
fn tc_case() -> impl Strategy<Value = Case> {
    case(ALL_PROTOCOLS, true, || layers(&[Q, AD], false))
}

/// Everything that a packet processing engine accepts.
fn engine_case() -> impl Strategy<Value = Case> {
    case(WITH_PORTS, false, || layers(&[Q], true))
}

/// The headers on the wire: with a priority if the router writes it, else with `bits` before the VLAN.
fn on_the_wire(layers: &Layers, bits: Option<u16>) -> Vec<Between> {
    layers
        .iter()
        .flatten()
        .filter_map(|layer| match layer {
            Layer::Vlan(tag) if tag.by_switch => None,
            Layer::Vlan(tag) => {
                let above = bits.unwrap_or(u16::from(tag.priority) << 13);
                Some(Between::Tag(tag.tpid, tag.vid | above))
            }
            Layer::Pppoe(session) => Some(Between::Pppoe(*session)),
            Layer::Other(_) => unreachable!(),
        })
        .collect()
}

fn sides(case: &Case, dir: Dir) -> (&Layers, &Layers) {
    match dir {
        Dir::Original => (&case.flow.original.layers, &case.flow.reply.layers),
        Dir::Reply => (&case.flow.reply.layers, &case.flow.original.layers),
    }
}

/// The fields that may differ between packets of a flow.
#[derive(Clone, Debug)]
struct Packet {
    payload: Vec<u8>,
    hop_limit: u8,
    no_checksum: bool,
    priority: u16,
}

fn a_packet() -> impl Strategy<Value = Packet> {
    let payload = proptest::collection::vec(any::<u8>(), 0..64);
    (payload, 2u8.., any::<bool>(), any::<u16>()).prop_map(
        |(payload, hop_limit, no_checksum, priority)| Packet {
            payload,
            hop_limit,
            no_checksum,
            priority: priority & 0xf000,
        },
    )
}

fn plain_packet() -> Packet {
    Packet {
        payload: vec![],
        hop_limit: 64,
        no_checksum: false,
        priority: 0,
    }
}

fn arrives(case: &Case, dir: Dir, packet: Packet) -> Description {
    let (source, destination) = match dir {
        Dir::Original => (case.client, case.dialled),
        Dir::Reply => (case.served, case.seen),
    };
    let (source_mac, destination_mac) = match dir {
        Dir::Original => (CLIENT_MAC, LAN_MAC),
        Dir::Reply => (SERVER_MAC, WAN_MAC),
    };
    Description {
        family: case.flow.family,
        protocol: case.flow.protocol,
        destination_mac,
        source_mac,
        headers: on_the_wire(sides(case, dir).0, Some(packet.priority)),
        source: source.0,
        destination: destination.0,
        source_port: source.1,
        destination_port: destination.1,
        hop_limit: packet.hop_limit,
        tos: 0x2e << 2,
        tcp_flags: 0x10,
        fragment: false,
        no_checksum: packet.no_checksum
            && case.flow.protocol == Protocol::Udp
            && case.flow.family == Family::Ipv4,
        payload: packet.payload,
    }
}

/// The packet after routing and NAT.
fn routed(case: &Case, dir: Dir, arrived: &Description) -> Description {
    let (source, destination, source_mac, destination_mac) = match dir {
        Dir::Original => (case.seen, case.served, WAN_MAC, SERVER_MAC),
        Dir::Reply => (case.dialled, case.client, LAN_MAC, CLIENT_MAC),
    };
    Description {
        source_mac,
        destination_mac,
        headers: on_the_wire(sides(case, dir).1, None),
        source: source.0,
        destination: destination.0,
        source_port: source.1,
        destination_port: destination.1,
        hop_limit: arrived.hop_limit - 1,
        ..arrived.clone()
    }
}

fn priority_of(header: &Between) -> Option<u16> {
    match header {
        Between::Tag(_, tci) => Some(tci >> 13),
        Between::Pppoe(_) => None,
    }
}

fn ports(dir: Dir) -> (u32, u32) {
    match dir {
        Dir::Original => (LAN, WAN),
        Dir::Reply => (WAN, LAN),
    }
}

fn both(case: &Case, semantics: Semantics) -> [(Dir, Rule); 2] {
    [Dir::Original, Dir::Reply].map(|dir| (dir, translate(&case.flow, dir, semantics).unwrap()))
}

fn semantics(name: &str) -> Semantics {
    let found = profile::ALL.iter().find(|profile| profile.name == name);
    found.unwrap().semantics
}

/// Whether the last error of a translation and its rule agree with the properties of every rule.
fn well_formed(rule: &Rule) -> Result<(), TestCaseError> {
    prop_assert!(rule.actions.len() <= 24);
    let redirects = rule
        .actions
        .iter()
        .filter(|a| matches!(a, Action::Redirect(_)));
    prop_assert_eq!(redirects.count(), 1);
    prop_assert!(matches!(rule.actions.last(), Some(Action::Redirect(_))));
    let mut written = Vec::new();
    for action in &rule.actions {
        if let Action::Mangle(word) | Action::Add(word) = action {
            for i in 0..4 {
                let changed = !word.keep[i];
                let place = (word.header, word.offset as usize + i);
                prop_assert_eq!(word.value[i] & word.keep[i], 0);
                for (other, bits) in &written {
                    prop_assert!(*other != place || bits & changed == 0, "written twice");
                }
                written.push((place, changed));
            }
        }
    }
    Ok(())
}

fn tunnel() -> impl Strategy<Value = Tunnel> {
    let family = prop_oneof![Just(Family::Ipv4), Just(Family::Ipv6)];
    (
        any::<Option<[u8; 4]>>(),
        family,
        any::<[u8; 16]>(),
        any::<[u8; 16]>(),
        any::<[u8; 2]>(),
    )
        .prop_map(|(id, family, source, destination, port)| Tunnel {
            id,
            family,
            source,
            destination,
            port,
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// A packet that went through the rule is the packet that the router would have sent, in every byte.
    #[test]
    fn the_actions_do_what_routing_says(case in tc_case(), packet in a_packet()) {
        for (dir, rule) in both(&case, semantics("tc")) {
            let arrived = arrives(&case, dir, packet.clone());
            let (ingress, egress) = ports(dir);
            prop_assert!(arrived.matches(ingress, &rule.keys));
            let mut frame = arrived.frame();
            let out = apply(&mut frame, arrived.family, arrived.protocol, &rule.actions);
            prop_assert_eq!(out, Some(egress));
            prop_assert_eq!(frame, routed(&case, dir, &arrived).frame());
        }
    }

    /// The same through an engine that reads a rule as a whole.
    #[test]
    fn the_actions_do_what_routing_says_in_an_engine(case in engine_case(), packet in a_packet()) {
        for name in ["mtk", "airoha"] {
            for (dir, rule) in both(&case, semantics(name)) {
                let arrived = arrives(&case, dir, packet.clone());
                let (ingress, egress) = ports(dir);
                prop_assert!(arrived.matches(ingress, &rule.keys));
                let mut frame = arrived.frame();
                let out = apply_engine(&mut frame, arrived.family, arrived.protocol, &rule.actions);
                prop_assert_eq!(out, Some(egress));
                prop_assert_eq!(frame, routed(&case, dir, &arrived).frame());
            }
        }
    }

    /// mlx5 turns a tag that is removed and one that is added into one rewrite of the VLAN: the
    /// result is right where the profile allows it.
    #[test]
    fn a_retagged_frame_of_mlx5_is_right(case in tc_case(), packet in a_packet()) {
        for dir in [Dir::Original, Dir::Reply] {
            let Ok(rule) = translate(&case.flow, dir, semantics("mlx5")) else {
                let retags = [&case.flow.original, &case.flow.reply]
                    .iter()
                    .all(|side| !on_the_wire(&side.layers, None).is_empty());
                prop_assert!(retags, "refused although no tag is replaced");
                continue;
            };
            let mut packet = packet.clone();
            // Drop eligibility is neither matched nor rewritten.
            packet.priority &= 0xe000;
            let arrived = arrives(&case, dir, packet);
            if !arrived.matches(ports(dir).0, &rule.keys) {
                // Left to the CPU: its priority differs from the one that it has to leave with.
                let leaves = on_the_wire(sides(&case, dir).1, None);
                prop_assert_ne!(
                    arrived.headers.iter().map(priority_of).next(),
                    leaves.iter().map(priority_of).next()
                );
                continue;
            }
            let mut frame = arrived.frame();
            apply_mlx5(&mut frame, arrived.family, arrived.protocol, &rule.actions);
            prop_assert_eq!(frame, routed(&case, dir, &arrived).frame());
        }
    }

    /// The same through the engine of EF100, which refuses NAT and two tags. Its rules do not name
    /// the ingress device.
    #[test]
    fn the_actions_do_what_routing_says_in_a_match_action_engine(
        case in tc_case(),
        packet in a_packet(),
    ) {
        let nat = case.flow.snat || case.flow.dnat;
        let layers = [&case.flow.original.layers, &case.flow.reply.layers];
        let two = layers.iter().any(|layers| on_the_wire(layers, None).len() > 1);
        for dir in [Dir::Original, Dir::Reply] {
            let rule = match translate(&case.flow, dir, semantics("sfc")) {
                Ok(rule) => rule,
                Err(refusal) => {
                    let expected = match refusal {
                        Refusal::LayerOrder => two,
                        Refusal::Nat4 => nat && case.flow.family == Family::Ipv4,
                        Refusal::Nat6 => nat && case.flow.family == Family::Ipv6,
                        _ => false,
                    };
                    prop_assert!(expected, "refused as {refusal:?}");
                    continue;
                }
            };
            prop_assert!(!nat && !two);
            let arrived = arrives(&case, dir, packet.clone());
            let (ingress, egress) = ports(dir);
            prop_assert!(!rule.keys.iter().any(|key| matches!(key, Key::Ingress(_))));
            prop_assert!(arrived.matches(ingress, &rule.keys));
            let mut frame = arrived.frame();
            let out = apply_mae(&mut frame, arrived.family, &rule.actions);
            prop_assert_eq!(out, Some(egress));
            prop_assert_eq!(frame, routed(&case, dir, &arrived).frame());
        }
    }

    /// The rule of the original direction turns a packet into one whose reply the rule of the reply
    /// direction matches.
    #[test]
    fn the_reply_mirrors_the_original(case in tc_case(), packet in a_packet()) {
        let [_, (_, reply)] = both(&case, AS_TC);
        let sent = routed(&case, Dir::Original, &arrives(&case, Dir::Original, packet));
        let answer = Description {
            source: sent.destination,
            destination: sent.source,
            source_port: sent.destination_port,
            destination_port: sent.source_port,
            source_mac: sent.destination_mac,
            destination_mac: sent.source_mac,
            hop_limit: 64,
            ..sent
        };
        prop_assert!(answer.matches(WAN, &reply.keys));
        let back = routed(&case, Dir::Reply, &answer);
        prop_assert_eq!((back.source, back.source_port), case.dialled);
        prop_assert_eq!((back.destination, back.destination_port), case.client);
        let mut frame = answer.frame();
        apply(&mut frame, answer.family, answer.protocol, &reply.actions);
        prop_assert_eq!(frame, back.frame());
    }

    /// A packet of another flow is not matched: any field of the tuple or of a tag off by a bit, a tag too many or too few.
    #[test]
    fn another_flows_packet_does_not_match(case in tc_case(), field in 0usize..8, shift in 0u32..16) {
        for (dir, rule) in both(&case, AS_TC) {
            let (ingress, _) = ports(dir);
            let ours = arrives(&case, dir, plain_packet());
            let mut other = ours.clone();
            match field {
                0 => other.source[3] ^= 1 << (shift % 8),
                1 => other.destination[3] ^= 1 << (shift % 8),
                2 if case.flow.protocol != Protocol::Gre => other.source_port ^= 1 << shift,
                3 if case.flow.protocol != Protocol::Gre => other.destination_port ^= 1 << shift,
                4 => match other.headers.last_mut() {
                    Some(Between::Tag(_, tci)) => *tci ^= 1 << (shift % 12),
                    _ => other.headers.push(Between::Tag(Q, 0)),
                },
                5 => match other.headers.first_mut() {
                    Some(Between::Tag(tpid, _)) => *tpid = if *tpid == Q { AD } else { Q },
                    _ => other.headers.push(Between::Tag(AD, 1)),
                },
                6 if other.headers.pop().is_some() => {}
                7 => other.headers.push(Between::Tag(Q, 1 << (shift % 12))),
                _ => other.fragment = true,
            }
            prop_assert!(ours.matches(ingress, &rule.keys));
            prop_assert!(!other.matches(ingress, &rule.keys));
            prop_assert!(!ours.matches(ingress + 100, &rule.keys));
        }
    }

    /// The CPU gets the beginning and the end of a connection.
    #[test]
    fn syn_fin_and_rst_do_not_match(mut case in tc_case(), flags: u8) {
        case.flow.protocol = Protocol::Tcp;
        for (dir, rule) in both(&case, AS_TC) {
            let (ingress, _) = ports(dir);
            let mut last = arrives(&case, dir, plain_packet());
            last.tcp_flags = flags;
            prop_assert_eq!(last.matches(ingress, &rule.keys), flags & 0x07 == 0);
        }
    }

    /// A rule fits, ends with its only redirect, and no mangle touches a bit twice; also with
    /// tunnels on both sides, which are removed before and added after all rewrites.
    #[test]
    fn a_rule_is_well_formed(
        mut case in tc_case(),
        tunnels in (proptest::option::of(tunnel()), proptest::option::of(tunnel())),
        by_engine in engine_case(),
    ) {
        (case.flow.original.tunnel, case.flow.reply.tunnel) = tunnels;
        for semantics in [AS_C, AS_TC] {
            for (dir, rule) in both(&case, semantics) {
                well_formed(&rule)?;
                let (own, other) = match dir {
                    Dir::Original => tunnels,
                    Dir::Reply => (tunnels.1, tunnels.0),
                };
                let last = rule.actions.len() - 2;
                prop_assert_eq!(
                    rule.actions.iter().position(|a| matches!(a, Action::TunnelDecap)),
                    other.map(|_| 0)
                );
                prop_assert_eq!(
                    rule.actions.iter().position(|a| matches!(a, Action::TunnelEncap(_))),
                    own.map(|_| last)
                );
                prop_assert_eq!(
                    rule.keys.iter().any(|k| matches!(k, Key::Tunnel { .. })),
                    other.is_some()
                );
            }
        }
        for name in ["mtk", "airoha"] {
            for (_, rule) in both(&by_engine, semantics(name)) {
                well_formed(&rule)?;
            }
        }
    }

    /// A profile can do everything that it does not refuse; both directions have the same answer,
    /// and the refusal is not that of another shape of flow.
    #[test]
    fn both_directions_agree(
        case in case(ALL_PROTOCOLS, true, || layers(&[Q, AD, 0x9100], true)),
        tunnels in (proptest::option::of(tunnel()), proptest::option::of(tunnel())),
        mtus in proptest::array::uniform6(1280u32..1600),
    ) {
        let mut flow = case.flow;
        (flow.original.tunnel, flow.reply.tunnel) = tunnels;
        let [a, b, c, d, e, f] = mtus;
        flow.original.mtu = Mtu { ingress: a, egress: b, flow: c };
        flow.reply.mtu = Mtu { ingress: d, egress: e, flow: f };
        for profile in profile::ALL {
            let original = translate(&flow, Dir::Original, profile.semantics);
            let reply = translate(&flow, Dir::Reply, profile.semantics);
            match (original, reply) {
                (Ok(original), Ok(reply)) => {
                    for rule in [original, reply] {
                        well_formed(&rule)?;
                        let pppoe = rule.actions.iter().any(|a| matches!(a, Action::PppoePush(_)));
                        prop_assert!(!pppoe || profile.semantics.pppoe);
                        let tunnel = rule.actions.iter().any(|a| matches!(a, Action::TunnelEncap(_)));
                        prop_assert!(!tunnel || profile.semantics.tunnels);
                    }
                }
                (original, reply) => prop_assert_eq!(original.unwrap_err(), reply.unwrap_err()),
            }
        }
    }

    /// Hardware cannot send a packet that is too large for its egress: either none can arrive, or
    /// the hardware checks.
    #[test]
    fn an_oversized_packet_is_left_to_the_cpu(
        case in engine_case(),
        mtus in proptest::array::uniform3(1400u32..1600),
    ) {
        let [ingress, egress, limit] = mtus;
        let mut flow = case.flow;
        flow.original.mtu = Mtu { ingress, egress, flow: limit };
        let over = |layers: &Layers| 8 * on_the_wire(layers, None).iter()
            .filter(|h| matches!(h, Between::Pppoe(_))).count() as u32;
        let largest = ingress - over(&flow.original.layers);
        let answer = translate(&flow, Dir::Original, semantics("mtk"));
        // Frames that the hardware lets through: up to the largest MTU of its ports, headers
        // included.
        let passes = largest.min(ingress.max(egress) - over(&flow.reply.layers));
        if answer.is_ok() {
            prop_assert!(passes <= limit, "{passes} would be sent where {limit} fits");
        } else {
            prop_assert_eq!(answer.unwrap_err(), Refusal::Oversize);
            prop_assert!(largest > limit);
        }
    }

    /// Only Ethernet frames get Ethernet addresses.
    #[test]
    fn a_device_without_ethernet_gets_no_addresses(mut case in tc_case(), through in tunnel()) {
        case.flow.original.tunnel = Some(through);
        case.flow.original.egress = Egress::Tunnel { ifindex: 77 };
        let rule = translate(&case.flow, Dir::Original, AS_TC).unwrap();
        for action in &rule.actions {
            if let Action::Mangle(word) = action {
                prop_assert_ne!(word.header, crate::proto::Header::Ethernet);
            }
        }
        prop_assert_eq!(rule.actions.last(), Some(&Action::Redirect(77)));
        translate(&case.flow, Dir::Reply, AS_TC).unwrap();
    }
}
