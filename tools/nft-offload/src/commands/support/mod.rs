// SPDX-License-Identifier: GPL-2.0

//! `nft-offload support`: tells whether this machine can offload flows, before anything is set up.
//! [`facts`] reads the system, [`assess`] decides, [`drivers`] is the table of drivers, [`block`]
//! checks what has to be allowed.

pub mod block;
pub mod drivers;
pub mod facts;

use crate::{
    netlink::{
        client::{Error, Result},
        family::Capabilities,
    },
    output::{
        finding::{self, Finding, Severity},
        table::{paragraph, Table},
        Output, Style,
    },
    session::Session,
    system::HwTcOffload,
    text::{clean, plural},
};
use drivers::{Driver, Takes};
use facts::{Eswitch, Facts, Flavour, Interface, Kernel, Machine, Network, Reported};
use serde::Serialize;
use std::{collections::BTreeMap, fmt::Write};

/// The module.
const MODULE: &str = "nft_offload";
/// The oldest kernel that the module supports (`scripts/kernel.sh`).
const OLDEST: (u32, u32) = (7, 2);
/// The newest kernel that the module is tested with.
const NEWEST: (u32, u32) = (7, 3);
/// What a representor is called.
const REPRESENTOR: &str = "representor of a function of the card";
/// What a flowtable needs from the kernel: the option, and the name if it is a module.
const PARTS: [(&str, &str); 3] = [
    ("NF_TABLES", "nf_tables"),
    ("NF_FLOW_TABLE", "nf_flow_table"),
    ("NFT_FLOW_OFFLOAD", "nft_flow_offload"),
];

/// How far a kernel or a device is from taking rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Nothing prevents it.
    Ready,
    /// It takes a change on this machine.
    Mend,
    /// It takes another kernel.
    OtherKernel,
    /// It never does.
    Never,
}

/// The way in which a device gets rules, as the module names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// Its driver takes flowtables.
    Direct,
    /// Its driver takes tc blocks, if that is allowed.
    Block,
    /// Drivers of other devices take its flowtable.
    Indirect,
    /// It gets no rules.
    None,
    /// Its driver is not in the table.
    Unknown,
}

/// The verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// All devices with hardware take rules.
    Yes,
    /// Some do, or after a change.
    Partly,
    /// None does.
    No,
}

/// The report on the kernel.
#[derive(Debug, Clone, Serialize)]
pub struct KernelReport {
    /// Its release: `7.3.4+deb13-amd64`.
    pub release: String,
    /// The file of its configuration.
    pub config: Option<String>,
    /// The module: `loaded`, `built-in`, `installed` or `missing`; `None` if that is unknown.
    pub module: Option<&'static str>,
    /// Its state.
    pub state: State,
    /// The findings.
    pub findings: Vec<Finding>,
}

/// The report on a device with hardware.
#[derive(Debug, Clone, Serialize)]
pub struct DeviceReport {
    /// Its name.
    pub name: String,
    /// Its index.
    pub ifindex: u32,
    /// Its driver, or that of the device behind which it is; empty if it is unknown.
    pub driver: String,
    /// Its role, if that matters.
    pub role: Option<String>,
    /// Its kind of port in devlink.
    pub port: Option<Flavour>,
    /// The mode of the switch in its hardware.
    pub eswitch: Eswitch,
    /// The way in which it gets rules, if necessary after a change.
    pub way: Way,
    /// Why it gets none.
    pub why: Option<String>,
    /// The profile of its driver in the module.
    pub profile: Option<String>,
    /// The function of its driver that takes flowtables or blocks.
    pub function: Option<&'static str>,
    /// What its driver can offload.
    pub holds: Option<Capabilities>,
    /// Its state.
    pub state: State,
    /// The findings.
    pub findings: Vec<Finding>,
}

/// The report on devices without hardware, by their kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VirtualReport {
    /// Their kind: `bridge`, `veth`.
    pub kind: String,
    /// Their names.
    pub names: Vec<String>,
    /// The way in which they get rules.
    pub way: Way,
    /// The devices to add to the flowtable instead, or why there are none.
    pub text: String,
}

/// The whole report.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The kernel.
    pub kernel: KernelReport,
    /// Devices with hardware.
    pub devices: Vec<DeviceReport>,
    /// Other devices.
    pub virtual_devices: Vec<VirtualReport>,
    /// The verdict.
    pub verdict: Verdict,
    /// The verdict in a sentence.
    pub text: String,
}

/// Creates a finding.
fn finding(
    id: &'static str,
    severity: Severity,
    text: impl AsRef<str>,
    fix: Option<String>,
    advice: Option<String>,
) -> Finding {
    Finding {
        id,
        severity,
        text: clean(text.as_ref()),
        fix,
        advice,
        devices: Vec::new(),
    }
}

/// Returns the first two numbers of a release.
fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    let mut number = || numbers.next()?.parse().ok();
    Some((number()?, number()?))
}

/// The findings about the kernel.
struct KernelFindings<'a> {
    kernel: &'a Kernel,
    /// nft_offload is present: whatever else is unknown, it was built for this kernel.
    present: bool,
    state: State,
    found: Vec<Finding>,
}

impl KernelFindings<'_> {
    /// Adds a finding, which makes the state no better than `state`.
    fn add(&mut self, found: Finding, state: State) {
        // The states are in order, from ready to never.
        if state as u8 > self.state as u8 {
            self.state = state;
        }
        self.found.push(found);
    }

    fn problem(
        &mut self,
        id: &'static str,
        state: State,
        text: impl AsRef<str>,
        fix: Option<String>,
        advice: Option<String>,
    ) {
        let found = finding(id, Severity::Problem, text, fix, advice);
        self.add(found, state);
    }

    fn hint(&mut self, id: &'static str, text: impl AsRef<str>, fix: Option<String>) {
        self.add(finding(id, Severity::Hint, text, fix, None), State::Ready);
    }

    /// Returns how to get a newer kernel: a command on Debian, advice elsewhere.
    fn newer_kernel(&self) -> (Option<String>, Option<String>) {
        let known = ["cloud-amd64", "amd64", "arm64"];
        let flavour = known
            .iter()
            .find(|flavour| self.kernel.release.ends_with(*flavour));
        match (self.kernel.codename.as_str(), flavour) {
            ("trixie", Some(flavour)) => (
                Some(format!(
                    "apt install -t trixie-backports linux-image-{flavour} linux-headers-{flavour}"
                )),
                None,
            ),
            _ => (
                None,
                Some(format!(
                    "boot a kernel of {}.{} or later that was built with CONFIG_RUST and \
                     CONFIG_NF_FLOW_TABLE",
                    OLDEST.0, OLDEST.1
                )),
            ),
        }
    }

    /// Checks the version.
    fn version(&mut self) {
        let release = &self.kernel.release;
        let Some(version) = version(release) else {
            return self.hint("kernel", "the version of this kernel is unknown", None);
        };
        if version < OLDEST {
            let (fix, advice) = self.newer_kernel();
            let text = format!(
                "Linux {release} is older than {}.{}, the first that nft_offload supports",
                OLDEST.0, OLDEST.1
            );
            return self.problem("too-old", State::OtherKernel, text, fix, advice);
        }
        if version > NEWEST {
            self.hint(
                "untested",
                format!(
                    "nft_offload was tested up to Linux {}.{}, not with {release}",
                    NEWEST.0, NEWEST.1
                ),
                None,
            );
        }
    }

    /// Checks the configuration.
    fn config(&mut self) {
        let kernel = self.kernel;
        let release = &kernel.release;
        let Some(config) = &kernel.config else {
            if !self.present {
                self.hint(
                    "no-config",
                    format!(
                        "the configuration of Linux {release} cannot be read: CONFIG_RUST is \
                         required"
                    ),
                    None,
                );
            }
            return;
        };
        let (fix, advice) = self.newer_kernel();
        // The remedy for a kernel that is too old was given already.
        let (fix, advice) = match self.state {
            State::Ready => (fix, advice),
            _ => (None, None),
        };
        if !config.has("MODULES") {
            let text = format!("Linux {release} was built without modules (CONFIG_MODULES)");
            return self.problem("no-modules", State::OtherKernel, text, fix, advice);
        }
        if !config.has("RUST") && !self.present {
            let text = format!("Linux {release} was built without Rust (CONFIG_RUST)");
            return self.problem("no-rust", State::OtherKernel, text, fix, advice);
        }
        let missing = PARTS.iter().filter(|(option, _)| !config.has(option));
        let missing: Vec<_> = missing.map(|(o, _)| format!("CONFIG_{o}")).collect();
        if !missing.is_empty() {
            let text = format!("Linux {release} was built without {}", missing.join(", "));
            return self.problem("no-flowtables", State::OtherKernel, text, fix, advice);
        }
        if self.state == State::Ready {
            self.add(
                finding(
                    "kernel",
                    Severity::Ok,
                    format!(
                        "Linux {release} has {}flowtables ({})",
                        if config.has("RUST") { "Rust and " } else { "" },
                        config.source
                    ),
                    None,
                    None,
                ),
                State::Ready,
            );
        }
        if config.has("MODVERSIONS") && !self.present {
            self.hint(
                "modversions",
                format!(
                    "Linux {release} checks the versions of symbols (CONFIG_MODVERSIONS): \
                     nft_offload can be built only if its headers include Rust metadata"
                ),
                Some(format!(
                    "ls /lib/modules/{release}/build/rust/libkernel.rmeta"
                )),
            );
        }
    }

    /// Checks the modules of the kernel, which may be in a package that is not installed.
    fn parts(&mut self) {
        let kernel = self.kernel;
        let Some(installed) = &kernel.installed else {
            return;
        };
        let there = |name: &str| {
            kernel.loaded.contains(name)
                || kernel.built_in.contains(name)
                || installed.contains_key(name)
        };
        let missing = PARTS.iter().filter(|(_, name)| !there(name));
        let missing: Vec<_> = missing.map(|(_, name)| *name).collect();
        if missing.is_empty() || self.state == State::OtherKernel {
            return;
        }
        let release = &kernel.release;
        let (fix, advice) = match kernel.config {
            // The configuration includes them.
            Some(_) => (
                None,
                Some(format!(
                    "install the package of Linux {release} that has them, for example \
                     linux-modules-extra-{release} on Ubuntu"
                )),
            ),
            None => self.newer_kernel(),
        };
        let text = format!("{} not installed", are(&missing));
        let state = match kernel.config {
            Some(_) => State::Mend,
            None => State::OtherKernel,
        };
        self.problem("parts-missing", state, text, fix, advice);
    }

    /// Reports the state of the module.
    fn module(&mut self, module: Option<&'static str>) {
        let release = &self.kernel.release;
        let ok = |text: &str| finding("module", Severity::Ok, text, None, None);
        match module {
            Some("loaded") => self.add(ok("nft_offload is loaded"), State::Ready),
            Some("built-in") => self.add(ok("nft_offload is part of this kernel"), State::Ready),
            Some("installed") => self.add(
                ok("nft_offload is installed for this kernel, and not loaded"),
                State::Ready,
            ),
            Some(_) if self.state != State::OtherKernel => self.problem(
                "not-installed",
                State::Mend,
                format!("nft_offload is not installed for Linux {release}"),
                Some(format!("make install KVER={release}")),
                Some(format!(
                    "install the package kmod-nft-offload-{release} or nft-offload-dkms, or run \
                     this in the source of nft_offload:"
                )),
            ),
            None if self.state != State::OtherKernel => self.hint(
                "modules-unseen",
                format!(
                    "the modules installed for Linux {release} are not visible here (a container?)"
                ),
                Some(format!("ls /lib/modules/{release}")),
            ),
            _ => {}
        }
    }

    /// Checks whether the kernel loads only signed modules.
    fn signatures(&mut self, module: Option<&'static str>) {
        let kernel = self.kernel;
        if matches!(module, Some("loaded" | "built-in")) || self.state == State::OtherKernel {
            return;
        }
        let locked = kernel.lockdown.as_deref().filter(|mode| *mode != "none");
        let because = match (locked, kernel.enforces_signatures, kernel.secure_boot) {
            (Some(mode), _, Some(true)) => {
                format!("Secure Boot is on and the kernel is locked down ({mode})")
            }
            (Some(mode), _, _) => format!("the kernel is locked down ({mode})"),
            (None, true, _) => "the kernel enforces signatures (module.sig_enforce)".to_owned(),
            (None, false, Some(true)) if kernel.lockdown.is_none() => {
                return self.hint(
                    "lockdown-unseen",
                    "Secure Boot is on; whether the kernel is locked down is unknown: if it is, it \
                     loads only signed modules",
                    Some("cat /sys/kernel/security/lockdown".to_owned()),
                );
            }
            _ => return,
        };
        let text =
            format!("{because}: only modules signed with a key that the kernel trusts are loaded");
        let enrol = "sign it (KEY= and CERT= of make deb and make rpm) and enrol the certificate, \
                     to be confirmed at the next boot:";
        let import = Some("mokutil --import CERT.der".to_owned());
        match (module, kernel.signed) {
            (Some("installed"), Some(false)) => self.problem(
                "unsigned",
                State::Mend,
                format!("{text}, and nft_offload is not signed"),
                import,
                Some(enrol.to_owned()),
            ),
            (Some("installed"), _) => self.hint(
                "signature",
                format!("{text}; to check the signature of nft_offload:"),
                Some("modinfo -F signer nft_offload; mokutil --list-enrolled".to_owned()),
            ),
            _ => self.problem(
                "signature",
                State::Mend,
                text,
                import,
                Some(enrol.to_owned()),
            ),
        }
    }
}

/// Formats names with their verb: `a is`, `a, b are`.
fn are(names: &[&str]) -> String {
    let verb = if names.len() == 1 { "is" } else { "are" };
    format!("{} {verb}", names.join(", "))
}

/// Returns the state of the module for [`KernelReport::module`].
fn module_state(facts: &Facts) -> Option<&'static str> {
    const NAME: &str = "nft_offload";
    let kernel = &facts.kernel;
    if kernel.built_in.contains(NAME) {
        return Some("built-in");
    }
    if facts.loaded.is_some() || kernel.loaded.contains(NAME) {
        return Some("loaded");
    }
    let installed = kernel.installed.as_ref()?;
    Some(match installed.contains_key(NAME) {
        true => "installed",
        false => "missing",
    })
}

/// Assesses the kernel.
fn assess_kernel(facts: &Facts) -> KernelReport {
    let module = module_state(facts);
    let mut it = KernelFindings {
        kernel: &facts.kernel,
        present: matches!(module, Some("loaded" | "built-in" | "installed")),
        state: State::Ready,
        found: Vec::new(),
    };
    it.version();
    it.config();
    it.parts();
    it.module(module);
    it.signatures(module);
    KernelReport {
        release: facts.kernel.release.clone(),
        config: facts.kernel.config.as_ref().map(|c| c.source.clone()),
        module,
        state: it.state,
        findings: it.found,
    }
}

/// A device with hardware, and the device behind which it is.
struct Hardware<'a> {
    facts: &'a Facts,
    interface: &'a Interface,
    /// The device behind which a port of a switch (DSA) is.
    conduit: Option<&'a Interface>,
    /// The function to which a representor belongs that has no hardware of its own.
    function: Option<&'a Interface>,
}

impl<'a> Hardware<'a> {
    fn of(facts: &'a Facts, interface: &'a Interface) -> Option<Self> {
        let all = &facts.network.interfaces;
        let with = |index: Option<u32>| all.iter().find(|i| Some(i.ifindex) == index);
        let conduit = match interface.kind.as_deref() {
            Some("dsa") => with(interface.below),
            _ => None,
        };
        interface.parent.as_ref()?;
        Some(Self {
            facts,
            interface,
            conduit,
            function: with(interface.function),
        })
    }

    /// Returns the device whose driver takes the rules, and whose features it looks at.
    fn asked(&self) -> &'a Interface {
        self.conduit.or(self.function).unwrap_or(self.interface)
    }

    /// Returns the hardware of that device.
    fn hardware(&self) -> Option<&'a facts::Hardware> {
        let parent = self.asked().parent.as_ref()?;
        self.facts.kernel.hardware.get(parent)
    }

    /// Lists the ports of a switch (DSA) behind this device.
    fn ports(&self) -> Vec<String> {
        let all = self.facts.network.interfaces.iter();
        let ports = all.filter(|i| {
            i.kind.as_deref() == Some("dsa") && i.below == Some(self.interface.ifindex)
        });
        ports.map(|i| clean(&i.name)).collect()
    }

    /// Assesses the device.
    fn assess(&self) -> DeviceReport {
        let interface = self.interface;
        let driver = self.hardware().map_or("", |h| h.driver.as_str());
        let known = drivers::find(driver);
        let mut report = DeviceReport {
            name: clean(&interface.name),
            ifindex: interface.ifindex,
            driver: clean(driver),
            role: self
                .conduit
                .map(|conduit| format!("port of a switch (DSA) behind {}", clean(&conduit.name))),
            port: interface.flavour,
            eswitch: interface.eswitch,
            way: Way::None,
            why: None,
            profile: known.map(|d| d.profile.to_owned()),
            function: known.map(|d| d.function),
            holds: None,
            state: State::Never,
            findings: Vec::new(),
        };
        match known {
            Some(known) => self.by_table(known, &mut report),
            None => self.without_table(driver, &mut report),
        }
        let mut reported = self.facts.loaded.iter().flatten();
        if let Some(reported) = reported.find(|r| r.ifindex == interface.ifindex) {
            apply_reported(reported, &mut report);
        }
        report
    }

    /// Assesses a device whose driver is not in the table.
    fn without_table(&self, driver: &str, report: &mut DeviceReport) {
        let has = matches!(
            self.asked().tc_offload,
            Some(HwTcOffload::On | HwTcOffload::Off)
        );
        let (way, why) = match (driver, has) {
            ("", false) => (Way::None, "it has no driver with offload".to_owned()),
            (driver, false) => (Way::None, format!("driver {driver} has no hw-tc-offload")),
            ("", true) => (Way::Unknown, "its driver is unknown".to_owned()),
            (driver, true) => (
                Way::Unknown,
                format!(
                    "driver {driver} is unknown: it is tried when the device is in a flowtable. \
                     nft-offload(8) lists all drivers of Linux 7.3 that take flowtables"
                ),
            ),
        };
        report.way = way;
        report.why = Some(why);
    }

    /// Assesses a device whose driver is in the table.
    fn by_table(&self, known: &'static Driver, report: &mut DeviceReport) {
        let name = clean(&self.interface.name);
        let problem =
            |id, text: String, fix, advice| finding(id, Severity::Problem, text, fix, advice);
        report.way = Way::Direct;
        report.state = State::Ready;
        match known.takes {
            Takes::Nothing(why) => {
                report.way = Way::None;
                report.why = Some(why.to_owned());
                report.state = State::Never;
                return;
            }
            Takes::Flowtables => {}
            Takes::Switch => self.of_switch(report),
            Takes::Blocks => {
                report.way = Way::Block;
                report.role = Some(match self.function {
                    Some(_) => "representor of a function of the card".to_owned(),
                    None => "uplink of the card's switch".to_owned(),
                });
            }
        }
        if report.way == Way::None {
            return;
        }
        report.holds = Some(known.holds.clone());
        let ports = self.ports();
        if !ports.is_empty() {
            report.role = Some(format!(
                "the ports {} are behind it (DSA): add them to the flowtable instead of {name}",
                ports.join(", ")
            ));
        }
        if let Some(why) = known.hurdle {
            report.state = State::OtherKernel;
            report
                .findings
                .push(problem("no-path", why.to_owned(), None, None));
        }
        let config = self.facts.kernel.config.as_ref();
        let missing = known
            .options
            .iter()
            .filter(|o| config.is_some_and(|c| !c.has(o)));
        let missing: Vec<_> = missing.map(|o| format!("CONFIG_{o}")).collect();
        if !missing.is_empty() {
            report.state = State::OtherKernel;
            // Other findings follow from this one.
            report.findings = vec![problem(
                "not-built",
                format!(
                    "this kernel's {} was built without {}: it takes no rules",
                    report.driver,
                    missing.join(", ")
                ),
                None,
                Some(format!("boot a kernel that has {}", missing.join(", "))),
            )];
            return;
        }
        let compatible = self.hardware().map_or(&[][..], |h| &h.compatible);
        let lacks = compatible
            .iter()
            .any(|c| known.without_engine.contains(&c.as_str()));
        let fixed = self.asked().tc_offload == Some(HwTcOffload::Fixed);
        if lacks || (known.looks_at_feature && fixed) {
            let why = match lacks {
                true => "this hardware has no engine for rules",
                false => known.without_feature,
            };
            if known.hurdle.is_none() {
                report.way = Way::None;
                report.holds = None;
                report.why = Some(why.to_owned());
                report.state = State::Never;
            } else {
                report
                    .findings
                    .push(problem("no-feature", why.to_owned(), None, None));
            }
            return;
        }
        if let (Some(wanted), Some(conduit)) = (known.tagging, self.conduit) {
            let tagging = self.facts.kernel.tagging.get(&conduit.name);
            if let Some(other) = tagging.filter(|tagging| *tagging != wanted) {
                report.state = State::Never;
                report.findings.push(problem(
                    "tagging",
                    format!(
                        "{name} is behind a switch that tags packets as {other}: the hardware \
                         supports only {wanted}"
                    ),
                    None,
                    None,
                ));
                return;
            }
        }
        // After a switch from legacy mode, another device has the feature.
        let legacy = report.findings.iter().any(|f| f.id == "legacy");
        if known.looks_at_feature && self.asked().tc_offload == Some(HwTcOffload::Off) && !legacy {
            let asked = clean(&self.asked().name);
            if report.state == State::Ready {
                report.state = State::Mend;
            }
            report.findings.push(problem(
                "hw-tc-offload-off",
                format!("{asked} has hw-tc-offload off: its driver refuses rules"),
                Some(format!("ethtool -K {asked} hw-tc-offload on")),
                None,
            ));
        }
    }

    /// Assesses a device of a card with an embedded switch, by the mode of the switch.
    fn of_switch(&self, report: &mut DeviceReport) {
        let interface = self.interface;
        let representor = |i: &Interface| {
            i.flavour == Some(Flavour::Function)
                || i.port_name
                    .as_deref()
                    .is_some_and(|n| n.starts_with("pf") || n.starts_with("c1pf"))
        };
        report.way = Way::Block;
        if representor(interface) {
            report.role = Some(REPRESENTOR.to_owned());
            return;
        }
        report.role = Some("uplink of the card's switch".to_owned());
        let handle = interface
            .parent
            .as_ref()
            .map(|(bus, name)| format!("{bus}/{name}"));
        let handle = clean(&handle.unwrap_or_default());
        let mut siblings = self.facts.network.interfaces.iter();
        let switchdev = siblings.any(|i| i.parent == interface.parent && representor(i));
        let virtual_function = interface.flavour == Some(Flavour::Virtual);
        match interface.eswitch {
            _ if virtual_function => {
                report.role = Some("virtual function".to_owned());
                report.way = Way::None;
                report.state = State::Never;
                report.why = Some(
                    "the switch of the card belongs to its host: there the representor of this \
                     device takes the rules"
                        .to_owned(),
                );
            }
            Eswitch::Switchdev => {}
            Eswitch::Hidden if switchdev => {}
            Eswitch::Legacy => {
                report.role = None;
                report.state = State::Mend;
                report.findings.push(finding(
                    "legacy",
                    Severity::Problem,
                    format!(
                        "the switch of {handle} is in legacy mode, without representors and \
                         without \
                         an uplink that takes rules for them"
                    ),
                    Some(format!("devlink dev eswitch set {handle} mode switchdev")),
                    None,
                ));
            }
            Eswitch::Hidden => {
                report.role = None;
                report.state = State::Mend;
                report.findings.push(finding(
                    "not-root",
                    Severity::Hint,
                    format!(
                        "only root can check whether the switch of {handle} is in the required \
                         switchdev mode"
                    ),
                    Some("sudo nft-offload support".to_owned()),
                    None,
                ));
            }
            Eswitch::None => {
                report.role = None;
                report.way = Way::None;
                report.state = State::Never;
                report.why = Some("this function has no switch of its own (devlink)".to_owned());
            }
        }
    }
}

/// Applies what the module reports about a device, which overrides the table.
fn apply_reported(reported: &Reported, report: &mut DeviceReport) {
    report.profile = Some(reported.profile.clone());
    if let Some(holds) = &reported.holds {
        report.holds = Some(holds.clone());
    }
    if reported.takes_rules {
        report.way = match reported.bound.as_str() {
            "direct" => Way::Direct,
            "block" => Way::Block,
            _ => Way::Indirect,
        };
        report.why = None;
        // The driver checks the feature for each rule.
        report.findings.retain(|f| f.id == "hw-tc-offload-off");
        if report.findings.is_empty() {
            report.state = State::Ready;
        }
        let text = format!(
            "nft_offload reports that it takes rules ({}, profile {})",
            reported.bound, reported.profile
        );
        report
            .findings
            .insert(0, finding("bound", Severity::Ok, text, None, None));
        return;
    }
    // A driver that cannot use rules cannot use them through its block either.
    if reported.needs_block && report.way != Way::None {
        report.way = Way::Block;
        report.why = None;
        if report.state == State::Never {
            report.state = State::Mend;
        }
        return;
    }
    let mut text = "nft_offload reports that it takes no rules".to_owned();
    for why in reported.reason.iter().chain(&reported.error) {
        let _ = write!(text, ": {why}");
    }
    if report.state == State::Ready {
        report.state = State::Mend;
    }
    report.findings.push(finding(
        "refused",
        Severity::Problem,
        text,
        Some("nft-offload doctor".to_owned()),
        None,
    ));
}

/// Assesses devices without hardware, by kind; `able` are the names of devices that can take rules.
fn assess_virtual(facts: &Facts, able: &[&str]) -> Vec<VirtualReport> {
    const NONE: &str = "no hardware: flows through it stay in software";
    let all = &facts.network.interfaces;
    let belongs = |these: &dyn Fn(&&Interface) -> bool| {
        let below = all.iter().filter(these).map(|i| clean(&i.name));
        let below: Vec<_> = below.filter(|name| able.contains(&name.as_str())).collect();
        match below.as_slice() {
            [] => "no device below takes rules".to_owned(),
            [one] => format!("its flows pass {one}, which has to be in the flowtable"),
            some => {
                let some = some.join(", ");
                format!("its flows pass {some}, which have to be in the flowtable")
            }
        }
    };
    let mut reports: Vec<VirtualReport> = Vec::new();
    for interface in all {
        if Hardware::of(facts, interface).is_some() || interface.name == "lo" {
            continue;
        }
        let kind = interface.kind.as_deref().unwrap_or("other");
        let (alone, way, text) = match kind {
            "bridge" => {
                let text = belongs(&|i| i.master == Some(interface.ifindex));
                (true, Way::None, text)
            }
            "vlan" => {
                let text = belongs(&|i| Some(i.ifindex) == interface.below);
                (true, Way::None, text)
            }
            "bond" | "team" => {
                let ports = all.iter().filter(|i| i.master == Some(interface.ifindex));
                let mut ports = ports.filter_map(|i| Hardware::of(facts, i)?.hardware());
                let simulated = |h: &facts::Hardware| h.driver == "netdevsim";
                let (way, text) = match ports.next().is_some_and(simulated) && ports.all(simulated)
                {
                    true => (
                        Way::Indirect,
                        "the drivers of its ports take its rules: add it to the flowtable, not its \
                         ports",
                    ),
                    false => (
                        Way::None,
                        "no driver of Linux 7.3 takes rules for it: its flows stay in software",
                    ),
                };
                (true, way, text.to_owned())
            }
            _ => (false, Way::None, NONE.to_owned()),
        };
        let same = reports.iter_mut().find(|r| !alone && r.kind == kind);
        match same {
            Some(report) => report.names.push(clean(&interface.name)),
            None => reports.push(VirtualReport {
                kind: clean(kind),
                names: vec![clean(&interface.name)],
                way,
                text,
            }),
        }
    }
    reports
}

/// Joins the names of devices for a sentence.
fn join(reports: &[&DeviceReport]) -> String {
    let names: Vec<_> = reports.iter().map(|r| r.name.as_str()).collect();
    match names.as_slice() {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [some @ .., last] => format!("{} and {last}", some.join(", ")),
    }
}

/// Decides the verdict.
fn decide(kernel: &KernelReport, devices: &[DeviceReport]) -> (Verdict, String) {
    let those = |state| {
        let all = devices.iter().filter(move |d| d.state == state);
        all.collect::<Vec<_>>()
    };
    let (ready, mend) = (those(State::Ready), those(State::Mend));
    let (other, never) = (those(State::OtherKernel), those(State::Never));
    let verb = |some: &[&DeviceReport]| if some.len() == 1 { "takes" } else { "take" };
    let able: Vec<_> = devices
        .iter()
        .filter(|d| matches!(d.state, State::Ready | State::Mend))
        .collect();
    if able.is_empty() {
        let text = match other.as_slice() {
            [] => "no network device of this machine takes rules".to_owned(),
            some => format!("{} could take rules, but not with this kernel", join(some)),
        };
        return (Verdict::No, text);
    }
    if kernel.state == State::OtherKernel {
        let text = format!("{} could take rules, but not with this kernel", join(&able));
        return (Verdict::No, text);
    }
    let rest = other.len() + never.len();
    if kernel.state == State::Ready && mend.is_empty() && rest == 0 {
        return (
            Verdict::Yes,
            format!("{} {} rules", join(&ready), verb(&ready)),
        );
    }
    let mut parts = Vec::new();
    let once = match kernel.state {
        State::Ready => "",
        _ => " once nft_offload can be loaded",
    };
    if !ready.is_empty() {
        parts.push(format!("{} {} rules{once}", join(&ready), verb(&ready)));
    }
    if !mend.is_empty() {
        parts.push(format!(
            "{} {} rules once the problems above are fixed",
            join(&mend),
            verb(&mend)
        ));
    }
    if rest > 0 {
        let does = if rest == 1 { "does" } else { "do" };
        let others = u64::try_from(rest).unwrap_or(u64::MAX);
        parts.push(format!("{} {does} not", plural(others, "other")));
    }
    (Verdict::Partly, parts.join("; "))
}

/// Assesses the facts.
pub fn assess(facts: &Facts) -> Report {
    let kernel = assess_kernel(facts);
    let interfaces = facts.network.interfaces.iter();
    let hardware = interfaces.filter_map(|i| Hardware::of(facts, i));
    let (conduits, counted): (Vec<_>, Vec<_>) = hardware.partition(|h| !h.ports().is_empty());
    let mut devices: Vec<_> = counted.iter().map(Hardware::assess).collect();
    block::check(facts, &mut devices);
    let (verdict, text) = decide(&kernel, &devices);
    let able = devices
        .iter()
        .filter(|d| matches!(d.state, State::Ready | State::Mend));
    let able: Vec<_> = able.map(|d| d.name.as_str()).collect();
    let virtual_devices = assess_virtual(facts, &able);
    // Their ports count instead of them.
    devices.extend(conduits.iter().map(Hardware::assess));
    Report {
        kernel,
        devices,
        virtual_devices,
        verdict,
        text,
    }
}

/// Returns the findings about the kernel for the doctor, without those about the module.
///
/// The second value tells whether nft_offload is neither installed nor part of the kernel.
pub fn first_findings(loaded: bool) -> (Vec<Finding>, bool) {
    let facts = Facts {
        kernel: Machine::this().kernel(&Network::default()),
        loaded: loaded.then(Vec::new),
        ..Facts::default()
    };
    let kernel = &facts.kernel;
    let lists = |all: &BTreeMap<String, String>| all.contains_key(MODULE);
    let missing = kernel.installed.as_ref().is_some_and(|all| !lists(all))
        && !kernel.built_in.contains(MODULE);
    let mut findings = assess_kernel(&facts).findings;
    findings.retain(|f| f.id != "module");
    (findings, missing)
}

impl DeviceReport {
    /// Returns whether all but the name is the same.
    fn is_like(&self, other: &Self) -> bool {
        let texts = |d: &Self| -> Vec<_> {
            let texts = d.findings.iter();
            texts
                .map(|f| (f.id, f.text.clone(), f.fix.clone()))
                .collect()
        };
        (&self.driver, &self.role, self.way, &self.why, &self.holds)
            == (
                &other.driver,
                &other.role,
                other.way,
                &other.why,
                &other.holds,
            )
            && self.state == other.state
            && texts(self) == texts(other)
    }

    /// Describes the way in which the device gets rules.
    fn way_in_words(&self) -> String {
        let words = match self.way {
            Way::Direct => "direct: its driver takes flowtables (TC_SETUP_FT)",
            Way::Block => "block: its driver takes tc blocks (TC_SETUP_BLOCK), if allowed",
            Way::Indirect => "indirect: drivers of other devices take its rules",
            Way::None => "none",
            Way::Unknown => "unknown",
        };
        match &self.why {
            Some(why) => format!("{words}: {}", clean(why)),
            None => words.to_owned(),
        }
    }

    /// Renders the report on devices that are alike.
    fn render(&self, names: &[&str], style: Style) -> String {
        let mut table = Table::labels(12);
        table.label(
            "  driver",
            match self.driver.as_str() {
                "" => "unknown",
                driver => driver,
            },
        );
        if let Some(role) = &self.role {
            table.label("  is", role);
        }
        table.label("  way", &self.way_in_words());
        if let Some(holds) = self.holds.as_ref().filter(|_| self.way != Way::None) {
            table.label("  offloads", &holds.to_string());
        }
        let mut out = paragraph(&names.join(", "), style);
        out += &table.render(false, style);
        for line in finding::render(&self.findings, style.indented(2)).lines() {
            let _ = writeln!(out, "  {line}");
        }
        out
    }
}

/// Renders the report.
pub fn render(report: &Report, style: Style) -> String {
    let mut out = finding::render(&report.kernel.findings, style);
    let mut rest = report.devices.as_slice();
    while let Some((first, _)) = rest.split_first() {
        let like = rest.iter().take_while(|d| first.is_like(d)).count().max(1);
        let (these, others) = rest.split_at(like.min(rest.len()));
        let names: Vec<_> = these.iter().map(|d| d.name.as_str()).collect();
        let _ = write!(out, "\n{}", first.render(&names, style));
        rest = others;
    }
    if !report.virtual_devices.is_empty() {
        out.push('\n');
    }
    for them in &report.virtual_devices {
        let text = format!("{} {}: {}", them.kind, them.names.join(", "), them.text);
        out += &paragraph(&text, style);
    }
    let verdict = match report.verdict {
        Verdict::Yes => "Yes",
        Verdict::Partly => "Partly",
        Verdict::No => "No",
    };
    out.push('\n');
    out + &paragraph(&format!("{verdict}: {}.", report.text), style)
}

/// Collects the facts about this machine.
fn collect() -> Result<Facts> {
    let network: Network = facts::network()?;
    let loaded = match Session::open() {
        Ok(mut session) => {
            let devices = session.family.devices(&session.names)?;
            Some(devices.iter().map(Reported::of).collect())
        }
        Err(Error::NotLoaded) => None,
        Err(error) => return Err(error),
    };
    Ok(Facts {
        kernel: Machine::this().kernel(&network),
        network,
        loaded,
    })
}

/// Runs the command. The status is 1 if the verdict is no.
pub fn run(out: &mut Output) -> Result<u8> {
    let report = assess(&collect()?);
    out.either(&report, |style| render(&report, style))?;
    Ok(u8::from(report.verdict == Verdict::No))
}

#[cfg(test)]
mod tests;
