// SPDX-License-Identifier: GPL-2.0

//! Parsers for endpoints, prefixes, marks and tuples, and for lines of conntrack.

use serde::Serialize;
use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

/// An address and a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Endpoint {
    /// The address.
    pub address: IpAddr,
    /// The port, 0 if there is none.
    pub port: u16,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            0 => write!(f, "{}", self.address),
            port => write!(f, "{}", SocketAddr::new(self.address, port)),
        }
    }
}

/// Parses `10.0.1.2:80`, `[fd00::1]:80`, or an address alone.
pub fn endpoint(text: &str) -> Result<Endpoint, String> {
    if let Ok(both) = text.parse::<SocketAddr>() {
        return Ok(Endpoint {
            address: both.ip(),
            port: both.port(),
        });
    }
    let inner = text.strip_prefix('[').and_then(|t| t.strip_suffix(']'));
    match inner.unwrap_or(text).parse() {
        Ok(address) => Ok(Endpoint { address, port: 0 }),
        Err(_) => Err(format!(
            "'{text}' is not ADDRESS:PORT, [ADDRESS]:PORT or ADDRESS"
        )),
    }
}

/// An address, or a prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prefix {
    /// An address of the prefix.
    pub address: IpAddr,
    /// The length of the prefix; `None` for the whole address.
    pub length: Option<u8>,
}

impl Prefix {
    /// Returns whether an address belongs to the prefix.
    pub fn has(&self, address: IpAddr) -> bool {
        let (mine, other, all) = match (self.address, address) {
            (IpAddr::V4(mine), IpAddr::V4(other)) => {
                (mine.to_bits().into(), other.to_bits().into(), 32)
            }
            (IpAddr::V6(mine), IpAddr::V6(other)) => (mine.to_bits(), other.to_bits(), 128),
            _ => return false,
        };
        let ignored = all - u32::from(self.length.unwrap_or(u8::MAX)).min(all);
        let differ: u128 = mine ^ other;
        differ.checked_shr(ignored).unwrap_or(0) == 0
    }
}

/// Parses `10.0.1.0/24`, `fd00:1::/64`, or an address alone.
pub fn prefix(text: &str) -> Result<Prefix, String> {
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (text, None),
    };
    let wrong = || format!("'{text}' is not ADDRESS or ADDRESS/LENGTH");
    let address: IpAddr = address.parse().map_err(|_| wrong())?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let length = length.map(|length| length.parse().ok().filter(|length| *length <= most));
    match length {
        Some(None) => Err(format!("{}, with a length of at most {most}", wrong())),
        length => Ok(Prefix {
            address,
            length: length.flatten(),
        }),
    }
}

/// A mark, with or without a mask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// The value.
    pub value: u32,
    /// The mask; `None` for all bits.
    pub mask: Option<u32>,
}

impl Mark {
    /// Returns whether a mark matches.
    pub fn has(self, mark: u32) -> bool {
        mark & self.mask.unwrap_or(u32::MAX) == self.value
    }
}

/// Parses `7`, `0x10` or `0x100/0xf00`.
pub fn mark(text: &str) -> Result<Mark, String> {
    let number = |text: &str| {
        let number = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
            Some(hex) => u32::from_str_radix(hex, 16),
            None => text.parse(),
        };
        number.map_err(|_| "expected a 32-bit number, or two as VALUE/MASK".to_owned())
    };
    let (value, mask) = match text.split_once('/') {
        Some((value, mask)) => (value, Some(number(mask)?)),
        None => (text, None),
    };
    Ok(Mark {
        value: number(value)?,
        mask,
    })
}

/// Parses a protocol, by name or number.
pub fn protocol(text: &str) -> Result<u8, String> {
    match text {
        "tcp" => Ok(6),
        "udp" => Ok(17),
        "gre" => Ok(47),
        _ => text
            .parse()
            .map_err(|_| format!("'{text}' is not tcp, udp, gre or a number up to 255")),
    }
}

/// Returns the name of a protocol, or its number if it has none here.
pub fn protocol_name(number: u8) -> String {
    match number {
        1 => "icmp".to_owned(),
        6 => "tcp".to_owned(),
        17 => "udp".to_owned(),
        47 => "gre".to_owned(),
        58 => "icmpv6".to_owned(),
        n => n.to_string(),
    }
}

/// A flow to look up, and the state of its connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Its protocol; `None` for TCP, else UDP.
    pub protocol: Option<u8>,
    /// The source of its packets.
    pub source: Endpoint,
    /// The destination of its packets.
    pub destination: Endpoint,
    /// Its conntrack zone.
    pub zone: Option<u16>,
    /// The state of the connection, from a line of conntrack.
    pub connection: Option<Connection>,
}

/// The state of a connection, from a line of conntrack.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Connection {
    /// The state of a TCP connection, for example `ESTABLISHED`.
    pub state: Option<String>,
    /// `[UNREPLIED]`: there were no packets in the reply direction.
    pub unreplied: bool,
    /// `[OFFLOAD]`: it is in a flowtable.
    pub offload: bool,
    /// `[HW_OFFLOAD]`: it is in hardware.
    pub hw_offload: bool,
}

/// The states of TCP connections in conntrack.
const TCP_STATES: &[&str] = &[
    "NONE",
    "SYN_SENT",
    "SYN_RECV",
    "ESTABLISHED",
    "FIN_WAIT",
    "CLOSE_WAIT",
    "LAST_ACK",
    "TIME_WAIT",
    "CLOSE",
    "SYN_SENT2",
];

/// Parses a line of `conntrack -L`, `conntrack -E` or `/proc/net/nf_conntrack`.
pub fn conntrack_line(line: &str) -> Result<Wanted, String> {
    let mut protocol = None;
    let (mut source, mut destination) = (None, None);
    let (mut source_port, mut destination_port) = (None, None);
    let mut zone = None;
    let mut connection = Connection::default();
    let address = |text: &str| -> Result<IpAddr, String> {
        text.parse()
            .map_err(|_| format!("conntrack line: '{text}' is not an address"))
    };
    let port = |text: &str| -> Result<u16, String> {
        text.parse()
            .map_err(|_| format!("conntrack line: '{text}' is not a port"))
    };
    let mut words = line.split_whitespace().peekable();
    while let Some(word) = words.next() {
        // The first values belong to the original direction.
        match word.split_once('=') {
            Some(("src", text)) if source.is_none() => source = Some(address(text)?),
            Some(("dst", text)) if destination.is_none() => destination = Some(address(text)?),
            Some(("sport", text)) if source_port.is_none() => source_port = Some(port(text)?),
            Some(("dport", text)) if destination_port.is_none() => {
                destination_port = Some(port(text)?);
            }
            Some(("zone", text)) => {
                zone = Some(
                    text.parse()
                        .map_err(|_| format!("conntrack line: '{text}' is not a zone"))?,
                );
            }
            Some(_) => {}
            None => match word {
                "[UNREPLIED]" => connection.unreplied = true,
                "[OFFLOAD]" => connection.offload = true,
                "[HW_OFFLOAD]" => connection.hw_offload = true,
                _ if source.is_none() && TCP_STATES.contains(&word) => {
                    connection.state = Some(word.to_owned());
                }
                // "tcp 6": a name and its number. In /proc, "ipv4 2" precedes it.
                _ if source.is_none() && protocol.is_none() => {
                    let named = !word.starts_with(|c: char| c.is_ascii_digit() || c == '[');
                    let number = words.peek().and_then(|next| next.parse().ok());
                    if named && !matches!(word, "ipv4" | "ipv6") {
                        protocol = number;
                    }
                }
                _ => {}
            },
        }
    }
    let (Some(source), Some(destination)) = (source, destination) else {
        return Err("not a line of conntrack: it has no src= and dst=".to_owned());
    };
    let Some(protocol) = protocol else {
        return Err("not a line of conntrack: it has no protocol with its number".to_owned());
    };
    Ok(Wanted {
        protocol: Some(protocol),
        source: Endpoint {
            address: source,
            port: source_port.unwrap_or(0),
        },
        destination: Endpoint {
            address: destination,
            port: destination_port.unwrap_or(0),
        },
        zone,
        connection: Some(connection),
    })
}

/// Parses the arguments of `why`: two endpoints with an optional protocol, or a line of conntrack.
pub fn wanted(words: &[String], zone: Option<u16>) -> Result<Wanted, String> {
    let line = words.join(" ");
    let mut wanted = if line.contains("src=") {
        conntrack_line(&line)?
    } else {
        let (source, destination, name) = match words {
            [source, destination] => (source, destination, None),
            [source, destination, name] => (source, destination, Some(name)),
            _ => {
                return Err(
                    "expected SRC:PORT DST:PORT [tcp|udp|gre], or a line of conntrack".to_owned(),
                )
            }
        };
        Wanted {
            protocol: name.map(|name| protocol(name)).transpose()?,
            source: endpoint(source)?,
            destination: endpoint(destination)?,
            zone: None,
            connection: None,
        }
    };
    if wanted.source.address.is_ipv4() != wanted.destination.address.is_ipv4() {
        return Err("source and destination are of different address families".to_owned());
    }
    let ports = matches!(wanted.protocol, None | Some(6 | 17));
    if ports && (wanted.source.port == 0 || wanted.destination.port == 0) {
        return Err("both ends need a port: ADDRESS:PORT or [ADDRESS]:PORT".to_owned());
    }
    wanted.zone = zone.or(wanted.zone);
    Ok(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn endpoints() {
        assert_eq!(endpoint("10.0.1.2:80").unwrap().to_string(), "10.0.1.2:80");
        assert_eq!(
            endpoint("[fd00::1]:80").unwrap().to_string(),
            "[fd00::1]:80"
        );
        assert_eq!(endpoint("fd00::1").unwrap().port, 0);
        assert_eq!(endpoint("[fd00::1]").unwrap().to_string(), "fd00::1");
        for wrong in ["", "10.0.1:80", "10.0.1.2:", "10.0.1.2:65536", "host:80"] {
            assert!(endpoint(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn prefixes() {
        let has = |text: &str, address: &str| prefix(text).unwrap().has(address.parse().unwrap());
        assert!(has("10.0.1.2", "10.0.1.2") && !has("10.0.1.2", "10.0.1.3"));
        assert!(has("10.0.1.9/24", "10.0.1.255") && !has("10.0.1.0/24", "10.0.2.0"));
        assert!(has("10.0.1.0/31", "10.0.1.1") && !has("10.0.1.0/31", "10.0.1.2"));
        assert!(has("0.0.0.0/0", "255.0.0.1") && !has("0.0.0.0/0", "::"));
        assert!(has("::/0", "fd00::1") && !has("::/0", "10.0.0.1"));
        assert!(has("fd00:1::/33", "fd00:1:7fff::") && !has("fd00:1::/33", "fd00:1:8000::"));
        assert!(has("fd00::1", "fd00::1") && !has("fd00::1/128", "fd00::2"));
        for wrong in [
            "",
            "10.0.1.0/33",
            "fd00::/129",
            "10.0.1.0/",
            "10.0.1.0/-1",
            "10.0.1/24",
            "lan",
        ] {
            assert!(prefix(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn marks() {
        let has = |text: &str, other| mark(text).unwrap().has(other);
        assert!(has("7", 7) && !has("7", 0x17));
        assert!(has("0x100/0xf00", 0x104) && !has("0x100/0XF00", 0x304));
        assert!(has("0/1", 6) && !has("0/1", 5));
        assert!(has("0/0", 5) && !has("0x104/0xf00", 0x104));
        for wrong in ["", "/1", "1/", "0x1ffffffff", "1/2/3", "-1"] {
            assert!(mark(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_line_of_tcp() {
        let line = "tcp      6 431999 ESTABLISHED src=10.0.1.2 dst=10.0.2.2 sport=42452 dport=5201 packets=1 bytes=2 \
                    src=10.0.2.2 dst=10.0.2.101 sport=5201 dport=42452 packets=3 bytes=4 [HW_OFFLOAD] mark=0 zone=5 use=2";
        let wanted = conntrack_line(line).unwrap();
        assert_eq!(wanted.protocol, Some(6));
        assert_eq!(wanted.source.to_string(), "10.0.1.2:42452");
        assert_eq!(wanted.destination.to_string(), "10.0.2.2:5201");
        assert_eq!(wanted.zone, Some(5));
        let connection = wanted.connection.unwrap();
        assert!(connection.hw_offload && !connection.offload && !connection.unreplied);
        assert_eq!(connection.state.as_deref(), Some("ESTABLISHED"));
    }

    #[test]
    fn a_line_without_a_timeout_of_an_offloaded_one() {
        let line = "tcp 6 src=10.0.1.2 dst=10.0.2.2 sport=1 dport=2 src=10.0.2.2 dst=10.0.1.2 sport=2 dport=1 [OFFLOAD] mark=0 use=2";
        let wanted = conntrack_line(line).unwrap();
        assert!(wanted.connection.unwrap().offload);
    }

    #[test]
    fn lines_of_proc_and_of_events() {
        let proc = "ipv6     10 udp      17 29 src=fd00:1::2 dst=fd00:2::2 sport=1 dport=2 [UNREPLIED] src=fd00:2::2 dst=fd00:1::2 sport=2 dport=1 mark=0 zone=0 use=2";
        let wanted = conntrack_line(proc).unwrap();
        assert_eq!(wanted.protocol, Some(17));
        assert_eq!(wanted.source.to_string(), "[fd00:1::2]:1");
        assert!(wanted.connection.unwrap().unreplied);
        let event = "[1637496882.123]     [NEW] gre      47 30 src=10.0.1.2 dst=10.0.2.2 srckey=0x0 dstkey=0x0 [UNREPLIED] src=10.0.2.2 dst=10.0.1.2 srckey=0x0 dstkey=0x0";
        assert_eq!(conntrack_line(event).unwrap().protocol, Some(47));
    }

    #[test]
    fn other_lines_are_rejected() {
        for wrong in [
            "",
            "hello",
            "tcp 6 src=10.0.1.2",
            "tcp 6 src=x dst=10.0.0.1",
            "src=10.0.1.2 dst=10.0.0.1",
            "tcp 6 src=10.0.1.2 dst=10.0.0.1 sport=99999 dport=1",
        ] {
            assert!(conntrack_line(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn arguments() {
        let it = wanted(&words("10.0.1.2:1 10.0.2.2:2"), None).unwrap();
        assert_eq!((it.protocol, it.zone), (None, None));
        let it = wanted(&words("10.0.1.2 10.0.2.2 gre"), Some(3)).unwrap();
        assert_eq!((it.protocol, it.zone), (Some(47), Some(3)));
        for wrong in [
            "10.0.1.2:1",
            "10.0.1.2:1 [fd00::1]:2",
            "10.0.1.2 10.0.2.2 udp",
            "10.0.1.2:1 10.0.2.2:2 sctp?",
        ] {
            assert!(wanted(&words(wrong), None).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_line_makes_it_panic(line in "\\PC*") {
            let _ = (conntrack_line(&line), prefix(&line), mark(&line));
            let _ = wanted(&line.split(' ').map(str::to_owned).collect::<Vec<_>>(), None);
        }

        #[test]
        fn an_endpoint_reads_back(address in any::<IpAddr>(), port in 1u16..) {
            let it = Endpoint { address, port };
            prop_assert_eq!(endpoint(&it.to_string()), Ok(it));
        }
    }
}
