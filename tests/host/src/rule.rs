// SPDX-License-Identifier: GPL-2.0

//! A rule as seen by a test, and flows to make rules from.

use crate::proto::Dir;
use crate::translate::flow::{Egress, Family, Flow, Layer, Mtu, Protocol, Side, Tag};
use crate::translate::refusal::Refusal;
use crate::translate::rule::{Action, Key, RuleSink};
use crate::translate::semantics::{PushOrder, Semantics};

/// The rules of today's C core: no hop limit, checksums for translated IPv4 only, the outer header
/// first.
pub(crate) const AS_C: Semantics = Semantics {
    explicit_hop_limit: false,
    explicit_checksums: false,
    push_order: PushOrder::OuterFirst,
    excludes_fragments: false,
    excludes_syn: false,
    match_after_tags: false,
    pppoe: true,
    service_tags: true,
    retags: true,
    source_mac6: true,
    nat4: true,
    nat6: true,
    gre: true,
    tunnels: true,
    checks_mtu: false,
    names_ingress: true,
    sees_arrival: true,
};

/// The additions of tc's semantics.
pub(crate) const AS_TC: Semantics = Semantics {
    explicit_hop_limit: true,
    explicit_checksums: true,
    push_order: PushOrder::InnerFirst,
    excludes_fragments: true,
    excludes_syn: true,
    match_after_tags: true,
    pppoe: false,
    ..AS_C
};

/// The capacity of the kernel's form of a rule.
const MAX_ACTIONS: usize = 24;

/// Collects a rule.
#[derive(Default, Debug)]
pub(crate) struct Rule {
    pub(crate) keys: Vec<Key>,
    pub(crate) actions: Vec<Action>,
}

impl RuleSink for Rule {
    fn key(&mut self, key: Key) {
        self.keys.push(key);
    }

    fn action(&mut self, action: Action) -> Result<(), Refusal> {
        if self.actions.len() == MAX_ACTIONS {
            return Err(Refusal::TooManyActions);
        }
        self.actions.push(action);
        Ok(())
    }
}

pub(crate) fn translate(flow: &Flow, dir: Dir, semantics: Semantics) -> Result<Rule, Refusal> {
    let mut rule = Rule::default();
    crate::translate::check(flow, semantics)?;
    crate::translate::write(flow, dir, semantics, &mut rule).map(|()| rule)
}

pub(crate) const LAN: u32 = 3;
pub(crate) const WAN: u32 = 4;
pub(crate) const LAN_MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 0x01];
pub(crate) const CLIENT_MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 0x02];
pub(crate) const WAN_MAC: [u8; 6] = [0x02, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5];
pub(crate) const SERVER_MAC: [u8; 6] = [0x02, 0xb1, 0xb2, 0xb3, 0xb4, 0xb5];

/// 802.1Q and 802.1ad.
pub(crate) const Q: u16 = 0x8100;
pub(crate) const AD: u16 = 0x88a8;

/// A tag without a priority.
pub(crate) fn tag(tpid: u16, vid: u16) -> Layer {
    Layer::Vlan(Tag {
        tpid,
        vid,
        priority: 0,
        by_switch: false,
    })
}

/// One end of a connection: address and port.
pub(crate) type End = ([u8; 16], u16);

/// A flow as the core holds it. The client connects to `dialled`; the server at `served` sees
/// `seen` as the source. Without translation `dialled` is `served` and `seen` is `client`.
pub(crate) fn flow(
    family: Family,
    protocol: Protocol,
    client: End,
    dialled: End,
    seen: End,
    served: End,
) -> Flow {
    let side = |source: End, destination: End, ingress, egress| Side {
        source: source.0,
        destination: destination.0,
        source_port: source.1.to_be_bytes(),
        destination_port: destination.1.to_be_bytes(),
        ingress,
        layers: [None; 2],
        mtu: Mtu {
            ingress: 1500,
            egress: 1500,
            flow: 1500,
        },
        tunnel: None,
        egress,
    };
    Flow {
        family,
        protocol,
        snat: seen != client,
        dnat: dialled != served,
        original: side(
            client,
            dialled,
            LAN,
            Egress::Ethernet {
                ifindex: WAN,
                source: WAN_MAC,
                destination: SERVER_MAC,
                own_source: true,
            },
        ),
        reply: side(
            served,
            seen,
            WAN,
            Egress::Ethernet {
                ifindex: LAN,
                source: LAN_MAC,
                destination: CLIENT_MAC,
                own_source: true,
            },
        ),
    }
}

pub(crate) fn v4(a: u8, b: u8, c: u8, d: u8) -> [u8; 16] {
    let mut address = [0; 16];
    address[..4].copy_from_slice(&[a, b, c, d]);
    address
}
