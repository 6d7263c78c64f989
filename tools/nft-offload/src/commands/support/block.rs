// SPDX-License-Identifier: GPL-2.0

//! Devices whose driver takes rules only through its tc block, or connects no others. A block has
//! one user at a time, so the module uses it only where the administrator allows that: with
//! `nft-offload set` until the device leaves the flowtable, and permanently with the module
//! parameter `block`.

use super::{
    drivers::{self, Takes},
    facts::Facts,
    finding, DeviceReport, State, Way, REPRESENTOR,
};
use crate::{output::finding::Severity, text::shell_word};

/// The directory of the permanent option.
const DIRECTORY: &str = "/etc/modprobe.d";
/// The file of the permanent option, which contains nothing else.
const FILE: &str = "nft-offload-block.conf";

/// Whether the block of a device is allowed, or can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Its block is allowed.
    Allowed,
    /// It is not allowed; the device is in a flowtable, so that `nft-offload set` can change that.
    InFlowtable,
    /// It is not allowed, and the device is in no flowtable of the module.
    Elsewhere,
}

/// Adds a finding to each device whose block is not allowed.
pub fn check(facts: &Facts, devices: &mut [DeviceReport]) {
    let possible = |d: &DeviceReport| matches!(d.state, State::Ready | State::Mend);
    let mut those: Vec<_> = devices
        .iter_mut()
        .filter(|d| d.way == Way::Block && possible(d))
        .collect();
    let names: Vec<_> = those.iter().map(|d| d.name.clone()).collect();
    let lasting = Lasting::of(facts, &names);
    for device in &mut those {
        let standing = standing(facts, device);
        if standing == Standing::Allowed {
            continue;
        }
        let mut commands = Vec::new();
        if standing == Standing::InFlowtable {
            commands.push(format!(
                "nft-offload set {} block on",
                shell_word(&device.name)
            ));
        }
        let mut advice = Vec::new();
        match &lasting {
            _ if lasts(facts, &device.name) || !fits(&device.name) => {}
            Lasting::Command(command) => commands.push(command.clone()),
            Lasting::Advice(text) => advice.push(text.clone()),
        }
        if standing == Standing::Elsewhere && facts.kernel.blocks.now.is_some() {
            advice.push(
                "modprobe.d takes effect when nft_offload is loaded next; until then, once the \
                 device is in a flowtable: nft-offload set DEVICE block on"
                    .to_owned(),
            );
        }
        device.state = State::Mend;
        device.findings.push(finding(
            "block-not-allowed",
            Severity::Problem,
            match takes_both(device) {
                true => unreached(true),
                false => only_block(true),
            },
            (!commands.is_empty()).then(|| commands.join("\n")),
            (!advice.is_empty()).then(|| advice.join("; ")),
        ));
    }
}

/// Returns whether the driver of a device takes its flowtable as well, to little use.
fn takes_both(device: &DeviceReport) -> bool {
    device.role.as_deref() == Some(REPRESENTOR)
        && drivers::find(&device.driver).is_some_and(|driver| driver.takes == Takes::Switch)
}

/// Determines whether the block of a device is allowed.
fn standing(facts: &Facts, device: &DeviceReport) -> Standing {
    let mut reported = facts.loaded.iter().flatten();
    match reported.find(|s| s.ifindex == device.ifindex) {
        Some(reported) if reported.takes_rules || reported.block => Standing::Allowed,
        Some(_) => Standing::InFlowtable,
        None => {
            let blocks = &facts.kernel.blocks;
            let next = blocks.next.as_ref().map(|(_, names)| names);
            let mut names = blocks.now.as_ref().or(next).into_iter().flatten();
            match names.any(|name| *name == device.name) {
                true => Standing::Allowed,
                false => Standing::Elsewhere,
            }
        }
    }
}

/// Returns whether modprobe.d already allows the block of a device.
fn lasts(facts: &Facts, device: &str) -> bool {
    let next = facts.kernel.blocks.next.iter();
    next.flat_map(|(_, names)| names).any(|name| name == device)
}

/// Returns whether the option can contain a name.
fn fits(name: &str) -> bool {
    !name.contains([',', '"', '\\'])
}

/// How to allow blocks permanently: one option for all devices, as only the last one takes effect.
enum Lasting {
    /// A command.
    Command(String),
    /// Another line would take effect, or be lost.
    Advice(String),
}

impl Lasting {
    /// Allows these devices, and those that are already allowed.
    fn of(facts: &Facts, devices: &[String]) -> Self {
        let blocks = &facts.kernel.blocks;
        let next = blocks.next.iter().flat_map(|(_, names)| names);
        let mut names: Vec<&str> = Vec::new();
        for name in next.chain(blocks.now.iter().flatten()).chain(devices) {
            if fits(name) && !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
        let option = format!("block={}", names.join(","));
        if let Some((line, _)) = &blocks.next {
            let name = line.file.rsplit('/').next().unwrap_or_default();
            let has_more = line.text.split_whitespace().count() > 3;
            if name > FILE || (name == FILE && has_more) {
                return Self::Advice(format!(
                    "{}:{} has the option that takes effect: change it there to {option}",
                    line.file, line.number
                ));
            }
        }
        let line = shell_word(&format!("options nft_offload {option}"));
        Self::Command(format!("echo {line} > {DIRECTORY}/{FILE}"))
    }
}

/// Explains why the flowtable of a representor, or of several, does not suffice
/// (`esw_chains_create`).
pub fn unreached(one: bool) -> String {
    let (drivers, flowtables, blocks, exclude) = match one {
        true => (
            "its driver connects",
            "its flowtable",
            "its tc block needs",
            "excludes",
        ),
        false => (
            "their drivers connect",
            "their flowtables",
            "their tc blocks need",
            "exclude",
        ),
    };
    format!(
        "{drivers} the rules of {flowtables} only once tc has had a filter in hardware with a \
         priority other than 1; {blocks} no such filter, and {exclude} other users of a block (tc \
         filters in hardware, netdev chains with \"flags offload\", OVS): this has to be allowed"
    )
}

/// Explains why the tc block of a driver, or of several, is used only where that is allowed.
pub fn only_block(one: bool) -> String {
    let (drivers, blocks) = match one {
        true => ("its driver takes", "its tc block"),
        false => ("their drivers take", "their tc blocks"),
    };
    format!(
        "{drivers} rules only through {blocks}, which excludes other users of a block (tc filters \
         in hardware, netdev chains with \"flags offload\", OVS): this has to be allowed"
    )
}
