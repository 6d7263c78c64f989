// SPDX-License-Identifier: GPL-2.0

//! Messages recorded from the kernel (`tests/data`, a datagram a line, from a little-endian
//! machine), and how they are shown.
#![cfg(target_endian = "little")]

use crate::{
    commands::{
        completion, devices as devices_command,
        doctor::{self, Facts},
        flows::{self as flows_command, watch},
        metrics::{
            exposition::{render, Format},
            Snapshot,
        },
        monitor, reasons as reasons_command, status,
        top::tests::draw_anything,
        why::story::Story,
    },
    modprobe::{Line, LoadOrder},
    netlink::{
        family::{
            Bound, Device, Encapsulation, Event, EventKind, Filter, Flow, Flowtable, Names, Reason,
            State, Stats, Subject, TableFamily, Tables,
        },
        wire::{kind, Messages, Verdict},
    },
    output::{
        finding::{self, Severity},
        Style,
    },
    system::{HwTcOffload, Link, NftChain, NftFlowtable},
    tuple,
};
use proptest::prelude::*;

const DEVICES: &str = include_str!("../tests/data/devices.hex");
const FLOWS: &str = include_str!("../tests/data/flows.hex");
const REASONS: &str = include_str!("../tests/data/reasons.hex");
const STATS: &str = include_str!("../tests/data/stats.hex");
const LINKS: &str = include_str!("../tests/data/links.hex");
const FEATURES: &str = include_str!("../tests/data/features.hex");
const FLOWTABLES: &str = include_str!("../tests/data/flowtables.hex");
const REFUSED: &str = include_str!("../tests/data/refused.hex");

const TERMINAL: Style = Style {
    width: Some(80),
    bold: false,
};

fn datagrams(hex: &str) -> Vec<Vec<u8>> {
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    let datagram = |line: &str| line.as_bytes().chunks(2).map(byte).collect();
    hex.lines().map(datagram).collect()
}

/// Returns the bodies of the messages that are neither errors nor ends of dumps.
fn bodies(hex: &str) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for datagram in datagrams(hex) {
        for message in Messages::new(&datagram) {
            let message = message.unwrap();
            if message.kind > kind::DONE {
                all.push(message.body.to_vec());
            }
        }
    }
    all
}

fn reasons() -> Vec<Reason> {
    let all = bodies(REASONS);
    all.iter().map(|b| Reason::read(b).unwrap()).collect()
}

fn links() -> Vec<Link> {
    let all = bodies(LINKS);
    all.iter().map(|b| Link::read(b).unwrap()).collect()
}

pub fn names() -> Names {
    let reasons = reasons();
    let reasons = reasons.iter().map(|r| (r.number, r.name.as_str().into()));
    let links = links();
    let devices = links.iter().map(|l| (l.ifindex, l.name.as_str().into()));
    Names {
        reasons: reasons.collect(),
        devices: devices.collect(),
    }
}

pub fn devices() -> Vec<Device> {
    let (all, names) = (bodies(DEVICES), names());
    all.iter()
        .map(|b| Device::read(b, &names).unwrap())
        .collect()
}

pub fn flows() -> Vec<Flow> {
    let (all, names) = (bodies(FLOWS), names());
    all.iter().map(|b| Flow::read(b, &names).unwrap()).collect()
}

pub fn stats() -> Stats {
    Stats::read(&bodies(STATS)[0], &names())
}

fn flow_of(port: u16) -> Flow {
    let all = flows();
    let found = all.into_iter().find(|f| f.original.source_port == port);
    found.unwrap()
}

fn fits(text: &str) {
    for line in text.lines() {
        assert!(line.chars().count() <= 80, "{line}");
        assert_eq!(line.trim_end(), line);
    }
}

#[test]
fn devices_are_read() {
    let all = devices();
    let names: Vec<_> = all.iter().map(|d| d.name.as_str()).collect();
    assert_eq!(names.len(), 3);
    let lan = all.iter().find(|d| d.name == "lan").unwrap();
    assert_eq!(lan.bound.name(), Some("direct"));
    assert!(lan.takes_rules());
    assert_eq!((lan.rules, lan.profile.as_str()), (3, "tc"));
    assert_eq!(lan.refusals.len(), 1);
    assert_eq!(lan.refusals[0].error.as_ref().unwrap().name, "EOPNOTSUPP");
    let dummy = all.iter().find(|d| d.name == "dummy0").unwrap();
    assert_eq!(dummy.reason.as_ref().unwrap().to_string(), "no-binding");
    assert_eq!(dummy.error.as_ref().unwrap().errno, 95);
    assert_eq!(dummy.flowtable.to_string(), "inet router ft");
}

#[test]
fn flows_are_read() {
    let all = flows();
    assert_eq!(all.len(), 4);
    let flow = flow_of(42001);
    assert_eq!(flow.original.tuple(), "10.0.1.2:42001 > 10.0.2.2:5001");
    assert_eq!(flow.original.way(), "lan>wan");
    assert_eq!(flow.reply.way(), "wan>lan");
    assert_eq!((flow.mark, flow.state), (7, State::IN_HARDWARE));
    assert_eq!(flow.conntrack_id, 3_443_798_073);
    assert_eq!(flow.translation(), None);
    let six = flow_of(42003);
    assert_eq!(six.original.tuple(), "[fd00:1::2]:42003 > [fd00:2::2]:5001");
    let refused = flow_of(42010);
    assert_eq!(refused.standing(), "driver-refused");
    assert_eq!(refused.errno, Some(95));
}

#[test]
fn totals_and_reasons_are_read() {
    let stats = stats();
    assert_eq!((stats.flowtables, stats.devices), (1, 3));
    assert_eq!((stats.flows_in_hardware, stats.flows_in_software), (3, 1));
    assert_eq!(stats.by_reason.len(), 1);
    let reasons = reasons();
    assert!(reasons.len() > 20);
    assert!(reasons
        .iter()
        .all(|r| r.stage.name().is_some() && !r.advice.is_empty()));
}

#[test]
fn links_features_flowtables_are_read() {
    assert!(links()
        .iter()
        .any(|l| l.name == "dummy0" && l.kind.as_deref() == Some("dummy")));
    assert_eq!(
        HwTcOffload::read(&bodies(FEATURES)[0]),
        Some(HwTcOffload::On)
    );
    let all = bodies(FLOWTABLES);
    let table = NftFlowtable::read(&all[0]).unwrap();
    assert_eq!(table.flowtable.to_string(), "inet router ft");
    assert!(table.offload && table.counter);
    assert_eq!(table.rules, 1);
    let mut devices = table.devices;
    devices.sort();
    assert_eq!(devices, ["dummy0", "lan", "wan"]);
}

/// A representor of EF100 has no parent; its switch has the number of the function's port.
#[test]
fn a_representor_without_hardware_has_that_of_its_function() {
    let attribute = |number: u16, value: &[u8]| {
        let mut bytes = (4 + value.len() as u16).to_ne_bytes().to_vec();
        bytes.extend(number.to_ne_bytes());
        bytes.extend(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    };
    let link = |ifindex: u32, name: &[u8], rest: &[Vec<u8>]| {
        let header = [&[0; 4][..], &ifindex.to_ne_bytes(), &[0; 8]].concat();
        let body = [header, attribute(3, name), rest.concat()].concat();
        Link::read(&body).unwrap()
    };
    let (own, other) = ([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
    let pci = [attribute(57, b"pci\0"), attribute(56, b"0000:03:00.0\0")];
    let function = [&pci[..], &[attribute(31, &own)]].concat();
    let mut links = [
        link(2, b"eth0\0", &function),
        link(3, b"rep\0", &[attribute(36, &own)]),
        link(4, b"of_another\0", &[attribute(36, &other)]),
        link(5, b"dummy0\0", &[]),
    ];
    crate::system::adopt(&mut links);
    let found: Vec<_> = links
        .iter()
        .map(|l| (l.function, l.parent.is_some()))
        .collect();
    assert_eq!(
        found,
        [(None, true), (Some(2), true), (None, false), (None, false)]
    );
    assert_eq!(links[0].parent, links[1].parent);
}

/// Returns the recorded answers for metrics.
fn snapshot() -> Snapshot {
    Snapshot {
        stats: stats(),
        devices: devices(),
        reasons: reasons(),
        module_version: Some("0.1.0".to_owned()),
    }
}

/// Returns the samples in the text of metrics.
fn samples(text: &str) -> Vec<&str> {
    text.lines().filter(|l| !l.starts_with('#')).collect()
}

#[test]
fn metrics_in_both_formats() {
    let golden = |text: &str| text.replace("@VERSION@", env!("CARGO_PKG_VERSION"));
    let snapshot = snapshot();
    let prometheus = render(Format::Prometheus, Some(&snapshot));
    let wanted = golden(include_str!("../tests/data/metrics.prom"));
    assert_eq!(prometheus, wanted);
    let openmetrics = render(Format::OpenMetrics, Some(&snapshot));
    let wanted = golden(include_str!("../tests/data/metrics.openmetrics"));
    assert_eq!(openmetrics, wanted);
    assert_eq!(samples(&prometheus), samples(&openmetrics));
}

#[test]
fn metrics_have_no_flow_and_no_two_samples_of_the_same_name() {
    let mut snapshot = snapshot();
    // Devices appear twice while a ruleset is reloaded.
    let again = snapshot.devices.clone();
    snapshot.devices.extend(again);
    let text = render(Format::Prometheus, Some(&snapshot));
    let mut names: Vec<_> = samples(&text)
        .iter()
        .map(|line| line.rsplit_once(' ').unwrap().0)
        .collect();
    let all = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), all);
    assert!(!text.contains("10.0."));
    // The help must not need escapes.
    assert!(text
        .lines()
        .filter(|l| l.starts_with("# HELP"))
        .all(|l| !l.contains(['\\', '"'])));
}

#[test]
fn the_name_of_a_table_cannot_end_a_label() {
    let mut snapshot = snapshot();
    snapshot.devices.truncate(1);
    snapshot.devices[0].flowtable.table = "a\"} 1\n# EOF\\".to_owned();
    snapshot.devices[0].limit = 7;
    let text = render(Format::OpenMetrics, Some(&snapshot));
    let line =
        "nft_offload_rules_limit{family=\"inet\",table=\"a\\\"} 1\\n# EOF\\\\\",flowtable=\"ft\",";
    assert!(text.contains(line), "{text}");
    assert_eq!(text.matches("\n# EOF\n").count(), 1);
}

#[test]
fn a_refusal_has_the_message_and_the_attribute() {
    let datagram = &datagrams(REFUSED)[0];
    let message = Messages::new(datagram).next().unwrap().unwrap();
    let verdict = Verdict::read(&message);
    assert_eq!(verdict.errno, 22);
    assert_eq!(verdict.text.as_deref(), Some("unknown reason"));
    assert_eq!(verdict.offset, Some(20));
}

#[test]
fn unknown_attributes_are_ignored() {
    let names = names();
    for body in bodies(FLOWS) {
        let mut more = body.clone();
        more.extend([8, 0, 0xe8, 3, 1, 2, 3, 4]);
        let (old, new) = (
            Flow::read(&body, &names).unwrap(),
            Flow::read(&more, &names).unwrap(),
        );
        assert_eq!(
            serde_json::to_string(&old).unwrap(),
            serde_json::to_string(&new).unwrap()
        );
    }
}

#[test]
fn unknown_numbers_are_printed_as_numbers() {
    let mut flow = flow_of(42010);
    // Read the flow without names.
    for body in bodies(FLOWS) {
        let it = Flow::read(&body, &Names::default()).unwrap();
        if it.original.source_port == 42010 {
            flow = it;
        }
    }
    assert_eq!(flow.standing(), "32");
    assert!(flow.original.way().starts_with('#'));
    flow.state = State(9);
    assert_eq!(flow.standing(), "9");
    let json = serde_json::to_value(&flow).unwrap();
    assert_eq!(json["state"], 9);
    assert_eq!(json["reason"]["number"], 32);
    assert_eq!(json["reason"]["name"], serde_json::Value::Null);
}

#[test]
fn the_completion_script_knows_its_commands() {
    let script = completion::script(clap_complete::Shell::Bash);
    let names = script
        .lines()
        .filter_map(|l| l.trim().strip_prefix("cmd=\""));
    let names: Vec<_> = names.filter_map(|l| l.strip_suffix('"')).collect();
    assert!(names.len() > 7);
    for name in names.iter().filter(|name| !name.is_empty()) {
        assert!(script.contains(&format!(" {name})\n")), "{name}");
    }
}

#[test]
fn status_begins_with_the_totals() {
    let text = status::render(&stats(), &devices(), TERMINAL);
    fits(&text);
    let first = text.lines().next().unwrap();
    assert_eq!(
        first,
        "3 flows in hardware, 1 in software: 1 driver-refused"
    );
    assert!(text.contains("\nDEVICE  BOUND     RULES"), "{text}");
    assert!(text.contains("\ndummy0  software"), "{text}");
    let none = status::render(&Stats::default(), &[], TERMINAL);
    assert!(none.contains("doctor"));
}

#[test]
fn large_numbers_fit() {
    let (mut stats, mut devices) = (stats(), devices());
    stats.flows_in_hardware = u64::MAX;
    stats.packets = u64::MAX;
    for device in &mut devices {
        device.name = "abcdefghijklmno".to_owned();
        device.rules = 999_999;
        device.high_water = 999_999;
        device.limit = 1_000_000;
        device.packets = u64::MAX;
        device.bytes = u64::MAX;
        device.hardware_misses = 123_456;
    }
    fits(&status::render(&stats, &devices, TERMINAL));
    fits(&devices_command::render(&devices, TERMINAL));
}

#[test]
fn flows_fit() {
    let mut all = flows();
    let text = flows_command::render(&all, true, TERMINAL);
    fits(&text);
    assert_eq!(text.lines().count(), 5, "{text}");
    let long = "2001:db8:1111:2222:3333:4444:5555:6666".parse().unwrap();
    all[0].original.source = long;
    all[0].original.destination = long;
    fits(&flows_command::render(&all, true, TERMINAL));
    // In a file each flow has one line.
    assert_eq!(
        flows_command::render(&all, true, Style::PLAIN)
            .lines()
            .count(),
        5
    );
}

#[test]
fn reasons_fit() {
    let text = reasons_command::render(&reasons(), TERMINAL);
    fits(&text);
    assert!(
        text.contains(" 32  driver-refused    driver     the driver refused the rule\n"),
        "{text}"
    );
}

#[test]
fn why_names_the_device_and_the_error_of_the_driver() {
    let story = Story::of(flow_of(42010), &devices(), &reasons());
    let text = story.render(TERMINAL);
    fits(&text);
    for part in [
        "udp 10.0.1.2:42010 > 10.0.2.2:5001: in software, for ",
        "driver-refused (32): the driver refused the rule",
        "at lan (driver netdevsim, profile tc)",
        "EOPNOTSUPP: \"netdevsim: injected failure -95 of replace\"",
        "in a row",
        "To do       see nft-offload devices for the driver's error message",
        "Reply       10.0.2.2:5001 > 10.0.1.2:42010\n            arrives on wan, leaves by lan: in software",
        "conntrack id 4105085895, mark 0x0, zone 0",
    ] {
        assert!(text.contains(part), "{part} is not in:\n{text}");
    }
    let json = serde_json::to_value(&story).unwrap();
    assert_eq!(json["device"], "lan");
    assert_eq!(json["error"]["name"], "EOPNOTSUPP");
}

#[test]
fn why_of_a_flow_in_hardware() {
    let text = Story::of(flow_of(42002), &devices(), &reasons()).render(TERMINAL);
    fits(&text);
    assert!(
        text.contains("in hardware, both directions, for "),
        "{text}"
    );
    assert!(text.contains("hardware forwarded "), "{text}");
    assert!(!text.contains("Why"), "{text}");
}

#[test]
fn why_of_a_device_without_binding() {
    let mut flow = flow_of(42010);
    let devices = devices();
    let dummy = devices.iter().find(|d| d.name == "dummy0").unwrap();
    flow.reason = dummy.reason.clone();
    flow.errno = None;
    flow.original.ingress.as_mut().unwrap().ifindex = dummy.ifindex;
    let text = Story::of(flow, &devices, &reasons()).render(TERMINAL);
    fits(&text);
    assert!(text.contains("the device's binding, at dummy0"), "{text}");
    assert!(
        text.contains("ethtool -K dummy0 hw-tc-offload on"),
        "{text}"
    );
}

#[test]
fn why_tells_when_the_feature_is_off() {
    let mut flow = flow_of(42010);
    let devices = devices();
    let dummy = devices.iter().find(|d| d.name == "dummy0").unwrap();
    flow.reason = dummy.reason.clone();
    flow.errno = None;
    flow.original.ingress.as_mut().unwrap().ifindex = dummy.ifindex;
    for (feature, told) in [
        (HwTcOffload::Off, true),
        (HwTcOffload::Fixed, false),
        (HwTcOffload::On, false),
    ] {
        let mut story = Story::of(flow.clone(), &devices, &reasons());
        story.note_feature(Some(feature));
        let text = story.render(TERMINAL);
        fits(&text);
        assert_eq!(
            text.contains("hw-tc-offload of dummy0 is off"),
            told,
            "{text}"
        );
    }
}

#[test]
fn why_of_a_flow_that_does_not_exist() {
    let words: Vec<_> = "10.0.1.2:1 10.0.2.2:2"
        .split(' ')
        .map(str::to_owned)
        .collect();
    let wanted = tuple::wanted(&words, None).unwrap();
    let text = Story::of_none(&wanted, 1).render(TERMINAL);
    fits(&text);
    assert!(
        text.starts_with("tcp or udp 10.0.1.2:1 > 10.0.2.2:2: not in a flowtable"),
        "{text}"
    );
    let cases = [
        (
            "udp 17 20 src=10.0.1.2 dst=10.0.2.2 sport=1 dport=2 [UNREPLIED] src=10.0.2.2",
            "[UNREPLIED]",
        ),
        (
            "tcp 6 20 TIME_WAIT src=10.0.1.2 dst=10.0.2.2 sport=1 dport=2",
            "TIME_WAIT",
        ),
        (
            "tcp 6 20 ESTABLISHED src=10.0.1.2 dst=10.0.2.2 sport=1 dport=2",
            "'flow add'",
        ),
        (
            "tcp 6 src=10.0.1.2 dst=10.0.2.2 sport=1 dport=2 [OFFLOAD]",
            "nf_flow_table_inet",
        ),
        (
            "icmp 1 29 src=10.0.1.2 dst=10.0.2.2 type=8 code=0 id=1",
            "only TCP, UDP and GRE",
        ),
    ];
    for (line, part) in cases {
        let words: Vec<_> = line.split(' ').map(str::to_owned).collect();
        let text = Story::of_none(&tuple::wanted(&words, None).unwrap(), 1).render(TERMINAL);
        fits(&text);
        assert!(text.contains(part), "{part} is not in:\n{text}");
    }
}

#[test]
fn watching_reports_changes() {
    let mut watcher = watch::Watcher::default();
    let all = flows();
    let events = watcher.look(all.clone());
    assert!(events.iter().all(|(e, _)| *e == watch::Event::Present));
    assert_eq!(events.len(), 4);
    assert!(watcher.look(all.clone()).is_empty());
    let mut next = all.clone();
    next[1].state = State::REMOVING;
    next.remove(0);
    let mut more = all[0].clone();
    more.conntrack_id = 1;
    next.push(more);
    let events: Vec<_> = watcher.look(next).iter().map(|(e, _)| *e).collect();
    assert_eq!(
        events,
        [watch::Event::Changed, watch::Event::New, watch::Event::Gone]
    );
}

/// Turns a recorded flow or device into an event.
fn event(kind: u8, body: &[u8]) -> Event {
    let mut body = body.to_vec();
    body[0] = kind;
    Event::read(&body, &names()).unwrap()
}

fn event_of_flow(kind: u8, port: u16) -> Event {
    let all = bodies(FLOWS).into_iter();
    let mut all = all.map(|body| event(kind, &body));
    let is_it =
        |e: &Event| matches!(&e.subject, Subject::Flow(f) if f.original.source_port == port);
    all.find(is_it).unwrap()
}

fn event_of_device(kind: u8, name: &str) -> Event {
    let all = bodies(DEVICES).into_iter();
    let mut all = all.map(|body| event(kind, &body));
    let is_it = |e: &Event| matches!(&e.subject, Subject::Device(d) if d.name == name);
    all.find(is_it).unwrap()
}

#[test]
fn an_event_has_a_line() {
    let line = |event: &Event| monitor::line(event, 1_637_496_882_007);
    let flow = "udp  lan>wan    10.0.1.2:42001 > 10.0.2.2:5001";
    assert_eq!(
        line(&event_of_flow(32, 42001)),
        format!("[1637496882.007] flow-in        {flow}: in-hardware\n")
    );
    let mut out = event_of_flow(33, 42001);
    let Subject::Flow(it) = &mut out.subject else {
        panic!()
    };
    (it.original.packets, it.original.bytes) = (12, 3400);
    (it.reply.packets, it.reply.bytes) = (10, 900);
    it.state = State::SOFTWARE;
    it.reason = flow_of(42010).reason;
    assert_eq!(
        line(&out),
        format!(
            "[1637496882.007] flow-out       {flow}: software, driver-refused; \
             original 12 packets 3400 bytes, reply 10 packets 900 bytes\n"
        )
    );
    let refused = line(&event_of_flow(34, 42010));
    assert!(
        refused.ends_with(" > 10.0.2.2:5001: driver-refused, EOPNOTSUPP\n"),
        "{refused}"
    );
    assert_eq!(
        line(&event_of_device(35, "lan")),
        "[1637496882.007] device-bound   lan  flowtable inet router ft: direct\n"
    );
    let refused = line(&event_of_device(36, "dummy0"));
    assert!(
        refused.contains("dummy0  flowtable inet router ft: software, no-binding: EOPNOTSUPP"),
        "{refused}"
    );
    let full = line(&event_of_device(37, "lan"));
    assert!(full.ends_with("ft: 3 rules\n"), "{full}");
}

#[test]
fn an_event_in_json() {
    let of = |event: &Event| serde_json::to_value(monitor::Content::of(event, 5)).unwrap();
    let json = of(&event_of_flow(34, 42010));
    assert_eq!(json["time_ms"], 5);
    assert_eq!(json["event"], "flow-refused");
    assert_eq!(json["flow"]["reason"]["name"], "driver-refused");
    assert_eq!(json["device"], serde_json::Value::Null);
    let json = of(&event_of_device(37, "lan"));
    assert_eq!(json["event"], "device-full");
    assert_eq!(json["device"]["enabled"], true);
    assert_eq!(json["flow"], serde_json::Value::Null);
}

#[test]
fn an_event_of_another_kind_is_ignored() {
    let mut body = bodies(FLOWS)[0].clone();
    for kind in [0, 1, 31, 38, 255] {
        body[0] = kind;
        assert!(Event::read(&body, &names()).is_none());
    }
    // The event of a device lacks the attributes of a flow.
    let mut body = bodies(DEVICES)[0].clone();
    body[0] = 32;
    assert!(Event::read(&body, &names()).is_none());
}

#[test]
fn events_are_filtered_as_flows_are() {
    let (flow, device) = (event_of_flow(32, 42001), event_of_device(35, "lan"));
    let Subject::Device(lan) = &device.subject else {
        panic!()
    };
    let any = Filter::default;
    let prefix = |text| crate::tuple::prefix(text).ok();
    let mark = |text| crate::tuple::mark(text).ok();
    let tables = |table: &str| Tables {
        table: Some(table.to_owned()),
        ..Tables::default()
    };
    // A filter, whether the flow matches, whether the device matches.
    #[rustfmt::skip]
    let cases = [
        (any(), true, true),
        (Filter { ifindex: Some(lan.ifindex), ..any() }, true, true),
        (Filter { ifindex: Some(4242), ..any() }, false, false),
        (Filter { tables: tables("router"), ..any() }, true, true),
        (Filter { tables: tables("rooter"), ..any() }, false, false),
        (Filter { protocol: Some(17), ..any() }, true, false),
        (Filter { protocol: Some(6), ..any() }, false, false),
        (Filter { port: Some(5001), ..any() }, true, false),
        (Filter { port: Some(5002), ..any() }, false, false),
        (Filter { address: prefix("10.0.2.2"), ..any() }, true, false),
        (Filter { address: prefix("10.0.2.3"), ..any() }, false, false),
        (Filter { address: prefix("10.0.2.0/24"), ..any() }, true, false),
        (Filter { source: prefix("10.0.1.0/24"), ..any() }, true, false),
        (Filter { source: prefix("10.0.2.2"), ..any() }, false, false),
        (Filter { destination: prefix("10.0.2.2"), ..any() }, true, false),
        (Filter { destination: prefix("fd00::/8"), ..any() }, false, false),
        (Filter { source_port: Some(42001), ..any() }, true, false),
        (Filter { source_port: Some(5001), ..any() }, false, false),
        (Filter { destination_port: Some(5001), ..any() }, true, false),
        (Filter { mark: mark("7"), ..any() }, true, false),
        (Filter { mark: mark("2/2"), ..any() }, true, false),
        (Filter { mark: mark("0/2"), ..any() }, false, false),
        (Filter { zone: Some(1), ..any() }, false, false),
        (Filter { family: Some(2), ..any() }, true, false),
        (Filter { state: Some(1), ..any() }, true, false),
        (Filter { reason: Some(32), ..any() }, false, false),
    ];
    for (filter, of_flow, of_device) in cases {
        assert_eq!(
            monitor::is_wanted(&flow, &[], &filter),
            of_flow,
            "{filter:?}"
        );
        assert_eq!(
            monitor::is_wanted(&device, &[], &filter),
            of_device,
            "{filter:?}"
        );
    }
    let kinds = [EventKind(33), EventKind(32)];
    assert!(monitor::is_wanted(&flow, &kinds, &any()));
    assert!(!monitor::is_wanted(&device, &kinds, &any()));
}

#[test]
fn a_device_that_is_switched_off() {
    let mut all = devices();
    for device in &mut all {
        device.enabled = false;
    }
    let text = devices_command::render(&all, TERMINAL);
    fits(&text);
    assert!(
        text.contains("bound     switched off: nft-offload set lan on"),
        "{text}"
    );
    let text = status::render(&stats(), &all, TERMINAL);
    fits(&text);
    assert_eq!(text.matches(" off\n").count(), 3, "{text}");
    assert!(all.iter().all(|d| !d.takes_rules()));
    let mut body = bodies(DEVICES)[0].clone();
    assert!(Device::read(&body, &names()).unwrap().enabled);
    body.extend([5, 0, 22, 0, 0, 0, 0, 0]);
    assert!(!Device::read(&body, &names()).unwrap().enabled);
}

#[test]
fn capabilities_and_encapsulation_are_shown() {
    let mut body = bodies(DEVICES)[0].clone();
    // A nested attribute: IPv4, NAT of IPv6, two tags.
    body.extend([
        20, 0, 23, 0x80, 4, 0, 1, 0, 4, 0, 4, 0, 5, 0, 5, 0, 2, 0, 0, 0,
    ]);
    let device = Device::read(&body, &names()).unwrap();
    let text = devices_command::render(&[device], TERMINAL);
    fits(&text);
    assert!(
        text.contains(
            "offloads  IPv4, NAT of IPv6, two VLAN tags; has not yet reported that a rule"
        ),
        "{text}"
    );
    let mut flow = flow_of(42010);
    flow.reply.encapsulation = vec![
        Encapsulation {
            ethertype: 0x88a8,
            id: 100,
        },
        Encapsulation {
            ethertype: 0x8864,
            id: 7,
        },
    ];
    let text = Story::of(flow, &devices(), &reasons()).render(TERMINAL);
    fits(&text);
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        flat.contains("with 802.1ad VLAN 100, with PPPoE session 7, leaves"),
        "{text}"
    );
}

#[test]
fn a_device_in_a_line() {
    let mut lan = devices().into_iter().find(|d| d.name == "lan").unwrap();
    lan.limit = 100;
    let text = devices_command::render_line(&lan, Style::PLAIN);
    let line = format!(
        "lan (index {}), flowtable inet router ft: profile tc, 3 rules, limit 100; direct\n",
        lan.ifindex
    );
    assert_eq!(text, line);
    fits(&devices_command::render_line(&lan, TERMINAL));
    let dummy = devices().into_iter().find(|d| d.name == "dummy0").unwrap();
    let text = devices_command::render_line(&dummy, Style::PLAIN);
    assert!(text.contains("no limit; software, no-binding"), "{text}");
}

#[test]
fn why_names_the_device_that_is_switched_off() {
    let mut flow = flow_of(42010);
    let mut devices = devices();
    let mut reasons = reasons();
    let number = flow.reason.as_ref().unwrap().number;
    let reason = reasons.iter_mut().find(|r| r.number == number).unwrap();
    reason.advice = "switch it on again: nft-offload set DEVICE on".to_owned();
    let dummy = devices.iter_mut().find(|d| d.name == "dummy0").unwrap();
    (dummy.enabled, dummy.reason) = (false, flow.reason.clone());
    flow.errno = None;
    flow.original.ingress.as_mut().unwrap().ifindex = dummy.ifindex;
    let text = Story::of(flow, &devices, &reasons).render(TERMINAL);
    fits(&text);
    assert!(text.contains("nft-offload set dummy0 on"), "{text}");
    assert!(!text.contains("doctor"), "{text}");
}

#[test]
fn why_has_the_command_that_ends_one_connection() {
    let mut reasons = reasons();
    let mut flow = flow_of(42010);
    let number = flow.reason.as_ref().unwrap().number;
    let reason = reasons.iter_mut().find(|r| r.number == number).unwrap();
    reason.advice = "to offload it again, end the connection: conntrack -D".to_owned();
    let advice = |flow: &Flow| Story::of(flow.clone(), &[], &reasons).advice[0].clone();
    let begin = "to offload it again, end the connection: conntrack -D";
    assert_eq!(
        advice(&flow),
        format!("{begin} -p udp -s 10.0.1.2 -d 10.0.2.2 --sport 42010 --dport 5001")
    );
    flow.protocol = crate::netlink::family::Protocol(47);
    flow.zone = 7;
    let it = &mut flow.original;
    (it.source_port, it.destination_port) = (0, 0);
    it.source = "fd00:1::2".parse().unwrap();
    it.destination = "fd00:2::2".parse().unwrap();
    assert_eq!(
        advice(&flow),
        format!("{begin} -f ipv6 -p gre -s fd00:1::2 -d fd00:2::2 -w 7")
    );
}

fn facts() -> Facts {
    let flowtables = bodies(FLOWTABLES);
    Facts {
        module: Some(doctor::Module {
            devices: devices(),
            stats: Some(stats()),
            reasons: reasons(),
        }),
        load_order: LoadOrder::OffloadFirst,
        flowtables: Some(
            flowtables
                .iter()
                .map(|b| NftFlowtable::read(b).unwrap())
                .collect(),
        ),
        links: links(),
        features: vec![
            ("dummy0".to_owned(), None),
            ("lan".to_owned(), Some(HwTcOffload::On)),
        ],
        conntrack_counts: Some(true),
        forwards: true,
        ..Facts::default()
    }
}

/// Returns the identifiers of the problems and hints.
fn ids(facts: &Facts) -> Vec<&'static str> {
    let found = doctor::examine(facts);
    let text = finding::render(&found, TERMINAL);
    for line in text.lines().filter(|line| !line.contains("$ ")) {
        assert!(line.chars().count() <= 80, "{line}");
    }
    assert!(found
        .iter()
        .all(|f| f.severity != Severity::Ok || f.fix.is_none()));
    let serious = found.iter().filter(|f| f.severity != Severity::Ok);
    serious.map(|f| f.id).collect()
}

#[test]
fn the_doctor_finds_the_recorded_problems() {
    assert_eq!(ids(&facts()), ["not-bound", "in-software"]);
    let text = finding::render(&doctor::examine(&facts()), Style::PLAIN);
    assert!(
        text.contains("nft 'delete flowtable inet router ft { devices = { \"dummy0\" }; }'"),
        "{text}"
    );
}

#[test]
fn the_doctor_finds_each_problem() {
    let healthy = || {
        let mut it = facts();
        let module = it.module.as_mut().unwrap();
        module.devices.retain(|d| d.takes_rules());
        if let Some(stats) = &mut module.stats {
            stats.by_reason.clear();
        }
        it
    };
    let module = |it: &mut Facts, f: &dyn Fn(&mut doctor::Module)| f(it.module.as_mut().unwrap());
    let table = |it: &mut Facts, f: &dyn Fn(&mut NftFlowtable)| {
        it.flowtables.as_mut().unwrap().iter_mut().for_each(f);
    };
    assert!(ids(&healthy()).is_empty());
    let case = |change: &dyn Fn(&mut Facts)| {
        let mut it = healthy();
        change(&mut it);
        ids(&it)
    };
    assert_eq!(
        case(&|it| it.load_order = LoadOrder::Undecided),
        ["no-softdep"]
    );
    let blocked = LoadOrder::InTreeBlocked(Line {
        file: "/etc/modprobe.d/x.conf".to_owned(),
        number: 3,
        text: "blacklist nf_flow_table_inet".to_owned(),
    });
    assert_eq!(
        case(&|it| it.load_order = blocked.clone()),
        ["in-tree-blocked"]
    );
    assert_eq!(case(&|it| it.module = None), ["not-loaded"]);
    assert_eq!(
        case(&|it| (it.module, it.inet) = (None, Some(2))),
        ["not-loaded"]
    );
    // The command that loads the module is given only if the module is installed.
    let fix = |inet, missing| {
        let mut it = healthy();
        (it.module, it.inet, it.missing) = (None, inet, missing);
        let found = doctor::examine(&it);
        let found = found.iter().find(|f| f.id == "not-loaded").unwrap();
        assert_eq!(found.advice.is_some(), missing);
        found.fix.clone()
    };
    let switch = "nft-offload doctor --switch nft_offload";
    assert_eq!(fix(None, false).as_deref(), Some("modprobe nft_offload"));
    assert_eq!(fix(Some(0), false).as_deref(), Some(switch));
    assert_eq!(fix(Some(2), false).as_deref(), Some(switch));
    assert_eq!(fix(None, true), None);
    assert_eq!(fix(Some(2), true), None);
    // The command that comments out a line of modprobe.d edits no file of a package.
    let take_out = |file: &str| {
        let mut it = healthy();
        it.load_order = LoadOrder::InTreeBlocked(Line {
            file: file.to_owned(),
            number: 3,
            text: "blacklist nf_flow_table_inet".to_owned(),
        });
        let found = doctor::examine(&it);
        let found = found.iter().find(|f| f.id == "in-tree-blocked").unwrap();
        assert!(found.text.contains(&format!("{file}:3 ")), "{}", found.text);
        found.fix.clone().unwrap()
    };
    assert_eq!(
        take_out("/etc/modprobe.d/x.conf"),
        "sed -i '3s/^/#/' /etc/modprobe.d/x.conf"
    );
    assert_eq!(
        take_out("/usr/lib/modprobe.d/a b.conf"),
        "sed '3s/^/#/' '/usr/lib/modprobe.d/a b.conf' > '/etc/modprobe.d/a b.conf'"
    );
    assert_eq!(case(&|it| it.flowtables = None), ["not-root"]);
    assert_eq!(
        case(&|it| it.flowtables = Some(Vec::new())),
        ["no-flowtable"]
    );
    assert_eq!(
        case(&|it| table(it, &|t| t.offload = false)),
        ["no-flags-offload"]
    );
    assert_eq!(case(&|it| table(it, &|t| t.rules = 0)), ["no-flow-add"]);
    assert_eq!(
        case(&|it| table(it, &|t| t.counter = false)),
        ["no-counter"]
    );
    assert_eq!(case(&|it| table(it, &|t| t.devices.clear())), ["no-device"]);
    assert_eq!(
        case(&|it| it.conntrack_counts = Some(false)),
        ["no-accounting"]
    );
    let other = Flowtable {
        family: TableFamily(2),
        table: "t".to_owned(),
        name: "f".to_owned(),
    };
    assert_eq!(
        case(&|it| table(it, &|t| t.flowtable = other.clone())),
        ["not-active-type"]
    );
    // nft_offload does not report a flowtable without existing devices.
    let absent = |t: &mut NftFlowtable| {
        t.flowtable = other.clone();
        t.devices = vec!["eth7".to_owned(), "none*".to_owned()];
    };
    assert_eq!(case(&|it| table(it, &absent)), ["no-device"]);
    let idle = |it: &mut Facts| {
        module(it, &|m| {
            m.stats = Some(Stats {
                flowtables: 1,
                ..Stats::default()
            })
        })
    };
    assert_eq!(case(&idle), ["no-flows"]);
    assert_eq!(
        case(&|it| module(it, &|m| m.devices[0].limit = 1)),
        ["at-limit"]
    );
    let switched_off = |it: &mut Facts| module(it, &|m| m.devices[0].enabled = false);
    assert_eq!(case(&switched_off), ["switched-off"]);
    let mut it = healthy();
    switched_off(&mut it);
    let text = finding::render(&doctor::examine(&it), Style::PLAIN);
    assert!(text.contains("$ nft-offload set lan on\n"), "{text}");

    let unbound = |kind: Option<&str>, feature, driver: &str| {
        let mut it = healthy();
        let of_dummy = devices().into_iter().find(|d| !d.takes_rules()).unwrap();
        let index = of_dummy.ifindex;
        let m = it.module.as_mut().unwrap();
        m.devices.push(of_dummy);
        m.devices.last_mut().unwrap().driver = driver.to_owned();
        let lan = it.links.iter().find(|l| l.name == "lan").unwrap().ifindex;
        for link in &mut it.links {
            if link.ifindex == index {
                link.kind = kind.map(str::to_owned);
                link.below = Some(lan);
            }
            if link.ifindex == lan {
                link.master = Some(index);
            }
        }
        it.features = vec![("dummy0".to_owned(), feature)];
        it
    };
    assert_eq!(
        ids(&unbound(None, Some(HwTcOffload::Off), "x")),
        ["hw-tc-offload-off"]
    );
    assert_eq!(
        ids(&unbound(None, Some(HwTcOffload::Fixed), "x")),
        ["not-bound"]
    );
    assert_eq!(ids(&unbound(Some("dummy"), None, "")), ["not-bound"]);
    let mut busy = unbound(None, None, "x");
    busy.module
        .as_mut()
        .unwrap()
        .devices
        .last_mut()
        .unwrap()
        .bound = crate::netlink::family::Bound(1);
    assert_eq!(ids(&busy), ["busy"]);

    let mut block = unbound(None, None, "x");
    module(&mut block, &|m| {
        let error = m.devices.last_mut().unwrap().error.as_mut();
        error.unwrap().extack = Some(format!("...; {}", crate::netlink::family::NOT_ALLOWED));
    });
    assert_eq!(ids(&block), ["block-not-allowed"]);
    let text = finding::render(&doctor::examine(&block), Style::PLAIN);
    assert!(
        text.contains("$ nft-offload set dummy0 block on\n"),
        "{text}"
    );
    module(&mut block, &|m| {
        let mut other = m.devices.last().unwrap().clone();
        (other.ifindex, other.name) = (4000, "dummy1".to_owned());
        m.devices.push(other);
    });
    let text = finding::render(&doctor::examine(&block), Style::PLAIN);
    assert!(
        text.contains("dummy0 and dummy1 take no rules: their drivers take rules only")
            && text.contains(
                "$ for device in dummy0 dummy1; do nft-offload set \"$device\" block on; done\n"
            ),
        "{text}"
    );
    module(&mut block, &|m| m.devices.truncate(m.devices.len() - 1));
    // With the block allowed, the reason is another one.
    module(&mut block, &|m| m.devices.last_mut().unwrap().block = true);
    assert_eq!(ids(&block), ["not-bound"]);
}

/// Creates the facts of a machine with the links `names`; those in `inside` are in a flowtable.
///
/// `lan` has hardware, `wan.20/vlan@wan` is a VLAN above wan, `lan<br0` is a port of br0. Devices of
/// a kind take no rules.
fn machine_of(names: &[&str], inside: &[&str]) -> Facts {
    let index = |name: &str| {
        name.bytes()
            .fold(7u32, |n, b| n.wrapping_mul(131).wrapping_add(u32::from(b)))
    };
    let mut it = facts();
    it.features.clear();
    it.links.clear();
    for name in names {
        let (name, master) = name
            .split_once('<')
            .map_or((*name, None), |(n, m)| (n, Some(m)));
        let (name, below) = name
            .split_once('@')
            .map_or((name, None), |(n, b)| (n, Some(b)));
        let (name, kind) = name
            .split_once('/')
            .map_or((name, None), |(n, k)| (n, Some(k)));
        let hardware = kind.is_none();
        it.links.push(Link {
            ifindex: index(name),
            name: name.to_owned(),
            kind: kind.map(str::to_owned),
            below: below.map(index),
            master: master.map(index),
            parent: hardware.then(|| ("pci".to_owned(), "0000:01:00.0".to_owned())),
            port_name: None,
            port_id: None,
            switch_id: None,
            function: None,
        });
    }
    let module = it.module.as_mut().unwrap();
    let all = devices();
    module.devices.clear();
    for name in inside {
        let link = it.links.iter().find(|l| l.name == *name).unwrap();
        let mut all = all.iter();
        let like = all.find(|d| d.takes_rules() == link.kind.is_none());
        let mut device = like.unwrap().clone();
        (device.name, device.ifindex) = (link.name.clone(), link.ifindex);
        module.devices.push(device);
    }
    module.stats.as_mut().unwrap().by_reason.clear();
    for table in it.flowtables.iter_mut().flatten() {
        table.devices = inside.iter().map(|&n| n.to_owned()).collect();
    }
    it
}

/// Returns the problems and hints, each with its command.
fn fixes(facts: &Facts) -> Vec<(&'static str, Option<String>)> {
    let found = doctor::examine(facts).into_iter();
    let serious = found.filter(|f| f.severity != Severity::Ok);
    serious.map(|f| (f.id, f.fix)).collect()
}

/// Returns the command that adds devices to the recorded flowtable.
fn adds(id: &'static str, devices: &str) -> Vec<(&'static str, Option<String>)> {
    let rest = "flags offload; counter; }'";
    let command = format!(
        "nft 'add flowtable inet router ft {{ hook ingress priority 0; devices = {{ {devices} }}; {rest}"
    );
    vec![(id, Some(command))]
}

#[test]
fn the_doctor_examines_lower_devices() {
    let vlan = &["lan", "wan", "wan.20/vlan@wan"];
    let wan = adds("upper-device", "\"wan\"");
    assert_eq!(fixes(&machine_of(vlan, &["lan", "wan.20"])), wan);
    assert_eq!(fixes(&machine_of(vlan, &["lan", "wan", "wan.20"])), []);
    let bridge = &["br0/bridge", "lan<br0", "veth0/veth<br0", "wan"];
    let lan = adds("upper-device", "\"lan\"");
    assert_eq!(fixes(&machine_of(bridge, &["br0", "wan"])), lan);
    assert_eq!(fixes(&machine_of(bridge, &["br0", "lan", "wan"])), []);
    // A VLAN above a bridge, above a bond, above another VLAN.
    let stack = &["br0/bridge", "lan<br0", "br0.7/vlan@br0"];
    assert_eq!(fixes(&machine_of(stack, &["br0.7"])), lan);
    let stack = &["bond0/bond", "lan<bond0", "bond0.7/vlan@bond0"];
    let bond0 = adds("upper-device", "\"bond0\"");
    assert_eq!(fixes(&machine_of(stack, &["bond0.7"])), bond0);
    let stack = &["wan", "q/vlan@wan", "qq/vlan@q"];
    assert_eq!(fixes(&machine_of(stack, &["qq"])), wan);
    // PPPoE with a session on a VLAN.
    let pppoe = &["lan", "wan", "wan.7/vlan@wan", "ppp0/ppp"];
    let mut it = machine_of(pppoe, &["lan", "ppp0"]);
    assert_eq!(ids(&it), ["not-bound"]);
    it.sessions = vec!["wan.7".to_owned()];
    assert_eq!(fixes(&it), wan);
    let mut it = machine_of(pppoe, &["lan", "wan", "ppp0"]);
    it.sessions = vec!["wan.7".to_owned()];
    assert_eq!(fixes(&it), []);
    // Several devices share a finding, which adds all devices that they need.
    let several = &["lan", "wan", "a/vlan@wan", "b/vlan@wan", "c/vlan@lan"];
    let both = adds("upper-device", "\"wan\", \"lan\"");
    assert_eq!(fixes(&machine_of(several, &["a", "b", "c"])), both);
    // No device below takes rules, or there is a loop.
    for (links, inside) in [
        (&["br0/bridge", "veth0/veth<br0"][..], "br0"),
        (&["x/vlan@y", "y/vlan@x"][..], "x"),
        (&["mv0/macvlan@wan", "wan"][..], "mv0"),
    ] {
        let out =
            format!("nft 'delete flowtable inet router ft {{ devices = {{ \"{inside}\" }}; }}'");
        assert_eq!(
            fixes(&machine_of(links, &[inside])),
            [("not-bound", Some(out))]
        );
    }
    // A problem of the device below is reported alone.
    let mut it = machine_of(vlan, &["lan", "wan", "wan.20"]);
    it.module.as_mut().unwrap().devices[1].enabled = false;
    assert_eq!(ids(&it), ["switched-off"]);
    assert!(!finding::render(&doctor::examine(&it), Style::PLAIN).contains("wan.20"));
    // Without root the flowtable is unknown, and there is no command.
    let mut it = machine_of(vlan, &["lan", "wan.20"]);
    it.flowtables = None;
    let found = doctor::examine(&it);
    let found = found.iter().find(|f| f.id == "upper-device").unwrap();
    let advice = "add wan to the devices of flowtable inet router ft";
    assert_eq!(
        (found.fix.as_deref(), found.advice.as_deref()),
        (None, Some(advice))
    );
}

#[test]
fn the_doctor_names_the_bond() {
    let bonded = &["bond0/bond", "lan<bond0", "lan2<bond0", "wan"];
    let bond0 = adds("port-of-bond", "\"bond0\"");
    let it = machine_of(bonded, &["lan", "lan2", "wan"]);
    assert_eq!(fixes(&it), bond0);
    let text = finding::render(&doctor::examine(&it), Style::PLAIN);
    assert!(
        text.contains("packets of lan and lan2 arrive by bond0"),
        "{text}"
    );
    // A driver supports the bond but not its port, or no driver does.
    let mut it = machine_of(bonded, &["bond0", "lan", "wan"]);
    let devices = &mut it.module.as_mut().unwrap().devices;
    let taken = (devices[1].reason.clone(), devices[1].bound);
    (devices[1].reason, devices[1].bound) = (devices[0].reason.clone(), devices[0].bound);
    (devices[0].reason, devices[0].bound) = taken;
    assert_eq!(fixes(&it), []);
    let it = machine_of(bonded, &["bond0", "wan"]);
    assert_eq!(fixes(&it), [("not-bound", None)]);
}

/// mlx5 connects the rules of a flowtable only once tc has had a filter of a second priority.
#[test]
fn rules_that_no_packet_reaches() {
    let found = |driver: &str, bound: &str, packets, misses| {
        let mut it = machine_of(&["lan", "wan"], &["lan", "wan"]);
        let module = it.module.as_mut().unwrap();
        let mut all = (0..10).map(Bound);
        let bound = all.find(|b| b.name() == Some(bound)).unwrap();
        let device = &mut module.devices[0];
        device.driver = driver.to_owned();
        (device.bound, device.packets, device.hardware_misses) = (bound, packets, misses);
        fixes(&it)
    };
    let fix = "nft-offload set lan block on".to_owned();
    assert_eq!(
        found("mlx5_core", "direct", 0, 20),
        [("unreached", Some(fix))]
    );
    for (driver, bound, packets, misses) in [
        ("mlx5_core", "block", 0, 20),
        ("mlx5_core", "direct", 1, 20),
        ("mlx5_core", "direct", 0, 0),
        ("mtk_soc_eth", "direct", 0, 20),
    ] {
        assert_eq!(found(driver, bound, packets, misses), []);
    }
}

#[test]
fn devices_of_one_condition_share_a_finding() {
    let names: Vec<_> = (0..240).map(|i| format!("veth{i}")).collect();
    let links: Vec<_> = names.iter().map(|n| format!("{n}/veth")).collect();
    let links: Vec<_> = links.iter().map(String::as_str).collect();
    let inside: Vec<_> = names.iter().map(String::as_str).collect();
    for (n, subject) in [
        (1, "veth0 takes no rules: it is a veth "),
        (2, "veth0 and veth1 take no rules: each of them is a veth "),
        (3, "veth0, veth1 and veth2 take no rules: "),
        (4, "veth0, veth1, veth2 and 1 more take no rules: "),
        (240, "veth0, veth1, veth2 and 237 more take no rules: "),
    ] {
        let it = machine_of(&links[..n], &inside[..n]);
        let found = doctor::examine(&it);
        assert_eq!(ids(&it), ["not-bound"]);
        let found = found.iter().find(|f| f.id == "not-bound").unwrap();
        assert!(found.text.starts_with(subject), "{}", found.text);
        assert_eq!(found.devices, names[..n]);
        let fix = found.fix.as_ref().unwrap();
        assert_eq!(fix.matches("\"veth").count(), n);
        let json = serde_json::to_value(found).unwrap();
        assert_eq!(json["devices"].as_array().unwrap().len(), n);
    }
    // The command covers each device.
    let mut it = machine_of(&["lan", "wan"], &["lan", "wan"]);
    for device in &mut it.module.as_mut().unwrap().devices {
        device.enabled = false;
    }
    let fix = "for device in lan wan; do nft-offload set \"$device\" on; done".to_owned();
    assert_eq!(fixes(&it), [("switched-off", Some(fix))]);
    // A device in two flowtables is named once, but findings about flowtables are separate.
    let mut it = machine_of(&["lan", "v/veth"], &["lan", "v"]);
    let devices = &mut it.module.as_mut().unwrap().devices;
    devices[0].enabled = false;
    let mut again = devices.clone();
    again
        .iter_mut()
        .for_each(|d| d.flowtable.name = "other".to_owned());
    devices.extend(again);
    assert_eq!(ids(&it), ["switched-off", "not-bound", "not-bound"]);
    // The flowtable refers to the device by a name with *.
    let mut it = machine_of(&["veth0/veth"], &["veth0"]);
    it.flowtables.as_mut().unwrap()[0].devices = vec!["veth*".to_owned()];
    assert_eq!(fixes(&it), [("not-bound", None)]);
}

#[test]
fn the_commands_of_the_doctor_are_complete() {
    // nft compares the priority and the flags with those of the flowtable.
    let mut it = machine_of(&["lan", "wan", "mark/vlan@wan"], &["lan", "mark"]);
    let table = &mut it.flowtables.as_mut().unwrap()[0];
    (table.priority, table.counter) = (-5, false);
    let command = |devices, rest| {
        format!(
            "nft 'add flowtable inet router ft {{ hook ingress priority -5; devices = {{ {devices} }}; flags offload;{rest} }}'"
        )
    };
    assert_eq!(
        fixes(&it),
        [
            ("no-counter", Some(command("\"lan\"", " counter;"))),
            ("upper-device", Some(command("\"wan\"", "")))
        ]
    );
    // Candidates for an empty flowtable: a bond instead of its ports, ports of a switch instead of
    // the device behind which they are.
    let links = &[
        "lo/x",
        "bond0/bond",
        "p1<bond0",
        "p2<bond0",
        "wan",
        "eth0",
        "lan1/dsa@eth0",
        "dummy0/dummy",
    ];
    let mut it = machine_of(links, &[]);
    it.features = vec![("lan1".to_owned(), Some(HwTcOffload::On))];
    let names = "\"bond0\", \"wan\", \"lan1\"";
    assert_eq!(fixes(&it), adds("no-device", names));
    it.flowtables = Some(Vec::new());
    let fix = "nft 'add table inet router; add flowtable inet router ft { hook ingress priority filter; devices = { ";
    let fix = format!("{fix}{names} }}; flags offload; counter; }}'");
    assert_eq!(fixes(&it), [("no-flowtable", Some(fix))]);
    it.links.clear();
    it.features.clear();
    assert_eq!(fixes(&it), [("no-flowtable", None)]);
    // The chain to which a rule is added.
    let mut it = machine_of(&["lan", "wan"], &["lan", "wan"]);
    it.flowtables.as_mut().unwrap()[0].rules = 0;
    let rule =
        |chain| format!("add rule inet router {chain} meta l4proto {{ tcp, udp }} flow add @ft");
    let chain = |name: &str, forward| NftChain {
        family: TableFamily(1),
        table: "router".to_owned(),
        name: name.to_owned(),
        forward,
    };
    it.chains = vec![chain("input", false), chain("fwd", true)];
    assert_eq!(
        fixes(&it),
        [("no-flow-add", Some(format!("nft '{}'", rule("fwd"))))]
    );
    it.chains = vec![chain("forward", false)];
    let new = "add chain inet router forwarded { type filter hook forward priority filter; }";
    assert_eq!(
        fixes(&it),
        [(
            "no-flow-add",
            Some(format!("nft '{new}; {}'", rule("forwarded")))
        )]
    );
}

/// Generates recorded datagrams with some bytes changed, or cut off.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let all = [
        DEVICES, FLOWS, REASONS, STATS, LINKS, FEATURES, FLOWTABLES, REFUSED,
    ];
    let all: Vec<_> = all.iter().flat_map(|hex| datagrams(hex)).collect();
    let change = (any::<prop::sample::Index>(), any::<u8>());
    let changes = prop::collection::vec(change, 0..8);
    (
        prop::sample::select(all),
        changes,
        any::<prop::sample::Index>(),
    )
        .prop_map(|(mut bytes, changes, cut)| {
            for (at, to) in changes {
                let at = at.index(bytes.len());
                bytes[at] = to;
            }
            bytes.truncate(cut.index(bytes.len() * 2).max(1));
            bytes
        })
}

fn read_as_anything(bytes: &[u8]) {
    let names = names();
    let reasons = reasons();
    let mut devices = Vec::new();
    let mut all = Vec::new();
    for message in Messages::new(bytes).flatten() {
        Verdict::read(&message);
        devices.extend(Device::read(message.body, &names));
        all.extend(Flow::read(message.body, &names));
        let stats = Stats::read(message.body, &names);
        status::render(&stats, &devices, TERMINAL);
        let _ = Reason::read(message.body).map(|r| reasons_command::render(&[r], TERMINAL));
        let _ = (Link::read(message.body), HwTcOffload::read(message.body));
        let _ = (
            NftFlowtable::read(message.body),
            NftChain::read(message.body),
        );
        let mut body = message.body.to_vec();
        for kind in 30..40 {
            if let Some(to) = body.first_mut() {
                *to = kind;
            }
            if let Some(event) = Event::read(&body, &names) {
                let line = monitor::line(&event, 0);
                assert_eq!(line.matches('\n').count(), 1, "{line}");
                serde_json::to_string(&monitor::Content::of(&event, 0)).unwrap();
            }
        }
    }
    draw_anything(&devices, &all);
    flows_command::render(&all, true, TERMINAL);
    devices_command::render(&devices, TERMINAL);
    for device in &devices {
        devices_command::render_line(device, TERMINAL);
    }
    for flow in all {
        let story = Story::of(flow, &devices, &reasons);
        story.render(TERMINAL);
        serde_json::to_string(&story).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_message_makes_it_panic(bytes in damaged()) {
        read_as_anything(&bytes);
    }

    #[test]
    fn no_bytes_at_all_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        read_as_anything(&bytes);
    }
}
