// SPDX-License-Identifier: GPL-2.0

//! Devices whose driver takes rules through its block of tc only. One at a time can have that
//! block, so the module takes it only where the user allows it: until the device leaves the
//! flowtable with `nft-offload set`, and for good with the module parameter `block`.

use super::{facts::Facts, finding, DeviceReport, State, Way};
use crate::{
    doctor::{only_block, Severity},
    text::shell_word,
};

/// Where the option goes that lasts.
const DIRECTORY: &str = "/etc/modprobe.d";
/// The file of it: nothing else belongs in there.
const FILE: &str = "nft-offload-block.conf";

/// How a device stands with the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Its block may be taken.
    Allowed,
    /// Not so, and it can be changed: the device is in a flowtable.
    InFlowtable,
    /// Not so, and the module has the device in no flowtable.
    Elsewhere,
}

/// Adds the finding to each device whose block may not be taken.
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
                "modprobe.d counts when nft_offload is loaded next; before that, once the device \
                 is in a flowtable, nft-offload set DEVICE block on"
                    .to_owned(),
            );
        }
        device.state = State::Mend;
        device.findings.push(finding(
            "block-not-allowed",
            Severity::Problem,
            only_block(true),
            (!commands.is_empty()).then(|| commands.join("\n")),
            (!advice.is_empty()).then(|| advice.join("; ")),
        ));
    }
}

fn standing(facts: &Facts, device: &DeviceReport) -> Standing {
    let mut spoken = facts.loaded.iter().flatten();
    match spoken.find(|s| s.ifindex == device.ifindex) {
        Some(spoken) if spoken.takes_rules || spoken.block => Standing::Allowed,
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

/// Whether modprobe.d allows it already.
fn lasts(facts: &Facts, device: &str) -> bool {
    let next = facts.kernel.blocks.next.iter();
    next.flat_map(|(_, names)| names).any(|name| name == device)
}

/// Whether the option can hold the name.
fn fits(name: &str) -> bool {
    !name.contains([',', '"', '\\'])
}

/// How it is allowed for good: one option for all devices, as the last one counts.
enum Lasting {
    Command(String),
    /// Another line would count, or go.
    Advice(String),
}

impl Lasting {
    /// Of these devices, and of those that are allowed already.
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
                    "{}:{} has the option that counts: it has to be {option} there",
                    line.file, line.number
                ));
            }
        }
        let line = shell_word(&format!("options nft_offload {option}"));
        Self::Command(format!("echo {line} > {DIRECTORY}/{FILE}"))
    }
}
