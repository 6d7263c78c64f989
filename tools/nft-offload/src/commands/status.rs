// SPDX-License-Identifier: GPL-2.0

//! `nft-offload status`: totals, and a line for each device.

use crate::{
    netlink::{
        client::Result,
        family::{Device, Stats},
    },
    output::{
        describe::{headline, limit, remark},
        table::{paragraph, Column, Table},
        Output, Style,
    },
    session::Session,
    text::{clean, count, plural, wrap},
};
use serde::Serialize;

/// The JSON object.
#[derive(Serialize)]
struct Content<'a> {
    stats: &'a Stats,
    devices: &'a [Device],
}

/// Runs the command.
pub fn run(out: &mut Output) -> Result<u8> {
    let mut session = Session::open()?;
    let stats = session.family.stats(&session.names)?;
    let devices = session.family.devices(&session.names)?;
    let content = Content {
        stats: &stats,
        devices: &devices,
    };
    out.either(content, |style| render(&stats, &devices, style))?;
    Ok(0)
}

/// Renders totals and devices.
pub fn render(stats: &Stats, devices: &[Device], style: Style) -> String {
    if stats.flowtables == 0 {
        return headline(stats) + "\n";
    }
    let mut out = String::new();
    for line in wrap(&headline(stats), style.width) {
        out += &style.header(&line);
        out.push('\n');
    }
    let high = devices.iter().map(|d| d.high_water).max().unwrap_or(0);
    let line = format!(
        "{} (most on one device: {}), {}, {}; carried by hardware: {} packets, {} bytes",
        plural(stats.rules, "rule"),
        count(high),
        match stats.hardware_misses {
            1 => "1 miss".to_owned(),
            n => format!("{} misses", count(n)),
        },
        plural(stats.evictions, "eviction"),
        count(stats.packets),
        count(stats.bytes),
    );
    out += &paragraph(&line, style);
    out.push('\n');
    let mut table = Table::new(&[
        Column::left("DEVICE"),
        Column::left("BOUND"),
        Column::right("RULES"),
        Column::right("HIGH"),
        Column::right("LIMIT"),
        Column::right("MISSES"),
        Column::right("PACKETS"),
        Column::right("BYTES"),
        Column::left(""),
    ]);
    for device in devices {
        table.row([
            clean(&device.name),
            device.bound.to_string(),
            count(device.rules),
            count(device.high_water),
            limit(device, "-"),
            count(device.hardware_misses),
            count(device.packets),
            count(device.bytes),
            remark(device),
        ]);
    }
    out + &table.render(true, style)
}
