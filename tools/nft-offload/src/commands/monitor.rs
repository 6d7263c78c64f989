// SPDX-License-Identifier: GPL-2.0

//! `nft-offload monitor`: prints events of flows and devices as the kernel sends them.

use crate::{
    filters::Filters,
    interrupt::{Interrupt, Wake},
    netlink::{
        client::{Error, Heard, Result},
        family::{Device, DeviceRef, Direction, Event, EventKind, Filter, Flow, Subject},
        wire::Messages,
    },
    output::{
        describe::{bound, flow_cells},
        table::{single_row, Column},
        Output,
    },
    session::Session,
    text::{clean, error_name, plural},
};
use clap::{Args, ValueHint};
use serde::Serialize;
use std::{
    fmt::Write,
    os::fd::AsFd,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// The time after which the names of devices are read again.
const NAMES_LAST: Duration = Duration::from_secs(1);
/// The number of datagrams that are read before the interrupt is checked.
const BATCH: usize = 256;

/// The arguments of `monitor`.
#[derive(Debug, Args)]
pub struct Monitor {
    /// The filters
    #[command(flatten)]
    pub filters: Filters,
    /// Only events of these kinds: flow-in, flow-out, flow-refused, device-bound, device-refused,
    /// device-full
    #[arg(
        short,
        long = "event",
        value_parser = event,
        value_delimiter = ',',
        value_hint = ValueHint::Other
    )]
    pub events: Vec<EventKind>,
}

/// Parses a kind of event.
fn event(text: &str) -> std::result::Result<EventKind, String> {
    let found = EventKind::NAMES.iter().find(|(_, name)| *name == text);
    found.map(|(n, _)| EventKind(*n)).ok_or_else(|| {
        let known: Vec<_> = EventKind::NAMES.iter().map(|(_, name)| *name).collect();
        format!("expected one of {}", known.join(", "))
    })
}

/// Returns the milliseconds since 1970.
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |t| t.as_millis().try_into().unwrap_or(u64::MAX))
}

/// Formats a time stamp: `[1637496882.123]`.
pub fn stamp(time_ms: u64) -> String {
    format!("[{}.{:03}]", time_ms / 1000, time_ms % 1000)
}

/// Returns whether an event matches the filter and is of one of `kinds`; none selects any.
pub fn is_wanted(event: &Event, kinds: &[EventKind], filter: &Filter) -> bool {
    let fits = match &event.subject {
        Subject::Flow(flow) => filter.fits(flow),
        Subject::Device(device) => filter.fits_device(device),
    };
    fits && (kinds.is_empty() || kinds.contains(&event.kind))
}

/// Formats the counters: `original 12 packets 3400 bytes, reply 10 packets 900 bytes`.
fn carried(flow: &Flow) -> String {
    let way = |name, way: &Direction| format!("{name} {} packets {} bytes", way.packets, way.bytes);
    format!(
        "{}, {}",
        way("original", &flow.original),
        way("reply", &flow.reply)
    )
}

/// The columns of a flow in an event.
const FLOW: [Column; 3] = [
    Column::left("").least(3),
    Column::left("").least(9),
    Column::left(""),
];

/// Describes an event of a flow.
fn of_flow(kind: EventKind, flow: &Flow) -> String {
    let [_, protocol, _, way, what] = flow_cells(flow);
    let standing = match (&flow.reason, kind) {
        (None, _) | (_, EventKind::FLOW_REFUSED) => flow.standing(),
        (Some(reason), _) => format!("{}, {}", flow.state, clean(&reason.to_string())),
    };
    let mut what = format!("{what}: {standing}");
    if let Some(errno) = flow.errno {
        let _ = write!(what, ", {}", error_name(errno));
    }
    if kind == EventKind::FLOW_OUT {
        let _ = write!(what, "; {}", carried(flow));
    }
    single_row(&FLOW, [protocol, way, what])
}

/// Describes an event of a device.
fn of_device(kind: EventKind, device: &Device) -> String {
    let how = match kind {
        EventKind::DEVICE_FULL if device.limit > 0 => {
            format!("{}, limit {}", plural(device.rules, "rule"), device.limit)
        }
        EventKind::DEVICE_FULL => plural(device.rules, "rule"),
        _ => bound(device),
    };
    format!(
        "{}  flowtable {}: {how}\n",
        clean(&device.name),
        device.flowtable
    )
}

/// Formats a line of any event.
fn event_line(time_ms: u64, kind: &str, what: &str) -> String {
    format!("{} {kind:<14} {what}", stamp(time_ms))
}

/// Formats an event as a line.
pub fn line(event: &Event, time_ms: u64) -> String {
    let what = match &event.subject {
        Subject::Flow(flow) => of_flow(event.kind, flow),
        Subject::Device(device) => of_device(event.kind, device),
    };
    event_line(time_ms, &event.kind.to_string(), &what)
}

/// The JSON object of an event.
#[derive(Serialize)]
pub struct Content<'a> {
    time_ms: u64,
    event: &'a str,
    flow: Option<&'a Flow>,
    device: Option<&'a Device>,
    /// The number of lost events, if it is known.
    lost: Option<u64>,
}

impl<'a> Content<'a> {
    /// Creates the object of an event.
    pub fn of(event: &'a Event, time_ms: u64) -> Self {
        let (flow, device) = match &event.subject {
            Subject::Flow(flow) => (Some(flow), None),
            Subject::Device(device) => (None, Some(device)),
        };
        Self {
            time_ms,
            event: event.kind.name().unwrap_or_default(),
            flow,
            device,
            lost: None,
        }
    }
}

/// Reports that events were lost.
fn report_lost(out: &mut Output, lost: Option<u64>) -> Result<()> {
    let time_ms = now_ms();
    let content = Content {
        time_ms,
        event: "lost",
        flow: None,
        device: None,
        lost,
    };
    out.either(content, |_| {
        let what = match lost {
            Some(n) => plural(n, "event"),
            None => "events".to_owned(),
        };
        let what = format!("{what} came faster than they were read\n");
        event_line(time_ms, "lost", &what)
    })
}

/// Returns whether the name of a device of the event is unknown.
fn is_nameless(event: &Event) -> bool {
    let nameless = |device: &Option<DeviceRef>| device.as_ref().is_some_and(|d| d.name.is_none());
    match &event.subject {
        Subject::Device(_) => false,
        Subject::Flow(flow) => [&flow.original, &flow.reply]
            .iter()
            .any(|way| nameless(&way.ingress) || nameless(&way.egress)),
    }
}

/// When the names of devices were read.
struct Names {
    read_at: Instant,
}

impl Names {
    /// Reads the names again if they are older than `longest`; returns whether it has.
    fn refresh(&mut self, session: &mut Session, longest: Duration) -> Result<bool> {
        if self.read_at.elapsed() < longest {
            return Ok(false);
        }
        self.read_at = Instant::now();
        session.refresh_device_names().map(|()| true)
    }

    /// Reads an event, with the current names.
    fn read(&mut self, session: &mut Session, body: &[u8]) -> Result<Option<Event>> {
        self.refresh(session, NAMES_LAST)?;
        let event = Event::read(body, &session.names);
        let nameless = event.as_ref().is_some_and(is_nameless);
        if nameless && self.refresh(session, NAMES_LAST / 10)? {
            return Ok(Event::read(body, &session.names));
        }
        Ok(event)
    }
}

/// Runs the command: prints events until a signal arrives or the output is closed.
pub fn run(out: &mut Output, args: &Monitor) -> Result<u8> {
    let mut session = Session::open()?;
    let filter = session.filter(&args.filters)?;
    let mut listener = session.family.listen()?;
    let interrupt = Interrupt::on(&[])?;
    let mut names = Names {
        read_at: Instant::now(),
    };
    // After an overrun, more are lost until the receive buffer has been emptied.
    let mut overrun = false;
    while interrupt.wait(Some(listener.as_fd()), None)? == Wake::Ready {
        for _ in 0..BATCH {
            let datagram = match listener.hear()? {
                Heard::Datagram(datagram) => datagram,
                Heard::Overrun => {
                    overrun = true;
                    let lost = listener.lost();
                    report_lost(out, lost)?;
                    continue;
                }
                Heard::Nothing => {
                    if std::mem::take(&mut overrun) {
                        if let Some(more) = listener.lost().filter(|more| *more > 0) {
                            report_lost(out, Some(more))?;
                        }
                    }
                    break;
                }
            };
            for message in Messages::new(datagram) {
                let message = message?;
                if session.family.is_gone_by(message.kind, message.body) {
                    return Err(Error::NotLoaded);
                }
                if !session.family.is_own(message.kind) {
                    continue;
                }
                let event = names.read(&mut session, message.body)?;
                let Some(event) = event.filter(|e| is_wanted(e, &args.events, &filter)) else {
                    continue;
                };
                let time_ms = now_ms();
                out.either(Content::of(&event, time_ms), |_| line(&event, time_ms))?;
            }
        }
        out.flush()?;
    }
    Ok(0)
}
