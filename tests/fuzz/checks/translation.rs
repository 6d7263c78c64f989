// SPDX-License-Identifier: GPL-2.0

//! The translation of any flow, for any driver.

use super::{flow, Input};
use crate::proto::{Dir, Header};
use crate::translate::flow::{Egress, Family, Flow, Layer, Protocol, Side, Tag, Tunnel};
use crate::translate::match_hash::MatchHash;
use crate::translate::refusal::Refusal;
use crate::translate::rule::{Action, Key, RuleSink, Word};
use crate::translate::semantics::{PushOrder, Semantics};
use crate::translate::{check, write};
use std::mem::discriminant;

/// As many as the kernel's form of a rule holds.
const MAX_ACTIONS: usize = 24;

#[derive(Default, PartialEq, Debug)]
struct Rule {
    keys: Vec<Key>,
    actions: Vec<Action>,
}

impl RuleSink for Rule {
    fn key(&mut self, key: Key) {
        self.keys.push(key);
    }

    fn action(&mut self, action: Action) -> Result<(), Refusal> {
        self.actions.push(action);
        Ok(())
    }
}

fn translate(flow: &Flow, dir: Dir, semantics: Semantics) -> Result<Rule, Refusal> {
    let mut sink = Rule::default();
    check(flow, semantics)?;
    write(flow, dir, semantics, &mut sink).map(|()| sink)
}

/// A fuzz target: nothing that is said here fails to hold.
pub fn translation(data: &[u8]) {
    let _ = outcomes(data);
}

/// Checks a flow, and says how its two directions end.
pub(crate) fn outcomes(data: &[u8]) -> [Result<(), Refusal>; 2] {
    let mut input = Input(data);
    let semantics = flow::semantics(&mut input);
    let flow = flow::flow(&mut input);
    let rules = [Dir::Original, Dir::Reply].map(|dir| translate(&flow, dir, semantics));

    for (dir, rule) in [Dir::Original, Dir::Reply].into_iter().zip(&rules) {
        let (side, other) = sides(&flow, dir);
        same_again(&flow, dir, semantics, rule);
        tags_of_the_switch_are_none_of_its_business(&flow, dir, semantics, rule);
        let Ok(rule) = rule else { continue };
        well_formed(&flow, rule);
        only_what_the_driver_takes(semantics, rule);
        keys(&flow, semantics, [side, other], rule);
        words(&flow, semantics, dir, rule);
        layers(semantics, side, other, rule);
        tunnels(side, other, rule);
        way_out(side, rule);
        fits(semantics, side);
    }
    one_direction_alone_is_of_no_use(&flow, &rules);
    rules.map(|rule| rule.map(|_| ()))
}

fn sides(flow: &Flow, dir: Dir) -> (&Side, &Side) {
    match dir {
        Dir::Original => (&flow.original, &flow.reply),
        Dir::Reply => (&flow.reply, &flow.original),
    }
}

/// The headers that a rule has to do with, outermost first.
fn visible(side: &Side) -> Vec<Layer> {
    let layers = side.layers.iter().flatten();
    let by_switch = |layer: &&Layer| matches!(layer, Layer::Vlan(tag) if tag.by_switch);
    layers.filter(|layer| !by_switch(layer)).copied().collect()
}

/// The same flow gives the same rule, and the same number for it.
fn same_again(flow: &Flow, dir: Dir, semantics: Semantics, first: &Result<Rule, Refusal>) {
    assert_eq!(translate(flow, dir, semantics), *first);
    let mut hash = MatchHash::new([1, 2], semantics.sees_arrival);
    let ended = check(flow, semantics).and_then(|()| write(flow, dir, semantics, &mut hash));
    assert_eq!(ended.err(), first.as_ref().err().copied());
    if let Ok(first) = first {
        let mut replayed = MatchHash::new([1, 2], semantics.sees_arrival);
        first.keys.iter().for_each(|key| replayed.key(*key));
        assert_eq!(replayed.value(), hash.value());
    }
}

/// Whatever is in a tag that the switch handles by itself, the rule is the same.
fn tags_of_the_switch_are_none_of_its_business(
    flow: &Flow,
    dir: Dir,
    semantics: Semantics,
    first: &Result<Rule, Refusal>,
) {
    let mut changed = *flow;
    for side in [&mut changed.original, &mut changed.reply] {
        for layer in side.layers.iter_mut() {
            if matches!(layer, Some(Layer::Vlan(tag)) if tag.by_switch) {
                *layer = None;
            }
        }
    }
    assert_eq!(translate(&changed, dir, semantics), *first);
}

/// Both directions are refused, for the same reason, or neither is.
fn one_direction_alone_is_of_no_use(flow: &Flow, rules: &[Result<Rule, Refusal>; 2]) {
    let possible = |side: &Side| !matches!(side.egress, Egress::Impossible(_));
    let [original, reply] = rules.each_ref().map(|rule| rule.as_ref().err());
    assert_eq!(original, reply);
    for (refusal, side) in [(original, &flow.original), (reply, &flow.reply)] {
        assert!(possible(side) || refusal.is_some());
        assert!(refusal != Some(&Refusal::TooManyActions) && refusal != Some(&Refusal::NoMemory));
    }
}

fn well_formed(flow: &Flow, rule: &Rule) {
    assert!(rule.actions.len() <= MAX_ACTIONS);
    let redirect = |action: &Action| matches!(action, Action::Redirect(_));
    assert!(rule.actions.last().is_some_and(redirect));
    assert_eq!(rule.actions.iter().filter(|a| redirect(a)).count(), 1);
    let checksum = |action: &&Action| matches!(action, Action::Checksum { .. });
    assert!(rule.actions.iter().filter(checksum).count() <= 1);

    // No bit is written twice, and none outside of the header.
    let mut written = Vec::new();
    for action in &rule.actions {
        let (Action::Mangle(word) | Action::Add(word)) = action else {
            continue;
        };
        let length = match word.header {
            Header::Ethernet => 12,
            Header::Ipv4 => 20,
            Header::Ipv6 => 40,
            Header::Tcp => 20,
            Header::Udp => 8,
        };
        assert!(word.offset % 4 == 0 && word.offset + 4 <= length);
        assert!(match word.header {
            Header::Ethernet => true,
            Header::Ipv4 => flow.family == Family::Ipv4,
            Header::Ipv6 => flow.family == Family::Ipv6,
            Header::Tcp => flow.protocol == Protocol::Tcp,
            Header::Udp => flow.protocol == Protocol::Udp,
        });
        let keep = u32::from_be_bytes(word.keep);
        assert_ne!(keep, u32::MAX, "a word that changes nothing");
        assert_eq!(u32::from_be_bytes(word.value) & keep, 0);
        for (header, offset, changed) in &written {
            assert!((*header, *offset) != (word.header, word.offset) || changed & !keep == 0);
        }
        written.push((word.header, word.offset, !keep));
    }
}

fn only_what_the_driver_takes(semantics: Semantics, rule: &Rule) {
    const ETH_P_8021AD: u16 = 0x88a8;
    let mut tags = (0, 0);
    for action in &rule.actions {
        match action {
            Action::Add(_) => assert!(semantics.explicit_hop_limit),
            Action::VlanPop => tags.0 += 1,
            Action::VlanPush { tpid, .. } => {
                tags.1 += 1;
                assert!(semantics.service_tags || *tpid != ETH_P_8021AD);
            }
            Action::PppoePush(_) => assert!(semantics.pppoe),
            Action::TunnelDecap | Action::TunnelEncap(_) => assert!(semantics.tunnels),
            Action::Mangle(word) => match word.header {
                Header::Ethernet => {}
                Header::Ipv4 => assert!(semantics.nat4),
                Header::Ipv6 => assert!(semantics.nat6),
                Header::Tcp | Header::Udp => assert!(semantics.nat4 || semantics.nat6),
            },
            Action::Checksum { ipv4_header, .. } => {
                assert!(*ipv4_header || semantics.explicit_checksums);
            }
            Action::Redirect(_) => {}
        }
    }
    assert!(semantics.retags || tags.0 == 0 || tags.1 == 0 || tags == (1, 1));
    for key in &rule.keys {
        match key {
            Key::Vlan { tpid, priority, .. } => {
                assert!(semantics.service_tags || *tpid != ETH_P_8021AD);
                // Of a tag that another one replaces, where the driver keeps the priority.
                let kept = !semantics.retags && tags == (1, 1);
                assert_eq!(priority.is_some(), kept);
            }
            Key::InnerVlan { tpid, .. } => {
                assert!(semantics.service_tags || *tpid != ETH_P_8021AD);
            }
            Key::Pppoe { .. } => assert!(semantics.pppoe),
            Key::Tunnel { .. } => assert!(semantics.tunnels),
            Key::NotFragment => assert!(semantics.excludes_fragments),
            Key::Protocols { ip_protocol, .. } => assert!(semantics.gre || *ip_protocol != 47),
            _ => {}
        }
    }
}

/// The keys are those that tell the direction's packets from others, each once.
fn keys(flow: &Flow, semantics: Semantics, [side, other]: [&Side; 2], rule: &Rule) {
    let ingress = rule.keys.first() == Some(&Key::Ingress(side.ingress));
    assert_eq!(ingress, semantics.names_ingress);
    for (i, key) in rule.keys.iter().enumerate() {
        let later = &rule.keys[i + 1..];
        assert!(later.iter().all(|k| discriminant(k) != discriminant(key)));
    }
    let has = |key: Key| assert!(rule.keys.contains(&key), "{key:?}");
    let first4 = |[a, b, c, d, ..]: [u8; 16]| [a, b, c, d];
    let (ethertype, addresses) = match flow.family {
        Family::Ipv4 => (
            0x0800,
            Key::Ipv4(first4(side.source), first4(side.destination)),
        ),
        Family::Ipv6 => (0x86dd, Key::Ipv6(side.source, side.destination)),
    };
    has(addresses);
    let ip_protocol = match flow.protocol {
        Protocol::Tcp => 6,
        Protocol::Udp => 17,
        Protocol::Gre => 47,
    };
    has(Key::Protocols {
        ethertype,
        ip_protocol,
    });
    let ports = Key::Ports(side.source_port, side.destination_port);
    assert_eq!(rule.keys.contains(&ports), flow.protocol != Protocol::Gre);
    let (flags, mask) = (0, if semantics.excludes_syn { 0x07 } else { 0x05 });
    let no_end = Key::TcpFlags { flags, mask };
    assert_eq!(rule.keys.contains(&no_end), flow.protocol == Protocol::Tcp);

    let (mut tags, mut sessions) = (vec![], vec![]);
    for layer in visible(side) {
        match layer {
            Layer::Vlan(Tag { tpid, vid, .. }) => tags.push((tpid, vid)),
            Layer::Pppoe(session) => sessions.push((session, flow.family)),
            Layer::Other(_) => panic!("a header that nobody knows"),
        }
    }
    let (mut matched, mut matched_sessions) = ([None, None], vec![]);
    for key in &rule.keys {
        match *key {
            Key::Vlan { tpid, vid, .. } => matched[0] = Some((tpid, vid)),
            Key::InnerVlan { tpid, vid, .. } => matched[1] = Some((tpid, vid)),
            Key::Pppoe { session, family } => matched_sessions.push((session, family)),
            _ => {}
        }
    }
    assert_eq!(matched, [tags.first().copied(), tags.get(1).copied()]);
    let behind = visible(side)
        .into_iter()
        .skip(1)
        .map(|layer| match layer {
            Layer::Vlan(tag) => tag.tpid,
            Layer::Pppoe(_) | Layer::Other(_) => 0x8864,
        })
        .chain([ethertype])
        .map(|next| semantics.match_after_tags.then_some(next));
    let named = rule.keys.iter().filter_map(|key| match key {
        Key::Vlan { next, .. } | Key::InnerVlan { next, .. } => Some(*next),
        _ => None,
    });
    assert!(named.zip(behind).all(|(named, behind)| named == behind));
    assert_eq!(matched_sessions, sessions);
    assert_eq!(
        rule.keys.iter().any(|k| matches!(k, Key::Tunnel { .. })),
        other.tunnel.is_some()
    );
}

/// What the words make of a packet's headers is what the other direction's packets answer to.
fn words(flow: &Flow, semantics: Semantics, dir: Dir, rule: &Rule) {
    let (side, other) = sides(flow, dir);
    // The sides that are translated, as this direction sees them.
    let (source, destination) = match dir {
        Dir::Original => (flow.snat, flow.dnat),
        Dir::Reply => (flow.dnat, flow.snat),
    };
    let from = if source {
        (other.destination, other.destination_port)
    } else {
        (side.source, side.source_port)
    };
    let to = if destination {
        (other.source, other.source_port)
    } else {
        (side.destination, side.destination_port)
    };

    let before = (
        [0xa5; 12],
        ip(flow.family, side.source, side.destination),
        transport(side.source_port, side.destination_port),
    );
    let mut after = before.clone();
    let mut hops = 0;
    for action in &rule.actions {
        match action {
            Action::Mangle(word) => mangle(
                match word.header {
                    Header::Ethernet => &mut after.0[..],
                    Header::Ipv4 | Header::Ipv6 => &mut after.1,
                    Header::Tcp | Header::Udp => &mut after.2,
                },
                word,
            ),
            Action::Add(word) => {
                let first = (Header::Ipv4, 8, [0, 0xff, 0xff, 0xff], [0xff, 0, 0, 0]);
                let last = (Header::Ipv6, 4, [0xff, 0xff, 0xff, 0], [0, 0, 0, 0xff]);
                let is = (word.header, word.offset, word.keep, word.value);
                assert!(is == first || is == last);
                hops += 1;
            }
            _ => {}
        }
    }
    assert_eq!(hops, usize::from(semantics.explicit_hop_limit));
    assert_eq!(after.1, ip(flow.family, from.0, to.0));
    assert_eq!(after.2, transport(from.1, to.1));
    match side.egress {
        Egress::Ethernet {
            source,
            destination,
            ..
        } => assert_eq!(after.0[..], [destination, source].concat()),
        _ => assert_eq!(after.0, before.0),
    }

    let nat = flow.snat || flow.dnat;
    let checksum = rule.actions.iter().find_map(|action| match *action {
        Action::Checksum {
            ipv4_header,
            transport,
        } => Some((ipv4_header, transport)),
        _ => None,
    });
    let (header, transport) = checksum.unwrap_or((false, None));
    if nat && (flow.family == Family::Ipv4 || semantics.explicit_checksums) {
        assert_eq!(transport, Some(flow.protocol));
    } else {
        assert_eq!(transport, None);
    }
    if flow.family == Family::Ipv4 && nat {
        assert!(header);
    }
    assert!(!header || flow.family == Family::Ipv4);
}

/// An IP header with nothing in it but addresses.
fn ip(family: Family, source: [u8; 16], destination: [u8; 16]) -> Vec<u8> {
    match family {
        Family::Ipv4 => [&[0; 12], &source[..4], &destination[..4]].concat(),
        Family::Ipv6 => [&[0; 8], &source[..], &destination[..]].concat(),
    }
}

/// The ports, and the rest of a TCP header.
fn transport(source: [u8; 2], destination: [u8; 2]) -> Vec<u8> {
    [&source[..], &destination, &[0; 16]].concat()
}

fn mangle(header: &mut [u8], word: &Word) {
    for i in 0..4 {
        let byte = &mut header[word.offset as usize + i];
        *byte = *byte & word.keep[i] | word.value[i];
    }
}

/// A packet that arrives with its side's headers leaves with those of the other one.
fn layers(semantics: Semantics, side: &Side, other: &Side, rule: &Rule) {
    let is_tag = |layer: &&Layer| matches!(layer, Layer::Vlan(_));
    let pops = |action: &&Action| matches!(action, Action::VlanPop);
    let arrives = visible(side);
    assert_eq!(
        rule.actions.iter().filter(pops).count(),
        arrives.iter().filter(is_tag).count()
    );
    let mut on: Vec<Layer> = vec![];
    let mut last_pop = None;
    let mut first_push = usize::MAX;
    for (i, action) in rule.actions.iter().enumerate() {
        match *action {
            Action::VlanPop => last_pop = Some(i),
            Action::VlanPush {
                tpid,
                vid,
                priority,
            } => {
                first_push = first_push.min(i);
                on.push(Layer::Vlan(Tag {
                    tpid,
                    vid,
                    priority,
                    by_switch: false,
                }));
            }
            Action::PppoePush(session) => {
                first_push = first_push.min(i);
                on.push(Layer::Pppoe(session));
            }
            _ => {}
        }
    }
    assert!(last_pop.is_none_or(|last| last < first_push));
    match semantics.push_order {
        PushOrder::InnerFirst => on.reverse(),
        PushOrder::OuterFirst => {}
        PushOrder::Unknown => assert!(on.len() <= 1),
    }
    assert_eq!(on, visible(other));
}

/// Off before anything else, on after everything else but the way out.
fn tunnels(side: &Side, other: &Side, rule: &Rule) {
    let mut inner = &rule.actions[..rule.actions.len() - 1];
    if let Some(tunnel) = side.tunnel {
        let (last, rest) = inner.split_last().unwrap();
        assert_eq!(*last, Action::TunnelEncap(tunnel));
        inner = rest;
    }
    if let Some(Tunnel {
        id,
        family,
        source,
        destination,
        port,
    }) = other.tunnel
    {
        let (first, rest) = inner.split_first().unwrap();
        assert_eq!(*first, Action::TunnelDecap);
        inner = rest;
        assert!(rule.keys.contains(&Key::Tunnel(Tunnel {
            id,
            family,
            source: destination,
            destination: source,
            port,
        })));
    }
    let tunnel = |action: &Action| matches!(action, Action::TunnelDecap | Action::TunnelEncap(_));
    assert!(!inner.iter().any(tunnel));
}

fn way_out(side: &Side, rule: &Rule) {
    let out = match side.egress {
        Egress::Ethernet { ifindex, .. } | Egress::Tunnel { ifindex } => ifindex,
        Egress::Impossible(_) => panic!("there is no way out"),
    };
    assert_eq!(rule.actions.last(), Some(&Action::Redirect(out)));
}

/// Where the hardware does not look at sizes, no packet arrives that is too large for the flow.
fn fits(semantics: Semantics, side: &Side) {
    let pppoe = |layer: &Layer| matches!(layer, Layer::Pppoe(_));
    let header = if visible(side).iter().any(pppoe) {
        8
    } else {
        0
    };
    if !semantics.checks_mtu {
        assert!(side.mtu.ingress.saturating_sub(header) <= side.mtu.flow);
    }
}
