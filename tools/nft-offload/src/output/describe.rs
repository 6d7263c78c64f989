// SPDX-License-Identifier: GPL-2.0

//! The words for totals, devices and flows that several commands share.

use super::table::Column;
use crate::{
    netlink::family::{ByReason, Device, Flow, Stats},
    text::{clean, count, plural, short_time},
};
use std::fmt::Write;

/// Formats the most frequent reasons: `12 driver-refused, 3 no-binding, 1 for 2 more reasons`.
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

/// Counts the flows in hardware and in software, with the reasons.
pub fn headline(stats: &Stats) -> String {
    if stats.flowtables == 0 {
        let text =
            "no flowtable with \"flags offload\" in this network namespace; run nft-offload doctor";
        return text.to_owned();
    }
    let mut line = format!("{} in hardware", plural(stats.flows_in_hardware, "flow"));
    if stats.flows_one_direction > 0 {
        let _ = write!(
            line,
            ", {} in one direction",
            count(stats.flows_one_direction)
        );
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

/// Formats a device's limit, or `none` where it has none.
pub fn limit(device: &Device, none: &str) -> String {
    match device.limit {
        0 => none.to_owned(),
        n => count(n),
    }
}

/// Says in a word or two what matters most about a device.
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

/// Says how a device is bound, or why it is not.
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

/// The columns of [`flow_cells`].
pub const FLOW_COLUMNS: [Column; 5] = [
    Column::left("STATE"),
    Column::left("PROTO"),
    Column::right("SINCE"),
    Column::left("IN>OUT"),
    Column::left("FLOW"),
];

/// Formats a flow as a row of a table.
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
