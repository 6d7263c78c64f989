// SPDX-License-Identifier: GPL-2.0

//! The arguments.

use crate::{
    commands::metrics::Metrics,
    family::{EventKind, Nfproto, Settings, State, Tables},
    tuple::{self, Mark, Prefix},
};
use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use std::time::Duration;

/// Shows what nft_offload has put into hardware, and why the rest is not.
#[derive(Debug, Parser)]
#[command(name = "nft-offload", version, disable_help_subcommand = true)]
#[command(
    after_help = "Exit status: 0 all is well, 1 a finding, no such flow or no support, 2 wrong arguments,\n\
    3 nft_offload is not loaded, 4 the kernel refused, 5 the machine does not let us.\n\
    See nft-offload(8)."
)]
pub struct Cli {
    /// Print JSON
    #[arg(short, long, global = true)]
    pub json: bool,
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// What a prefix looks like.
const PREFIX: &str = "ADDRESS[/LENGTH]";

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Flows in hardware and in software, and a line for each device
    Status,
    /// All that is known of each device
    Devices,
    /// A line for each flow
    Flows(Flows),
    /// What happens to flows and devices, as it happens
    Monitor(Monitor),
    /// Devices and the busiest flows with their rates, again and again
    Top(Top),
    /// The story of one flow: where it stands, what stopped it, what to do
    Why(Why),
    /// The reasons why a flow stays in software
    Reasons,
    /// What keeps flows out of hardware, and the command that mends it
    Doctor(Doctor),
    /// Whether this machine can have flows in hardware, before anything is set up
    Support,
    /// Totals and devices in Prometheus' formats, also by HTTP
    Metrics(Metrics),
    /// Take flows out of hardware; they stay in software, or pass the ruleset anew
    Evict(Evict),
    /// Set a device's limit or profile, or switch it off or on
    Set(Set),
    /// The completion script for a shell
    Completion {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// Which flowtables; what is not said is any.
#[derive(Debug, Args)]
pub struct InTables {
    /// Of this table
    #[arg(long)]
    pub table: Option<String>,
    /// Of this flowtable
    #[arg(long)]
    pub flowtable: Option<String>,
    /// Of tables of this family: ip, ip6 or inet
    #[arg(long, value_parser = table_family, value_hint = ValueHint::Other)]
    pub table_family: Option<u8>,
}

impl InTables {
    /// As the kernel is asked for them.
    pub fn tables(&self) -> Tables {
        Tables {
            table: self.table.clone(),
            flowtable: self.flowtable.clone(),
            family: self.table_family,
        }
    }
}

/// Which flows; what is not said is any.
#[derive(Debug, Args)]
pub struct Filters {
    /// Through this device, by name or index, in either direction
    #[arg(short, long, value_hint = ValueHint::Other)]
    pub device: Option<String>,
    /// software, in-hardware (or hardware), one-direction, removing
    #[arg(short, long, value_parser = state, value_hint = ValueHint::Other)]
    pub state: Option<u32>,
    /// In software for this reason, by name or number (see: nft-offload reasons)
    #[arg(short, long, value_hint = ValueHint::Other)]
    pub reason: Option<String>,
    /// ipv4 or ipv6
    #[arg(short, long, value_parser = family, value_hint = ValueHint::Other)]
    pub family: Option<u8>,
    /// tcp, udp, gre or a number
    #[arg(short, long, value_parser = tuple::protocol, value_hint = ValueHint::Other)]
    pub protocol: Option<u8>,
    /// With this address or one of this prefix, before or after translation
    #[arg(short, long, value_parser = tuple::prefix, value_name = PREFIX, value_hint = ValueHint::Other)]
    pub address: Option<Prefix>,
    /// With this port, before or after translation
    #[arg(short = 'P', long)]
    pub port: Option<u16>,
    /// Opened from this address or one of this prefix
    #[arg(long, value_parser = tuple::prefix, value_name = PREFIX, value_hint = ValueHint::Other)]
    pub source: Option<Prefix>,
    /// Opened from this port
    #[arg(long, value_name = "PORT")]
    pub source_port: Option<u16>,
    /// Opened to this address or one of this prefix, before translation
    #[arg(long, value_parser = tuple::prefix, value_name = PREFIX, value_hint = ValueHint::Other)]
    pub destination: Option<Prefix>,
    /// Opened to this port, before translation
    #[arg(long, value_name = "PORT")]
    pub destination_port: Option<u16>,
    /// Of connections with this mark, or with these bits of it (also in hex, as 0x10)
    #[arg(short, long, value_parser = tuple::mark, value_name = "MARK[/MASK]", value_hint = ValueHint::Other)]
    pub mark: Option<Mark>,
    /// Of connections in this zone
    #[arg(short, long)]
    pub zone: Option<u16>,
    /// Of these flowtables
    #[command(flatten)]
    pub tables: InTables,
}

/// Which flows, once or again and again.
#[derive(Debug, Args)]
pub struct Flows {
    /// Which
    #[command(flatten)]
    pub filters: Filters,
    /// Show what changes, each second, until interrupted
    #[arg(short, long)]
    pub watch: bool,
    /// With --watch: end after so many looks
    #[arg(short = 'n', long, requires = "watch", value_name = "N")]
    pub looks: Option<u64>,
}

/// Which events.
#[derive(Debug, Args)]
pub struct Monitor {
    /// Of flows
    #[command(flatten)]
    pub filters: Filters,
    /// Of these kinds: flow-in, flow-out, flow-refused, device-bound, device-refused, device-full
    #[arg(short, long = "event", value_parser = event, value_delimiter = ',', value_hint = ValueHint::Other)]
    pub events: Vec<EventKind>,
}

/// How often, and how many times.
#[derive(Debug, Args)]
pub struct Top {
    /// Look every so many seconds
    #[arg(short, long, value_parser = seconds, default_value = "2", value_name = "SECONDS", value_hint = ValueHint::Other)]
    pub interval: Duration,
    /// End after so many frames
    #[arg(short = 'n', long, value_name = "COUNT")]
    pub frames: Option<u64>,
}

/// What the doctor is to do.
#[derive(Debug, Args)]
pub struct Doctor {
    /// Move the flowtables to this type, or to the one that is not in use; no connection is lost
    #[arg(long, value_name = "TYPE", num_args = 0..=1)]
    pub switch: Option<Option<Target>>,
    /// With --switch: do not ask
    #[arg(short, long, requires = "switch")]
    pub yes: bool,
}

/// A flowtable type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Target {
    /// That of this module
    #[value(name = "nft_offload", alias = "nft-offload")]
    Offload,
    /// The kernel's own, nf_flow_table_inet
    #[value(alias = "nf_flow_table_inet")]
    InTree,
}

/// Which flows to take out.
#[derive(Debug, Args)]
pub struct Evict {
    /// Those that fit
    #[command(flatten)]
    pub filters: Filters,
    /// All
    #[arg(long)]
    pub all: bool,
    /// End them, so that their next packets pass the ruleset and are learned anew
    #[arg(long)]
    pub relearn: bool,
}

/// What to set of a device.
#[derive(Debug, Args)]
pub struct Set {
    /// The device, by name or index
    #[arg(value_hint = ValueHint::Other)]
    pub device: String,
    /// limit N|none, profile NAME, block on|off, on, off
    #[arg(required = true, value_name = "SETTING", value_hint = ValueHint::Other)]
    pub settings: Vec<String>,
    /// Of these flowtables
    #[command(flatten)]
    pub tables: InTables,
}

/// What the words after the device say.
pub fn settings(words: &[String]) -> Result<Settings, String> {
    let mut settings = Settings::default();
    let mut words = words.iter().map(String::as_str);
    while let Some(word) = words.next() {
        let twice = match word {
            "on" | "off" => settings.enabled.replace(word == "on").is_some(),
            "limit" => {
                let limit = match words.next() {
                    Some("none") => 0,
                    Some("0") => {
                        return Err("limit 0: 'off' is no rule, 'limit none' any number".to_owned())
                    }
                    Some(text) => text
                        .parse()
                        .map_err(|_| format!("limit {text}: a number or 'none' is wanted"))?,
                    None => return Err("limit: a number or 'none' is wanted".to_owned()),
                };
                settings.limit.replace(limit).is_some()
            }
            "profile" => {
                let name = words.next().ok_or("profile: its name is wanted")?;
                settings.profile.replace(name.to_owned()).is_some()
            }
            "block" => {
                let allowed = match words.next() {
                    Some("on") => true,
                    Some("off") => false,
                    _ => return Err("block: on or off is wanted".to_owned()),
                };
                settings.block.replace(allowed).is_some()
            }
            other => {
                return Err(format!(
                    "'{other}': limit N, limit none, profile NAME, block on, block off, on or off is wanted"
                ))
            }
        };
        if twice {
            return Err(format!("'{word}' comes after another such setting"));
        }
    }
    Ok(settings)
}

/// Which flow.
#[derive(Debug, Args)]
pub struct Why {
    /// SRC:PORT DST:PORT [tcp|udp|gre], or a line of conntrack -L; without, or with "-": lines of conntrack on stdin
    #[arg(value_name = "FLOW", value_hint = ValueHint::Other)]
    pub flow: Vec<String>,
    /// In this zone of conntrack
    #[arg(short, long)]
    pub zone: Option<u16>,
}

fn by_name(names: &[(u32, &str)], text: &str) -> Option<u32> {
    let found = names.iter().find(|(_, name)| *name == text);
    found.map(|(n, _)| *n).or_else(|| text.parse().ok())
}

fn state(text: &str) -> Result<u32, String> {
    match text {
        "hardware" => Ok(State::IN_HARDWARE.0),
        _ => by_name(State::NAMES, text)
            .ok_or_else(|| "software, in-hardware, one-direction or removing is wanted".to_owned()),
    }
}

fn family(text: &str) -> Result<u8, String> {
    match text {
        "ipv4" | "ip" | "4" => Ok(2),
        "ipv6" | "ip6" | "6" => Ok(10),
        _ => Err("ipv4 or ipv6 is wanted".to_owned()),
    }
}

fn table_family(text: &str) -> Result<u8, String> {
    let wanted = "ip, ip6 or inet is wanted";
    match text {
        "ip" => Ok(2),
        "ip6" => Ok(10),
        _ => by_name(Nfproto::NAMES, text)
            .and_then(|n| u8::try_from(n).ok())
            .ok_or_else(|| wanted.to_owned()),
    }
}

fn event(text: &str) -> Result<EventKind, String> {
    let known = || EventKind::NAMES.iter().map(|(_, name)| *name);
    let found = EventKind::NAMES.iter().find(|(_, name)| *name == text);
    found.map(|(n, _)| EventKind(*n)).ok_or_else(|| {
        format!(
            "one of {} is wanted",
            known().collect::<Vec<_>>().join(", ")
        )
    })
}

fn seconds(text: &str) -> Result<Duration, String> {
    let number = text.parse().ok().filter(|n| (0.1..=86400.0).contains(n));
    number
        .map(Duration::from_secs_f64)
        .ok_or_else(|| "a number of seconds from 0.1 to 86400 is wanted".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn filters() {
        let parse = |line: &str| Cli::try_parse_from(line.split(' '));
        let cli =
            parse("nft-offload flows -s hardware -f ipv6 -p udp -m 0x10 -P 53 -a fd00::1 --json")
                .unwrap();
        assert!(cli.json);
        let Command::Flows(flows) = cli.command else {
            panic!()
        };
        let flows = flows.filters;
        assert_eq!(
            (flows.state, flows.family, flows.protocol),
            (Some(1), Some(10), Some(17))
        );
        let mark = flows.mark.map(|mark| (mark.value, mark.mask));
        assert_eq!((mark, flows.port), (Some((16, None)), Some(53)));
        let cli =
            parse("nft-offload evict --source 10.0.1.0/24 --destination-port 443 -m 1/3 --relearn");
        let Command::Evict(evict) = cli.unwrap().command else {
            panic!()
        };
        let filters = evict.filters;
        assert_eq!(filters.source.unwrap().length, Some(24));
        assert_eq!((filters.destination_port, evict.relearn), (Some(443), true));
        assert_eq!(filters.mark.unwrap().mask, Some(3));
        for wrong in [
            "flows -s nowhere",
            "flows -f ipx",
            "flows -p 256",
            "flows -m 0x1ffffffff",
            "flows -a host",
            "flows --source 10.0.1.0/33",
            "flows --destination-port http",
            "flows --relearn",
            "flows -m 1/",
            "flows -P 65536",
            "flows -n 3",
            "nothing",
            "completion csh",
            "monitor -e flow-lost",
            "top -i 0",
            "top -i nan",
            "top -n -1",
            "set",
            "set lan",
            "doctor --yes",
            "doctor --switch ours",
        ] {
            assert!(parse(&format!("nft-offload {wrong}")).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_the_doctor_switches_to() {
        let switch = |line: &str| {
            let cli = Cli::try_parse_from(format!("nft-offload {line}").split(' ')).unwrap();
            match cli.command {
                Command::Doctor(doctor) => (doctor.switch, doctor.yes),
                _ => panic!(),
            }
        };
        assert_eq!(switch("doctor"), (None, false));
        assert_eq!(switch("doctor --switch --yes"), (Some(None), true));
        let offload = Some(Some(Target::Offload));
        assert_eq!(switch("doctor --switch nft_offload"), (offload, false));
        let in_tree = Some(Some(Target::InTree));
        assert_eq!(switch("doctor -y --switch=in-tree"), (in_tree, true));
    }

    #[test]
    fn settings_of_a_device() {
        let parse = |line: &str| {
            let words: Vec<_> = line.split(' ').map(str::to_owned).collect();
            settings(&words)
        };
        let all = parse("limit 100 profile mtk off").unwrap();
        assert_eq!((all.limit, all.enabled), (Some(100), Some(false)));
        assert_eq!(all.profile.as_deref(), Some("mtk"));
        let block = parse("block on").unwrap();
        assert_eq!((block.block, block.enabled), (Some(true), None));
        assert_eq!(parse("off block off").unwrap().block, Some(false));
        let some = parse("on limit none").unwrap();
        assert_eq!(
            (some.limit, some.enabled, some.profile),
            (Some(0), Some(true), None)
        );
        for wrong in [
            "",
            "limit",
            "limit 0",
            "limit -1",
            "limit few",
            "profile",
            "block",
            "block on block off",
            "block yes",
            "on off",
            "limit 1 limit 2",
            "up",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_set_stands_before_and_after_options() {
        for line in [
            "set lan limit 5 --table router --json",
            "set --table router lan --json limit 5",
        ] {
            let cli = Cli::try_parse_from(format!("nft-offload {line}").split(' ')).unwrap();
            let Command::Set(set) = cli.command else {
                panic!()
            };
            assert_eq!((set.device.as_str(), set.settings.len()), ("lan", 2));
            assert_eq!(set.tables.table.as_deref(), Some("router"));
        }
    }

    #[test]
    fn kinds_of_events_and_intervals() {
        let parse = |line: &str| Cli::try_parse_from(line.split(' ')).unwrap().command;
        let Command::Monitor(monitor) =
            parse("nft-offload monitor -e flow-in,flow-out -e device-full")
        else {
            panic!()
        };
        let kinds: Vec<_> = monitor.events.iter().map(|e| e.0).collect();
        assert_eq!(kinds, [32, 33, 37]);
        let Command::Top(top) = parse("nft-offload top -i 0.5 -n 3") else {
            panic!()
        };
        assert_eq!((top.interval.as_millis(), top.frames), (500, Some(3)));
    }
}
