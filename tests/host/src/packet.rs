// SPDX-License-Identifier: GPL-2.0

//! Packets as bytes, and an interpreter of rules that does to them what tc's definitions say. It shares no code with the
//! translation.

use crate::translate::{Action, Family, Header, Key, Protocol};

/// What a packet is made from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Description {
    pub(crate) family: Family,
    pub(crate) protocol: Protocol,
    pub(crate) destination_mac: [u8; 6],
    pub(crate) source_mac: [u8; 6],
    pub(crate) source: [u8; 16],
    pub(crate) destination: [u8; 16],
    pub(crate) source_port: u16,
    pub(crate) destination_port: u16,
    pub(crate) hop_limit: u8,
    pub(crate) tos: u8,
    pub(crate) tcp_flags: u8,
    /// UDP over IPv4 without a checksum.
    pub(crate) no_checksum: bool,
    pub(crate) payload: Vec<u8>,
}

const ETH: usize = 14;

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
    }
}

fn fill_ipv4_checksum(frame: &mut [u8]) {
    frame[ETH + 10..ETH + 12].fill(0);
    let sum = ones_complement(&[&frame[ETH..ETH + 20]]);
    frame[ETH + 10..ETH + 12].copy_from_slice(&sum.to_be_bytes());
}

fn fill_transport_checksum(frame: &mut [u8], family: Family, protocol: Protocol) {
    let l4 = ETH + ip_header_len(family);
    let field = l4
        + match protocol {
            Protocol::Tcp => 16,
            Protocol::Udp => 6,
        };
    frame[field..field + 2].fill(0);
    let addresses = match family {
        Family::Ipv4 => ETH + 12..ETH + 20,
        Family::Ipv6 => ETH + 8..ETH + 40,
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

impl Description {
    /// The frame, without its check sequence.
    pub(crate) fn frame(&self) -> Vec<u8> {
        let l4_len = self.payload.len()
            + match self.protocol {
                Protocol::Tcp => 20,
                Protocol::Udp => 8,
            };
        let mut frame = Vec::new();
        frame.extend(self.destination_mac);
        frame.extend(self.source_mac);
        match self.family {
            Family::Ipv4 => {
                frame.extend([0x08, 0x00, 0x45, self.tos]);
                frame.extend(((20 + l4_len) as u16).to_be_bytes());
                frame.extend([
                    0x12,
                    0x34,
                    0x40,
                    0,
                    self.hop_limit,
                    number(self.protocol),
                    0,
                    0,
                ]);
                frame.extend(&self.source[..4]);
                frame.extend(&self.destination[..4]);
            }
            Family::Ipv6 => {
                frame.extend([0x86, 0xdd, 0x60 | self.tos >> 4, self.tos << 4, 0xab, 0xcd]);
                frame.extend((l4_len as u16).to_be_bytes());
                frame.extend([number(self.protocol), self.hop_limit]);
                frame.extend(self.source);
                frame.extend(self.destination);
            }
        }
        frame.extend(self.source_port.to_be_bytes());
        frame.extend(self.destination_port.to_be_bytes());
        match self.protocol {
            Protocol::Tcp => {
                frame.extend([
                    1,
                    2,
                    3,
                    4,
                    5,
                    6,
                    7,
                    8,
                    0x50,
                    self.tcp_flags,
                    0x20,
                    0,
                    0,
                    0,
                    0,
                    0,
                ]);
            }
            Protocol::Udp => {
                frame.extend((l4_len as u16).to_be_bytes());
                frame.extend([0, 0]);
            }
        }
        frame.extend(&self.payload);
        if self.family == Family::Ipv4 {
            fill_ipv4_checksum(&mut frame);
        }
        if !self.no_checksum {
            fill_transport_checksum(&mut frame, self.family, self.protocol);
        }
        frame
    }

    /// Whether a packet that arrives on a device has everything that the keys ask for.
    pub(crate) fn matches(&self, ingress: u32, keys: &[Key]) -> bool {
        keys.iter().all(|key| match *key {
            Key::Ingress(ifindex) => ifindex == ingress,
            Key::Protocols {
                ethertype,
                ip_protocol,
            } => {
                let mine = match self.family {
                    Family::Ipv4 => 0x0800,
                    Family::Ipv6 => 0x86dd,
                };
                ethertype == mine && ip_protocol == number(self.protocol)
            }
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
        })
    }
}

/// Does the actions to a frame one after the other; gives the device it leaves by.
pub(crate) fn apply(
    frame: &mut [u8],
    family: Family,
    protocol: Protocol,
    actions: &[Action],
) -> Option<u32> {
    let mut out = None;
    for action in actions {
        assert_eq!(out, None, "an action after the redirect: {action:?}");
        match *action {
            Action::Mangle(word) | Action::Add(word) => {
                let (start, end) = match word.header {
                    Header::Ethernet => (0, 12),
                    Header::Ipv4 => {
                        assert_eq!(family, Family::Ipv4);
                        (ETH, ETH + 20)
                    }
                    Header::Ipv6 => {
                        assert_eq!(family, Family::Ipv6);
                        (ETH, ETH + 40)
                    }
                    Header::Tcp | Header::Udp => {
                        assert_eq!(protocol == Protocol::Tcp, word.header == Header::Tcp);
                        let l4 = ETH + ip_header_len(family);
                        (l4, l4 + 4)
                    }
                };
                let at = start + word.offset as usize;
                assert!(at + 4 <= end, "outside of its header: {word:?}");
                let add = matches!(action, Action::Add(_));
                // tc adds to the whole word; the one byte that is not kept is all that this engine adds to.
                for i in 0..4 {
                    let (keep, value) = (word.keep[i], word.value[i]);
                    let old = frame[at + i];
                    let new = if add { old.wrapping_add(value) } else { value };
                    frame[at + i] = (old & keep) | (new & !keep);
                }
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
                    let field = ETH + ip_header_len(family) + 6;
                    let absent = protocol == Protocol::Udp
                        && family == Family::Ipv4
                        && frame[field..field + 2] == [0, 0];
                    if !absent {
                        fill_transport_checksum(frame, family, protocol);
                    }
                }
            }
            Action::Redirect(ifindex) => out = Some(ifindex),
        }
    }
    out
}
