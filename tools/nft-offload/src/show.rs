// SPDX-License-Identifier: GPL-2.0

//! What a person reads: totals, devices, flows, reasons.

use crate::{
    family::{ByReason, Device, Flow, Reason, Stats},
    text::{clean, count, labelled, plural, short_time, wrap, Align, Table},
};
use std::fmt::Write;

/// How text has to look.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    /// The width of the terminal; none: lines are as long as they are.
    pub width: Option<usize>,
    /// Whether headers may be bold.
    pub bold: bool,
}

impl Style {
    /// For a file or a pipe.
    pub const PLAIN: Style = Style {
        width: None,
        bold: false,
    };

    fn header(self, text: &str) -> String {
        match self.bold {
            true => format!("\x1b[1m{text}\x1b[0m"),
            false => text.to_owned(),
        }
    }
}

/// `12 driver-refused, 3 no-binding, 1 of 2 other reasons`
fn top_reasons(by_reason: &[ByReason]) -> String {
    const TOP: usize = 3;
    let mut sorted: Vec<_> = by_reason.iter().filter(|r| r.flows > 0).collect();
    sorted.sort_by_key(|r| std::cmp::Reverse(r.flows));
    let (top, rest) = sorted.split_at(sorted.len().min(TOP));
    let mut parts: Vec<_> = top
        .iter()
        .map(|r| format!("{} {}", count(r.flows), clean(&r.reason.to_string())))
        .collect();
    if !rest.is_empty() {
        let flows = rest.iter().fold(0u64, |n, r| n.saturating_add(r.flows));
        let reasons = plural(rest.len() as u64, "more reason");
        parts.push(format!("{} for {reasons}", count(flows)));
    }
    parts.join(", ")
}

/// Flows in hardware and in software, and the reasons.
pub fn headline(stats: &Stats) -> String {
    if stats.flowtables == 0 {
        let text =
            "no flowtable with \"flags offload\" in this network namespace; see nft-offload doctor";
        return text.to_owned();
    }
    let mut line = format!("{} in hardware", plural(stats.flows_in_hardware, "flow"));
    if stats.flows_one_direction > 0 {
        let _ = write!(line, ", {} by half", count(stats.flows_one_direction));
    }
    let _ = write!(line, ", {} in software", count(stats.flows_in_software));
    let reasons = top_reasons(&stats.by_reason);
    if !reasons.is_empty() {
        let _ = write!(line, ": {reasons}");
    }
    if stats.flows_removing > 0 {
        let _ = write!(line, "; {} ending", count(stats.flows_removing));
    }
    line
}

/// Totals in a few lines, then a line for each device.
pub fn status(stats: &Stats, devices: &[Device], style: Style) -> String {
    let mut out = String::new();
    if stats.flowtables == 0 {
        let _ = writeln!(out, "{}", headline(stats));
        return out;
    }
    for line in wrap(&headline(stats), style.width) {
        let _ = writeln!(out, "{}", style.header(&line));
    }
    let high = devices.iter().map(|d| d.high_water).max().unwrap_or(0);
    let line = format!(
        "{} (most in one device: {}), {}, {}; carried by hardware: {} packets, {} bytes",
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
    for line in wrap(&line, style.width) {
        let _ = writeln!(out, "{line}");
    }
    out.push('\n');
    let mut table = Table::new(&[
        ("DEVICE", Align::Left),
        ("BOUND", Align::Left),
        ("RULES", Align::Right),
        ("HIGH", Align::Right),
        ("LIMIT", Align::Right),
        ("MISSES", Align::Right),
        ("PACKETS", Align::Right),
        ("BYTES", Align::Right),
        ("", Align::Left),
    ]);
    for device in devices {
        table.row(vec![
            clean(&device.name),
            device.bound.to_string(),
            count(device.rules),
            count(device.high_water),
            limit(device),
            count(device.hardware_misses),
            count(device.packets),
            count(device.bytes),
            remark(device),
        ]);
    }
    out.push_str(&table.render(true, style.bold, style.width));
    out
}

fn limit(device: &Device) -> String {
    match device.limit {
        0 => "-".to_owned(),
        n => count(n),
    }
}

/// What a person should see of a device in a word or two.
pub fn remark(device: &Device) -> String {
    let refused = device.refused();
    if !device.enabled {
        "off".to_owned()
    } else if let Some(reason) = &device.reason {
        match &device.error {
            Some(error) => error.name.clone(),
            None => clean(&reason.to_string()),
        }
    } else if device.limit > 0 && device.rules >= device.limit {
        "at its limit".to_owned()
    } else if refused > 0 {
        format!("{} refused", count(refused))
    } else {
        String::new()
    }
}

/// How a device is bound, and else why not.
pub fn bound(device: &Device) -> String {
    if !device.enabled {
        return format!("switched off: nft-offload set {} on", clean(&device.name));
    }
    let mut text = device.bound.to_string();
    if let Some(reason) = &device.reason {
        let _ = write!(text, ", {}", clean(&reason.to_string()));
    }
    if let Some(error) = &device.error {
        let _ = write!(text, ": {error}");
    }
    text
}

/// How a device stands, in a line.
pub fn device(device: &Device, style: Style) -> String {
    let limit = match device.limit {
        0 => "no limit".to_owned(),
        n => format!("limit {n}"),
    };
    let line = format!(
        "{} (index {}), flowtable {}: profile {}, {}, {limit}; {}",
        clean(&device.name),
        device.ifindex,
        device.flowtable,
        clean(&device.profile),
        plural(device.rules, "rule"),
        bound(device),
    );
    wrap(&line, style.width).join("\n") + "\n"
}

/// All that is known of each device.
pub fn devices(devices: &[Device], style: Style) -> String {
    const COLUMN: usize = 12;
    let mut out = String::new();
    if devices.is_empty() {
        out.push_str(
            "no device is in a flowtable with \"flags offload\" in this network namespace\n",
        );
    }
    for (i, device) in devices.iter().enumerate() {
        if i > 0 {
            out.push('\n');
        }
        let _ = writeln!(
            out,
            "{}",
            style.header(&format!(
                "{} (index {}), flowtable {}",
                clean(&device.name),
                device.ifindex,
                device.flowtable
            ))
        );
        let mut line = |label: &str, text: &str| {
            labelled(&mut out, &format!("  {label}"), COLUMN, text, style.width);
        };
        let driver = match device.driver.as_str() {
            "" => "none".to_owned(),
            driver => clean(driver),
        };
        line(
            "driver",
            &format!("{driver}, profile {}", clean(&device.profile)),
        );
        line("bound", &bound(device));
        if let Some(capabilities) = &device.capabilities {
            let seen = match capabilities.reports_use {
                true => "",
                false => "; was not seen yet to report the use of a rule",
            };
            line("does", &format!("{capabilities}{seen}"));
        }
        line(
            "rules",
            &format!(
                "{} now, {} at most, limit {}; {} taken, {} destroyed, {} evicted",
                count(device.rules),
                count(device.high_water),
                match device.limit {
                    0 => "none".to_owned(),
                    n => count(n),
                },
                count(device.adds),
                count(device.deletes),
                count(device.evictions),
            ),
        );
        line(
            "carried",
            &format!(
                "{} packets, {} bytes; {} misses",
                count(device.packets),
                count(device.bytes),
                count(device.hardware_misses)
            ),
        );
        for refusal in &device.refusals {
            let mut text = format!(
                "{} times {}",
                count(refusal.count),
                clean(&refusal.reason.to_string())
            );
            if let Some(error) = &refusal.error {
                let _ = write!(text, ", last {error}");
            }
            line("refused", &text);
        }
    }
    out
}

/// A line for each flow.
pub fn flows(flows: &[Flow], header: bool, style: Style) -> String {
    let mut table = Table::new(&[
        ("STATE", Align::Left),
        ("PROTO", Align::Left),
        ("SINCE", Align::Right),
        ("IN>OUT", Align::Left),
        ("FLOW", Align::Left),
    ]);
    for flow in flows {
        table.row(flow_cells(flow).to_vec());
    }
    table.render(header, style.bold, style.width)
}

/// What a flow is in a table.
pub fn flow_cells(flow: &Flow) -> [String; 5] {
    let mut what = flow.original.tuple();
    if let Some(translation) = flow.translation() {
        let _ = write!(what, " {translation}");
    }
    [
        flow.standing(),
        flow.protocol.to_string(),
        short_time(flow.since_ms),
        flow.original.way(),
        what,
    ]
}

/// The table of reasons.
pub fn reasons(reasons: &[Reason], style: Style) -> String {
    let mut out = String::new();
    const COLUMN: usize = 34;
    let header = format!(
        "{:>3}  {:<16}  {:<9}  {}",
        "NO", "NAME", "STAGE", "WHAT IT IS"
    );
    let _ = writeln!(out, "{}", style.header(&header));
    for reason in reasons {
        let label = format!(
            "{:>3}  {:<16}  {:<9}",
            reason.number,
            clean(&reason.name),
            reason.stage
        );
        labelled(&mut out, &label, COLUMN, &clean(&reason.text), style.width);
        let advice = format!("> {}", clean(&reason.advice));
        labelled(&mut out, "", 5, &advice, style.width);
    }
    out
}
