// SPDX-License-Identifier: GPL-2.0

//! Findings about the devices of flowtables. [`diagnose`] determines the condition of each device;
//! devices of the same condition share a finding.

use super::{
    super::support::{
        block::{only_block, unreached},
        drivers::{self, Takes},
    },
    each, nft, Advice, Command, Facts, Few, Findings, Module, Nothing, Remedy,
};
use crate::{
    netlink::family::{Bound, Device, Flowtable},
    output::finding::Severity,
    system::{HwTcOffload, Link, NftFlowtable},
    text::plural,
};

/// The condition of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Condition {
    /// It was switched off with `nft-offload set`.
    SwitchedOff,
    /// Its feature hw-tc-offload is off; `said` is the driver's error if it takes no rules.
    FeatureOff { takes_rules: bool, said: String },
    /// It holds as many rules as its limit allows.
    AtLimit,
    /// It takes rules, and packets do not reach them.
    Unreached,
    /// It takes rules.
    Bound {
        how: Bound,
        driver: String,
        profile: String,
    },
    /// Its driver is busy.
    Busy { said: String },
    /// The tc block of its driver is not allowed.
    NeedsBlock,
    /// Its flows pass devices below it that are not in the flowtable.
    Above { kind: String },
    /// Its flows pass other devices, which are in the flowtable.
    NeedsNone { way: Way, all_bound: bool },
    /// It is a bond whose drivers do not support bonds.
    Bond { kind: String, said: String },
    /// It takes no rules.
    NotBound {
        why: Why,
        said: String,
        by_name: bool,
    },
}

/// The devices that the flows of another device pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// The devices below it.
    Below,
    /// The bond of which it is a port.
    Bond,
}

/// Why a device takes no rules.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Why {
    NoDriver,
    Kind(String),
    NothingBelow(String),
    NoFeature(String),
    Refused(String),
}

/// The devices of one condition.
struct Group<'a> {
    condition: Condition,
    flowtable: &'a Flowtable,
    devices: Vec<&'a Device>,
    /// The devices to add to the flowtable instead.
    missing: Vec<String>,
}

/// The bound on a chain of stacked devices.
const DEEPEST: u8 = 8;

/// Returns whether a device is a bond or a team.
fn is_bond(link: &Link) -> bool {
    matches!(link.kind.as_deref(), Some("bond" | "team"))
}

/// Lists the devices that the flows of a device pass, as `dev_fill_forward_path` follows them.
///
/// The session of a PPP device is unknown: it is taken to belong to any PPPoE session.
fn ends<'a>(link: &'a Link, facts: &'a Facts, depth: u8) -> Vec<&'a Link> {
    let links = &facts.links;
    let below: Vec<_> = match link.kind.as_deref() {
        Some("ppp") => {
            let below = links.iter();
            below.filter(|l| facts.sessions.contains(&l.name)).collect()
        }
        Some("vlan") => {
            let below = links.iter();
            below.filter(|l| Some(l.ifindex) == link.below).collect()
        }
        Some("bridge") => ports(link, links).collect(),
        _ => return vec![link],
    };
    if depth == 0 {
        return Vec::new();
    }
    let below = below.into_iter();
    below.flat_map(|l| ends(l, facts, depth - 1)).collect()
}

/// Lists the ports of a bridge or bond.
fn ports<'a>(link: &'a Link, links: &'a [Link]) -> impl Iterator<Item = &'a Link> {
    let index = link.ifindex;
    links.iter().filter(move |l| l.master == Some(index))
}

/// Looks up the feature hw-tc-offload of a device, or of the function to which it belongs.
fn feature(name: &str, facts: &Facts) -> Option<HwTcOffload> {
    let link = facts.links.iter().find(|link| link.name == name);
    let function = link.and_then(|link| link.function);
    let function = facts
        .links
        .iter()
        .find(|link| Some(link.ifindex) == function);
    let name = function.map_or(name, |function| &function.name);
    let found = facts.features.iter().find(|(n, _)| n == name);
    found.and_then(|(_, feature)| *feature)
}

/// Returns whether a device, or a port of a bond, is likely to take rules.
fn has_hardware(link: &Link, facts: &Facts) -> bool {
    if is_bond(link) {
        return ports(link, &facts.links).any(|l| !is_bond(l) && has_hardware(l, facts));
    }
    match feature(&link.name, facts) {
        Some(HwTcOffload::On | HwTcOffload::Off) => true,
        Some(HwTcOffload::Fixed) => false,
        None => link.parent.is_some(),
    }
}

/// Lists the devices that could be added to an empty flowtable: those with hardware, bonds instead
/// of their ports, and ports of a switch (DSA) instead of the device behind which they are.
pub fn candidates(facts: &Facts) -> Vec<String> {
    let links = &facts.links;
    let bonded = |link: &Link| {
        let master = links.iter().find(|l| Some(l.ifindex) == link.master);
        master.is_some_and(is_bond)
    };
    let conduit = |link: &Link| {
        let mut ports = links.iter().filter(|l| l.kind.as_deref() == Some("dsa"));
        ports.any(|l| l.below == Some(link.ifindex))
    };
    let all = links.iter().filter(|l| has_hardware(l, facts));
    all.filter(|l| !bonded(l) && !conduit(l))
        .map(|l| l.name.clone())
        .collect()
}

/// Returns whether packets pass by the rules of a device, which its driver took as those of a
/// flowtable, although it connects only its block.
fn is_unreached(device: &Device) -> bool {
    let known = drivers::find(&device.driver);
    device.bound.name() == Some("direct")
        && known.is_some_and(|driver| driver.takes == Takes::Switch)
        && device.packets == 0
        && device.hardware_misses > 0
}

/// Looks up a device of a flowtable by its index.
fn member<'a>(module: &'a Module, flowtable: &Flowtable, ifindex: u32) -> Option<&'a Device> {
    let mut all = module.devices.iter();
    all.find(|d| d.ifindex == ifindex && d.flowtable == *flowtable)
}

/// Determines the condition of a device, and the devices to add to the flowtable instead.
fn diagnose(device: &Device, module: &Module, facts: &Facts) -> (Condition, Vec<String>) {
    let simple = |condition| (condition, Vec::new());
    if !device.enabled {
        return simple(Condition::SwitchedOff);
    }
    let link = facts.links.iter().find(|l| l.ifindex == device.ifindex);
    let kind = link.and_then(|l| l.kind.clone()).unwrap_or_default();
    let inside = |l: &&Link| member(module, &device.flowtable, l.ifindex);
    let all_bound = |these: &[&Link]| these.iter().filter_map(inside).all(Device::takes_rules);
    let mut nothing_below = false;
    let is_above = match kind.as_str() {
        "vlan" | "bridge" => true,
        "ppp" => !facts.sessions.is_empty(),
        _ => false,
    };
    if let Some(link) = link.filter(|_| is_above) {
        let below = ends(link, facts, DEEPEST);
        let missing = below.iter().filter(|l| inside(l).is_none());
        let missing: Vec<_> = missing
            .filter(|l| has_hardware(l, facts))
            .map(|l| l.name.clone())
            .collect();
        if !missing.is_empty() {
            return (Condition::Above { kind }, missing);
        }
        if !device.takes_rules() && below.iter().any(|l| inside(l).is_some()) {
            return simple(Condition::NeedsNone {
                way: Way::Below,
                all_bound: all_bound(&below),
            });
        }
        nothing_below = true;
    }
    let said = match &device.error {
        Some(error) => format!(" ({error})"),
        None => String::new(),
    };
    // Some drivers check the feature when they are bound, some for each rule, some never.
    if feature(&device.name, facts) == Some(HwTcOffload::Off) && device.rules == 0 {
        let takes_rules = device.takes_rules();
        return simple(Condition::FeatureOff {
            takes_rules,
            said: if takes_rules { String::new() } else { said },
        });
    }
    if device.takes_rules() {
        if is_unreached(device) {
            return simple(Condition::Unreached);
        }
        return simple(match device.limit > 0 && device.rules >= device.limit {
            true => Condition::AtLimit,
            false => Condition::Bound {
                how: device.bound,
                driver: device.driver.clone(),
                profile: device.profile.clone(),
            },
        });
    }
    if device.bound.name() == Some("waiting") {
        return simple(Condition::Busy { said });
    }
    let master = link.and_then(|link| {
        let mut all = facts.links.iter();
        all.find(|l| Some(l.ifindex) == link.master && is_bond(l))
    });
    if let Some(master) = master.filter(|l| inside(l).is_some()) {
        return simple(Condition::NeedsNone {
            way: Way::Bond,
            all_bound: all_bound(&[master]),
        });
    }
    if device.needs_block() {
        return simple(Condition::NeedsBlock);
    }
    if link.is_some_and(|l| is_bond(l) && has_hardware(l, facts)) {
        return simple(Condition::Bond { kind, said });
    }
    let driver = device.driver.clone();
    let why = match feature(&device.name, facts) {
        _ if nothing_below => Why::NothingBelow(kind),
        _ if driver.is_empty() && kind.is_empty() => Why::NoDriver,
        _ if driver.is_empty() => Why::Kind(kind),
        Some(HwTcOffload::Fixed) => Why::NoFeature(driver),
        _ => Why::Refused(driver),
    };
    let table = facts.flowtable(&device.flowtable);
    simple(Condition::NotBound {
        why,
        said,
        by_name: table.is_none_or(|t| t.devices.contains(&device.name)),
    })
}

/// Formats the command that adds devices to a flowtable. nft accepts it only if the hook, the
/// priority and the flags are unchanged.
pub fn add(to: &NftFlowtable, devices: &[String]) -> Remedy {
    add_with(to, devices, to.counter)
}

/// Formats the command of [`add`], with or without `counter`.
pub fn add_with(to: &NftFlowtable, devices: &[String], counter: bool) -> Remedy {
    let offload = if to.offload { " flags offload;" } else { "" };
    let counter = if counter { " counter;" } else { "" };
    Command(nft(&format!(
        "add flowtable {} {{ hook ingress priority {}; devices = {{ {} }};{offload}{counter} }}",
        to.flowtable,
        to.priority,
        quoted(devices)
    )))
}

/// Quotes the names of devices for nft: some names are keywords.
pub fn quoted(devices: &[String]) -> String {
    let names = devices.iter().map(|name| format!("\"{name}\""));
    names.collect::<Vec<_>>().join(", ")
}

impl Condition {
    /// Returns whether devices of several flowtables can share the finding.
    fn is_of_device(&self) -> bool {
        use Condition::{AtLimit, Bound, Busy, FeatureOff, NeedsBlock, SwitchedOff, Unreached};
        matches!(
            self,
            SwitchedOff
                | FeatureOff { .. }
                | AtLimit
                | Unreached
                | Bound { .. }
                | Busy { .. }
                | NeedsBlock
        )
    }
}

impl Group<'_> {
    /// Adds the finding.
    fn report(&self, facts: &Facts, found: &mut Findings) {
        let mut names: Vec<_> = self.devices.iter().map(|d| d.name.clone()).collect();
        names.dedup();
        let some = Few(&names);
        let table = self.flowtable;
        let to = |devices: &[String]| match facts.flowtable(table) {
            Some(table) => add(table, devices),
            None => Advice(format!(
                "add {} to the devices of flowtable {table}",
                Few(devices)
            )),
        };
        let (severity, id, text, remedy) = match &self.condition {
            Condition::SwitchedOff => (
                Severity::Problem,
                "switched-off",
                format!(
                    "{some} {} switched off: flows through {} stay in software",
                    some.or("is", "are"),
                    some.or("it", "them")
                ),
                each(&names, |name| format!("nft-offload set {name} on")),
            ),
            Condition::FeatureOff { takes_rules, said } => (
                Severity::Problem,
                "hw-tc-offload-off",
                match takes_rules {
                    true => format!(
                        "{some} {} hw-tc-offload off: {}",
                        some.or("has", "have"),
                        some.or("its driver refuses rules", "their drivers refuse rules")
                    ),
                    false => format!(
                        "{some} {} no rules{said}, and {} hw-tc-offload is off",
                        some.or("takes", "take"),
                        some.or("its", "their")
                    ),
                },
                each(&names, |name| format!("ethtool -K {name} hw-tc-offload on")),
            ),
            Condition::AtLimit => (
                Severity::Problem,
                "at-limit",
                match self.devices.as_slice() {
                    [only] => format!(
                        "{some} holds {}, as many as its limit allows",
                        plural(only.rules, "rule")
                    ),
                    _ => format!("{some} hold as many rules as their limits allow"),
                },
                Advice(format!(
                    "raise the limit: nft-offload set {} limit N, or permanently with the module \
                     parameter limit",
                    some.or(names.first().map_or("", String::as_str), "DEVICE")
                )),
            ),
            Condition::Unreached => (
                Severity::Problem,
                "unreached",
                format!(
                    "{some} {} rules that no packet has reached: {}; permanently with the module \
                     parameter block (nft-offload support)",
                    some.or("has", "have"),
                    unreached(names.len() == 1),
                ),
                each(&names, |name| format!("nft-offload set {name} block on")),
            ),
            Condition::Bound {
                how,
                driver,
                profile,
            } => (
                Severity::Ok,
                "bound",
                format!(
                    "{some} {} rules ({how}, driver {driver}, profile {profile})",
                    some.or("takes", "take")
                ),
                Nothing,
            ),
            Condition::Busy { said } => (
                Severity::Problem,
                "busy",
                format!(
                    "{} {some} {} busy{said}: retried every second; another user of {} offload has \
                     to release it",
                    some.or("the driver of", "the drivers of"),
                    some.or("is", "are"),
                    some.or("its", "their")
                ),
                each(&names, |name| format!("tc qdisc show dev {name}")),
            ),
            Condition::NeedsBlock => (
                Severity::Problem,
                "block-not-allowed",
                format!(
                    "{some} {} no rules: {}, until {} the flowtable, or permanently with the \
                     module parameter block (nft-offload support)",
                    some.or("takes", "take"),
                    only_block(names.len() == 1),
                    some.or("it leaves", "they leave")
                ),
                each(&names, |name| format!("nft-offload set {name} block on")),
            ),
            Condition::Above { kind } => (
                Severity::Problem,
                "upper-device",
                format!(
                    "{some} {}, which {} no rules: {} flows pass {}, which {} not in the flowtable",
                    some.or(&format!("is a {kind}"), &format!("are each a {kind}")),
                    some.or("takes", "take"),
                    some.or("its", "their"),
                    Few(&self.missing),
                    Few(&self.missing).or("is", "are")
                ),
                to(&self.missing),
            ),
            Condition::NeedsNone { all_bound, .. } if !all_bound => return,
            Condition::NeedsNone { way, .. } => (
                Severity::Ok,
                "needs-none",
                format!(
                    "{some} {} no rules: {} flows pass {}",
                    some.or("needs", "need"),
                    some.or("its", "their"),
                    match way {
                        Way::Below => some.or("the device below it", "the devices below them"),
                        Way::Bond => some.or("its bond", "their bonds"),
                    }
                ),
                Nothing,
            ),
            Condition::Bond { kind, said } => (
                Severity::Problem,
                "not-bound",
                format!(
                    "{some} {} no rules: {}, and no driver of its ports supports \
                     one{said}; flows through {} stay in software",
                    some.or("takes", "take"),
                    some.or(&format!("it is a {kind}"), &format!("each is a {kind}")),
                    some.or("it", "them")
                ),
                Advice(format!(
                    "without it in the flowtable they would take the slow path: remove its ports \
                     from the {kind} to have them in hardware"
                )),
            ),
            Condition::NotBound { why, said, by_name } => (
                Severity::Problem,
                "not-bound",
                format!(
                    "{some} {} no rules: {}{said}; flows through {} stay in software",
                    some.or("takes", "take"),
                    match why {
                        Why::NoDriver => some
                            .or(
                                "it has no driver with offload",
                                "they have no driver with offload",
                            )
                            .to_owned(),
                        Why::Kind(kind) =>
                            format!("{} a {kind}", some.or("it is", "each of them is")),
                        Why::NothingBelow(kind) => format!(
                            "{} a {kind}, and no device below takes any",
                            some.or("it is", "each of them is")
                        ),
                        Why::NoFeature(driver) => format!("driver {driver} has no hw-tc-offload"),
                        Why::Refused(driver) => format!("driver {driver} refuses"),
                    },
                    some.or("it", "them")
                ),
                match by_name {
                    true => Command(nft(&format!(
                        "delete flowtable {table} {{ devices = {{ {} }}; }}",
                        quoted(&names)
                    ))),
                    false => Advice(
                        "the flowtable refers to it by a name with *: list the devices by name \
                         instead"
                            .to_owned(),
                    ),
                },
            ),
        };
        found.add(severity, id, text, remedy);
        found.about(names);
    }
}

/// Examines all devices of flowtables.
pub fn examine(module: &Module, facts: &Facts, found: &mut Findings) {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for device in &module.devices {
        let (condition, missing) = diagnose(device, module, facts);
        let same = groups.iter_mut().find(|g| {
            g.condition == condition
                && (condition.is_of_device() || *g.flowtable == device.flowtable)
        });
        match same {
            Some(group) => {
                // A device may be in several flowtables.
                if group.devices.iter().all(|d| d.ifindex != device.ifindex) {
                    group.devices.push(device);
                }
                for name in missing {
                    if !group.missing.contains(&name) {
                        group.missing.push(name);
                    }
                }
            }
            None => groups.push(Group {
                condition,
                flowtable: &device.flowtable,
                devices: vec![device],
                missing,
            }),
        }
    }
    for group in &groups {
        group.report(facts, found);
    }
    bonds(module, facts, found);
}

/// Finds bonds that are not in a flowtable although ports of them are.
fn bonds(module: &Module, facts: &Facts, found: &mut Findings) {
    let mut bonds: Vec<(&Flowtable, &Link, Vec<String>)> = Vec::new();
    for device in &module.devices {
        let links = &facts.links;
        let link = links.iter().find(|l| l.ifindex == device.ifindex);
        let master = link.and_then(|l| l.master);
        let bond = links.iter().find(|l| Some(l.ifindex) == master);
        let Some(bond) = bond.filter(|l| is_bond(l)) else {
            continue;
        };
        if member(module, &device.flowtable, bond.ifindex).is_some() {
            continue;
        }
        let same = bonds.iter_mut().find(|(flowtable, other, _)| {
            **flowtable == device.flowtable && other.ifindex == bond.ifindex
        });
        match same {
            Some((_, _, ports)) => ports.push(device.name.clone()),
            None => bonds.push((&device.flowtable, bond, vec![device.name.clone()])),
        }
    }
    for (flowtable, bond, ports) in bonds {
        let some = Few(&ports);
        let name = std::slice::from_ref(&bond.name);
        found.problem(
            "port-of-bond",
            format!(
                "packets of {some} arrive by {0}, {1}, and {0} is not in flowtable {flowtable}: \
                 their \
                 flows take the slow path",
                bond.name,
                some.or("of which it is a port", "of which they are ports"),
            ),
            match facts.flowtable(flowtable) {
                Some(table) => add(table, name),
                None => Advice(format!(
                    "add {} to the devices of flowtable {flowtable}",
                    bond.name
                )),
            },
        );
        found.about(ports);
    }
}
