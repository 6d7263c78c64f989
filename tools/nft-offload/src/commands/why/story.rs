// SPDX-License-Identifier: GPL-2.0

//! The explanation of one flow.

use crate::{
    netlink::family::{Device, Direction, DriverError, Flow, Reason, Refusal, State},
    output::{
        table::{paragraph, Table},
        Style,
    },
    system::HwTcOffload,
    text::{clean, count, error_name, plural, time},
    tuple::{protocol_name, Connection, Wanted},
};
use serde::Serialize;
use std::fmt::Write;

/// Why a flow is in hardware or in software.
#[derive(Debug, Serialize)]
pub struct Story {
    /// The flow, if it exists.
    pub flow: Option<Flow>,
    /// The reason, as the module describes it.
    pub reason: Option<Reason>,
    /// The device that kept it out of hardware, if one did.
    pub device: Option<String>,
    /// The driver's error and message.
    pub error: Option<DriverError>,
    /// What the user can do.
    pub advice: Vec<String>,
    /// Why a flow may not exist.
    pub remarks: Vec<String>,
    #[serde(skip)]
    title: String,
    #[serde(skip)]
    driver: Option<(String, String)>,
}

/// Finds the device that kept a flow out of hardware for the reason `number`, and its refusal.
///
/// Of the devices of the flowtable that report this reason, it is one on which packets of the flow
/// arrive, or else the only one.
fn culprit<'a>(
    flow: &Flow,
    number: u32,
    devices: &'a [Device],
) -> Option<(&'a Device, Option<&'a Refusal>)> {
    let refusal = |device: &'a Device| {
        let same = |r: &&Refusal| {
            let errno = r.error.as_ref().map(|e| e.errno);
            r.reason.number == number && (flow.errno.is_none() || errno == flow.errno)
        };
        device.refusals.iter().find(same)
    };
    // The device itself is not bound, for the same reason.
    let unbound = |device: &Device| device.reason.as_ref().is_some_and(|r| r.number == number);
    let arrives = |device: &Device| {
        [&flow.original, &flow.reply].iter().any(|d| {
            d.ingress
                .as_ref()
                .is_some_and(|dev| dev.ifindex == device.ifindex)
        })
    };
    let reports = devices
        .iter()
        .filter(|d| d.flowtable == flow.flowtable)
        .filter(|d| unbound(d) || refusal(d).is_some());
    let all: Vec<_> = reports.collect();
    let device = match all.iter().find(|d| unbound(d) && arrives(d)) {
        Some(device) => *device,
        None => match all.iter().find(|d| arrives(d)) {
            Some(device) => *device,
            None => match all.as_slice() {
                [only] => *only,
                _ => return None,
            },
        },
    };
    Some((device, refusal(device)))
}

/// Describes the stage that decided.
fn stage_words(stage: &str) -> &str {
    match stage {
        "device" => "the device's binding",
        "translate" => "the translation of the flow into a rule",
        "driver" => "the driver",
        "engine" => "nft_offload itself",
        "capacity" => "the capacity of the device",
        "policy" => "policy",
        other => other,
    }
}

impl Story {
    /// Explains a flow that exists.
    pub fn of(flow: Flow, devices: &[Device], reasons: &[Reason]) -> Self {
        let number = flow.reason.as_ref().map(|r| r.number);
        let reason = number.and_then(|n| reasons.iter().find(|r| r.number == n));
        let found = number.and_then(|n| culprit(&flow, n, devices));
        let device = found.map(|(device, _)| device);
        let mut error = found.and_then(|(device, refusal)| {
            let of_device = device.error.as_ref().filter(|_| !device.takes_rules());
            of_device
                .or_else(|| refusal.and_then(|r| r.error.as_ref()))
                .cloned()
        });
        if let (None, Some(errno)) = (&error, flow.errno) {
            error = Some(DriverError {
                errno,
                name: error_name(errno),
                extack: None,
            });
        }
        let mut advice = Vec::new();
        if let Some(reason) = reason {
            let text = match device {
                Some(device) => reason
                    .advice
                    .replace("ethtool -K DEVICE", &format!("ethtool -K {}", device.name))
                    .replace("set DEVICE on", &format!("set {} on", device.name)),
                None => reason.advice.clone(),
            };
            // The module does not know the names of commands, nor which connection it is.
            let text = text.replace("device-get", "nft-offload devices");
            advice.push(text.replace("conntrack -D", &end_connection(&flow)));
        }
        if device.is_some_and(|d| d.enabled && !d.takes_rules()) {
            advice.push("nft-offload doctor tells why the device is not bound".to_owned());
        }
        let title = format!("{} {}", flow.protocol, flow.original.tuple());
        Self {
            reason: reason.cloned(),
            device: device.map(|d| d.name.clone()),
            driver: device.map(|d| (d.driver.clone(), d.profile.clone())),
            error,
            advice,
            remarks: Vec::new(),
            flow: Some(flow),
            title,
        }
    }

    /// Takes the feature of [`Story::device`] into account: many drivers refuse rules while it is
    /// off.
    pub fn note_feature(&mut self, feature: Option<HwTcOffload>) {
        let stage = self.reason.as_ref().map(|r| r.stage.to_string());
        let asked = matches!(stage.as_deref(), Some("device" | "driver"));
        if let (Some(device), Some(HwTcOffload::Off), true) = (&self.device, feature, asked) {
            let advice =
                format!("hw-tc-offload of {device} is off: ethtool -K {device} hw-tc-offload on");
            self.advice.insert(0, advice);
        }
    }

    /// Explains why a flow is in no flowtable with `flags offload`.
    pub fn of_none(wanted: &Wanted, flowtables: u64) -> Self {
        let protocols = match wanted.protocol {
            Some(number) => protocol_name(number),
            None => "tcp or udp".to_owned(),
        };
        let (remarks, advice) = explain(wanted, flowtables);
        Self {
            flow: None,
            reason: None,
            device: None,
            driver: None,
            error: None,
            advice,
            remarks,
            title: format!("{protocols} {} > {}", wanted.source, wanted.destination),
        }
    }

    /// Renders the explanation.
    pub fn render(&self, style: Style) -> String {
        let mut table = Table::labels(12);
        let title = match &self.flow {
            Some(flow) => {
                self.list_flow(flow, &mut table);
                let since = time(flow.since_ms);
                format!("{}: {}, for {since}", self.title, place_words(flow.state))
            }
            None => {
                for remark in &self.remarks {
                    table.label("Why", remark);
                }
                for advice in &self.advice {
                    table.label("To do", advice);
                }
                format!("{}: not in a flowtable with \"flags offload\"", self.title)
            }
        };
        paragraph(&title, style) + &table.render(false, style)
    }

    /// Lists what is known about a flow.
    fn list_flow(&self, flow: &Flow, table: &mut Table) {
        match (&self.reason, &flow.reason) {
            (Some(reason), _) => {
                let (name, text) = (clean(&reason.name), clean(&reason.text));
                table.label("Why", &format!("{name} ({}): {text}", reason.number));
                table.label("Stopped by", &self.stopped_by(reason));
            }
            (None, Some(reason)) => table.label("Why", &format!("reason {reason}")),
            (None, None) => {}
        }
        if let Some(error) = &self.error {
            table.label("Error", &error.to_string());
        }
        if flow.tries > 0 && flow.state == State::SOFTWARE {
            let times = plural(flow.tries.into(), "time");
            let text = format!("refused {times} in a row; retried at growing intervals");
            table.label("Tried", &text);
        }
        for advice in &self.advice {
            table.label("To do", advice);
        }
        if self.advice.is_empty() && flow.state == State::IN_HARDWARE {
            list_use(flow, table);
        }
        for (label, direction) in [("Original", &flow.original), ("Reply", &flow.reply)] {
            table.label(label, &direction.tuple());
            table.label("", &direction_words(direction));
        }
        if let Some(translation) = flow.translation() {
            table.label("Translated", &translation);
        }
        table.label(
            "Connection",
            &format!(
                "conntrack id {}, mark {:#x}, zone {}; flowtable {}",
                flow.conntrack_id, flow.mark, flow.zone, flow.flowtable
            ),
        );
    }

    /// Names the stage that decided, and the device with its driver.
    fn stopped_by(&self, reason: &Reason) -> String {
        let mut by = stage_words(&reason.stage.to_string()).to_owned();
        if let (Some(device), Some((driver, profile))) = (&self.device, &self.driver) {
            let _ = write!(by, ", at {}", clean(device));
            let _ = match driver.as_str() {
                "" => write!(by, " (no driver)"),
                driver => {
                    let (driver, profile) = (clean(driver), clean(profile));
                    write!(by, " (driver {driver}, profile {profile})")
                }
            };
        }
        by
    }
}

/// Describes the state of a flow.
fn place_words(state: State) -> String {
    match state {
        State::IN_HARDWARE => "in hardware, both directions".to_owned(),
        State::SOFTWARE => "in software".to_owned(),
        State::REMOVING => "its rules were removed, it ends within a second".to_owned(),
        State::ONE_DIRECTION => "one direction in hardware, the other in software".to_owned(),
        other => format!("state {other}"),
    }
}

/// Lists how hardware uses the rules of a flow.
fn list_use(flow: &Flow, table: &mut Table) {
    let used = match flow.last_used_ms {
        Some(ms) => format!(
            "hardware last forwarded one of its packets {} ago",
            time(ms)
        ),
        None => "hardware has not reported any of its packets yet".to_owned(),
    };
    table.label("Used", &used);
    if flow.hardware_misses > 0 {
        let packets = plural(flow.hardware_misses.into(), "packet");
        let text = format!(
            "at least {packets} of it reached the CPU: the NIC does not always do what the rule \
             says"
        );
        table.label("But", &text);
    }
}

/// Describes the path and the counters of a direction.
fn direction_words(direction: &Direction) -> String {
    let mut words = String::new();
    if let Some(ingress) = &direction.ingress {
        let _ = write!(words, "arrives on {}, ", clean(&ingress.to_string()));
    }
    for header in &direction.encapsulation {
        let _ = write!(words, "with {header}, ");
    }
    match &direction.egress {
        Some(egress) => {
            let _ = write!(words, "leaves by {}: ", clean(&egress.to_string()));
        }
        None => words.push_str("egress device unknown: "),
    }
    words.push_str(match direction.state {
        State::IN_HARDWARE => "in hardware",
        State::REMOVING => "ending",
        _ => "in software",
    });
    if direction.packets > 0 {
        let (packets, bytes) = (count(direction.packets), count(direction.bytes));
        let _ = write!(
            words,
            ", hardware forwarded {packets} packets, {bytes} bytes"
        );
    } else if direction.state == State::IN_HARDWARE {
        words.push_str(", hardware has not reported any packets yet");
    }
    words
}

/// Formats the command that ends the connection of a flow, and no other.
fn end_connection(flow: &Flow) -> String {
    let it = &flow.original;
    let mut command = "conntrack -D".to_owned();
    if it.source.is_ipv6() {
        command.push_str(" -f ipv6");
    }
    let (source, destination) = (it.source, it.destination);
    let _ = write!(
        command,
        " -p {} -s {source} -d {destination}",
        flow.protocol
    );
    if it.source_port != 0 || it.destination_port != 0 {
        let (source, destination) = (it.source_port, it.destination_port);
        let _ = write!(command, " --sport {source} --dport {destination}");
    }
    if flow.zone != 0 {
        let _ = write!(command, " -w {}", flow.zone);
    }
    command
}

/// Explains why a flow may not exist, and what to do.
fn explain(wanted: &Wanted, flowtables: u64) -> (Vec<String>, Vec<String>) {
    if flowtables == 0 {
        let remark = "no flowtable of this network namespace has \"flags offload\"";
        return (
            vec![remark.to_owned()],
            vec!["nft-offload doctor".to_owned()],
        );
    }
    let known = wanted.protocol.is_none_or(|p| matches!(p, 6 | 17 | 47));
    if !known {
        let remark = "only TCP, UDP and GRE pass flowtables; other protocols take the slow path";
        return (vec![remark.to_owned()], Vec::new());
    }
    let Some(connection) = &wanted.connection else {
        let remark =
            "no flow has this tuple in either direction: it was never added, it has ended, or its \
                      addresses are translated";
        return (
            vec![remark.to_owned()],
            vec![
                format!(
                    "conntrack -L{} | grep {}: is the connection there?",
                    if wanted.source.address.is_ipv6() {
                        " -f ipv6"
                    } else {
                        ""
                    },
                    wanted.source.address
                ),
                "nft-offload doctor: is there a rule with 'flow add'?".to_owned(),
            ],
        );
    };
    let (remark, advice) = match connection {
        Connection {
            unreplied: true, ..
        } => (
            "conntrack reports [UNREPLIED]: there was no packet in the reply direction, and a \
             flow needs \
             packets in both",
            "find out why the other side does not answer, or whether its answers take another path",
        ),
        Connection { offload: true, .. }
        | Connection {
            hw_offload: true, ..
        } => (
            "conntrack reports that it is in a flowtable, but not in one of nft_offload: the \
             flowtable has \
             no \"flags offload\" or belongs to nf_flow_table_inet, or the flow has ended since",
            "run nft-offload doctor, which shows the flowtables and the module they belong to",
        ),
        Connection {
            state: Some(state), ..
        } if state != "ESTABLISHED" => {
            return (
                vec![format!(
                    "conntrack reports {state}: a TCP flow is offloaded only while ESTABLISHED"
                )],
                Vec::new(),
            )
        }
        _ => (
            "the connection exists, but no rule has added it to a flowtable: no rule with 'flow \
             add' \
             matches its packets, they do not pass the forward hook, or conntrack has a helper or \
             a \
             NAT sequence adjustment for it",
            "add a rule with 'counter' before 'flow add' and check whether its packets reach it: \
             nft list ruleset",
        ),
    };
    (vec![remark.to_owned()], vec![advice.to_owned()])
}
