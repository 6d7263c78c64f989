// SPDX-License-Identifier: GPL-2.0

//! What is wrong with an offload that does not work, and the command that mends it.

use crate::{
    family::{Device, Reason, Stats},
    machine::{HwTcOffload, Line, Link, LoadOrder, NftFlowtable},
    show::Style,
    text::{clean, count, plural, shell_word, wrap},
};
use serde::Serialize;
use std::fmt::Write;

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
    /// The command that mends it.
    pub fix: Option<String>,
    /// What to do that no one command does.
    pub advice: Option<String>,
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
    /// The network devices.
    pub links: Vec<Link>,
    /// Those of flowtables, by name, with their `hw-tc-offload`.
    pub features: Vec<(String, Option<HwTcOffload>)>,
    /// Whether conntrack counts.
    pub conntrack_counts: Option<bool>,
    /// Whether this namespace forwards.
    pub forwards: bool,
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
            fix,
            advice,
        });
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

/// What is found, in the order in which one would look.
pub fn examine(facts: &Facts) -> Vec<Finding> {
    let mut found = Findings(Vec::new());
    module(facts, &mut found);
    flowtables(facts, &mut found);
    if let Some(module) = &facts.module {
        for device in &module.devices {
            check_device(device, facts, &mut found);
        }
        flows(module, facts, &mut found);
    }
    found.0
}

fn module(facts: &Facts, found: &mut Findings) {
    // The command that loads it, where that can help.
    let load = |command: &str| match facts.missing {
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
            load(SWITCH),
        ),
        (None, None) => found.problem(
            "not-loaded",
            "nft_offload is not loaded",
            load("modprobe nft_offload"),
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
        found.problem(
            "no-flowtable",
            "there is no flowtable in this network namespace",
            Command(
                "nft 'add table inet router; add flowtable inet router ft { hook ingress priority filter; \
                 devices = { LAN, WAN }; flags offload; counter; }'"
                    .to_owned(),
            ),
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
            Some(module) if !ours(module) && !table.devices.is_empty() => {
                found.problem(
                    "not-active-type",
                    format!("flowtable {name} is not nft_offload's: it was made while nf_flow_table_inet held the family"),
                    Command(
                        "nft list ruleset > RULESET; nft flush ruleset; rmmod nf_flow_table_inet; nft -f RULESET"
                            .to_owned(),
                    ),
                );
            }
            Some(_) => found.ok(
                "flowtable",
                format!("flowtable {name} is nft_offload's, with \"flags offload\""),
            ),
            None => {}
        }
        if table.devices.is_empty() {
            found.problem(
                "no-device",
                format!("flowtable {name} has no device"),
                Command(format!(
                    "nft 'add flowtable {name} {{ devices = {{ LAN, WAN }}; }}'"
                )),
            );
        }
        if table.rules == 0 {
            found.problem(
                "no-flow-add",
                format!(
                    "no rule adds flows to flowtable {name}; CHAIN below is one of hook forward"
                ),
                Command(format!(
                    "nft add rule {} {} CHAIN 'meta l4proto {{ tcp, udp }} flow add @{}'",
                    name.family,
                    clean(&name.table),
                    clean(&name.name)
                )),
            );
        }
        if !table.counter {
            found.hint(
                "no-counter",
                format!("flowtable {name} has no \"counter\": what hardware carries is not in conntrack"),
                // An update has to name a device, also one that is there.
                match table.devices.first() {
                    Some(device) => Command(format!(
                        "nft 'add flowtable {name} {{ devices = {{ {} }}; flags offload; counter; }}'",
                        clean(device)
                    )),
                    None => Advice("add 'counter;' to it".to_owned()),
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

fn check_device(device: &Device, facts: &Facts, found: &mut Findings) {
    let name = clean(&device.name);
    let table = &device.flowtable;
    if !device.enabled {
        found.problem(
            "switched-off",
            format!("{name} is switched off: flows through it stay in software"),
            Command(format!("nft-offload set {name} on")),
        );
        return;
    }
    let feature = facts.features.iter().find(|(n, _)| *n == device.name);
    let off = matches!(feature, Some((_, Some(HwTcOffload::Off))));
    let said = match &device.error {
        Some(error) => format!(" ({error})"),
        None => String::new(),
    };
    // Some drivers look at it when they are bound, some when they are given a rule, some never.
    if off && device.rules == 0 {
        found.problem(
            "hw-tc-offload-off",
            match device.takes_rules() {
                true => format!("{name} has hw-tc-offload off: its driver refuses rules"),
                false => format!("{name} takes no rules{said}, and its hw-tc-offload is off"),
            },
            Command(format!("ethtool -K {name} hw-tc-offload on")),
        );
        return;
    }
    if device.takes_rules() {
        if device.limit > 0 && device.rules >= device.limit {
            found.problem(
                "at-limit",
                format!(
                    "{name} holds {}, as many as its limit allows",
                    plural(device.rules, "rule")
                ),
                Advice(format!(
                    "raise the limit: nft-offload set {name} limit N, or for good the module parameter limit"
                )),
            );
        } else {
            found.ok(
                "bound",
                format!(
                    "{name} takes rules ({}, driver {}, profile {})",
                    device.bound, device.driver, device.profile
                ),
            );
        }
        return;
    }
    let leave_out = Command(format!(
        "nft 'delete flowtable {table} {{ devices = {{ {name} }}; }}'"
    ));
    if device.bound.name() == Some("waiting") {
        found.problem(
            "busy",
            format!(
                "the driver of {name} is busy{said}: tried every second; another user of its offload has to let go"
            ),
            Command(format!("tc qdisc show dev {name}")),
        );
        return;
    }
    let link = facts.links.iter().find(|l| l.ifindex == device.ifindex);
    let kind = link.and_then(|l| l.kind.as_deref()).unwrap_or("");
    let ports: Vec<String> = match (kind, link) {
        ("bridge", Some(link)) => {
            let ports = facts.links.iter();
            let ports = ports.filter(|l| l.master == Some(link.ifindex));
            ports.map(|l| clean(&l.name)).collect()
        }
        ("vlan" | "macvlan", Some(link)) => {
            let below = facts.links.iter();
            let below = below.filter(|l| Some(l.ifindex) == link.below);
            below.map(|l| clean(&l.name)).collect()
        }
        _ => Vec::new(),
    };
    if !ports.is_empty() {
        found.problem(
            "upper-device",
            format!(
                "{name} is a {kind}, which takes no rules: its flows go through what is below it"
            ),
            Command(format!(
                "nft 'add flowtable {table} {{ devices = {{ {} }}; }}'",
                ports.join(", ")
            )),
        );
        return;
    }
    let why = match (device.driver.as_str(), feature) {
        ("", _) if kind.is_empty() => "it has no driver that could".to_owned(),
        ("", _) => format!("it is a {kind}"),
        (driver, Some((_, Some(HwTcOffload::Fixed)))) => {
            format!("driver {driver} has no hw-tc-offload")
        }
        (driver, _) => format!("driver {driver} says no"),
    };
    found.problem(
        "not-bound",
        format!("{name} takes no rules: {why}{said}; flows through it stay in software"),
        leave_out,
    );
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
        if let Some(fix) = &finding.fix {
            let _ = writeln!(out, "{:COLUMN$}$ {fix}", "");
        }
    }
    out
}
