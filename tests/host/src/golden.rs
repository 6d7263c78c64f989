// SPDX-License-Identifier: GPL-2.0

//! Every case that the C core translates rightly, byte for byte as it does (`nf_flow_table_offload.c`, Linux 7.2), and
//! the right answer where it does not.

use crate::rule::{
    flow, translate, v4, End, AS_C, AS_TC, CLIENT_MAC, LAN, LAN_MAC, SERVER_MAC, WAN, WAN_MAC,
};
use crate::translate::{
    Action, Dir, Egress, Family, Fingerprint, Flow, Header, Key, Protocol, Refusal, Word,
};

const ALL: [u8; 4] = [0; 4];

fn mangle(header: Header, offset: u32, keep: [u8; 4], value: [u8; 4]) -> Action {
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

fn ip4(offset: u32, address: [u8; 16]) -> Action {
    mangle(Header::Ipv4, offset, ALL, address[..4].try_into().unwrap())
}

fn ip6(offset: u32, address: [u8; 16]) -> Vec<Action> {
    (0..4)
        .map(|i| {
            let word = address[4 * i..4 * i + 4].try_into().unwrap();
            mangle(Header::Ipv6, offset + 4 * i as u32, ALL, word)
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

/// Checks both directions against the C core's list, without and with what tc's semantics add: the hop limit after the
/// MACs, and the checksum before the way out.
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

/// The C core forgets the checksum of translated IPv6.
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

#[test]
fn tags_on_either_side_are_refused() {
    let mut flow = plain4(Protocol::Tcp);
    flow.reply.encapsulations = 1;
    for dir in [Dir::Original, Dir::Reply] {
        assert_eq!(
            translate(&flow, dir, AS_TC).unwrap_err(),
            Refusal::Encapsulation
        );
    }
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
        assert_eq!(translate(&flow, Dir::Original, AS_TC).unwrap_err(), refusal);
        translate(&flow, Dir::Reply, AS_TC).unwrap();
    }
}

#[test]
fn a_fingerprint_tells_rules_apart() {
    let print = |flow: &Flow, dir, semantics| {
        let mut print = Fingerprint::new();
        crate::translate::rule(flow, dir, semantics, &mut print).unwrap();
        print.value()
    };
    let flow = snat4(Protocol::Tcp);
    let one = print(&flow, Dir::Original, AS_TC);
    assert_eq!(one, print(&flow, Dir::Original, AS_TC));
    assert_ne!(one, print(&flow, Dir::Reply, AS_TC));
    assert_ne!(one, print(&flow, Dir::Original, AS_C));
    let mut moved = flow;
    moved.original.egress = Egress::Ethernet {
        ifindex: WAN,
        source: WAN_MAC,
        destination: CLIENT_MAC,
    };
    assert_ne!(one, print(&moved, Dir::Original, AS_TC));
    let mut renumbered = flow;
    renumbered.reply.destination_port = [0, 1];
    assert_ne!(one, print(&renumbered, Dir::Original, AS_TC));
}
