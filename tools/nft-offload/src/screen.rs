// SPDX-License-Identifier: GPL-2.0

//! What `top` shows, in lines: of a screen of any size, or of a file.

use crate::{
    family::{ByReason, Device, Flow, Stats},
    rates::{Counters, Rate, Rates},
    show,
    text::{clean, count, plural, Align},
};
use serde::Serialize;
use std::{cmp::Reverse, time::Duration};

/// What is shown first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// The most packets a second.
    Packets,
    /// The most bytes a second.
    Bytes,
    /// The newest flow; the device with the most rules a second.
    Newest,
}

impl Sort {
    /// The one after it.
    pub fn next(self) -> Self {
        match self {
            Sort::Packets => Sort::Bytes,
            Sort::Bytes => Sort::Newest,
            Sort::Newest => Sort::Packets,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Sort::Packets => "packets",
            Sort::Bytes => "bytes",
            Sort::Newest => "newest",
        }
    }

    /// The largest comes first.
    fn rate(self, rates: Option<Rates>) -> f64 {
        let rates = rates.unwrap_or_default();
        match self {
            Sort::Packets => rates.packets.0,
            Sort::Bytes => rates.bytes.0,
            Sort::Newest => rates.adds.0,
        }
    }
}

/// Something with its rates.
#[derive(Debug, Clone, Serialize)]
pub struct Rated<T> {
    /// It.
    #[serde(flatten)]
    pub it: T,
    /// None at the first look at it.
    pub rates: Option<Rates>,
}

/// What was seen at one look.
#[derive(Debug, Default)]
pub struct View {
    /// Totals.
    pub stats: Stats,
    /// The devices.
    pub devices: Vec<Rated<Device>>,
    /// The flows in hardware; none if there are too many to look at.
    pub flows: Option<Vec<Rated<Flow>>>,
}

impl View {
    /// The rates of all devices.
    pub fn rates(&self) -> Option<Rates> {
        let rates = self.devices.iter().filter_map(|d| d.rates);
        rates.reduce(Rates::plus)
    }

    /// In this order.
    pub fn sort(&mut self, by: Sort) {
        let busier = |a: Option<Rates>, b: Option<Rates>| by.rate(b).total_cmp(&by.rate(a));
        self.devices.sort_by(|a, b| busier(a.rates, b.rates));
        if let Some(flows) = &mut self.flows {
            match by {
                Sort::Newest => flows.sort_by_key(|flow| flow.it.since_ms),
                _ => flows.sort_by(|a, b| busier(a.rates, b.rates)),
            }
        }
    }
}

/// How it is looked at.
#[derive(Debug, Clone, Copy)]
pub struct How {
    /// In this order.
    pub sort: Sort,
    /// Whether it stands still.
    pub paused: bool,
    /// From look to look.
    pub interval: Duration,
}

/// A line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Whether it is the header of what is below it.
    pub header: bool,
    /// What it says.
    pub text: String,
}

impl Line {
    fn new(text: String) -> Self {
        Self {
            header: false,
            text,
        }
    }

    fn header(text: String) -> Self {
        Self { header: true, text }
    }
}

/// `0.3`, `12`, `4.5k`; `-` if it is not known.
fn rate(rates: Option<Rates>, of: impl Fn(Rates) -> Rate) -> String {
    let Some(Rate(rate)) = rates.map(of) else {
        return "-".to_owned();
    };
    match rate {
        0.0 => "0".to_owned(),
        few if few < 9.95 => format!("{few:.1}"),
        // It has no fraction that matters; a number that is too large is the largest one.
        many => count(many.round() as u64),
    }
}

/// Text that is not longer than that.
fn cut(text: &str, width: Option<usize>) -> String {
    let long = |width: &usize| text.chars().count() > *width;
    match width.filter(long) {
        Some(width) => {
            let part: String = text.chars().take(width.saturating_sub(1)).collect();
            let end = if width == 0 { "" } else { "\u{2026}" };
            format!("{}{end}", part.trim_end())
        }
        None => text.to_owned(),
    }
}

/// A column, and when it is left out: the largest rank first, 0 never.
type Column = (&'static str, Align, u8);

/// Rows under a header. Columns are left out until it is narrow enough, then the last one is cut.
fn table(columns: &[Column], rows: &[Vec<String>], width: Option<usize>) -> Vec<Line> {
    let widest = |i: usize, name: &str| {
        let cells = rows.iter().filter_map(|row| row.get(i));
        let cells = cells.map(|cell| cell.chars().count());
        cells.max().unwrap_or(0).max(name.len())
    };
    let mut shown: Vec<(usize, Column, usize)> = columns
        .iter()
        .enumerate()
        .map(|(i, column)| (i, *column, widest(i, column.0)))
        .collect();
    let last = columns.len().saturating_sub(1);
    let needs = |shown: &[(usize, Column, usize)]| -> usize {
        // The last one is cut only if it takes most of the line.
        let most = width.unwrap_or(usize::MAX) / 3 * 2;
        let of = |(i, _, w): &(usize, Column, usize)| match *i == last {
            true => (*w).min(most) + 2,
            false => *w + 2,
        };
        shown.iter().map(of).sum::<usize>().saturating_sub(2)
    };
    while width.is_some_and(|width| needs(&shown) > width) {
        let least = shown.iter().map(|(_, column, _)| column.2).max();
        match least {
            None | Some(0) => break,
            Some(least) => shown.retain(|(_, column, _)| column.2 != least),
        }
    }
    let line = |cell: &dyn Fn(usize, &Column) -> String| {
        let mut line = String::new();
        for (i, column, w) in &shown {
            if !line.is_empty() {
                line.push_str("  ");
            }
            let cell = cell(*i, column);
            line.push_str(&match column.1 {
                Align::Left => format!("{cell:<w$}"),
                Align::Right => format!("{cell:>w$}"),
            });
        }
        cut(line.trim_end(), width)
    };
    let mut lines = vec![Line::header(line(&|_, column| column.0.to_owned()))];
    for row in rows {
        let cell = |i: usize, _: &Column| row.get(i).cloned().unwrap_or_default();
        lines.push(Line::new(line(&cell)));
    }
    lines
}

/// So many of what there are; the last line says how many more.
fn first<T>(all: &[T], rows: usize, width: Option<usize>) -> (&[T], Option<Line>) {
    if all.len() <= rows {
        return (all, None);
    }
    let some = all.get(..rows.saturating_sub(1)).unwrap_or_default();
    let more = (all.len() - some.len()) as u64;
    let line = format!("and {} more", count(more));
    (some, Some(Line::new(cut(&line, width))))
}

fn totals(view: &View, width: Option<usize>) -> Vec<Line> {
    let counted = view.devices.iter().map(|d| Counters::of_device(&d.it));
    let all = counted.reduce(Counters::plus).unwrap_or_default();
    let rates = view.rates();
    let columns = [
        ("", Align::Left, 0),
        ("RULES", Align::Right, 0),
        ("PACKETS", Align::Right, 0),
        ("BYTES", Align::Right, 0),
        ("ADDS", Align::Right, 1),
        ("DELETES", Align::Right, 4),
        ("REFUSED", Align::Right, 2),
        ("MISSES", Align::Right, 3),
        ("EVICTED", Align::Right, 5),
    ];
    let total = vec![
        "total".to_owned(),
        count(view.stats.rules),
        count(all.packets),
        count(all.bytes),
        count(all.adds),
        count(all.deletes),
        count(all.refusals),
        count(all.hardware_misses),
        count(all.evictions),
    ];
    let per_second = vec![
        "per second".to_owned(),
        String::new(),
        rate(rates, |r| r.packets),
        rate(rates, |r| r.bytes),
        rate(rates, |r| r.adds),
        rate(rates, |r| r.deletes),
        rate(rates, |r| r.refusals),
        rate(rates, |r| r.hardware_misses),
        rate(rates, |r| r.evictions),
    ];
    table(&columns, &[total, per_second], width)
}

fn devices(all: &[Rated<Device>], rows: usize, width: Option<usize>) -> Vec<Line> {
    let columns = [
        ("DEVICE", Align::Left, 0),
        ("RULES", Align::Right, 0),
        ("LIMIT", Align::Right, 2),
        ("ADD/S", Align::Right, 3),
        ("PKT/S", Align::Right, 0),
        ("BYTE/S", Align::Right, 0),
        ("MISS/S", Align::Right, 5),
        ("REFUSED", Align::Right, 4),
        ("", Align::Left, 1),
    ];
    let row = |device: &Rated<Device>| {
        let (it, rates) = (&device.it, device.rates);
        vec![
            cut(&clean(&it.name), Some(15)),
            count(it.rules),
            match it.limit {
                0 => format!("({})", count(it.high_water)),
                n => count(n),
            },
            rate(rates, |r| r.adds),
            rate(rates, |r| r.packets),
            rate(rates, |r| r.bytes),
            rate(rates, |r| r.hardware_misses),
            count(it.refused()),
            // The number is in a column of its own.
            match it.takes_rules() && it.refused() > 0 && it.limit == 0 {
                true => String::new(),
                false => show::remark(it),
            },
        ]
    };
    let (some, more) = first(all, rows, width);
    let rows: Vec<_> = some.iter().map(row).collect();
    let mut lines = table(&columns, &rows, width);
    lines.extend(more);
    lines
}

fn reasons(all: &[&ByReason], rows: usize, width: Option<usize>) -> Vec<Line> {
    let columns = [
        ("FLOWS", Align::Right, 0),
        ("REFUSED", Align::Right, 0),
        ("REASON", Align::Left, 0),
    ];
    let row = |by: &&ByReason| {
        vec![
            count(by.flows),
            count(by.refusals),
            clean(&by.reason.to_string()),
        ]
    };
    let rows: Vec<_> = all.iter().take(rows).map(row).collect();
    table(&columns, &rows, width)
}

fn flows(view: &View, rows: usize, width: Option<usize>) -> Vec<Line> {
    let Some(all) = &view.flows else {
        let stats = &view.stats;
        let flows = stats
            .flows_in_hardware
            .saturating_add(stats.flows_one_direction);
        let text = format!(
            "{} in hardware are too many to look at",
            plural(flows, "flow")
        );
        return vec![Line::new(cut(&text, width))];
    };
    if all.is_empty() {
        return vec![Line::new(cut("no flow in hardware", width))];
    }
    let columns = [
        ("PKT/S", Align::Right, 0),
        ("BYTE/S", Align::Right, 0),
        ("SINCE", Align::Right, 2),
        ("PROTO", Align::Left, 1),
        ("IN>OUT", Align::Left, 3),
        ("FLOW", Align::Left, 0),
    ];
    let row = |flow: &Rated<Flow>| {
        let [_, protocol, since, way, what] = show::flow_cells(&flow.it);
        vec![
            rate(flow.rates, |r| r.packets),
            rate(flow.rates, |r| r.bytes),
            since,
            protocol,
            way,
            what,
        ]
    };
    let (some, more) = first(all, rows, width);
    let rows: Vec<_> = some.iter().map(row).collect();
    let mut lines = table(&columns, &rows, width);
    lines.extend(more);
    lines
}

/// The reasons, those with the most flows first.
fn sorted_reasons(stats: &Stats) -> Vec<&ByReason> {
    let mut all: Vec<_> = stats.by_reason.iter().collect();
    all.sort_by_key(|by| Reverse((by.flows, by.refusals)));
    all
}

/// A screen of this size.
pub fn screen(view: &View, how: How, width: usize, height: usize) -> Vec<Line> {
    let fit = Some(width);
    let blank = || Line::new(String::new());
    // Blank lines where there is room for them.
    let apart = height >= 20;
    let mut lines = vec![Line::header(cut(&show::headline(&view.stats), fit))];
    let mut section = |section: Vec<Line>| {
        if apart {
            lines.push(blank());
        }
        lines.extend(section);
        lines.len()
    };
    let gap = usize::from(apart);
    // The last line says what the keys do.
    let room = height.saturating_sub(1);
    let mut used = section(totals(view, fit));
    let all = &view.devices;
    if !all.is_empty() {
        let rows = (room.saturating_sub(used) / 2).max(1);
        used = section(devices(all, rows, fit));
    }
    let all = sorted_reasons(&view.stats);
    let rows = (room.saturating_sub(used) / 4).min(3);
    if !all.is_empty() && rows > 0 {
        used = section(reasons(&all, rows, fit));
    }
    let rows = room.saturating_sub(used + gap + 1);
    section(flows(view, rows.max(1), fit));
    lines.truncate(room);
    lines.resize(room, blank());
    let state = match how.paused {
        true => "paused".to_owned(),
        false => format!("every {} s", how.interval.as_secs_f64()),
    };
    let keys = format!(
        "q quit   s sort: {}   space pause   {state}",
        how.sort.name()
    );
    lines.push(Line::header(cut(&keys, fit)));
    lines.truncate(height);
    lines
}

/// A frame for a file, with at most so many flows.
pub fn frame(view: &View, flows_at_most: usize) -> Vec<Line> {
    let mut lines = vec![Line::header(show::headline(&view.stats))];
    let mut section = |section: Vec<Line>| {
        lines.push(Line::new(String::new()));
        lines.extend(section);
    };
    section(totals(view, None));
    if !view.devices.is_empty() {
        section(devices(&view.devices, usize::MAX, None));
    }
    let all = sorted_reasons(&view.stats);
    if !all.is_empty() {
        section(reasons(&all, usize::MAX, None));
    }
    section(flows(view, flows_at_most, None));
    lines
}
