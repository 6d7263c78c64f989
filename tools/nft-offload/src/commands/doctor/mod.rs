// SPDX-License-Identifier: GPL-2.0

//! `nft-offload doctor`: finds what keeps flows out of hardware, and the command that fixes it.
//! [`devices`] examines the devices of flowtables.

mod devices;

use super::{support, switch};
use crate::{
    modprobe::{self, Line, LoadOrder},
    netlink::{
        client::{Error, Result},
        family::{Device, Flowtable, Reason, Stats},
    },
    output::{
        finding::{render, Finding, Severity},
        Output,
    },
    session::Session,
    system::{self, HwTcOffload, Link, NftChain, NftFlowtable},
    text::{clean, count, plural, shell_word},
};
use clap::{Args, ValueEnum};
use devices::{add, add_with, candidates, quoted};
use serde::Serialize;
use std::{
    collections::BTreeSet,
    fmt::{self, Write},
};

/// The arguments of `doctor`.
#[derive(Debug, Args)]
pub struct Doctor {
    /// Move the flowtables to this type, by default to the one that is not in use; no connection is
    /// lost
    #[arg(long, value_name = "TYPE", num_args = 0..=1)]
    pub switch: Option<Option<Target>>,
    /// With --switch: do not ask for confirmation
    #[arg(short, long, requires = "switch")]
    pub yes: bool,
}

/// A flowtable type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Target {
    /// The type of nft_offload
    #[value(name = "nft_offload", alias = "nft-offload")]
    Offload,
    /// The type of the kernel, nf_flow_table_inet
    #[value(alias = "nf_flow_table_inet")]
    InTree,
}

/// The JSON object.
#[derive(Serialize)]
struct Content<'a> {
    findings: &'a [Finding],
}

/// Runs the command. The status is 1 if there is a problem, 3 if the module is not loaded.
pub fn run(out: &mut Output, args: &Doctor) -> Result<u8> {
    if let Some(to) = args.switch {
        let to = to.map(|to| match to {
            Target::Offload => switch::Type::Offload,
            Target::InTree => switch::Type::InTree,
        });
        return switch::run(out, to, args.yes);
    }
    let mut facts = facts()?;
    let mut findings;
    (findings, facts.missing) = support::first_findings(facts.module.is_some());
    findings.extend(examine(&facts));
    let content = Content {
        findings: &findings,
    };
    out.either(content, |style| render(&findings, style))?;
    Ok(match facts.module {
        None => Error::NotLoaded.status(),
        Some(_) => u8::from(has_problem(&findings)),
    })
}

/// Collects the facts about this system.
fn facts() -> Result<Facts> {
    let module = match Session::open() {
        Ok(mut session) => Some(Module {
            devices: session.family.devices(&session.names)?,
            stats: match session.family.stats(&session.names) {
                Ok(stats) => Some(stats),
                Err(error) if error.is_permission() => None,
                Err(error) => return Err(error),
            },
            reasons: session.reasons,
        }),
        Err(Error::NotLoaded) => None,
        Err(error) => return Err(error),
    };
    let links = system::links()?;
    let devices = module.iter().flat_map(|m| &m.devices).map(|d| &d.name);
    // Devices with hardware could be added to a flowtable.
    let hardware = links.iter().filter(|l| l.parent.is_some()).map(|l| &l.name);
    let devices: BTreeSet<String> = devices.chain(hardware).cloned().collect();
    let devices: Vec<String> = devices.into_iter().collect();
    let features = system::hw_tc_offload(&devices)?;
    Ok(Facts {
        module,
        inet: modprobe::users("nf_flow_table_inet"),
        missing: false,
        load_order: modprobe::load_order(),
        flowtables: system::nft_flowtables()?,
        chains: system::nft_chains()?.unwrap_or_default(),
        links,
        sessions: system::pppoe_devices(),
        features: devices.into_iter().zip(features).collect(),
        conntrack_counts: system::conntrack_counts(),
        forwards: system::forwards(),
    })
}

/// The remedy of a finding.
enum Remedy {
    /// A command.
    Command(String),
    /// What to do where no single command fixes it.
    Advice(String),
    /// There is nothing to do.
    Nothing,
}

use Remedy::{Advice, Command, Nothing};

/// What the doctor examines.
#[derive(Debug, Default)]
pub struct Facts {
    /// The state of nft_offload, if it is loaded.
    pub module: Option<Module>,
    /// The number of users of `nf_flow_table_inet`, if it is loaded.
    pub inet: Option<u64>,
    /// Whether nft_offload is not installed for this kernel.
    pub missing: bool,
    /// The flowtable type that modprobe loads first.
    pub load_order: LoadOrder,
    /// The flowtables of nftables; `None` without the privilege to list them.
    pub flowtables: Option<Vec<NftFlowtable>>,
    /// The chains of nftables.
    pub chains: Vec<NftChain>,
    /// The network devices.
    pub links: Vec<Link>,
    /// The devices below PPPoE sessions, by name.
    pub sessions: Vec<String>,
    /// The feature `hw-tc-offload` of devices in flowtables or with hardware, by name.
    pub features: Vec<(String, Option<HwTcOffload>)>,
    /// Whether conntrack counts packets.
    pub conntrack_counts: Option<bool>,
    /// Whether this network namespace forwards packets.
    pub forwards: bool,
}

impl Facts {
    /// Looks up a flowtable in nftables.
    fn flowtable(&self, which: &Flowtable) -> Option<&NftFlowtable> {
        let mut all = self.flowtables.iter().flatten();
        all.find(|t| t.flowtable == *which)
    }
}

/// The state of nft_offload.
#[derive(Debug, Default)]
pub struct Module {
    /// The devices of its flowtables.
    pub devices: Vec<Device>,
    /// Totals; `None` without the privilege to read them.
    pub stats: Option<Stats>,
    /// The reasons.
    pub reasons: Vec<Reason>,
}

struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, severity: Severity, id: &'static str, text: String, remedy: Remedy) {
        let (fix, advice) = match remedy {
            Command(command) => (Some(command), None),
            Advice(advice) => (None, Some(advice)),
            Nothing => (None, None),
        };
        self.0.push(Finding {
            id,
            severity,
            text: clean(&text),
            fix: fix.map(|command| clean(&command)),
            advice: advice.map(|text| clean(&text)),
            devices: Vec::new(),
        });
    }

    /// Sets the devices of the last finding.
    fn about(&mut self, devices: Vec<String>) {
        if let Some(last) = self.0.last_mut() {
            last.devices = devices;
        }
    }

    fn ok(&mut self, id: &'static str, text: impl Into<String>) {
        self.add(Severity::Ok, id, text.into(), Nothing);
    }

    fn hint(&mut self, id: &'static str, text: impl Into<String>, remedy: Remedy) {
        self.add(Severity::Hint, id, text.into(), remedy);
    }

    fn problem(&mut self, id: &'static str, text: impl Into<String>, remedy: Remedy) {
        self.add(Severity::Problem, id, text.into(), remedy);
    }
}

/// Names in a sentence: the first few, and the number of the rest.
struct Few<'a>(&'a [String]);

impl Few<'_> {
    /// Returns `one` for a single name, else `several`.
    fn or<'a>(&self, one: &'a str, several: &'a str) -> &'a str {
        match self.0 {
            [_] => one,
            _ => several,
        }
    }
}

impl fmt::Display for Few<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const FIRST: usize = 3;
        match self.0 {
            [] => Ok(()),
            [one] => f.write_str(one),
            [some @ .., last] if some.len() < FIRST => write!(f, "{} and {last}", some.join(", ")),
            all => {
                let (some, more) = all.split_at(FIRST);
                write!(f, "{} and {} more", some.join(", "), more.len())
            }
        }
    }
}

/// Formats a command of nft for a shell.
fn nft(program: &str) -> String {
    format!("nft {}", shell_word(program))
}

/// Formats a command for each of these devices.
fn each(devices: &[String], command: impl Fn(&str) -> String) -> Remedy {
    let words: Vec<_> = devices.iter().map(|name| shell_word(name)).collect();
    Command(match words.as_slice() {
        [one] => command(one),
        all => format!(
            "for device in {}; do {}; done",
            all.join(" "),
            command("\"$device\"")
        ),
    })
}

/// Examines the facts, in the order in which an administrator would look.
pub fn examine(facts: &Facts) -> Vec<Finding> {
    let mut found = Findings(Vec::new());
    module(facts, &mut found);
    flowtables(facts, &mut found);
    if let Some(module) = &facts.module {
        devices::examine(module, facts, &mut found);
        flows(module, facts, &mut found);
    }
    found.0
}

/// Examines the module and the load order.
fn module(facts: &Facts, found: &mut Findings) {
    // A command that loads the module helps only if it is installed.
    let to_load = |command: &str| match facts.missing {
        true => Advice("install nft_offload for this kernel first".to_owned()),
        false => Command(command.to_owned()),
    };
    match (&facts.module, facts.inet) {
        (None, Some(users)) => found.problem(
            "not-loaded",
            match users {
                0 => "nft_offload is not loaded, and new flowtables belong to nf_flow_table_inet",
                _ => "nft_offload is not loaded; the flowtables belong to nf_flow_table_inet",
            },
            to_load(modprobe::load_command(Some(users))),
        ),
        (None, None) => found.problem(
            "not-loaded",
            "nft_offload is not loaded",
            to_load(modprobe::load_command(None)),
        ),
        (Some(_), None) => found.ok("loaded", "nft_offload is loaded"),
        (Some(_), Some(_)) => found.ok(
            "loaded",
            "nft_offload is loaded and takes precedence over nf_flow_table_inet",
        ),
    }
    match &facts.load_order {
        LoadOrder::OffloadFirst => found.ok(
            "softdep",
            "modprobe loads nft_offload before nf_flow_table_inet, which takes over if \
             nft_offload is \
             missing",
        ),
        LoadOrder::Undecided => found.hint(
            "no-softdep",
            "after the next boot nf_flow_table_inet may be loaded first",
            Command(format!(
                "echo '{SOFTDEP}' >> /etc/modprobe.d/nft-offload.conf"
            )),
        ),
        LoadOrder::InTreeBlocked(line) => found.problem(
            "in-tree-blocked",
            format!(
                "{}:{} blocks nf_flow_table_inet ({}): if nft_offload is missing, for example \
                 after a \
                 kernel update, every ruleset with a flowtable fails",
                line.file, line.number, line.text
            ),
            Command(comment_out(line)),
        ),
    }
}

/// Formats the command that comments out a line of modprobe.d. A file of a package is not edited:
/// a copy in /etc hides it.
fn comment_out(line: &Line) -> String {
    let (number, file) = (line.number, shell_word(&line.file));
    match line.file.rsplit_once('/') {
        Some((directory, name)) if directory != ADMIN => {
            let copy = shell_word(&format!("{ADMIN}/{name}"));
            format!("sed '{number}s/^/#/' {file} > {copy}")
        }
        _ => format!("sed -i '{number}s/^/#/' {file}"),
    }
}

/// The directory of the administrator's files of modprobe.d.
const ADMIN: &str = "/etc/modprobe.d";

/// The line of modprobe.d that loads nft_offload first, with the in-tree type as a fallback.
const SOFTDEP: &str = "softdep nf_flow_table_inet pre: nft_offload";

/// Examines the flowtables of nftables.
fn flowtables(facts: &Facts, found: &mut Findings) {
    let Some(tables) = &facts.flowtables else {
        let stats = facts.module.as_ref().and_then(|m| m.stats.as_ref());
        found.hint(
            "not-root",
            "only root can list the ruleset: its flowtables and rules were not examined",
            Command("sudo nft-offload doctor".to_owned()),
        );
        if stats.is_some_and(|stats| stats.flowtables == 0) {
            found.problem(
                "no-flowtable",
                "nft_offload has no flowtable in this network namespace",
                Nothing,
            );
        }
        return;
    };
    if tables.is_empty() {
        let with = |devices: &str| {
            nft(&format!(
                "add table inet router; add flowtable inet router ft {{ hook ingress priority \
                 filter; \
                 devices = {{ {devices} }}; flags offload; counter; }}"
            ))
        };
        found.problem(
            "no-flowtable",
            "there is no flowtable in this network namespace",
            match candidates(facts).as_slice() {
                [] => Advice(format!(
                    "with the names of your devices: {}",
                    with("LAN, WAN")
                )),
                some => Command(with(&quoted(some))),
            },
        );
    }
    for table in tables {
        let name = &table.flowtable;
        if !table.offload {
            found.problem(
                "no-flags-offload",
                format!("flowtable {name} has no \"flags offload\": its flows stay in software"),
                Advice(
                    "add 'flags offload;' and reload the ruleset: the flag of an existing \
                     flowtable \
                     cannot be changed"
                        .to_owned(),
                ),
            );
            continue;
        }
        let ours = |module: &Module| module.devices.iter().any(|d| d.flowtable == *name);
        match &facts.module {
            // nft_offload reports the devices of flowtables only.
            Some(module) if !ours(module) && has_device(table, facts) => {
                found.problem(
                    "not-active-type",
                    format!(
                        "flowtable {name} does not belong to nft_offload: it was created while \
                         nf_flow_table_inet took precedence"
                    ),
                    Advice("reload the ruleset".to_owned()),
                );
            }
            Some(_) => found.ok(
                "flowtable",
                format!("flowtable {name} belongs to nft_offload, with \"flags offload\""),
            ),
            None => {}
        }
        if !has_device(table, facts) {
            found.problem(
                "no-device",
                match table.devices.as_slice() {
                    [] => format!("flowtable {name} has no device"),
                    some => format!(
                        "flowtable {name} has no device: {} {} not exist",
                        Few(some),
                        Few(some).or("does", "do")
                    ),
                },
                match candidates(facts).as_slice() {
                    [] => Advice("add your devices to it".to_owned()),
                    some => add(table, some),
                },
            );
        }
        if table.rules == 0 {
            found.problem(
                "no-flow-add",
                format!("no rule adds flows to flowtable {name}"),
                Command(flow_add(name, facts)),
            );
        }
        if !table.counter {
            found.hint(
                "no-counter",
                format!(
                    "flowtable {name} has no \"counter\": conntrack does not count what hardware \
                     forwards"
                ),
                // An update has to name a device, even one that the flowtable already has.
                match table.devices.as_slice() {
                    [device, ..] => add_with(table, std::slice::from_ref(device), true),
                    [] => Advice("add 'counter;' to it".to_owned()),
                },
            );
        } else if facts.conntrack_counts == Some(false) {
            found.hint(
                "no-accounting",
                format!("flowtable {name} has \"counter\", but conntrack accounting is off"),
                Command("sysctl -w net.netfilter.nf_conntrack_acct=1".to_owned()),
            );
        }
    }
}

/// Returns whether a device of the flowtable exists.
fn has_device(table: &NftFlowtable, facts: &Facts) -> bool {
    let is = |link: &Link, name: &String| match name.strip_suffix('*') {
        Some(start) => link.name.starts_with(start),
        None => link.name == *name,
    };
    let mut names = table.devices.iter();
    names.any(|name| facts.links.iter().any(|link| is(link, name)))
}

/// Formats the command that adds a rule with `flow add` to a base chain of the hook forward, which
/// is created if the table has none.
fn flow_add(flowtable: &Flowtable, facts: &Facts) -> String {
    let Flowtable {
        family,
        table,
        name,
    } = flowtable;
    let chains = facts.chains.iter();
    let chains = chains.filter(|c| c.family == *family && c.table == *table);
    let rule = |chain: &str| {
        format!("add rule {family} {table} {chain} meta l4proto {{ tcp, udp }} flow add @{name}")
    };
    if let Some(chain) = chains.clone().find(|c| c.forward) {
        return nft(&rule(&chain.name));
    }
    let new = ["forward", "forwarded", "flow_offload"].into_iter();
    let mut new = new.filter(|name| chains.clone().all(|c| c.name != *name));
    let chain = new.next().unwrap_or("nft_offload");
    nft(&format!(
        "add chain {family} {table} {chain} {{ type filter hook forward priority filter; }}; {}",
        rule(chain)
    ))
}

/// Returns whether a reason is temporary or intended.
fn is_usual(reason: &Reason) -> bool {
    reason.stage.name() == Some("policy")
        || matches!(reason.name.as_str(), "not-tried" | "unresolved")
}

/// Examines the flows.
fn flows(module: &Module, facts: &Facts, found: &mut Findings) {
    let Some(stats) = &module.stats else {
        return;
    };
    if stats.flowtables == 0 {
        return;
    }
    let all = [
        stats.flows_in_hardware,
        stats.flows_in_software,
        stats.flows_one_direction,
        stats.flows_removing,
    ];
    if all.iter().all(|n| *n == 0) {
        let rules = facts.flowtables.iter().flatten();
        if rules.clone().any(|t| t.offload && t.rules > 0) || facts.flowtables.is_none() {
            let (text, remedy) = match facts.forwards {
                true => (
                    "there is no flow: no established connection has reached a rule with 'flow \
                     add'",
                    Advice(
                        "add 'counter' before 'flow add' and check whether packets reach it: nft \
                         list ruleset"
                            .to_owned(),
                    ),
                ),
                false => (
                    "there is no flow, and this network namespace forwards no packets",
                    Command(
                        "sysctl -w net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1".to_owned(),
                    ),
                ),
            };
            found.hint("no-flows", text, remedy);
        }
        return;
    }
    if stats.flows_in_hardware > 0 {
        found.ok(
            "in-hardware",
            format!("{} in hardware", plural(stats.flows_in_hardware, "flow")),
        );
    }
    for by in stats.by_reason.iter().filter(|by| by.flows > 0) {
        let reason = module.reasons.iter().find(|r| r.number == by.reason.number);
        let what = reason.map_or("", |r| r.text.as_str());
        let mut text = format!("{} in software: {}", plural(by.flows, "flow"), by.reason);
        if !what.is_empty() {
            let _ = write!(text, ": {what}");
        }
        if let Some(reason) = reason {
            let advice = reason.advice.replace("device-get", "nft-offload devices");
            // Without arguments it would end all connections.
            let advice = advice.replace("conntrack -D", "the command that nft-offload why prints");
            let _ = write!(text, "; to do: {advice}");
        }
        let fix = Command(format!("nft-offload flows --reason {}", by.reason));
        if reason.is_some_and(is_usual) {
            found.hint("in-software", text, fix);
        } else {
            found.problem("in-software", text, fix);
        }
    }
    if stats.hardware_misses > stats.packets / 100 + 10 {
        found.hint(
            "misses",
            format!(
                "packets of flows in hardware reached the CPU {} times: check whether fragments, \
                 TTL 1 or \
                 another ingress device explain it",
                count(stats.hardware_misses)
            ),
            Command("nft-offload devices".to_owned()),
        );
    }
}

/// Returns whether there is a problem.
pub fn has_problem(findings: &[Finding]) -> bool {
    findings.iter().any(|f| f.severity == Severity::Problem)
}
