// SPDX-License-Identifier: GPL-2.0

//! What has to hold for every flow, tried on generated ones.

use crate::packet::{apply, Description};
use crate::rule::{
    flow, translate, End, Rule, AS_C, AS_TC, CLIENT_MAC, LAN, LAN_MAC, SERVER_MAC, WAN, WAN_MAC,
};
use crate::translate::{Action, Dir, Family, Flow, Protocol};
use proptest::prelude::*;

#[derive(Clone, Debug)]
struct Case {
    flow: Flow,
    client: End,
    dialled: End,
    seen: End,
    served: End,
}

fn end(family: Family) -> impl Strategy<Value = End> {
    (any::<[u8; 16]>(), any::<u16>()).prop_map(move |(mut address, port)| {
        if family == Family::Ipv4 {
            address[4..].fill(0);
        }
        (address, port)
    })
}

fn case() -> impl Strategy<Value = Case> {
    let family = prop_oneof![Just(Family::Ipv4), Just(Family::Ipv6)];
    let protocol = prop_oneof![Just(Protocol::Tcp), Just(Protocol::Udp)];
    (family, protocol, any::<(bool, bool)>()).prop_flat_map(|(family, protocol, (snat, dnat))| {
        (end(family), end(family), end(family), end(family)).prop_map(
            move |(client, dialled, seen, served)| {
                let seen = if snat { seen } else { client };
                let served = if dnat { served } else { dialled };
                Case {
                    flow: flow(family, protocol, client, dialled, seen, served),
                    client,
                    dialled,
                    seen,
                    served,
                }
            },
        )
    })
}

fn packet(
    case: &Case,
    dir: Dir,
    payload: Vec<u8>,
    hop_limit: u8,
    no_checksum: bool,
) -> Description {
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
        source: source.0,
        destination: destination.0,
        source_port: source.1,
        destination_port: destination.1,
        hop_limit,
        tos: 0x2e << 2,
        tcp_flags: 0x10,
        no_checksum: no_checksum
            && case.flow.protocol == Protocol::Udp
            && case.flow.family == Family::Ipv4,
        payload,
    }
}

/// What routing and NAT say a packet becomes.
fn routed(case: &Case, dir: Dir, arrived: &Description) -> Description {
    let (source, destination, source_mac, destination_mac) = match dir {
        Dir::Original => (case.seen, case.served, WAN_MAC, SERVER_MAC),
        Dir::Reply => (case.dialled, case.client, LAN_MAC, CLIENT_MAC),
    };
    Description {
        source_mac,
        destination_mac,
        source: source.0,
        destination: destination.0,
        source_port: source.1,
        destination_port: destination.1,
        hop_limit: arrived.hop_limit - 1,
        ..arrived.clone()
    }
}

fn both(case: &Case) -> [(Dir, Rule); 2] {
    [Dir::Original, Dir::Reply].map(|dir| (dir, translate(&case.flow, dir, AS_TC).unwrap()))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// A packet that went through the rule is the packet that the router would have sent, in every byte.
    #[test]
    fn the_actions_do_what_routing_says(
        case in case(),
        payload in proptest::collection::vec(any::<u8>(), 0..64),
        hop_limit in 2u8..,
        no_checksum: bool,
    ) {
        for (dir, rule) in both(&case) {
            let arrived = packet(&case, dir, payload.clone(), hop_limit, no_checksum);
            let (ingress, egress) = if dir == Dir::Original { (LAN, WAN) } else { (WAN, LAN) };
            prop_assert!(arrived.matches(ingress, &rule.keys));
            let mut frame = arrived.frame();
            let out = apply(&mut frame, arrived.family, arrived.protocol, &rule.actions);
            prop_assert_eq!(out, Some(egress));
            prop_assert_eq!(frame, routed(&case, dir, &arrived).frame());
        }
    }

    /// What the original direction's rule makes of a packet is what the reply direction's rule expects an answer to.
    #[test]
    fn the_reply_mirrors_the_original(case in case(), payload in proptest::collection::vec(any::<u8>(), 0..8)) {
        let [(_, _), (_, reply)] = both(&case);
        let sent = routed(&case, Dir::Original, &packet(&case, Dir::Original, payload.clone(), 64, false));
        let answer = Description {
            source: sent.destination,
            destination: sent.source,
            source_port: sent.destination_port,
            destination_port: sent.source_port,
            source_mac: sent.destination_mac,
            destination_mac: sent.source_mac,
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

    /// A packet of another flow is not matched: any field of the tuple off by a bit.
    #[test]
    fn another_flows_packet_does_not_match(case in case(), bit in 0usize..4, shift in 0u32..16) {
        for (dir, rule) in both(&case) {
            let ingress = if dir == Dir::Original { LAN } else { WAN };
            let mut other = packet(&case, dir, vec![], 64, false);
            match bit {
                0 => other.source[3] ^= 1 << (shift % 8),
                1 => other.destination[3] ^= 1 << (shift % 8),
                2 => other.source_port ^= 1 << shift,
                _ => other.destination_port ^= 1 << shift,
            }
            prop_assert!(!other.matches(ingress, &rule.keys));
            prop_assert!(!packet(&case, dir, vec![], 64, false).matches(ingress + 100, &rule.keys));
        }
    }

    /// The end of a connection goes to the CPU.
    #[test]
    fn fin_and_rst_do_not_match(mut case in case(), flags: u8) {
        case.flow.protocol = Protocol::Tcp;
        for (dir, rule) in both(&case) {
            let ingress = if dir == Dir::Original { LAN } else { WAN };
            let mut last = packet(&case, dir, vec![], 64, false);
            last.tcp_flags = flags;
            prop_assert_eq!(last.matches(ingress, &rule.keys), flags & 0x05 == 0);
        }
    }

    /// A rule fits, ends with its only redirect, and no mangle touches a bit twice.
    #[test]
    fn a_rule_is_well_formed(case in case()) {
        for semantics in [AS_C, AS_TC] {
            for dir in [Dir::Original, Dir::Reply] {
                let rule = translate(&case.flow, dir, semantics).unwrap();
                prop_assert!(rule.actions.len() <= 24);
                let redirects = rule.actions.iter().filter(|a| matches!(a, Action::Redirect(_))).count();
                prop_assert_eq!(redirects, 1);
                let mut written = Vec::new();
                for action in &rule.actions {
                    if let Action::Mangle(word) | Action::Add(word) = action {
                        for i in 0..4 {
                            let changed = !word.keep[i];
                            let place = (word.header, word.offset as usize + i);
                            prop_assert_eq!(word.value[i] & word.keep[i], 0);
                            for (other, bits) in &written {
                                prop_assert!(*other != place || bits & changed == 0);
                            }
                            written.push((place, changed));
                        }
                    }
                }
            }
        }
    }
}
