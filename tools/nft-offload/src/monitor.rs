// SPDX-License-Identifier: GPL-2.0

//! What happens to flows and devices, as the kernel tells it.

use crate::{
    cli,
    client::{Error, Heard, Result},
    end::{End, Wake},
    family::{Device, DeviceRef, Event, EventKind, Filter, Flow, Subject},
    show,
    text::{clean, error_name, plural},
    wire::Messages,
    Kernel, Output,
};
use serde::Serialize;
use std::{
    fmt::Write,
    os::fd::AsFd,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// How long the names of devices are taken to be right.
const NAMES_LAST: Duration = Duration::from_secs(1);
/// How many datagrams are read before it is seen whether it is to end.
const AT_ONCE: usize = 256;

/// Milliseconds since 1970.
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |t| t.as_millis().try_into().unwrap_or(u64::MAX))
}

/// `[1637496882.123]`
pub fn stamp(time_ms: u64) -> String {
    format!("[{}.{:03}]", time_ms / 1000, time_ms % 1000)
}

/// Whether an event is asked for: none said is any.
pub fn is_wanted(event: &Event, kinds: &[EventKind], filter: &Filter) -> bool {
    let fits = match &event.subject {
        Subject::Flow(flow) => filter.fits(flow),
        Subject::Device(device) => filter.fits_device(device),
    };
    fits && (kinds.is_empty() || kinds.contains(&event.kind))
}

/// `original 12 packets 3400 bytes, reply 10 packets 900 bytes`
fn carried(flow: &Flow) -> String {
    let way = |name, way: &crate::family::Direction| {
        format!("{name} {} packets {} bytes", way.packets, way.bytes)
    };
    format!(
        "{}, {}",
        way("original", &flow.original),
        way("reply", &flow.reply)
    )
}

/// What has become of a flow.
fn of_flow(kind: EventKind, flow: &Flow) -> String {
    let [_, protocol, _, way, what] = show::flow_cells(flow);
    let standing = match (&flow.reason, kind) {
        (None, _) | (_, EventKind::FLOW_REFUSED) => flow.standing(),
        (Some(reason), _) => format!("{}, {}", flow.state, clean(&reason.to_string())),
    };
    let mut line = format!("{protocol:<4} {way:<9}  {what}: {standing}");
    if let Some(errno) = flow.errno {
        let _ = write!(line, ", {}", error_name(errno));
    }
    if kind == EventKind::FLOW_OUT {
        let _ = write!(line, "; {}", carried(flow));
    }
    line
}

/// What has become of a device.
fn of_device(kind: EventKind, device: &Device) -> String {
    let how = match kind {
        EventKind::DEVICE_FULL if device.limit > 0 => {
            format!("{}, limit {}", plural(device.rules, "rule"), device.limit)
        }
        EventKind::DEVICE_FULL => plural(device.rules, "rule"),
        _ => show::bound(device),
    };
    format!(
        "{}  flowtable {}: {how}",
        clean(&device.name),
        device.flowtable
    )
}

/// An event in a line.
pub fn line(event: &Event, time_ms: u64) -> String {
    let what = match &event.subject {
        Subject::Flow(flow) => of_flow(event.kind, flow),
        Subject::Device(device) => of_device(event.kind, device),
    };
    format!("{} {:<14} {what}\n", stamp(time_ms), event.kind)
}

/// An event, as JSON has it.
#[derive(Serialize)]
pub struct Content<'a> {
    time_ms: u64,
    event: &'a str,
    flow: Option<&'a Flow>,
    device: Option<&'a Device>,
    /// How many were lost, if it is that and is known.
    lost: Option<u64>,
}

impl<'a> Content<'a> {
    /// Of an event.
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

/// Events that were lost.
fn tell_lost(out: &mut Output, lost: Option<u64>) -> Result<()> {
    let time_ms = now_ms();
    if out.json {
        return out.document(Content {
            time_ms,
            event: "lost",
            flow: None,
            device: None,
            lost,
        });
    }
    let what = match lost {
        Some(n) => plural(n, "event"),
        None => "events".to_owned(),
    };
    out.write(&format!(
        "{} {:<14} {what}: they came faster than they were read\n",
        stamp(time_ms),
        "lost"
    ))
}

/// Whether a device is seen for which there is no name.
fn is_nameless(event: &Event) -> bool {
    let nameless = |device: &Option<DeviceRef>| device.as_ref().is_some_and(|d| d.name.is_none());
    match &event.subject {
        Subject::Device(_) => false,
        Subject::Flow(flow) => [&flow.original, &flow.reply]
            .iter()
            .any(|way| nameless(&way.ingress) || nameless(&way.egress)),
    }
}

/// Names that may have changed.
struct Names {
    seen: Instant,
}

impl Names {
    fn refresh(&mut self, kernel: &mut Kernel, longest: Duration) -> Result<bool> {
        if self.seen.elapsed() < longest {
            return Ok(false);
        }
        self.seen = Instant::now();
        kernel.look_at_links().map(|()| true)
    }

    /// An event with the names as they are now.
    fn read(&mut self, kernel: &mut Kernel, body: &[u8]) -> Result<Option<Event>> {
        self.refresh(kernel, NAMES_LAST)?;
        let event = Event::read(body, &kernel.names);
        let nameless = event.as_ref().is_some_and(is_nameless);
        if nameless && self.refresh(kernel, NAMES_LAST / 10)? {
            return Ok(Event::read(body, &kernel.names));
        }
        Ok(event)
    }
}

/// Prints events until a signal comes or nobody reads them.
pub fn run(out: &mut Output, which: &cli::Monitor) -> Result<u8> {
    let mut kernel = Kernel::open()?;
    let filter = kernel.filter(&which.filters)?;
    let mut listener = kernel.family.listen()?;
    let end = End::on(&[])?;
    let mut names = Names {
        seen: Instant::now(),
    };
    // After an overrun more are lost until all was read that was kept.
    let mut overrun = false;
    while end.wait(Some(listener.as_fd()), None)? == Wake::Ready {
        for _ in 0..AT_ONCE {
            let datagram = match listener.hear()? {
                Heard::Datagram(datagram) => datagram,
                Heard::Overrun => {
                    overrun = true;
                    let lost = listener.lost();
                    tell_lost(out, lost)?;
                    continue;
                }
                Heard::Nothing => {
                    if std::mem::take(&mut overrun) {
                        if let Some(more) = listener.lost().filter(|more| *more > 0) {
                            tell_lost(out, Some(more))?;
                        }
                    }
                    break;
                }
            };
            for message in Messages::new(datagram) {
                let message = message?;
                if kernel.family.is_gone_by(message.kind, message.body) {
                    return Err(Error::NotLoaded);
                }
                if !kernel.family.is_own(message.kind) {
                    continue;
                }
                let event = names.read(&mut kernel, message.body)?;
                let Some(event) = event.filter(|e| is_wanted(e, &which.events, &filter)) else {
                    continue;
                };
                let time_ms = now_ms();
                if out.json {
                    out.document(Content::of(&event, time_ms))?;
                } else {
                    out.write(&line(&event, time_ms))?;
                }
            }
        }
        out.flush()?;
    }
    Ok(0)
}
