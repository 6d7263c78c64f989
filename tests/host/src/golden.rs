// SPDX-License-Identifier: GPL-2.0

//! Every case that the C core translates correctly, byte for byte as it does
//! (`nf_flow_table_offload.c`, Linux 7.2), and the right answer where it does not.

use crate::offload::profile;
use crate::proto::{Dir, Header};
use crate::rule::{
    flow, tag, translate, v4, End, AD, AS_C, AS_TC, CLIENT_MAC, LAN, LAN_MAC, Q, SERVER_MAC, WAN,
    WAN_MAC,
};
use crate::translate::flow::{Egress, Family, Flow, Layer, Mtu, Protocol, Side, Tag, Tunnel};
use crate::translate::match_hash::{MatchHash, Secret};
use crate::translate::refusal::Refusal;
use crate::translate::rule::{Action, Key, Word};
use crate::translate::semantics::{PushOrder, Semantics};

const ALL: [u8; 4] = [0; 4];
const IP: u16 = 0x0800;
const PPPOE: u16 = 0x8864;

fn mangle(header: Header, offset: u8, keep: [u8; 4], value: [u8; 4]) -> Action {
    Action::Mangle(Word {
        header,
        offset,
        keep,
        value,
    })
}

/// E0 to E3 of the C core: source MAC in two words, destination MAC in two words.
fn ethernet(s: [u8; 6], d: [u8; 6]) -> Vec<Action> {
    let eth = Header::Ethernet;
    vec![
        mangle(eth, 4, [0xff, 0xff, 0, 0], [0, 0, s[0], s[1]]),
        mangle(eth, 8, ALL, [s[2], s[3], s[4], s[5]]),
        mangle(eth, 0, ALL, [d[0], d[1], d[2], d[3]]),
        mangle(eth, 4, [0, 0, 0xff, 0xff], [d[4], d[5], 0, 0]),
    ]
}

fn original() -> Vec<Action> {
    ethernet(WAN_MAC, SERVER_MAC)
}

fn reply() -> Vec<Action> {
    ethernet(LAN_MAC, CLIENT_MAC)
}

fn source_port(header: Header, port: u16) -> Action {
    let [h, l] = port.to_be_bytes();
    mangle(header, 0, [0, 0, 0xff, 0xff], [h, l, 0, 0])
}

fn destination_port(header: Header, port: u16) -> Action {
    let [h, l] = port.to_be_bytes();
    mangle(header, 0, [0xff, 0xff, 0, 0], [0, 0, h, l])
}

fn ip4(offset: u8, address: [u8; 16]) -> Action {
    mangle(Header::Ipv4, offset, ALL, address[..4].try_into().unwrap())
}

fn ip6(offset: u8, address: [u8; 16]) -> Vec<Action> {
    (0..4)
        .map(|i| {
            let word = address[4 * i..4 * i + 4].try_into().unwrap();
            mangle(Header::Ipv6, offset + 4 * i as u8, ALL, word)
        })
        .collect()
}

fn checksum(ipv4_header: bool, transport: Option<Protocol>) -> Action {
    Action::Checksum {
        ipv4_header,
        transport,
    }
}

const TTL: Action = Action::Add(Word {
    header: Header::Ipv4,
    offset: 8,
    keep: [0, 0xff, 0xff, 0xff],
    value: [0xff, 0, 0, 0],
});

const HOP_LIMIT: Action = Action::Add(Word {
    header: Header::Ipv6,
    offset: 4,
    keep: [0xff, 0xff, 0xff, 0],
    value: [0, 0, 0, 0xff],
});

fn client4() -> End {
    (v4(192, 168, 1, 2), 40000)
}
fn server4() -> End {
    (v4(203, 0, 113, 9), 443)
}
fn router4() -> End {
    (v4(198, 51, 100, 1), 61234)
}
fn inside4() -> End {
    (v4(10, 0, 0, 7), 8443)
}
fn client6() -> End {
    (
        0xfd00_0001_0000_0000_0000_0000_0000_0002_u128.to_be_bytes(),
        40000,
    )
}
fn server6() -> End {
    (
        0x2001_0db8_0009_0000_0000_0000_0000_0009_u128.to_be_bytes(),
        443,
    )
}
fn router6() -> End {
    (
        0x2001_0db8_0001_0000_1111_2222_3333_4444_u128.to_be_bytes(),
        61234,
    )
}
fn inside6() -> End {
    (
        0xfd00_0007_0000_0000_0000_0000_0000_0007_u128.to_be_bytes(),
        8443,
    )
}

fn plain4(protocol: Protocol) -> Flow {
    flow(
        Family::Ipv4,
        protocol,
        client4(),
        server4(),
        client4(),
        server4(),
    )
}
fn snat4(protocol: Protocol) -> Flow {
    flow(
        Family::Ipv4,
        protocol,
        client4(),
        server4(),
        router4(),
        server4(),
    )
}
fn dnat4(protocol: Protocol) -> Flow {
    flow(
        Family::Ipv4,
        protocol,
        client4(),
        server4(),
        client4(),
        inside4(),
    )
}
fn both4(protocol: Protocol) -> Flow {
    flow(
        Family::Ipv4,
        protocol,
        client4(),
        server4(),
        router4(),
        inside4(),
    )
}
fn plain6(protocol: Protocol) -> Flow {
    flow(
        Family::Ipv6,
        protocol,
        client6(),
        server6(),
        client6(),
        server6(),
    )
}
fn snat6(protocol: Protocol) -> Flow {
    flow(
        Family::Ipv6,
        protocol,
        client6(),
        server6(),
        router6(),
        server6(),
    )
}
fn dnat6(protocol: Protocol) -> Flow {
    flow(
        Family::Ipv6,
        protocol,
        client6(),
        server6(),
        client6(),
        inside6(),
    )
}
fn both6(protocol: Protocol) -> Flow {
    flow(
        Family::Ipv6,
        protocol,
        client6(),
        server6(),
        router6(),
        inside6(),
    )
}

/// Checks both directions against the list of the C core, without and with the additions of tc's
/// semantics: the hop limit after the MACs, and the checksum before the redirect.
fn check(flow: Flow, [c_original, c_reply]: [Vec<Action>; 2], tc_checksum: Option<Action>) {
    for (dir, macs, c, out) in [
        (Dir::Original, original(), c_original, WAN),
        (Dir::Reply, reply(), c_reply, LAN),
    ] {
        let end = [Action::Redirect(out)];
        let as_c = [&macs[..], &c, &end].concat();
        assert_eq!(
            translate(&flow, dir, AS_C).unwrap().actions,
            as_c,
            "{dir:?} as C"
        );

        let hops = match flow.family {
            Family::Ipv4 => TTL,
            Family::Ipv6 => HOP_LIMIT,
        };
        let nat: Vec<Action> = c
            .into_iter()
            .filter(|action| !matches!(action, Action::Checksum { .. }))
            .collect();
        let checksum: Vec<Action> = tc_checksum.into_iter().collect();
        let as_tc = [&macs[..], &[hops], &nat, &checksum, &end].concat();
        assert_eq!(
            translate(&flow, dir, AS_TC).unwrap().actions,
            as_tc,
            "{dir:?} as tc"
        );
    }
}

#[test]
fn match_of_ipv4_tcp() {
    let rule = translate(&snat4(Protocol::Tcp), Dir::Original, AS_C).unwrap();
    assert_eq!(
        rule.keys,
        [
            Key::Ingress(LAN),
            Key::Protocols {
                ethertype: 0x0800,
                ip_protocol: 6
            },
            Key::Ipv4([192, 168, 1, 2], [203, 0, 113, 9]),
            Key::Ports(40000u16.to_be_bytes(), 443u16.to_be_bytes()),
            Key::TcpFlags {
                flags: 0,
                mask: 0x05
            },
        ]
    );
    // The reply is matched as it arrives: addressed to the router.
    let rule = translate(&snat4(Protocol::Tcp), Dir::Reply, AS_C).unwrap();
    assert_eq!(rule.keys[0], Key::Ingress(WAN));
    assert_eq!(rule.keys[2], Key::Ipv4([203, 0, 113, 9], [198, 51, 100, 1]));
    assert_eq!(
        rule.keys[3],
        Key::Ports(443u16.to_be_bytes(), 61234u16.to_be_bytes())
    );
}

#[test]
fn match_of_ipv6_udp() {
    let rule = translate(&plain6(Protocol::Udp), Dir::Original, AS_C).unwrap();
    assert_eq!(
        rule.keys,
        [
            Key::Ingress(LAN),
            Key::Protocols {
                ethertype: 0x86dd,
                ip_protocol: 17
            },
            Key::Ipv6(client6().0, server6().0),
            Key::Ports(40000u16.to_be_bytes(), 443u16.to_be_bytes()),
        ]
    );
}

#[test]
fn ipv4_plain() {
    for protocol in [Protocol::Tcp, Protocol::Udp] {
        check(
            plain4(protocol),
            [vec![], vec![]],
            Some(checksum(true, None)),
        );
    }
}

#[test]
fn ipv4_snat() {
    for (protocol, l4) in [(Protocol::Tcp, Header::Tcp), (Protocol::Udp, Header::Udp)] {
        let sum = checksum(true, Some(protocol));
        check(
            snat4(protocol),
            [
                vec![ip4(12, router4().0), source_port(l4, 61234), sum],
                vec![ip4(16, client4().0), destination_port(l4, 40000), sum],
            ],
            Some(sum),
        );
    }
}

#[test]
fn ipv4_dnat() {
    for (protocol, l4) in [(Protocol::Tcp, Header::Tcp), (Protocol::Udp, Header::Udp)] {
        let sum = checksum(true, Some(protocol));
        check(
            dnat4(protocol),
            [
                vec![ip4(16, inside4().0), destination_port(l4, 8443), sum],
                vec![ip4(12, server4().0), source_port(l4, 443), sum],
            ],
            Some(sum),
        );
    }
}

#[test]
fn ipv4_snat_and_dnat() {
    let (l4, sum) = (Header::Tcp, checksum(true, Some(Protocol::Tcp)));
    check(
        both4(Protocol::Tcp),
        [
            vec![
                ip4(12, router4().0),
                source_port(l4, 61234),
                ip4(16, inside4().0),
                destination_port(l4, 8443),
                sum,
            ],
            vec![
                ip4(16, client4().0),
                destination_port(l4, 40000),
                ip4(12, server4().0),
                source_port(l4, 443),
                sum,
            ],
        ],
        Some(sum),
    );
}

#[test]
fn ipv6_plain() {
    for protocol in [Protocol::Tcp, Protocol::Udp] {
        check(plain6(protocol), [vec![], vec![]], None);
    }
}

/// The C core omits the checksum of translated IPv6.
#[test]
fn ipv6_snat() {
    for (protocol, l4) in [(Protocol::Tcp, Header::Tcp), (Protocol::Udp, Header::Udp)] {
        check(
            snat6(protocol),
            [
                [ip6(8, router6().0), vec![source_port(l4, 61234)]].concat(),
                [ip6(24, client6().0), vec![destination_port(l4, 40000)]].concat(),
            ],
            Some(checksum(false, Some(protocol))),
        );
    }
}

#[test]
fn ipv6_dnat() {
    let l4 = Header::Udp;
    check(
        dnat6(Protocol::Udp),
        [
            [ip6(24, inside6().0), vec![destination_port(l4, 8443)]].concat(),
            [ip6(8, server6().0), vec![source_port(l4, 443)]].concat(),
        ],
        Some(checksum(false, Some(Protocol::Udp))),
    );
}

#[test]
fn ipv6_snat_and_dnat() {
    let l4 = Header::Tcp;
    check(
        both6(Protocol::Tcp),
        [
            [
                ip6(8, router6().0),
                vec![source_port(l4, 61234)],
                ip6(24, inside6().0),
                vec![destination_port(l4, 8443)],
            ]
            .concat(),
            [
                ip6(24, client6().0),
                vec![destination_port(l4, 40000)],
                ip6(8, server6().0),
                vec![source_port(l4, 443)],
            ]
            .concat(),
        ],
        Some(checksum(false, Some(Protocol::Tcp))),
    );
}

/// GRE has no ports; its checksum covers no address.
#[test]
fn ipv4_gre() {
    check(
        plain4(Protocol::Gre),
        [vec![], vec![]],
        Some(checksum(true, None)),
    );
    let rule = translate(&plain4(Protocol::Gre), Dir::Original, AS_C).unwrap();
    assert_eq!(
        rule.keys[1],
        Key::Protocols {
            ethertype: 0x0800,
            ip_protocol: 47
        }
    );
    assert_eq!(rule.keys.len(), 3);
}

#[test]
fn gre_is_not_translated() {
    let profiles = profile::ALL.map(|profile| profile.semantics);
    for semantics in [AS_C, AS_TC].into_iter().chain(profiles) {
        for flow in [snat4(Protocol::Gre), dnat6(Protocol::Gre)] {
            let refusal = translate(&flow, Dir::Reply, semantics).unwrap_err();
            let expected = if semantics.gre {
                Refusal::GreNat
            } else {
                Refusal::Gre
            };
            assert_eq!(refusal, expected);
        }
    }
}

fn push(tpid: u16, vid: u16) -> Action {
    Action::VlanPush {
        tpid,
        vid,
        priority: 0,
    }
}

/// The keys and actions that headers between Ethernet and IP add, in tc's semantics and as an engine reads them.
struct Expected {
    keys: Vec<Key>,
    pops: usize,
    pushes: Vec<Action>,
}

/// Checks both directions of an IPv4 flow with these headers on the two sides.
fn check_layers(
    lan: [Option<Layer>; 2],
    wan: [Option<Layer>; 2],
    semantics: Semantics,
    [original, reply]: [Expected; 2],
) {
    let mut flow = plain4(Protocol::Udp);
    flow.original.layers = lan;
    flow.reply.layers = wan;
    for (dir, expected) in [(Dir::Original, original), (Dir::Reply, reply)] {
        let rule = translate(&flow, dir, semantics).unwrap();
        let between = |key: &&Key| {
            matches!(
                key,
                Key::Vlan { .. } | Key::InnerVlan { .. } | Key::Pppoe { .. }
            )
        };
        let keys: Vec<Key> = rule.keys.iter().filter(between).copied().collect();
        assert_eq!(keys, expected.keys, "{dir:?}");
        let pops = vec![Action::VlanPop; expected.pops];
        let headers = |action: &&Action| {
            matches!(
                action,
                Action::VlanPop | Action::VlanPush { .. } | Action::PppoePush(_)
            )
        };
        let actions: Vec<Action> = rule.actions.iter().filter(headers).copied().collect();
        assert_eq!(actions, [pops, expected.pushes].concat(), "{dir:?}");
        // IP follows the headers before it, which the basic key tells.
        assert!(rule.keys.contains(&Key::Protocols {
            ethertype: 0x0800,
            ip_protocol: 17
        }));
    }
}

/// A tag, and the Ethertype behind it where the driver reads that.
fn vlan(tpid: u16, vid: u16, semantics: Semantics, next: u16) -> Key {
    Key::Vlan {
        tpid,
        vid,
        priority: None,
        next: semantics.match_after_tags.then_some(next),
    }
}

fn inner(tpid: u16, vid: u16, semantics: Semantics, next: u16) -> Key {
    Key::InnerVlan {
        tpid,
        vid,
        next: semantics.match_after_tags.then_some(next),
    }
}

fn nothing() -> Expected {
    Expected {
        keys: vec![],
        pops: 0,
        pushes: vec![],
    }
}

/// The C core never sets the bit of a VLAN key (A1), and does not know 802.1ad (A2, A3).
#[test]
fn one_tag() {
    for tpid in [Q, AD] {
        for semantics in [AS_C, AS_TC] {
            let side = [Some(tag(tpid, 10)), None];
            let on = || Expected {
                keys: vec![],
                pops: 0,
                pushes: vec![push(tpid, 10)],
            };
            let off = || Expected {
                keys: vec![vlan(tpid, 10, semantics, IP)],
                pops: 1,
                pushes: vec![],
            };
            check_layers(side, [None; 2], semantics, [off(), on()]);
            check_layers([None; 2], side, semantics, [on(), off()]);
        }
    }
}

#[test]
fn a_tag_on_both_sides() {
    check_layers(
        [Some(tag(Q, 10)), None],
        [Some(tag(Q, 20)), None],
        AS_TC,
        [
            Expected {
                keys: vec![vlan(Q, 10, AS_TC, IP)],
                pops: 1,
                pushes: vec![push(Q, 20)],
            },
            Expected {
                keys: vec![vlan(Q, 20, AS_TC, IP)],
                pops: 1,
                pushes: vec![push(Q, 10)],
            },
        ],
    );
}

/// The C core lists the outer tag first for all drivers (A4); tc's reading swaps them.
#[test]
fn two_tags_go_on_in_the_order_that_the_driver_reads() {
    for outer in [Q, AD] {
        let side = [Some(tag(outer, 100)), Some(tag(Q, 200))];
        for (semantics, pushes) in [
            (AS_TC, vec![push(Q, 200), push(outer, 100)]),
            (AS_C, vec![push(outer, 100), push(Q, 200)]),
        ] {
            check_layers(
                [None; 2],
                side,
                semantics,
                [
                    Expected {
                        pushes,
                        ..nothing()
                    },
                    Expected {
                        keys: vec![vlan(outer, 100, semantics, Q), inner(Q, 200, semantics, IP)],
                        pops: 2,
                        pushes: vec![],
                    },
                ],
            );
        }
    }
}

#[test]
fn two_tags_are_refused_where_the_order_is_not_known() {
    let mut flow = plain4(Protocol::Tcp);
    let unknown = Semantics {
        push_order: PushOrder::Unknown,
        ..AS_C
    };
    flow.reply.layers = [Some(tag(Q, 100)), Some(tag(Q, 200))];
    for dir in [Dir::Original, Dir::Reply] {
        assert_eq!(
            translate(&flow, dir, unknown).unwrap_err(),
            Refusal::LayerOrder
        );
    }
    flow.reply.layers = [Some(tag(AD, 100)), None];
    let rule = translate(&flow, Dir::Original, unknown).unwrap();
    assert!(rule.actions.contains(&push(AD, 100)));
}

/// The switch behind the device adds and removes it: it is neither matched nor named.
#[test]
fn a_tag_that_the_switch_handles() {
    let by_switch = Layer::Vlan(Tag {
        tpid: Q,
        vid: 10,
        priority: 3,
        by_switch: true,
    });
    check_layers(
        [Some(by_switch), None],
        [None; 2],
        AS_TC,
        [nothing(), nothing()],
    );
    // The header inside of it is the outermost one on the wire.
    check_layers(
        [Some(by_switch), Some(tag(Q, 20))],
        [None; 2],
        AS_TC,
        [
            Expected {
                keys: vec![vlan(Q, 20, AS_TC, IP)],
                pops: 1,
                pushes: vec![],
            },
            Expected {
                pushes: vec![push(Q, 20)],
                ..nothing()
            },
        ],
    );
}

/// The C core writes priority 0 whatever the VLAN device sets (A5).
#[test]
fn a_tags_priority_is_that_of_its_device() {
    let mut flow = plain4(Protocol::Tcp);
    flow.reply.layers[0] = Some(Layer::Vlan(Tag {
        tpid: Q,
        vid: 7,
        priority: 6,
        by_switch: false,
    }));
    let rule = translate(&flow, Dir::Original, AS_TC).unwrap();
    assert!(rule.actions.contains(&Action::VlanPush {
        tpid: Q,
        vid: 7,
        priority: 6
    }));
}

/// The C core neither matches PPPoE nor refuses it (A7).
#[test]
fn pppoe() {
    let session = |family| Key::Pppoe {
        session: 0x1234,
        family,
    };
    check_layers(
        [None; 2],
        [Some(Layer::Pppoe(0x1234)), None],
        AS_C,
        [
            Expected {
                pushes: vec![Action::PppoePush(0x1234)],
                ..nothing()
            },
            Expected {
                keys: vec![session(Family::Ipv4)],
                ..nothing()
            },
        ],
    );
    check_layers(
        [None; 2],
        [Some(tag(Q, 7)), Some(Layer::Pppoe(0x1234))],
        AS_C,
        [
            Expected {
                pushes: vec![push(Q, 7), Action::PppoePush(0x1234)],
                ..nothing()
            },
            Expected {
                keys: vec![vlan(Q, 7, AS_C, PPPOE), session(Family::Ipv4)],
                pops: 1,
                pushes: vec![],
            },
        ],
    );
    let mut flow = plain6(Protocol::Tcp);
    flow.reply.layers[0] = Some(Layer::Pppoe(0x1234));
    let rule = translate(&flow, Dir::Reply, AS_C).unwrap();
    assert!(rule.keys.contains(&session(Family::Ipv6)));
}

/// A rule for a tag fits frames with another tag behind it, unless it says what is behind.
#[test]
fn what_follows_a_tag_is_matched_with_it() {
    let semantics = Semantics {
        pppoe: true,
        ..AS_TC
    };
    let by_switch = Layer::Vlan(Tag {
        tpid: AD,
        vid: 1,
        priority: 0,
        by_switch: true,
    });
    for (mut flow, ethertype) in [
        (plain4(Protocol::Tcp), 0x0800),
        (plain6(Protocol::Tcp), 0x86dd),
    ] {
        for (second, next) in [
            (None, ethertype),
            (Some(tag(AD, 8)), AD),
            (Some(Layer::Pppoe(0x1234)), PPPOE),
            (Some(by_switch), ethertype),
        ] {
            flow.reply.layers = [Some(tag(Q, 7)), second];
            let rule = translate(&flow, Dir::Reply, semantics).unwrap();
            assert!(rule.keys.contains(&vlan(Q, 7, semantics, next)));
            if next == AD {
                assert!(rule.keys.contains(&inner(AD, 8, semantics, ethertype)));
            }
        }
    }
}

/// A multicast packet is copied to every interested device; a rule knows one of them.
#[test]
fn what_goes_to_many_is_refused() {
    let v6 = |first, second| {
        let mut address = [0; 16];
        address[..2].copy_from_slice(&[first, second]);
        address[15] = 1;
        address
    };
    for (mut flow, to, refused) in [
        (plain4(Protocol::Udp), v4(224, 0, 0, 1), true),
        (plain4(Protocol::Udp), v4(239, 255, 255, 255), true),
        (plain4(Protocol::Udp), v4(255, 255, 255, 255), true),
        (plain4(Protocol::Udp), v4(223, 255, 255, 255), false),
        (plain4(Protocol::Udp), v4(240, 0, 0, 1), false),
        (plain6(Protocol::Udp), v6(0xff, 0x0e), true),
        (plain6(Protocol::Udp), v6(0xff, 0x02), true),
        (plain6(Protocol::Udp), v6(0xfe, 0x80), false),
        // The first byte of an IPv4 address has no meaning there.
        (plain6(Protocol::Udp), v6(0xe0, 0), false),
    ] {
        flow.original.destination = to;
        for dir in [Dir::Original, Dir::Reply] {
            let answer = translate(&flow, dir, AS_TC).map(|_| ());
            let wanted = if refused {
                Err(Refusal::ToMany)
            } else {
                Ok(())
            };
            assert_eq!(answer, wanted, "{to:?}");
        }
    }
}

/// Headers of one direction, refused in both.
fn refused(lan: [Option<Layer>; 2], wan: [Option<Layer>; 2], semantics: Semantics) -> Refusal {
    let mut flow = plain4(Protocol::Tcp);
    flow.original.layers = lan;
    flow.reply.layers = wan;
    let original = translate(&flow, Dir::Original, semantics).unwrap_err();
    assert_eq!(
        translate(&flow, Dir::Reply, semantics).unwrap_err(),
        original
    );
    original
}

#[test]
fn headers_that_a_driver_does_not_take_are_refused_with_the_reason() {
    let engine = Semantics {
        service_tags: false,
        ..AS_C
    };
    let session = Some(Layer::Pppoe(1));
    assert_eq!(refused([None; 2], [session, None], AS_TC), Refusal::Pppoe);
    assert_eq!(
        refused([Some(tag(Q, 5)), session], [None; 2], AS_TC),
        Refusal::Pppoe
    );
    assert_eq!(
        refused([Some(tag(AD, 5)), None], [None; 2], engine),
        Refusal::ServiceTag
    );
    // The core does not pass this today.
    for unknown in [Layer::Other(0x8847), tag(0x9100, 5)] {
        assert_eq!(
            refused([None; 2], [Some(unknown), None], AS_C),
            Refusal::Encapsulation
        );
    }
    assert_eq!(
        refused([session, Some(tag(Q, 5))], [None; 2], AS_C),
        Refusal::Encapsulation
    );
}

/// mlx5 turns a tag that is removed and one that is added into one rewrite.
#[test]
fn only_one_tag_for_another_where_the_driver_would_mix_them_up() {
    let mlx5 = profile::for_driver(b"mlx5_core").semantics;
    let (a, b) = (Some(tag(Q, 5)), Some(tag(Q, 6)));
    let service = Some(tag(AD, 7));
    for (lan, wan) in [
        ([a, None], [service, None]),
        ([service, None], [service, None]),
        ([a, None], [service, b]),
        ([a, b], [b, None]),
        ([a, b], [b, a]),
    ] {
        assert_eq!(refused(lan, wan, mlx5), Refusal::Retag);
    }
    for (lan, wan) in [
        ([a, None], [b, None]),
        ([None; 2], [service, b]),
        ([None; 2], [a, b]),
        ([service, b], [None; 2]),
    ] {
        let mut flow = plain4(Protocol::Tcp);
        (flow.original.layers, flow.reply.layers) = (lan, wan);
        translate(&flow, Dir::Original, mlx5).unwrap();
    }
}

/// A tag that mlx5 rewrites keeps its priority, so it has to arrive with the one that the VLAN
/// device writes.
#[test]
fn a_rewritten_tag_comes_with_the_priority_it_leaves_with() {
    let mlx5 = profile::for_driver(b"mlx5_core").semantics;
    let mut flow = plain4(Protocol::Tcp);
    flow.original.layers[0] = Some(tag(Q, 5));
    flow.reply.layers[0] = Some(Layer::Vlan(Tag {
        tpid: Q,
        vid: 6,
        priority: 4,
        by_switch: false,
    }));
    for (dir, vid, priority) in [(Dir::Original, 5, 4), (Dir::Reply, 6, 0)] {
        let rule = translate(&flow, dir, mlx5).unwrap();
        assert!(rule.keys.contains(&Key::Vlan {
            tpid: Q,
            vid,
            priority: Some(priority),
            next: Some(IP),
        }));
    }
    // Where one side has no tag nothing is rewritten.
    flow.original.layers[0] = None;
    let rule = translate(&flow, Dir::Reply, mlx5).unwrap();
    assert!(rule.keys.contains(&vlan(Q, 6, mlx5, IP)));
}

/// An entry of airoha for IPv6 has no field for a source address.
#[test]
fn ipv6_from_a_foreign_source_address_is_refused_where_the_driver_writes_its_own() {
    let airoha = profile::for_driver(b"airoha_eth").semantics;
    for (mut flow, refusal) in [
        (plain4(Protocol::Tcp), None),
        (plain6(Protocol::Tcp), Some(Refusal::SourceMac)),
    ] {
        if let Egress::Ethernet { own_source, .. } = &mut flow.reply.egress {
            *own_source = false;
        }
        for dir in [Dir::Original, Dir::Reply] {
            assert_eq!(translate(&flow, dir, airoha).err(), refusal);
            translate(&flow, dir, AS_C).unwrap();
        }
    }
    translate(&plain6(Protocol::Tcp), Dir::Original, airoha).unwrap();
}

#[test]
fn ipv6_translation_is_refused_where_the_driver_does_not_take_it() {
    let mtk = profile::for_driver(b"mtk_soc_eth").semantics;
    assert_eq!(
        translate(&snat6(Protocol::Tcp), Dir::Original, mtk).unwrap_err(),
        Refusal::Nat6
    );
    translate(&plain6(Protocol::Tcp), Dir::Original, mtk).unwrap();
    translate(&both4(Protocol::Tcp), Dir::Original, mtk).unwrap();
}

#[test]
fn fragments_are_excluded_where_the_driver_can() {
    let rule = translate(&plain4(Protocol::Tcp), Dir::Original, AS_TC).unwrap();
    assert_eq!(rule.keys.last(), Some(&Key::NotFragment));
    let rule = translate(&plain4(Protocol::Tcp), Dir::Original, AS_C).unwrap();
    assert!(!rule.keys.contains(&Key::NotFragment));
}

fn a_tunnel() -> Tunnel {
    Tunnel {
        id: Some([0, 0, 0, 42]),
        family: Family::Ipv4,
        source: v4(198, 51, 100, 1),
        destination: v4(198, 51, 100, 2),
        port: [0x12, 0xb5],
    }
}

/// The C core encapsulates before the rewrites, which then hit the outer header (A12); it does not match the tunnel's port
/// (A10), and writes Ethernet addresses where there is no Ethernet (A13).
#[test]
fn a_lightweight_tunnel() {
    let mut flow = snat4(Protocol::Udp);
    flow.original.tunnel = Some(a_tunnel());
    flow.original.egress = Egress::Tunnel { ifindex: 9 };
    let sum = checksum(true, Some(Protocol::Udp));
    let into = translate(&flow, Dir::Original, AS_C).unwrap();
    assert_eq!(
        into.actions,
        [
            ip4(12, router4().0),
            source_port(Header::Udp, 61234),
            sum,
            Action::TunnelEncap(a_tunnel()),
            Action::Redirect(9),
        ]
    );
    assert!(!into.keys.iter().any(|k| matches!(k, Key::Tunnel { .. })));

    let out_of = translate(&flow, Dir::Reply, AS_C).unwrap();
    assert_eq!(
        out_of.actions,
        [
            vec![Action::TunnelDecap],
            reply(),
            vec![
                ip4(16, client4().0),
                destination_port(Header::Udp, 40000),
                sum,
                Action::Redirect(LAN)
            ]
        ]
        .concat()
    );
    assert_eq!(
        out_of.keys[1],
        Key::Tunnel(Tunnel {
            id: a_tunnel().id,
            family: Family::Ipv4,
            source: a_tunnel().destination,
            destination: a_tunnel().source,
            port: a_tunnel().port,
        })
    );

    let mtk = profile::for_driver(b"mtk_soc_eth").semantics;
    for dir in [Dir::Original, Dir::Reply] {
        assert_eq!(translate(&flow, dir, mtk).unwrap_err(), Refusal::Tunnel);
    }
}

/// The hardware never checks sizes for flows of the C core (A21).
#[test]
fn packets_that_may_not_fit() {
    let mtk = profile::for_driver(b"mtk_soc_eth").semantics;
    let mtu = |ingress, egress, flow| Mtu {
        ingress,
        egress,
        flow,
    };
    let answer = |side: fn(&mut Flow) -> &mut Side, mtu, semantics| {
        let mut flow = plain4(Protocol::Udp);
        side(&mut flow).mtu = mtu;
        let answers = [Dir::Original, Dir::Reply].map(|dir| translate(&flow, dir, semantics));
        answers.map(|answer| answer.err())
    };
    for side in [
        (|flow| &mut flow.original) as fn(&mut Flow) -> &mut Side,
        |flow| &mut flow.reply,
    ] {
        for (mtu, tc, engine) in [
            (mtu(1500, 1500, 1500), None, None),
            (mtu(1280, 1500, 1280), None, None),
            // A smaller MTU of the egress, known to the engine, or only to the route.
            (
                mtu(1500, 1400, 1400),
                Some(Refusal::Oversize),
                Some(Refusal::Oversize),
            ),
            (
                mtu(1500, 1500, 1400),
                Some(Refusal::Oversize),
                Some(Refusal::Oversize),
            ),
            (
                mtu(9000, 1500, 1500),
                Some(Refusal::Oversize),
                Some(Refusal::Oversize),
            ),
            (mtu(1600, 2000, 2000), None, None),
            (
                mtu(1500, 1500, 1499),
                Some(Refusal::Oversize),
                Some(Refusal::Oversize),
            ),
            // A device that is gone limits nothing; there is no egress then either.
            (mtu(0, 0, 1400), None, None),
            (
                mtu(1500, 0, 1400),
                Some(Refusal::Oversize),
                Some(Refusal::Oversize),
            ),
        ] {
            assert_eq!(answer(side, mtu, AS_TC), [tc; 2], "{mtu:?}");
            assert_eq!(answer(side, mtu, mtk), [engine; 2], "{mtu:?}");
        }
    }
}

/// The most common Internet access: 1500 bytes inside, PPPoE outside. Hardware that checks sizes
/// takes it.
#[test]
fn pppoe_with_its_usual_sizes() {
    let mut flow = snat4(Protocol::Tcp);
    flow.reply.layers[0] = Some(Layer::Pppoe(7));
    flow.original.mtu.flow = 1492;
    let mtk = profile::for_driver(b"mtk_soc_eth").semantics;
    for dir in [Dir::Original, Dir::Reply] {
        translate(&flow, dir, mtk).unwrap();
        assert_eq!(translate(&flow, dir, AS_C).unwrap_err(), Refusal::Oversize);
    }
    // Not if the route takes even less.
    flow.original.mtu.flow = 1480;
    assert_eq!(
        translate(&flow, Dir::Original, mtk).unwrap_err(),
        Refusal::Oversize
    );
}

#[test]
fn an_impossible_way_out_says_why() {
    for refusal in [
        Refusal::Xfrm,
        Refusal::NotEthernet,
        Refusal::Unresolved,
        Refusal::Transmit,
    ] {
        let mut flow = plain6(Protocol::Udp);
        flow.original.egress = Egress::Impossible(refusal);
        // Too large as well: the missing egress is reported first.
        flow.reply.mtu.flow = 576;
        for dir in [Dir::Original, Dir::Reply] {
            assert_eq!(translate(&flow, dir, AS_TC).unwrap_err(), refusal);
        }
    }
}

#[test]
fn a_match_hash_tells_matches_apart() {
    let hash = |secret: Secret, flow: &Flow, dir, semantics| {
        let mut hash = MatchHash::new(secret, true);
        crate::translate::write(flow, dir, semantics, &mut hash).unwrap();
        hash.value()
    };
    let of = |flow: &Flow, dir| hash([1, 2], flow, dir, AS_TC);
    let flow = snat4(Protocol::Tcp);
    let one = of(&flow, Dir::Original);
    assert_eq!(one, of(&flow, Dir::Original));
    assert_ne!(one, of(&flow, Dir::Reply));
    // Each flowtable has its own numbers.
    assert_ne!(one, hash([1, 3], &flow, Dir::Original, AS_TC));
    // Other replies, and another egress: the same match.
    let mut elsewhere = flow;
    elsewhere.reply.destination_port = [7, 7];
    assert_eq!(one, of(&elsewhere, Dir::Original));
    assert_ne!(of(&flow, Dir::Reply), of(&elsewhere, Dir::Reply));
    let mut moved = flow;
    moved.original.egress = Egress::Ethernet {
        ifindex: WAN,
        source: WAN_MAC,
        destination: CLIENT_MAC,
        own_source: true,
    };
    assert_eq!(one, of(&moved, Dir::Original));
}

#[test]
fn hardware_that_does_not_see_where_a_packet_arrives_has_one_match_for_all_places() {
    let hash = |flow: &Flow, sees_arrival| {
        let mut hash = MatchHash::new([1, 2], sees_arrival);
        crate::translate::write(flow, Dir::Original, AS_TC, &mut hash).unwrap();
        hash.value()
    };
    let flow = snat4(Protocol::Tcp);
    let mut elsewhere = flow;
    elsewhere.original.ingress += 1;
    let mut tagged = flow;
    tagged.original.layers[0] = Some(Layer::Vlan(Tag {
        tpid: 0x8100,
        vid: 7,
        priority: 0,
        by_switch: false,
    }));
    for other in [elsewhere, tagged] {
        assert_ne!(hash(&flow, true), hash(&other, true));
        assert_eq!(hash(&flow, false), hash(&other, false));
    }
    let mut another = flow;
    another.original.source_port = [0, 1];
    assert_ne!(hash(&flow, false), hash(&another, false));
    // The match alone has the same number.
    let mut alone = MatchHash::new([1, 2], false);
    crate::translate::write_match(&flow, Dir::Original, AS_TC, &mut alone);
    assert_eq!(alone.value(), hash(&flow, false));
}
