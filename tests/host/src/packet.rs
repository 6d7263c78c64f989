// SPDX-License-Identifier: GPL-2.0

//! Packets as bytes, and two interpreters of rules: one applies the actions to a packet one after
//! the other, as tc defines them; the other acts like a packet processing engine, which reads a
//! rule as a whole. They share no code with the translation.

use crate::proto::Header;
use crate::translate::flow::{Family, Protocol};
use crate::translate::rule::{Action, Key, Word};

/// The description of a packet.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Description {
    pub(crate) family: Family,
    pub(crate) protocol: Protocol,
    pub(crate) destination_mac: [u8; 6],
    pub(crate) source_mac: [u8; 6],
    /// Outermost first.
    pub(crate) headers: Vec<Between>,
    pub(crate) source: [u8; 16],
    pub(crate) destination: [u8; 16],
    pub(crate) source_port: u16,
    pub(crate) destination_port: u16,
    pub(crate) hop_limit: u8,
    pub(crate) tos: u8,
    pub(crate) tcp_flags: u8,
    /// IPv4: more of the packet follows.
    pub(crate) fragment: bool,
    /// UDP over IPv4 without a checksum.
    pub(crate) no_checksum: bool,
    pub(crate) payload: Vec<u8>,
}

/// A header between Ethernet and IP.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Between {
    /// Ethertype, and priority, drop eligibility and VLAN.
    Tag(u16, u16),
    /// Session.
    Pppoe(u16),
}

const MACS: usize = 12;

fn ones_complement(parts: &[&[u8]]) -> u16 {
    let mut sum = 0u32;
    for part in parts {
        for pair in part.chunks(2) {
            let low = pair.get(1).copied().unwrap_or(0);
            sum += u32::from(u16::from_be_bytes([pair[0], low]));
        }
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

fn ip_header_len(family: Family) -> usize {
    match family {
        Family::Ipv4 => 20,
        Family::Ipv6 => 40,
    }
}

fn number(protocol: Protocol) -> u8 {
    match protocol {
        Protocol::Tcp => 6,
        Protocol::Udp => 17,
        Protocol::Gre => 47,
    }
}

fn be16(frame: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([frame[at], frame[at + 1]])
}

/// Finds the IP header of a frame.
fn l3(frame: &[u8]) -> usize {
    let mut at = MACS;
    loop {
        match be16(frame, at) {
            0x8100 | 0x88a8 => at += 4,
            0x8864 => return at + 2 + 8,
            0x0800 | 0x86dd => return at + 2,
            other => panic!("Ethertype {other:#06x} at {at}"),
        }
    }
}

fn fill_ipv4_checksum(frame: &mut [u8]) {
    let ip = l3(frame);
    frame[ip + 10..ip + 12].fill(0);
    let sum = ones_complement(&[&frame[ip..ip + 20]]);
    frame[ip + 10..ip + 12].copy_from_slice(&sum.to_be_bytes());
}

/// Finds the checksum of the transport layer, if there is one.
fn transport_checksum(frame: &[u8], family: Family, protocol: Protocol) -> Option<usize> {
    let l4 = l3(frame) + ip_header_len(family);
    match protocol {
        Protocol::Tcp => Some(l4 + 16),
        Protocol::Udp => Some(l4 + 6),
        Protocol::Gre => None,
    }
}

fn fill_transport_checksum(frame: &mut [u8], family: Family, protocol: Protocol) {
    let Some(field) = transport_checksum(frame, family, protocol) else {
        return;
    };
    let ip = l3(frame);
    let l4 = ip + ip_header_len(family);
    frame[field..field + 2].fill(0);
    let addresses = match family {
        Family::Ipv4 => ip + 12..ip + 20,
        Family::Ipv6 => ip + 8..ip + 40,
    };
    let length = (frame.len() - l4) as u32;
    let mut sum = ones_complement(&[
        &frame[addresses],
        &length.to_be_bytes(),
        &[0, 0, 0, number(protocol)],
        &frame[l4..],
    ]);
    if protocol == Protocol::Udp && sum == 0 {
        sum = 0xffff;
    }
    frame[field..field + 2].copy_from_slice(&sum.to_be_bytes());
}

/// Works as `fill_transport_checksum`, but a UDP packet over IPv4 without a checksum keeps none.
fn correct_transport_checksum(frame: &mut [u8], family: Family, protocol: Protocol) {
    let absent = protocol == Protocol::Udp
        && family == Family::Ipv4
        && transport_checksum(frame, family, protocol).is_some_and(|at| be16(frame, at) == 0);
    if !absent {
        fill_transport_checksum(frame, family, protocol);
    }
}

impl Description {
    fn ethertype(&self) -> u16 {
        match self.family {
            Family::Ipv4 => 0x0800,
            Family::Ipv6 => 0x86dd,
        }
    }

    fn l4(&self) -> Vec<u8> {
        let mut l4 = Vec::new();
        if self.protocol != Protocol::Gre {
            l4.extend(self.source_port.to_be_bytes());
            l4.extend(self.destination_port.to_be_bytes());
        }
        match self.protocol {
            Protocol::Tcp => {
                l4.extend([1, 2, 3, 4, 5, 6, 7, 8, 0x50, self.tcp_flags, 0x20]);
                l4.extend([0; 5]);
            }
            Protocol::Udp => {
                l4.extend((8 + self.payload.len() as u16).to_be_bytes());
                l4.extend([0, 0]);
            }
            Protocol::Gre => l4.extend([0, 0, 8, 0]),
        }
        l4.extend(&self.payload);
        l4
    }

    fn ip(&self) -> Vec<u8> {
        let l4 = self.l4();
        let mut ip = Vec::new();
        match self.family {
            Family::Ipv4 => {
                let fragment = if self.fragment { 0x20 } else { 0x40 };
                ip.extend([0x45, self.tos]);
                ip.extend(((20 + l4.len()) as u16).to_be_bytes());
                ip.extend([0x12, 0x34, fragment, 0, self.hop_limit]);
                ip.extend([number(self.protocol), 0, 0]);
                ip.extend(&self.source[..4]);
                ip.extend(&self.destination[..4]);
            }
            Family::Ipv6 => {
                ip.extend([0x60 | self.tos >> 4, self.tos << 4, 0xab, 0xcd]);
                ip.extend((l4.len() as u16).to_be_bytes());
                ip.extend([number(self.protocol), self.hop_limit]);
                ip.extend(self.source);
                ip.extend(self.destination);
            }
        }
        ip.extend(l4);
        ip
    }

    /// The frame, without its check sequence.
    pub(crate) fn frame(&self) -> Vec<u8> {
        let ip = self.ip();
        let mut frame = Vec::new();
        frame.extend(self.destination_mac);
        frame.extend(self.source_mac);
        let mut in_ppp = false;
        for header in &self.headers {
            match *header {
                Between::Tag(tpid, tci) => {
                    frame.extend(tpid.to_be_bytes());
                    frame.extend(tci.to_be_bytes());
                }
                Between::Pppoe(session) => {
                    frame.extend([0x88, 0x64, 0x11, 0]);
                    frame.extend(session.to_be_bytes());
                    frame.extend((ip.len() as u16 + 2).to_be_bytes());
                    frame.extend(match self.family {
                        Family::Ipv4 => [0, 0x21],
                        Family::Ipv6 => [0, 0x57],
                    });
                    in_ppp = true;
                }
            }
        }
        if !in_ppp {
            frame.extend(self.ethertype().to_be_bytes());
        }
        frame.extend(ip);
        if self.family == Family::Ipv4 {
            fill_ipv4_checksum(&mut frame);
        }
        if !self.no_checksum {
            fill_transport_checksum(&mut frame, self.family, self.protocol);
        }
        frame
    }

    /// Whether a packet received on a device has everything that the keys ask for.
    ///
    /// A rule that names no header between Ethernet and IP is for packets without one. Behind the
    /// last tag that is named there may be another one, unless the rule says what follows it, as
    /// mlx5 and tc read it (`__parse_cls_flower`).
    pub(crate) fn matches(&self, ingress: u32, keys: &[Key]) -> bool {
        let vlan = |tpid, vid| Between::Tag(tpid, vid);
        let plain = |header: &Between| match *header {
            Between::Tag(tpid, tci) => vlan(tpid, tci & 0xfff),
            pppoe => pppoe,
        };
        let mut headers = self.headers.iter().map(plain).peekable();
        let follows = |header: Option<&Between>| match header {
            Some(Between::Tag(tpid, _)) => *tpid,
            Some(Between::Pppoe(_)) => 0x8864,
            None => self.ethertype(),
        };
        let all = keys.iter().all(|key| match *key {
            Key::Ingress(ifindex) => ifindex == ingress,
            Key::Tunnel { .. } => false,
            Key::Vlan {
                tpid,
                vid,
                priority,
                next,
            } => {
                let outer = self.headers.first();
                let same = |tci| priority.is_none_or(|priority| u16::from(priority) == tci >> 13);
                headers.next() == Some(vlan(tpid, vid))
                    && matches!(outer, Some(Between::Tag(_, tci)) if same(tci))
                    && next.is_none_or(|next| next == follows(headers.peek()))
            }
            Key::InnerVlan { tpid, vid, next } => {
                headers.next() == Some(vlan(tpid, vid))
                    && next.is_none_or(|next| next == follows(headers.peek()))
            }
            Key::Pppoe { session, family } => {
                family == self.family && headers.next() == Some(Between::Pppoe(session))
            }
            Key::Protocols {
                ethertype,
                ip_protocol,
            } => ethertype == self.ethertype() && ip_protocol == number(self.protocol),
            Key::Ipv4(source, destination) => {
                source == self.source[..4] && destination == self.destination[..4]
            }
            Key::Ipv6(source, destination) => {
                source == self.source && destination == self.destination
            }
            Key::Ports(source, destination) => {
                source == self.source_port.to_be_bytes()
                    && destination == self.destination_port.to_be_bytes()
            }
            Key::TcpFlags { flags, mask } => u16::from(self.tcp_flags) & mask == flags,
            Key::NotFragment => !self.fragment,
        });
        let tagged = keys.iter().any(|key| matches!(key, Key::Vlan { .. }));
        all && (tagged || headers.next().is_none())
    }
}

fn write(frame: &mut [u8], at: usize, word: Word, add: bool) {
    // tc adds to the whole word; the sum only reaches the one byte that is not kept.
    for i in 0..4 {
        let (keep, value) = (word.keep[i], word.value[i]);
        let old = frame[at + i];
        let new = if add { old.wrapping_add(value) } else { value };
        frame[at + i] = (old & keep) | (new & !keep);
    }
}

/// Applies the actions to a frame one after the other, as tc does; returns the egress device.
pub(crate) fn apply(
    frame: &mut Vec<u8>,
    family: Family,
    protocol: Protocol,
    actions: &[Action],
) -> Option<u32> {
    let mut out = None;
    for action in actions {
        assert_eq!(out, None, "an action after the redirect: {action:?}");
        let outside = match action {
            Action::Mangle(word) => word.header == Header::Ethernet,
            Action::Add(_) | Action::Checksum { .. } => false,
            _ => true,
        };
        // One tag is stored beside the packet, the second one in it (`pedit_skb_hdr_offset`).
        let two_tags = l3(frame) > MACS + 2 + 4;
        assert!(outside || !two_tags, "tc misses the IP header: {action:?}");
        match *action {
            Action::Mangle(word) | Action::Add(word) => {
                let ip = l3(frame);
                let (start, end) = match word.header {
                    Header::Ethernet => (0, MACS),
                    Header::Ipv4 => {
                        assert_eq!(family, Family::Ipv4);
                        (ip, ip + 20)
                    }
                    Header::Ipv6 => {
                        assert_eq!(family, Family::Ipv6);
                        (ip, ip + 40)
                    }
                    Header::Tcp | Header::Udp => {
                        assert_eq!(protocol == Protocol::Tcp, word.header == Header::Tcp);
                        let l4 = ip + ip_header_len(family);
                        (l4, l4 + 4)
                    }
                };
                let at = start + word.offset as usize;
                assert!(at + 4 <= end, "outside of its header: {word:?}");
                write(frame, at, word, matches!(action, Action::Add(_)));
            }
            Action::VlanPop => {
                assert!(matches!(be16(frame, MACS), 0x8100 | 0x88a8), "no tag");
                frame.drain(MACS..MACS + 4);
            }
            Action::VlanPush {
                tpid,
                vid,
                priority,
            } => {
                let tci = vid | u16::from(priority) << 13;
                let tag = [tpid.to_be_bytes(), tci.to_be_bytes()].concat();
                frame.splice(MACS..MACS, tag);
            }
            Action::Checksum {
                ipv4_header,
                transport,
            } => {
                if ipv4_header {
                    assert_eq!(family, Family::Ipv4);
                    fill_ipv4_checksum(frame);
                }
                if let Some(transport) = transport {
                    assert_eq!(transport, protocol);
                    correct_transport_checksum(frame, family, protocol);
                }
            }
            Action::Redirect(ifindex) => out = Some(ifindex),
            Action::PppoePush(_) | Action::TunnelDecap | Action::TunnelEncap(_) => {
                panic!("not a thing of tc's: {action:?}")
            }
        }
    }
    out
}

/// Applies a rule with a tag that is removed and one that is added as mlx5 does
/// (`tc_act_parse_vlan`): it writes the VLAN of the tag that is there. All else is as in tc.
pub(crate) fn apply_mlx5(
    frame: &mut Vec<u8>,
    family: Family,
    protocol: Protocol,
    actions: &[Action],
) -> Option<u32> {
    let pushed = actions.iter().find_map(|action| match *action {
        Action::VlanPush { vid, .. } => Some(vid),
        _ => None,
    });
    let (true, Some(vid)) = (actions.contains(&Action::VlanPop), pushed) else {
        return apply(frame, family, protocol, actions);
    };
    let tag = |action: &Action| matches!(action, Action::VlanPop | Action::VlanPush { .. });
    let others: Vec<Action> = actions.iter().copied().filter(|a| !tag(a)).collect();
    assert_eq!(actions.len(), others.len() + 2);
    assert_eq!(be16(frame, MACS), 0x8100);
    let tci = be16(frame, MACS + 2) & 0xf000 | vid;
    frame[MACS + 2..MACS + 4].copy_from_slice(&tci.to_be_bytes());
    apply(frame, family, protocol, &others)
}

/// Processes a frame like a packet processing engine: it removes everything between Ethernet and
/// IP, does the rewrites, one hop, the checksums, and adds the headers that the actions name,
/// outermost first. Returns the egress device.
pub(crate) fn apply_engine(
    frame: &mut Vec<u8>,
    family: Family,
    protocol: Protocol,
    actions: &[Action],
) -> Option<u32> {
    let ethertype: [u8; 2] = match family {
        Family::Ipv4 => [0x08, 0x00],
        Family::Ipv6 => [0x86, 0xdd],
    };
    frame.splice(MACS..l3(frame), ethertype);
    const IP: usize = MACS + 2;
    let (mut headers, mut pppoe, mut out) = (Vec::new(), None, None);
    for action in actions {
        match *action {
            Action::Mangle(word) => {
                let start = match word.header {
                    Header::Ethernet => 0,
                    Header::Ipv4 => IP,
                    Header::Ipv6 => panic!("refused by such engines"),
                    Header::Tcp | Header::Udp => IP + ip_header_len(family),
                };
                write(frame, start + word.offset as usize, word, false);
            }
            Action::VlanPop | Action::Checksum { .. } => {}
            Action::VlanPush {
                tpid,
                vid,
                priority,
            } => {
                assert_eq!(tpid, 0x8100);
                headers.extend(tpid.to_be_bytes());
                headers.extend((vid | u16::from(priority) << 13).to_be_bytes());
            }
            Action::PppoePush(session) => pppoe = Some(session),
            Action::Redirect(ifindex) => out = Some(ifindex),
            _ => panic!("refused by such engines: {action:?}"),
        }
    }
    match family {
        Family::Ipv4 => {
            frame[IP + 8] -= 1;
            fill_ipv4_checksum(frame);
        }
        Family::Ipv6 => frame[IP + 7] -= 1,
    }
    correct_transport_checksum(frame, family, protocol);
    let length = (frame.len() - IP) as u16;
    if let Some(session) = pppoe {
        let ppp = match family {
            Family::Ipv4 => [0, 0x21],
            Family::Ipv6 => [0, 0x57],
        };
        let mut header = vec![0x88, 0x64, 0x11, 0];
        header.extend(session.to_be_bytes());
        header.extend((length + 2).to_be_bytes());
        header.extend(ppp);
        frame.splice(MACS..IP, header);
    }
    frame.splice(MACS..MACS, headers);
    out
}

/// Processes a frame like the match-action engine of EF100, in the fixed order in which it executes
/// what the driver has collected (`efx_tc_action_order`): one hop, the MAC addresses, pops, pushes.
/// It corrects the checksum of IPv4 itself. Panics where the driver refuses an action. Returns the
/// egress device.
pub(crate) fn apply_mae(frame: &mut Vec<u8>, family: Family, actions: &[Action]) -> Option<u32> {
    let (mut hops, mut pops, mut tag, mut out) = (0, 0, None, None);
    let (mut macs, mut written) = ([0; MACS], [false; MACS]);
    for action in actions {
        assert_eq!(out, None, "an action after the redirect: {action:?}");
        match *action {
            Action::Add(word) => {
                let (header, offset, byte) = match family {
                    Family::Ipv4 => (Header::Ipv4, 8, 0),
                    Family::Ipv6 => (Header::Ipv6, 4, 3),
                };
                assert_eq!((word.header, word.offset), (header, offset));
                assert_eq!(word.value[byte], 0xff);
                for (i, keep) in word.keep.into_iter().enumerate() {
                    assert_eq!(keep, if i == byte { 0 } else { 0xff });
                }
                hops += 1;
            }
            Action::Mangle(word) => {
                assert_eq!(word.header, Header::Ethernet);
                for (i, keep) in word.keep.into_iter().enumerate() {
                    if keep == 0 {
                        let at = usize::from(word.offset) + i;
                        (macs[at], written[at]) = (word.value[i], true);
                    }
                }
            }
            Action::VlanPop => {
                assert_eq!(tag, None, "the engine would pop before it pushes");
                pops += 1;
            }
            Action::VlanPush {
                tpid,
                vid,
                priority,
            } => {
                // Two would come out in the other order than with tc.
                assert_eq!(tag, None);
                tag = Some((tpid, vid | u16::from(priority) << 13));
            }
            Action::Redirect(ifindex) => out = Some(ifindex),
            _ => panic!("refused by the driver: {action:?}"),
        }
    }
    assert_eq!((hops, written), (1, [true; MACS]));
    let ip = l3(frame);
    match family {
        Family::Ipv4 => frame[ip + 8] -= 1,
        Family::Ipv6 => frame[ip + 7] -= 1,
    }
    if family == Family::Ipv4 {
        fill_ipv4_checksum(frame);
    }
    frame[..MACS].copy_from_slice(&macs);
    for _ in 0..pops {
        assert!(matches!(be16(frame, MACS), 0x8100 | 0x88a8), "no tag");
        frame.drain(MACS..MACS + 4);
    }
    if let Some((tpid, tci)) = tag {
        let tag = [tpid.to_be_bytes(), tci.to_be_bytes()].concat();
        frame.splice(MACS..MACS, tag);
    }
    out
}
