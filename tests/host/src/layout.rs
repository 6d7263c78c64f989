// SPDX-License-Identifier: GPL-2.0

//! The words of a rule in memory. A driver reads the mask and the value of a mangle as numbers in
//! host order (`struct flow_action_entry`), which the wrapper of the rule makes with
//! `from_ne_bytes`; so these tests also run as a program for a big-endian machine.

use crate::proto::{Dir, Header};
use crate::rule::{flow, translate, v4, AS_C, AS_TC, CLIENT_MAC, LAN_MAC, SERVER_MAC, WAN_MAC};
use crate::translate::flow::{Family, Protocol};
use crate::translate::rule::{Action, Key, Word};

/// The mask and the value, as a driver has them.
fn numbers(word: &Word) -> (u32, u32) {
    (
        u32::from_ne_bytes(word.keep),
        u32::from_ne_bytes(word.value),
    )
}

fn client() -> ([u8; 16], u16) {
    (v4(192, 168, 1, 2), 40000)
}
fn server() -> ([u8; 16], u16) {
    (v4(203, 0, 113, 9), 443)
}
fn router() -> ([u8; 16], u16) {
    (v4(198, 51, 100, 1), 61234)
}
fn inside() -> ([u8; 16], u16) {
    (v4(10, 0, 0, 7), 8443)
}

/// The words of a direction with both ends translated, in one kind of header.
fn words(dir: Dir, header: Header) -> Vec<Word> {
    let (family, protocol) = (Family::Ipv4, Protocol::Tcp);
    let flow = flow(family, protocol, client(), server(), router(), inside());
    let rule = translate(&flow, dir, AS_TC).unwrap();
    let words = rule.actions.iter().filter_map(|action| match action {
        Action::Mangle(word) | Action::Add(word) if word.header == header => Some(*word),
        _ => None,
    });
    words.collect()
}

/// A run states which machine it is for; a silent run on another one would prove nothing.
#[test]
fn the_machine_is_the_one_that_is_meant() {
    let is = if cfg!(target_endian = "big") {
        "big"
    } else {
        "little"
    };
    let meant = std::env::var("NFT_OFFLOAD_ENDIAN").unwrap_or(is.into());
    assert_eq!(is, meant);
    let first = u32::from_ne_bytes([1, 0, 0, 0]);
    assert_eq!(first, if is == "big" { 1 << 24 } else { 1 });
}

/// Ports as `flow_offload_port_snat` and `flow_offload_port_dnat` of the C core make them: with `htonl`.
#[test]
fn ports_are_the_numbers_of_the_c_core() {
    let source = |port: u16| (!0xffff_0000_u32.to_be(), (u32::from(port) << 16).to_be());
    let destination = |port: u16| (!0x0000_ffff_u32.to_be(), u32::from(port).to_be());
    let found: Vec<_> = words(Dir::Original, Header::Tcp)
        .iter()
        .map(numbers)
        .collect();
    assert_eq!(found, [source(61234), destination(8443)]);
    let found: Vec<_> = words(Dir::Reply, Header::Tcp).iter().map(numbers).collect();
    assert_eq!(found, [destination(40000), source(443)]);
}

/// Ports as `mtk_flow_mangle_ports` and `airoha_ppe_flow_mangle_ports` read them.
#[test]
fn drivers_read_the_ports_that_are_meant() {
    let read = |word: &Word| {
        let (mask, value) = numbers(word);
        let value = u32::from_be(value);
        if mask == !0x0000_ffff_u32.to_be() {
            ("destination", value)
        } else {
            ("source", value >> 16)
        }
    };
    let found: Vec<_> = words(Dir::Original, Header::Tcp).iter().map(read).collect();
    assert_eq!(found, [("source", 61234), ("destination", 8443)]);
}

/// IPv4 addresses are numbers in network order, as `iph->saddr` is.
#[test]
fn addresses_are_in_network_order() {
    let found: Vec<_> = words(Dir::Original, Header::Ipv4)
        .iter()
        .filter(|word| word.offset != 8)
        .map(|word| (word.offset, numbers(word)))
        .collect();
    assert_eq!(
        found,
        [
            (12, (0, 0xc633_6401_u32.to_be())),
            (16, (0, 0x0a00_0007_u32.to_be())),
        ]
    );
}

/// Decrements the first byte of a word and keeps the other three: `htonl(0xff000000)` and its
/// complement, as `pedit` does.
#[test]
fn the_hop_limit_is_in_network_order() {
    let found: Vec<_> = words(Dir::Original, Header::Ipv4)
        .iter()
        .filter(|word| word.offset == 8)
        .map(numbers)
        .collect();
    assert_eq!(found, [(!0xff00_0000_u32.to_be(), 0xff00_0000_u32.to_be())]);
}

/// Applying the words as numbers, as `pedit` does, leaves the addresses in the frame on any
/// machine.
#[test]
fn masks_and_values_make_the_frames_addresses() {
    for (dir, source, destination) in [
        (Dir::Original, WAN_MAC, SERVER_MAC),
        (Dir::Reply, LAN_MAC, CLIENT_MAC),
    ] {
        let mut frame = [0xa5; 12];
        for word in words(dir, Header::Ethernet) {
            let (mask, value) = numbers(&word);
            let at = word.offset as usize;
            let there = u32::from_ne_bytes(frame[at..at + 4].try_into().unwrap());
            frame[at..at + 4].copy_from_slice(&(there & mask | value).to_ne_bytes());
        }
        assert_eq!(frame[..6], destination);
        assert_eq!(frame[6..], source);
    }
}

/// `mtk_flow_offload_mangle_eth` and `airoha_ppe_flow_mangle_eth` recognize the halves by the
/// number 0xffff, which the C core writes without `htonl`; both assume a little-endian machine.
#[test]
#[cfg(target_endian = "little")]
fn drivers_find_the_halves_of_the_frames_addresses() {
    let mut frame = [0xa5; 12];
    for word in words(Dir::Original, Header::Ethernet) {
        let (mask, value) = numbers(&word);
        let value = value.to_ne_bytes();
        let at = word.offset as usize;
        match mask {
            0xffff => frame[at + 2..at + 4].copy_from_slice(&value[2..]),
            0 => frame[at..at + 4].copy_from_slice(&value),
            _ => frame[at..at + 2].copy_from_slice(&value[..2]),
        }
    }
    assert_eq!(frame[..6], SERVER_MAC);
    assert_eq!(frame[6..], WAN_MAC);
}

/// Matched words lie in memory as in the packet; the ethertype is a number.
#[test]
fn keys_are_in_network_order() {
    let (family, protocol) = (Family::Ipv4, Protocol::Udp);
    let flow = flow(family, protocol, client(), server(), client(), server());
    let rule = translate(&flow, Dir::Original, AS_C).unwrap();
    assert!(rule.keys.contains(&Key::Protocols {
        ethertype: 0x0800,
        ip_protocol: 17
    }));
    let (source, destination) = ([192, 168, 1, 2], [203, 0, 113, 9]);
    assert!(rule.keys.contains(&Key::Ipv4(source, destination)));
    assert_eq!(u32::from_ne_bytes(source), 0xc0a8_0102_u32.to_be());
    assert!(rule.keys.contains(&Key::Ports([0x9c, 0x40], [0x01, 0xbb])));
}
