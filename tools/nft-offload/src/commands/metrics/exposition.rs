// SPDX-License-Identifier: GPL-2.0

//! The text that Prometheus reads, in either of two formats: families of samples, each with its
//! type and help. The textfile collector of node_exporter and `promtool check metrics` read only
//! the older format, which has no type `info`, and in which the family of a counter has the name of
//! its samples.

use super::Snapshot;
use crate::netlink::family::{Device, Reason, State, Stats};
use clap::ValueEnum;
use std::{collections::BTreeMap, fmt::Write};

/// A format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Prometheus' text format 0.0.4: for node_exporter's textfile collector and promtool
    Prometheus,
    /// OpenMetrics 1.0.0
    #[value(name = "openmetrics")]
    OpenMetrics,
}

impl Format {
    /// Returns its media type, with parameters.
    pub fn content_type(self) -> &'static str {
        match self {
            Format::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// Returns the format that a client prefers, by its header `Accept`.
    pub fn accepted(accept: &str) -> Self {
        // A format has the quality of its best entry; the older one is the default.
        let (mut openmetrics, mut prometheus) = (0.0, 0.0);
        for entry in accept.split(',') {
            let mut parts = entry.split(';').map(str::trim);
            let media_type = parts.next().unwrap_or_default();
            let (mut quality, mut version) = (1.0, "1.0.0");
            for (name, value) in parts.filter_map(|p| p.split_once('=')) {
                match name.trim_end().to_ascii_lowercase().as_str() {
                    "q" => quality = value.trim().parse::<f64>().unwrap_or(0.0),
                    "version" => version = value.trim().trim_matches('"'),
                    _ => {}
                }
            }
            match media_type.to_ascii_lowercase().as_str() {
                "application/openmetrics-text" if matches!(version, "1.0.0" | "0.0.1") => {
                    openmetrics = f64::max(openmetrics, quality);
                }
                "text/plain" => prometheus = f64::max(prometheus, quality),
                _ => {}
            }
        }
        match openmetrics > 0.0 && openmetrics >= prometheus {
            true => Format::OpenMetrics,
            false => Format::Prometheus,
        }
    }
}

/// The type of a metric.
#[derive(Clone, Copy)]
enum Kind {
    /// It only grows, as long as its object exists.
    Counter,
    /// It may have any value.
    Gauge,
    /// It is 1; its labels have the information.
    Info,
}

/// The labels of a sample, with their values.
type Labels<'a> = Vec<(&'static str, &'a str)>;

/// The text written so far.
struct Exposition {
    format: Format,
    text: String,
}

impl Exposition {
    /// Adds a family, by its name without the suffix of its type. A family without samples is
    /// left out.
    fn family<'a>(
        &mut self,
        kind: Kind,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Labels<'a>, u64)>,
    ) {
        let mut samples = samples.into_iter().peekable();
        if samples.peek().is_none() {
            return;
        }
        let suffix = match kind {
            Kind::Counter => "_total",
            Kind::Gauge => "",
            Kind::Info => "_info",
        };
        let (of_family, kind) = match (self.format, kind) {
            (Format::OpenMetrics, Kind::Counter) => ("", "counter"),
            (Format::OpenMetrics, Kind::Info) => ("", "info"),
            (Format::Prometheus, Kind::Counter) => (suffix, "counter"),
            (_, Kind::Gauge | Kind::Info) => (suffix, "gauge"),
        };
        let text = &mut self.text;
        let _ = writeln!(text, "# HELP nft_offload{name}{of_family} {help}");
        let _ = writeln!(text, "# TYPE nft_offload{name}{of_family} {kind}");
        for (labels, value) in samples {
            let _ = write!(text, "nft_offload{name}{suffix}");
            for (i, (label, value)) in labels.iter().enumerate() {
                let before = if i == 0 { '{' } else { ',' };
                let _ = write!(text, "{before}{label}=\"{}\"", escaped(value));
            }
            let after = if labels.is_empty() { "" } else { "}" };
            let _ = writeln!(text, "{after} {value}");
        }
    }
}

/// Escapes the value of a label.
pub(super) fn escaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
    out
}

/// Renders all metrics. There is no snapshot if the module has not answered.
pub fn render(format: Format, snapshot: Option<&Snapshot>) -> String {
    let mut out = Exposition {
        format,
        text: String::new(),
    };
    let up = [(Labels::new(), u64::from(snapshot.is_some()))];
    out.family(Kind::Gauge, "_up", "Whether nft_offload answered.", up);
    let version = vec![("version", env!("CARGO_PKG_VERSION"))];
    out.family(Kind::Info, "", "The command nft-offload.", [(version, 1)]);
    if let Some(snapshot) = snapshot {
        let version = snapshot.module_version.as_deref();
        let version = version.map(|version| (vec![("version", version)], 1));
        out.family(
            Kind::Info,
            "_module",
            "The kernel module nft_offload.",
            version,
        );
        totals(&mut out, &snapshot.stats, &snapshot.reasons);
        devices(&mut out, &snapshot.devices);
    }
    if format == Format::OpenMetrics {
        out.text.push_str("# EOF\n");
    }
    out.text
}

/// Adds the metrics of the network namespace.
fn totals(out: &mut Exposition, stats: &Stats, reasons: &[Reason]) {
    let flowtables = [(Labels::new(), stats.flowtables)];
    out.family(
        Kind::Gauge,
        "_flowtables",
        "Flowtables with flags offload in this network namespace.",
        flowtables,
    );
    let flows = [
        (State::IN_HARDWARE, stats.flows_in_hardware),
        (State::ONE_DIRECTION, stats.flows_one_direction),
        (State::SOFTWARE, stats.flows_in_software),
        (State::REMOVING, stats.flows_removing),
    ];
    out.family(
        Kind::Gauge,
        "_flows",
        "Flows by state.",
        flows.map(|(state, n)| (vec![("state", state.name().unwrap_or_default())], n)),
    );
    // Reasons without a flow are included, so that no series comes and goes.
    let names = reasons.iter().map(|r| (r.number, (r.name.clone(), 0)));
    let mut by_reason: BTreeMap<u32, (String, u64)> = names.collect();
    for of in &stats.by_reason {
        let name = || (of.reason.to_string(), 0);
        by_reason.entry(of.reason.number).or_insert_with(name).1 = of.flows;
    }
    out.family(
        Kind::Gauge,
        "_software_flows",
        "Flows in software by reason, see nft-offload reasons.",
        by_reason
            .values()
            .map(|(name, n)| (vec![("reason", name.as_str())], *n)),
    );
}

/// Adds the metrics of each device.
fn devices(out: &mut Exposition, devices: &[Device]) {
    let mut all: Vec<(Labels<'_>, &Device)> = devices.iter().map(|d| (labels(d), d)).collect();
    // While a ruleset is reloaded, the old and the new flowtable may both exist. Prometheus
    // rejects everything if two samples have the same labels.
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all.dedup_by(|a, b| a.0 == b.0);

    let described = all.iter().map(|(labels, device)| {
        let mut labels = labels.clone();
        labels.push(("driver", &device.driver));
        labels.push(("profile", &device.profile));
        labels.push(("bound", device.bound.name().unwrap_or_default()));
        (labels, 1)
    });
    out.family(
        Kind::Info,
        "_device",
        "A device of a flowtable: its driver, the profile of the driver, and how it is bound.",
        described,
    );
    let mut gauge = |name, help, value: fn(&Device) -> Option<u64>| {
        let samples = all
            .iter()
            .filter_map(|(labels, d)| Some((labels.clone(), value(d)?)));
        out.family(Kind::Gauge, name, help, samples);
    };
    gauge(
        "_device_takes_rules",
        "Whether the device takes rules; if not, its flows stay in software.",
        |d| Some(d.takes_rules().into()),
    );
    gauge("_rules", "Rules that the driver holds.", |d| Some(d.rules));
    gauge(
        "_rules_limit",
        "The most rules that the driver may hold at a time; absent without a limit.",
        |d| (d.limit > 0).then_some(d.limit),
    );
    gauge(
        "_rules_high_water",
        "The most rules that the driver has held at a time.",
        |d| Some(d.high_water),
    );
    let mut counter = |name, help, value: fn(&Device) -> u64| {
        let samples = all.iter().map(|(labels, d)| (labels.clone(), value(d)));
        out.family(Kind::Counter, name, help, samples);
    };
    counter("_rule_adds", "Rules that the driver has accepted.", |d| {
        d.adds
    });
    counter("_rule_deletes", "Rules that the driver has deleted.", |d| {
        d.deletes
    });
    counter(
        "_packets",
        "Packets forwarded by hardware, as far as the driver has reported them.",
        |d| d.packets,
    );
    counter(
        "_bytes",
        "Bytes forwarded by hardware, from the IP header on.",
        |d| d.bytes,
    );
    counter(
        "_hardware_misses",
        "Times that packets of a flow reached the CPU although it has rules in hardware.",
        |d| d.hardware_misses,
    );
    counter(
        "_evictions",
        "Flows that were evicted for a busier one.",
        |d| d.evictions,
    );
    let names: Vec<Vec<String>> = all
        .iter()
        .map(|(_, d)| d.refusals.iter().map(|r| r.reason.to_string()).collect())
        .collect();
    let refusals = all.iter().zip(&names).flat_map(|((labels, d), names)| {
        d.refusals.iter().zip(names).map(|(refusal, name)| {
            let mut labels = labels.clone();
            labels.push(("reason", name));
            (labels, refusal.count)
        })
    });
    out.family(
        Kind::Counter,
        "_refusals",
        "Failed attempts to put a flow into hardware, by reason.",
        refusals,
    );
}

/// Returns the labels of a device.
fn labels(of: &Device) -> Labels<'_> {
    vec![
        ("family", of.flowtable.family.name().unwrap_or_default()),
        ("table", &of.flowtable.table),
        ("flowtable", &of.flowtable.name),
        ("device", &of.name),
    ]
}
