// SPDX-License-Identifier: GPL-2.0

//! What is wrong with an offload that does not work, and the command that mends it.

mod devices;

use crate::{
    family::{Device, Flowtable, Reason, Stats},
    machine::{HwTcOffload, Line, Link, LoadOrder, NftChain, NftFlowtable},
    show::Style,
    text::{clean, count, plural, shell_word, wrap},
};
use devices::{add, add_with, candidates, quoted};
use serde::Serialize;
use std::fmt::{self, Write};

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// As it should be.
    Ok,
    /// Worth to know.
    Hint,
    /// Flows stay out of hardware for it.
    Problem,
}

/// Something that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// A name that stays the same.
    pub id: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// What it is.
    pub text: String,
    /// The command that mends it, or several, each on a line.
    pub fix: Option<String>,
    /// What to do that no one command does.
    pub advice: Option<String>,
    /// The devices that it is about; the text names the first of them only.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<String>,
}

/// What mends a finding.
enum Mend {
    /// A command.
    Command(String),
    /// What no one command does.
    Advice(String),
    Nothing,
}

use Mend::{Advice, Command, Nothing};

/// All that is looked at.
#[derive(Debug, Default)]
pub struct Facts {
    /// What nft_offload says, if it is loaded.
    pub module: Option<Module>,
    /// How many use `nf_flow_table_inet`, if it is loaded.
    pub inet: Option<u64>,
    /// nft_offload is not installed for this kernel.
    pub missing: bool,
    /// Which flowtable type modprobe loads first.
    pub load_order: LoadOrder,
    /// The flowtables of nftables; none without the privilege to see them.
    pub flowtables: Option<Vec<NftFlowtable>>,
    /// The chains of nftables.
    pub chains: Vec<NftChain>,
    /// The network devices.
    pub links: Vec<Link>,
    /// The devices below PPPoE sessions, by name.
    pub sessions: Vec<String>,
    /// Those of flowtables and of hardware, by name, with their `hw-tc-offload`.
    pub features: Vec<(String, Option<HwTcOffload>)>,
    /// Whether conntrack counts.
    pub conntrack_counts: Option<bool>,
    /// Whether this namespace forwards.
    pub forwards: bool,
}

impl Facts {
    /// What nftables says of a flowtable.
    fn flowtable(&self, which: &Flowtable) -> Option<&NftFlowtable> {
        let mut all = self.flowtables.iter().flatten();
        all.find(|t| t.flowtable == *which)
    }
}

/// What nft_offload says.
#[derive(Debug, Default)]
pub struct Module {
    /// The devices of its flowtables.
    pub devices: Vec<Device>,
    /// Totals.
    /// Without privileges the kernel does not tell them.
    pub stats: Option<Stats>,
    /// The reasons.
    pub reasons: Vec<Reason>,
}

struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, severity: Severity, id: &'static str, text: String, mend: Mend) {
        let (fix, advice) = match mend {
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

    /// The last one is about these devices.
    fn about(&mut self, devices: Vec<String>) {
        if let Some(last) = self.0.last_mut() {
            last.devices = devices;
        }
    }

    fn ok(&mut self, id: &'static str, text: impl Into<String>) {
        self.add(Severity::Ok, id, text.into(), Nothing);
    }

    fn hint(&mut self, id: &'static str, text: impl Into<String>, mend: Mend) {
        self.add(Severity::Hint, id, text.into(), mend);
    }

    fn problem(&mut self, id: &'static str, text: impl Into<String>, mend: Mend) {
        self.add(Severity::Problem, id, text.into(), mend);
    }
}

/// Names in a sentence: the first few, and how many more.
struct Few<'a>(&'a [String]);

impl Few<'_> {
    /// The first words for one, the others for several.
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

/// A command of nft that a shell reads as one word.
fn nft(program: &str) -> String {
    format!("nft {}", shell_word(program))
}

/// The command for each of these devices.
fn each(devices: &[String], command: impl Fn(&str) -> String) -> Mend {
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

/// Why a driver's block of tc, or several drivers', is taken only where that is allowed.
pub fn only_block(one: bool) -> String {
    let (drivers, blocks) = match one {
        true => ("its driver takes", "its block"),
        false => ("their drivers take", "their blocks"),
    };
    format!(
        "{drivers} rules only through {blocks} of tc, which no other user (tc filters in hardware, \
         netdev chains with \"flags offload\", OVS) can have then: this has to be allowed"
    )
}

/// What is found, in the order in which one would look.
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

/// The command that loads nft_offload, by how many use `nf_flow_table_inet` if that is loaded: ours
/// does not load behind it.
pub fn load(inet: Option<u64>) -> &'static str {
    match inet {
        Some(_) => SWITCH,
        None => "modprobe nft_offload",
    }
}

fn module(facts: &Facts, found: &mut Findings) {
    // The command that loads it, where that can help.
    let to_load = |command: &str| match facts.missing {
        true => Advice("it has to be installed for this kernel first".to_owned()),
        false => Command(command.to_owned()),
    };
    match (&facts.module, facts.inet) {
        (None, Some(users)) => found.problem(
            "not-loaded",
            match users {
                0 => {
                    "nft_offload is not loaded, and nf_flow_table_inet holds the flowtables to come"
                }
                _ => "nft_offload is not loaded; the flowtables are nf_flow_table_inet's",
            },
            to_load(load(Some(users))),
        ),
        (None, None) => found.problem(
            "not-loaded",
            "nft_offload is not loaded",
            to_load(load(None)),
        ),
        (Some(_), None) => found.ok("loaded", "nft_offload is loaded"),
        (Some(_), Some(_)) => found.ok(
            "loaded",
            "nft_offload is loaded and comes before nf_flow_table_inet",
        ),
    }
    match &facts.load_order {
        LoadOrder::OursFirst => found.ok(
            "softdep",
            "modprobe loads nft_offload before nf_flow_table_inet, which takes over where nft_offload is missing",
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
                "{}:{} keeps nf_flow_table_inet from being loaded ({}): where nft_offload is missing, after a kernel update \
                 for example, every ruleset with a flowtable fails",
                line.file, line.number, line.text
            ),
            Command(take_out(line)),
        ),
    }
}

/// The command that takes a line out of modprobe.d. A file of a package stays as it is: its copy in /etc hides it.
fn take_out(line: &Line) -> String {
    let (number, file) = (line.number, shell_word(&line.file));
    match line.file.rsplit_once('/') {
        Some((directory, name)) if directory != ADMIN => {
            let copy = shell_word(&format!("{ADMIN}/{name}"));
            format!("sed '{number}s/^/#/' {file} > {copy}")
        }
        _ => format!("sed -i '{number}s/^/#/' {file}"),
    }
}

/// Where the administrator's files of modprobe.d are.
const ADMIN: &str = "/etc/modprobe.d";
/// The command that makes all flowtables ours.
const SWITCH: &str = "nft-offload doctor --switch nft_offload";

/// The line of modprobe.d that loads our type first and leaves the in-tree type as a fallback.
const SOFTDEP: &str = "softdep nf_flow_table_inet pre: nft_offload";

fn flowtables(facts: &Facts, found: &mut Findings) {
    let Some(tables) = &facts.flowtables else {
        let stats = facts.module.as_ref().and_then(|m| m.stats.as_ref());
        found.hint(
            "not-root",
            "the ruleset can be seen by root only: its flowtables and rules were not looked at",
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
                "add table inet router; add flowtable inet router ft {{ hook ingress priority filter; \
                 devices = {{ {devices} }}; flags offload; counter; }}"
            ))
        };
        found.problem(
            "no-flowtable",
            "there is no flowtable in this network namespace",
            match candidates(facts).as_slice() {
                [] => Advice(format!("with your devices: {}", with("LAN, WAN"))),
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
                Advice("load the ruleset anew with 'flags offload;' in it: the flag of a flowtable does not change".to_owned()),
            );
            continue;
        }
        let ours = |module: &Module| module.devices.iter().any(|d| d.flowtable == *name);
        match &facts.module {
            // Without devices there is nothing to see of it.
            Some(module) if !ours(module) && has_device(table, facts) => {
                found.problem(
                    "not-active-type",
                    format!("flowtable {name} is not nft_offload's: it was made while nf_flow_table_inet held the family"),
                    Advice("load the ruleset anew".to_owned()),
                );
            }
            Some(_) => found.ok(
                "flowtable",
                format!("flowtable {name} is nft_offload's, with \"flags offload\""),
            ),
            None => {}
        }
        if !has_device(table, facts) {
            found.problem(
                "no-device",
                match table.devices.as_slice() {
                    [] => format!("flowtable {name} has no device"),
                    some => format!("flowtable {name} has no device: there is no {}", Few(some)),
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
                format!("flowtable {name} has no \"counter\": what hardware carries is not in conntrack"),
                // An update has to name a device, also one that is there.
                match table.devices.as_slice() {
                    [device, ..] => add_with(table, std::slice::from_ref(device), true),
                    [] => Advice("add 'counter;' to it".to_owned()),
                },
            );
        } else if facts.conntrack_counts == Some(false) {
            found.hint(
                "no-accounting",
                format!("flowtable {name} has \"counter\", but conntrack does not count"),
                Command("sysctl -w net.netfilter.nf_conntrack_acct=1".to_owned()),
            );
        }
    }
}

/// Whether a flowtable has a device that is there.
fn has_device(table: &NftFlowtable, facts: &Facts) -> bool {
    let is = |link: &Link, name: &String| match name.strip_suffix('*') {
        Some(start) => link.name.starts_with(start),
        None => link.name == *name,
    };
    let mut names = table.devices.iter();
    names.any(|name| facts.links.iter().any(|link| is(link, name)))
}

/// The command that adds a rule with `flow add`, to a chain that forwarded packets come to; a new one
/// where the table has none.
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

/// Reasons that pass by themselves, or are wanted so.
fn is_usual(reason: &Reason) -> bool {
    reason.stage.name() == Some("policy")
        || matches!(reason.name.as_str(), "not-tried" | "unresolved")
}

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
            let (text, mend) = match facts.forwards {
                true => (
                    "there is no flow now: no established connection has reached a rule with 'flow add'",
                    Advice(
                        "put 'counter' before 'flow add' and see whether packets reach it: nft list ruleset"
                            .to_owned(),
                    ),
                ),
                false => (
                    "there is no flow, and this network namespace forwards no packets",
                    Command("sysctl -w net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1".to_owned()),
                ),
            };
            found.hint("no-flows", text, mend);
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
            // As it stands it would end all connections.
            let advice = advice.replace("conntrack -D", "nft-offload why has the command");
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
                "packets of flows in hardware came to the CPU {} times: see whether fragments, TTL 1 or another way in explain it",
                count(stats.hardware_misses)
            ),
            Command("nft-offload devices".to_owned()),
        );
    }
}

/// Whether something is to be mended.
pub fn has_problem(findings: &[Finding]) -> bool {
    findings.iter().any(|f| f.severity == Severity::Problem)
}

/// The findings in text.
pub fn render(findings: &[Finding], style: Style) -> String {
    const COLUMN: usize = 9;
    let mut out = String::new();
    for finding in findings {
        let label = match finding.severity {
            Severity::Ok => "ok",
            Severity::Hint => "hint",
            Severity::Problem => "PROBLEM",
        };
        let room = style.width.map(|w| w.saturating_sub(COLUMN).max(20));
        for (i, line) in wrap(&finding.text, room).iter().enumerate() {
            let label = if i == 0 { label } else { "" };
            let _ = writeln!(out, "{label:<COLUMN$}{line}");
        }
        for line in finding.advice.iter().flat_map(|text| wrap(text, room)) {
            let _ = writeln!(out, "{:COLUMN$}{line}", "");
        }
        // To be copied: not wrapped.
        for command in finding.fix.iter().flat_map(|fix| fix.lines()) {
            let _ = writeln!(out, "{:COLUMN$}$ {command}", "");
        }
    }
    out
}
