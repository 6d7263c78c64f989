// SPDX-License-Identifier: GPL-2.0

//! What one look of `top` has found, and the tables that show it.

use super::rates::{Counters, Rate, Rates};
use crate::{
    netlink::family::{ByReason, Device, Flow, Stats},
    output::{
        describe,
        table::{Column, Table},
        Style,
    },
    text::{clean, count, cut, plural},
};
use serde::Serialize;
use std::cmp::{Ordering, Reverse};

/// The order of devices and flows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// The most packets per second first.
    Packets,
    /// The most bytes per second first.
    Bytes,
    /// The newest flow first, and the device with the most new rules per second.
    Newest,
    /// By the name of the device, and by the tuple of the flow.
    Name,
}

impl Sort {
    const ALL: [Sort; 4] = [Sort::Packets, Sort::Bytes, Sort::Newest, Sort::Name];

    /// Returns the order that is `steps` after this one.
    fn step(self, steps: usize) -> Self {
        let mut all = Self::ALL.iter().cycle().skip_while(|sort| **sort != self);
        all.nth(steps).copied().unwrap_or(self)
    }

    /// Returns the next order.
    pub fn next(self) -> Self {
        self.step(1)
    }

    /// Returns the previous order.
    pub fn previous(self) -> Self {
        self.step(Self::ALL.len() - 1)
    }

    /// Returns the name of the order.
    pub fn name(self) -> &'static str {
        match self {
            Sort::Packets => "packets",
            Sort::Bytes => "bytes",
            Sort::Newest => "newest",
            Sort::Name => "name",
        }
    }

    /// Compares two rates, the larger first.
    fn busier(self, a: Option<Rates>, b: Option<Rates>) -> Ordering {
        let rate = |rates: Option<Rates>| {
            let rates = rates.unwrap_or_default();
            match self {
                Sort::Packets => rates.packets.0,
                Sort::Bytes => rates.bytes.0,
                Sort::Newest => rates.adds.0,
                Sort::Name => 0.0,
            }
        };
        rate(b).total_cmp(&rate(a))
    }
}

/// A device or a flow with its rates.
#[derive(Debug, Clone, Serialize)]
pub struct Rated<T> {
    /// The device or the flow.
    #[serde(flatten)]
    pub it: T,
    /// Its rates; `None` at the first look.
    pub rates: Option<Rates>,
}

/// What one look has found.
#[derive(Debug, Default)]
pub struct View {
    /// Totals.
    pub stats: Stats,
    /// The devices.
    pub devices: Vec<Rated<Device>>,
    /// The flows in hardware; `None` if there are too many to read.
    pub flows: Option<Vec<Rated<Flow>>>,
}

impl View {
    /// Sums up the rates of all devices.
    pub fn rates(&self) -> Option<Rates> {
        let rates = self.devices.iter().filter_map(|d| d.rates);
        rates.reduce(Rates::plus)
    }

    /// Sorts devices and flows.
    pub fn sort(&mut self, by: Sort, reverse: bool) {
        match by {
            Sort::Name => self.devices.sort_by(|a, b| a.it.name.cmp(&b.it.name)),
            _ => self.devices.sort_by(|a, b| by.busier(a.rates, b.rates)),
        }
        let tuple = |flow: &Rated<Flow>| {
            let way = &flow.it.original;
            (
                way.source,
                way.source_port,
                way.destination,
                way.destination_port,
            )
        };
        if let Some(flows) = &mut self.flows {
            match by {
                Sort::Newest => flows.sort_by_key(|flow| flow.it.since_ms),
                Sort::Name => flows.sort_by_key(tuple),
                _ => flows.sort_by(|a, b| by.busier(a.rates, b.rates)),
            }
        }
        if reverse {
            self.devices.reverse();
            self.flows.iter_mut().for_each(|flows| flows.reverse());
        }
    }

    /// Lists the reasons, those of the most flows first.
    pub fn sorted_reasons(&self) -> Vec<&ByReason> {
        let mut all: Vec<_> = self.stats.by_reason.iter().collect();
        all.sort_by_key(|by| Reverse((by.flows, by.refusals)));
        all
    }

    /// Explains why there is no table of flows, if there is none.
    pub fn no_flows(&self) -> Option<String> {
        let stats = &self.stats;
        match &self.flows {
            None => {
                let flows = stats
                    .flows_in_hardware
                    .saturating_add(stats.flows_one_direction);
                let flows = plural(flows, "flow");
                Some(format!("{flows} in hardware are too many to list"))
            }
            Some(all) if all.is_empty() => Some("no flow in hardware".to_owned()),
            Some(_) => None,
        }
    }
}

/// Formats a rate: `0.3`, `12`, `4.5k`, or `-` if it is not known.
pub fn rate(rates: Option<Rates>, of: impl Fn(Rates) -> Rate) -> String {
    let Some(Rate(rate)) = rates.map(of) else {
        return "-".to_owned();
    };
    match rate {
        0.0 => "0".to_owned(),
        few if few < 9.95 => format!("{few:.1}"),
        // The fraction does not matter, and the conversion saturates.
        many => count(many.round() as u64),
    }
}

/// Formats the number of rows that are not shown.
pub fn more(rows: usize) -> String {
    format!("and {} more", count(rows as u64))
}

/// Builds the table of the totals of all devices, and of their rates.
pub fn totals(view: &View) -> Table {
    let counted = view.devices.iter().map(|d| Counters::of_device(&d.it));
    let all = counted.reduce(Counters::plus).unwrap_or_default();
    let rates = view.rates();
    let mut table = Table::new(&[
        Column::left(""),
        Column::right("RULES"),
        Column::right("PACKETS"),
        Column::right("BYTES"),
        Column::right("ADDS").rank(1),
        Column::right("DELETES").rank(4),
        Column::right("REFUSED").rank(2),
        Column::right("MISSES").rank(3),
        Column::right("EVICTED").rank(5),
    ]);
    table.row([
        "total".to_owned(),
        count(view.stats.rules),
        count(all.packets),
        count(all.bytes),
        count(all.adds),
        count(all.deletes),
        count(all.refusals),
        count(all.hardware_misses),
        count(all.evictions),
    ]);
    table.row([
        "per second".to_owned(),
        String::new(),
        rate(rates, |r| r.packets),
        rate(rates, |r| r.bytes),
        rate(rates, |r| r.adds),
        rate(rates, |r| r.deletes),
        rate(rates, |r| r.refusals),
        rate(rates, |r| r.hardware_misses),
        rate(rates, |r| r.evictions),
    ]);
    table
}

/// Builds the table of devices.
pub fn devices<'a>(all: impl IntoIterator<Item = &'a Rated<Device>>) -> Table {
    let mut table = Table::new(&[
        Column::left("DEVICE"),
        Column::right("RULES"),
        Column::right("LIMIT").rank(2),
        Column::right("ADD/S").rank(3),
        Column::right("PKT/S"),
        Column::right("BYTE/S"),
        Column::right("MISS/S").rank(5),
        Column::right("REFUSED").rank(4),
        Column::left("").rank(1),
    ]);
    for Rated { it, rates } in all {
        table.row([
            cut(&clean(&it.name), Some(15)),
            count(it.rules),
            describe::limit(it, &format!("({})", count(it.high_water))),
            rate(*rates, |r| r.adds),
            rate(*rates, |r| r.packets),
            rate(*rates, |r| r.bytes),
            rate(*rates, |r| r.hardware_misses),
            count(it.refused()),
            // The number of refusals has a column of its own.
            match it.takes_rules() && it.refused() > 0 && it.limit == 0 {
                true => String::new(),
                false => describe::remark(it),
            },
        ]);
    }
    table
}

/// Builds the table of reasons.
pub fn reasons(all: &[&ByReason]) -> Table {
    let mut table = Table::new(&[
        Column::right("FLOWS"),
        Column::right("REFUSED"),
        Column::left("REASON"),
    ]);
    for by in all {
        table.row([
            count(by.flows),
            count(by.refusals),
            clean(&by.reason.to_string()),
        ]);
    }
    table
}

/// Builds the table of flows.
pub fn flows<'a>(all: impl IntoIterator<Item = &'a Rated<Flow>>) -> Table {
    let mut table = Table::new(&[
        Column::right("PKT/S"),
        Column::right("BYTE/S"),
        Column::right("SINCE").rank(2),
        Column::left("PROTO").rank(1),
        Column::left("IN>OUT").rank(3),
        Column::left("FLOW"),
    ]);
    for Rated { it, rates } in all {
        let [_, protocol, since, way, what] = describe::flow_cells(it);
        table.row([
            rate(*rates, |r| r.packets),
            rate(*rates, |r| r.bytes),
            since,
            protocol,
            way,
            what,
        ]);
    }
    table
}

/// Renders a frame for a file, with at most `most` flows.
pub fn frame(view: &View, most: usize) -> String {
    let mut lines = vec![describe::headline(&view.stats)];
    let mut section = |table: Table| {
        lines.push(String::new());
        lines.extend(table.render_cut(true, Style::PLAIN));
    };
    section(totals(view));
    if !view.devices.is_empty() {
        section(devices(&view.devices));
    }
    let all = view.sorted_reasons();
    if !all.is_empty() {
        section(reasons(&all));
    }
    match (view.no_flows(), &view.flows) {
        (None, Some(all)) => {
            section(flows(all.iter().take(most)));
            if all.len() > most {
                lines.push(more(all.len() - most));
            }
        }
        (text, _) => lines.extend([String::new(), text.unwrap_or_default()]),
    }
    lines.join("\n") + "\n"
}
