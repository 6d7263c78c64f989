// SPDX-License-Identifier: GPL-2.0

//! The story of one flow in words.

use crate::{
    family::{Device, Direction, DriverError, Flow, Reason, Refusal, State},
    machine::HwTcOffload,
    show::Style,
    text::{clean, count, error_name, labelled, plural, time, wrap},
    tuple::{protocol_name, Connection, Wanted},
};
use serde::Serialize;
use std::fmt::Write;

/// What is known of why a flow is where it is.
#[derive(Debug, Serialize)]
pub struct Story {
    /// The flow, if there is one.
    pub flow: Option<Flow>,
    /// The reason, as the kernel explains it.
    pub reason: Option<Reason>,
    /// The device that stopped it, if one did.
    pub device: Option<String>,
    /// The driver's error and words.
    pub error: Option<DriverError>,
    /// What a person can do.
    pub advice: Vec<String>,
    /// What is known of a flow that is not there.
    pub remarks: Vec<String>,
    #[serde(skip)]
    title: String,
    #[serde(skip)]
    driver: Option<(String, String)>,
}

/// Of the devices of the flow's flowtable, the one that stopped it: where one of its directions arrives and that says so,
/// else the only one that says so.
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
    // The device itself has no binding, with the same reason.
    let unbound = |device: &Device| device.reason.as_ref().is_some_and(|r| r.number == number);
    let arrives = |device: &Device| {
        [&flow.original, &flow.reply].iter().any(|d| {
            d.ingress
                .as_ref()
                .is_some_and(|dev| dev.ifindex == device.ifindex)
        })
    };
    let mut say_so = devices
        .iter()
        .filter(|d| d.flowtable == flow.flowtable)
        .filter(|d| unbound(d) || refusal(d).is_some());
    let all: Vec<_> = say_so.by_ref().collect();
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

fn stage_words(stage: &str) -> &str {
    match stage {
        "device" => "the device's binding",
        "translate" => "the translation of the flow into a rule",
        "driver" => "the driver",
        "engine" => "nft_offload itself",
        "capacity" => "the room on the device",
        "policy" => "policy",
        other => other,
    }
}

impl Story {
    /// Of a flow that is there.
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
            // Its name for a person; all that the command needs.
            let text = text.replace("device-get", "nft-offload devices");
            advice.push(text.replace("conntrack -D", &end_connection(&flow)));
        }
        if device.is_some_and(|d| d.enabled && !d.takes_rules()) {
            advice
                .push("nft-offload doctor says what keeps the device from being bound".to_owned());
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

    /// The device that stopped it has this feature: many drivers refuse everything while it is off.
    pub fn note_feature(&mut self, feature: Option<HwTcOffload>) {
        let stage = self.reason.as_ref().map(|r| r.stage.to_string());
        let asked = matches!(stage.as_deref(), Some("device" | "driver"));
        if let (Some(device), Some(HwTcOffload::Off), true) = (&self.device, feature, asked) {
            let advice =
                format!("hw-tc-offload of {device} is off: ethtool -K {device} hw-tc-offload on");
            self.advice.insert(0, advice);
        }
    }

    /// Of a flow that is not in any flowtable with `flags offload`.
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

    /// The story in text.
    pub fn render(&self, style: Style) -> String {
        const COLUMN: usize = 12;
        let mut out = String::new();
        let Some(flow) = &self.flow else {
            let text = format!("{}: not in a flowtable with \"flags offload\"", self.title);
            for line in wrap(&text, style.width) {
                let _ = writeln!(out, "{line}");
            }
            for remark in &self.remarks {
                labelled(&mut out, "Why", COLUMN, remark, style.width);
            }
            for advice in &self.advice {
                labelled(&mut out, "To do", COLUMN, advice, style.width);
            }
            return out;
        };
        let place = match flow.state {
            State::IN_HARDWARE => "in hardware, both directions".to_owned(),
            State::SOFTWARE => "in software".to_owned(),
            State::REMOVING => "its rules were taken out, it ends within a second".to_owned(),
            State::ONE_DIRECTION => "one direction in hardware, the other in software".to_owned(),
            other => format!("state {other}"),
        };
        let title = format!("{}: {place}, for {}", self.title, time(flow.since_ms));
        for line in wrap(&title, style.width) {
            let _ = writeln!(out, "{line}");
        }
        let mut line =
            |label: &str, text: &str| labelled(&mut out, label, COLUMN, text, style.width);
        match (&self.reason, &flow.reason) {
            (Some(reason), _) => {
                let (name, text) = (clean(&reason.name), clean(&reason.text));
                line("Why", &format!("{name} ({}): {text}", reason.number));
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
                line("Stopped by", &by);
            }
            (None, Some(reason)) => line("Why", &format!("reason {reason}")),
            (None, None) => {}
        }
        if let Some(error) = &self.error {
            line("It said", &error.to_string());
        }
        if flow.tries > 0 && flow.state == State::SOFTWARE {
            line(
                "Tried",
                &format!(
                    "refused {} in a row; tried again by itself, more and more seldom",
                    plural(flow.tries.into(), "time")
                ),
            );
        }
        for advice in &self.advice {
            line("To do", advice);
        }
        if self.advice.is_empty() && flow.state == State::IN_HARDWARE {
            let used = match flow.last_used_ms {
                Some(ms) => format!("hardware last carried a packet of it {} ago", time(ms)),
                None => "hardware has reported no packet of it yet".to_owned(),
            };
            line("Used", &used);
            if flow.hardware_misses > 0 {
                line(
                    "But",
                    &format!(
                        "{} of it came to the CPU, at least: the NIC does not do all that its rule says, or not always",
                        plural(flow.hardware_misses.into(), "packet")
                    ),
                );
            }
        }
        for (label, direction) in [("Original", &flow.original), ("Reply", &flow.reply)] {
            line(label, &direction.tuple());
            line("", &direction_words(direction));
        }
        if let Some(translation) = flow.translation() {
            line("Translated", &translation);
        }
        line(
            "Connection",
            &format!(
                "conntrack id {}, mark {:#x}, zone {}; flowtable {}",
                flow.conntrack_id, flow.mark, flow.zone, flow.flowtable
            ),
        );
        out
    }
}

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
        None => words.push_str("way out not known: "),
    }
    words.push_str(match direction.state {
        State::IN_HARDWARE => "in hardware",
        State::REMOVING => "ends",
        _ => "in software",
    });
    if direction.packets > 0 {
        let (packets, bytes) = (count(direction.packets), count(direction.bytes));
        let _ = write!(words, ", hardware carried {packets} packets, {bytes} bytes");
    } else if direction.state == State::IN_HARDWARE {
        words.push_str(", hardware has reported no packets yet");
    }
    words
}

/// The command that ends a flow's connection, and no other one.
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

/// Why a flow may not be there, and what to do.
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
        let remark =
            "only TCP, UDP and GRE go through flowtables; other protocols take the slow path";
        return (vec![remark.to_owned()], Vec::new());
    }
    let Some(connection) = &wanted.connection else {
        let remark = "no flow has this tuple in either direction: it was never added, it has ended, or its packets are \
                      translated to other addresses";
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
            "conntrack says [UNREPLIED]: no packet came back, and a flow begins with packets in both directions",
            "see why the other side does not answer, or whether its answers take another way",
        ),
        Connection {
            offload: true,
            ..
        }
        | Connection {
            hw_offload: true, ..
        } => (
            "conntrack says that it is in a flowtable, but not in one of nft_offload's: that one has no \"flags offload\" \
             or belongs to nf_flow_table_inet, or the flow has ended since",
            "nft-offload doctor shows the flowtables and whose they are",
        ),
        Connection {
            state: Some(state), ..
        } if state != "ESTABLISHED" => {
            return (
                vec![format!("conntrack says {state}: a TCP flow is offloaded while it is ESTABLISHED")],
                Vec::new(),
            )
        }
        _ => (
            "the connection is there but no rule has added it to a flowtable: none with 'flow add' matches its packets, they \
             do not go through the forward hook, or conntrack has a helper or a NAT sequence adjustment for it",
            "put a rule with 'counter' before 'flow add' and see whether its packets reach it: nft list ruleset",
        ),
    };
    (vec![remark.to_owned()], vec![advice.to_owned()])
}
