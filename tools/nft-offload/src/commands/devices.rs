// SPDX-License-Identifier: GPL-2.0

//! `nft-offload devices`: everything known about each device of a flowtable.

use crate::{
    netlink::{client::Result, family::Device},
    output::{
        describe::{bound, limit},
        table::{paragraph, Table},
        Output, Style,
    },
    session::Session,
    text::{clean, count, plural},
};
use serde::Serialize;
use std::fmt::Write;

/// The JSON object.
#[derive(Serialize)]
struct Content<'a> {
    devices: &'a [Device],
}

/// Runs the command.
pub fn run(out: &mut Output) -> Result<u8> {
    let mut session = Session::open()?;
    let devices = session.family.devices(&session.names)?;
    let content = Content { devices: &devices };
    out.either(content, |style| render(&devices, style))?;
    Ok(0)
}

/// Formats the name of a device, with its flowtable.
fn title(device: &Device) -> String {
    format!(
        "{} (index {}), flowtable {}",
        clean(&device.name),
        device.ifindex,
        device.flowtable
    )
}

/// Renders the settings and the state of one device, in a line.
pub fn render_line(device: &Device, style: Style) -> String {
    let limit = match device.limit {
        0 => "no limit".to_owned(),
        n => format!("limit {n}"),
    };
    let line = format!(
        "{}: profile {}, {}, {limit}; {}",
        title(device),
        clean(&device.profile),
        plural(device.rules, "rule"),
        bound(device),
    );
    paragraph(&line, style)
}

/// Renders everything known about each device.
pub fn render(devices: &[Device], style: Style) -> String {
    if devices.is_empty() {
        let text = "no device is in a flowtable with \"flags offload\" in this network namespace\n";
        return text.to_owned();
    }
    let one = |device: &Device| {
        let table = fields(device).render(false, style);
        format!("{}\n{table}", style.header(&title(device)))
    };
    devices.iter().map(one).collect::<Vec<_>>().join("\n")
}

/// Lists the properties of a device.
fn fields(device: &Device) -> Table {
    let mut table = Table::labels(12);
    let driver = match device.driver.as_str() {
        "" => "none".to_owned(),
        driver => clean(driver),
    };
    let profile = clean(&device.profile);
    table.label("  driver", &format!("{driver}, profile {profile}"));
    table.label("  bound", &bound(device));
    if let Some(capabilities) = &device.capabilities {
        let seen = match capabilities.reports_use {
            true => "",
            false => "; has not yet reported that a rule is in use",
        };
        table.label("  offloads", &format!("{capabilities}{seen}"));
    }
    table.label(
        "  rules",
        &format!(
            "{} now, {} at most, limit {}; {} added, {} deleted, {} evicted",
            count(device.rules),
            count(device.high_water),
            limit(device, "none"),
            count(device.adds),
            count(device.deletes),
            count(device.evictions),
        ),
    );
    table.label(
        "  carried",
        &format!(
            "{} packets, {} bytes; {} misses",
            count(device.packets),
            count(device.bytes),
            count(device.hardware_misses)
        ),
    );
    for refusal in &device.refusals {
        let times = match refusal.count {
            1 => "once".to_owned(),
            n => plural(n, "time"),
        };
        let mut text = format!("{times}, {}", clean(&refusal.reason.to_string()));
        if let Some(error) = &refusal.error {
            let _ = write!(text, ", last error {error}");
        }
        table.label("  refused", &text);
    }
    table
}
