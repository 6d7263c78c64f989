// SPDX-License-Identifier: GPL-2.0

//! The command line: the commands with their arguments.

use crate::commands::{
    completion::Completion, doctor::Doctor, evict::Evict, flows::Flows, metrics::Metrics,
    monitor::Monitor, set::Set, top::Top, why::Why,
};
use clap::{Parser, Subcommand};

/// Shows which flows nft_offload has put into hardware, and why others stay in software.
#[derive(Debug, Parser)]
#[command(name = "nft-offload", version, disable_help_subcommand = true)]
#[command(
    after_help = "Exit status: 0 success, 1 problem found, no such flow or no support,\n\
    2 wrong arguments, 3 nft_offload is not loaded, 4 refused by the kernel, 5 system error.\n\
    See nft-offload(8)."
)]
pub struct Cli {
    /// Print JSON
    #[arg(short, long, global = true)]
    pub json: bool,
    /// The command
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show how many flows are in hardware and in software, and a line for each device
    Status,
    /// Show everything known about each device
    Devices,
    /// List flows, one a line
    Flows(Flows),
    /// Print events of flows and devices as they happen
    Monitor(Monitor),
    /// Show devices and the busiest flows with their rates, continuously
    Top(Top),
    /// Explain one flow: where it is, what stopped it, what to do
    Why(Why),
    /// List the reasons why a flow stays in software
    Reasons,
    /// Find what keeps flows out of hardware, with the command that fixes it
    Doctor(Doctor),
    /// Tell whether this machine can offload flows, before anything is set up
    Support,
    /// Export totals and devices to Prometheus, to a file or by HTTP
    Metrics(Metrics),
    /// Take flows out of hardware; they continue in software, or pass the ruleset again
    Evict(Evict),
    /// Set a device's limit or profile, or switch it off or on
    Set(Set),
    /// Print the completion script for a shell
    Completion(Completion),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::Target;
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
    fn switch_takes_an_optional_type() {
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
    fn settings_may_precede_or_follow_options() {
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
    fn event_kinds_and_intervals_are_parsed() {
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
