// SPDX-License-Identifier: GPL-2.0

//! The arguments that select flows and flowtables, which several commands share.

use crate::{
    netlink::family::{Nfproto, State, Tables},
    tuple::{self, Mark, Prefix},
};
use clap::{Args, ValueHint};

/// The form of a prefix.
const PREFIX: &str = "ADDRESS[/LENGTH]";

/// A selection of flowtables; an option that is missing selects any.
#[derive(Debug, Args)]
pub struct InTables {
    /// In this table
    #[arg(long)]
    pub table: Option<String>,
    /// In this flowtable
    #[arg(long)]
    pub flowtable: Option<String>,
    /// In tables of this family: ip, ip6 or inet
    #[arg(long, value_parser = table_family, value_hint = ValueHint::Other)]
    pub table_family: Option<u8>,
}

impl InTables {
    /// Converts the selection for a request.
    pub fn tables(&self) -> Tables {
        Tables {
            table: self.table.clone(),
            flowtable: self.flowtable.clone(),
            family: self.table_family,
        }
    }
}

/// A selection of flows; an option that is missing selects any.
#[derive(Debug, Args)]
pub struct Filters {
    /// Through this device, by name or index, in either direction
    #[arg(short, long, value_hint = ValueHint::Other)]
    pub device: Option<String>,
    /// In this state: software, in-hardware (or hardware), one-direction, removing
    #[arg(short, long, value_parser = state, value_hint = ValueHint::Other)]
    pub state: Option<u32>,
    /// In software for this reason, by name or number (see: nft-offload reasons)
    #[arg(short, long, value_hint = ValueHint::Other)]
    pub reason: Option<String>,
    /// Of this IP version: ipv4 or ipv6
    #[arg(short, long, value_parser = family, value_hint = ValueHint::Other)]
    pub family: Option<u8>,
    /// Of this protocol: tcp, udp, gre or a number
    #[arg(short, long, value_parser = tuple::protocol, value_hint = ValueHint::Other)]
    pub protocol: Option<u8>,
    /// With this address or prefix, before or after translation
    #[arg(
        short,
        long,
        value_parser = tuple::prefix,
        value_name = PREFIX,
        value_hint = ValueHint::Other
    )]
    pub address: Option<Prefix>,
    /// With this port, before or after translation
    #[arg(short = 'P', long)]
    pub port: Option<u16>,
    /// Opened from this address or prefix
    #[arg(long, value_parser = tuple::prefix, value_name = PREFIX, value_hint = ValueHint::Other)]
    pub source: Option<Prefix>,
    /// Opened from this port
    #[arg(long, value_name = "PORT")]
    pub source_port: Option<u16>,
    /// Opened to this address or prefix, before translation
    #[arg(long, value_parser = tuple::prefix, value_name = PREFIX, value_hint = ValueHint::Other)]
    pub destination: Option<Prefix>,
    /// Opened to this port, before translation
    #[arg(long, value_name = "PORT")]
    pub destination_port: Option<u16>,
    /// Of connections with this mark, or these bits of it (decimal, or hex as 0x10)
    #[arg(
        short,
        long,
        value_parser = tuple::mark,
        value_name = "MARK[/MASK]",
        value_hint = ValueHint::Other
    )]
    pub mark: Option<Mark>,
    /// Of connections in this conntrack zone
    #[arg(short, long)]
    pub zone: Option<u16>,
    /// The flowtables
    #[command(flatten)]
    pub tables: InTables,
}

/// Looks up a number by its name, or parses it.
fn by_name(names: &[(u32, &str)], text: &str) -> Option<u32> {
    let found = names.iter().find(|(_, name)| *name == text);
    found.map(|(n, _)| *n).or_else(|| text.parse().ok())
}

/// Parses a state.
fn state(text: &str) -> Result<u32, String> {
    match text {
        "hardware" => Ok(State::IN_HARDWARE.0),
        _ => by_name(State::NAMES, text)
            .ok_or_else(|| "expected software, in-hardware, one-direction or removing".to_owned()),
    }
}

/// Parses an IP version, as `NFPROTO_*`.
fn family(text: &str) -> Result<u8, String> {
    match text {
        "ipv4" | "ip" | "4" => Ok(2),
        "ipv6" | "ip6" | "6" => Ok(10),
        _ => Err("expected ipv4 or ipv6".to_owned()),
    }
}

/// Parses the family of a table, as `NFPROTO_*`.
fn table_family(text: &str) -> Result<u8, String> {
    match text {
        "ip" => Ok(2),
        "ip6" => Ok(10),
        _ => by_name(Nfproto::NAMES, text)
            .and_then(|n| u8::try_from(n).ok())
            .ok_or_else(|| "expected ip, ip6 or inet".to_owned()),
    }
}
