// SPDX-License-Identifier: GPL-2.0

//! `nft-offload flows --watch`: reads the flows once a second and prints what has changed.

use crate::{
    netlink::{
        client::Result,
        family::{Filter, Flow, Protocol, State},
    },
    output::{
        describe::flow_cells,
        table::{single_row, Column},
        Output,
    },
    session::Session,
};
use serde::Serialize;
use std::{
    collections::HashMap,
    net::IpAddr,
    thread,
    time::{Duration, Instant},
};

/// The identity of a flow between two looks.
pub type Key = (u32, u16, Protocol, IpAddr, u16, IpAddr, u16);

/// Returns the identity of a flow.
pub fn key(flow: &Flow) -> Key {
    let way = &flow.original;
    (
        flow.conntrack_id,
        flow.zone,
        flow.protocol,
        way.source,
        way.source_port,
        way.destination,
        way.destination_port,
    )
}

/// What happened to a flow between two looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// The flow was there at the first look.
    Present,
    /// The flow is new.
    New,
    /// The state of the flow has changed.
    Changed,
    /// The flow has ended.
    Gone,
}

impl Event {
    fn sign(self) -> &'static str {
        match self {
            Event::Present => " ",
            Event::New => "+",
            Event::Changed => "~",
            Event::Gone => "-",
        }
    }
}

/// Compares each look at the flows with the one before.
#[derive(Debug, Default)]
pub struct Watcher {
    known: Option<HashMap<Key, Flow>>,
}

/// Returns the part of a flow whose change is an event.
fn standing(flow: &Flow) -> (State, Option<u32>, State, State) {
    let reason = flow.reason.as_ref().map(|r| r.number);
    (flow.state, reason, flow.original.state, flow.reply.state)
}

impl Watcher {
    /// Returns what has happened since the last look.
    pub fn look(&mut self, flows: Vec<Flow>) -> Vec<(Event, Flow)> {
        let mut events = Vec::new();
        let first = self.known.is_none();
        let mut before = self.known.take().unwrap_or_default();
        let mut known = HashMap::with_capacity(flows.len());
        for flow in flows {
            let event = match before.remove(&key(&flow)) {
                Some(old) if standing(&old) == standing(&flow) => None,
                Some(_) => Some(Event::Changed),
                None if first => Some(Event::Present),
                None => Some(Event::New),
            };
            if let Some(event) = event {
                events.push((event, flow.clone()));
            }
            known.insert(key(&flow), flow);
        }
        let mut gone: Vec<_> = before.into_iter().collect();
        gone.sort_by_key(|(key, _)| *key);
        events.extend(gone.into_iter().map(|(_, flow)| (Event::Gone, flow)));
        self.known = Some(known);
        events
    }
}

/// Formats an event as a line.
fn line(seconds: u64, event: Event, flow: &Flow) -> String {
    const COLUMNS: [Column; 4] = [
        Column::left("").least(14),
        Column::left("").least(3),
        Column::left("").least(9),
        Column::left(""),
    ];
    let [state, protocol, _, way, what] = flow_cells(flow);
    let row = single_row(&COLUMNS, [state, protocol, way, what]);
    format!("{seconds:>4}s {} {row}", event.sign())
}

/// The JSON object of an event.
#[derive(Serialize)]
struct Content<'a> {
    seconds: u64,
    event: Event,
    flow: &'a Flow,
}

/// Looks once a second, `looks` times or until interrupted.
pub fn run(
    out: &mut Output,
    session: &mut Session,
    filter: &Filter,
    looks: Option<u64>,
) -> Result<u8> {
    let start = Instant::now();
    let mut watcher = Watcher::default();
    let mut look = 0u64;
    while looks.is_none_or(|looks| look < looks) {
        if look > 0 {
            thread::sleep(Duration::from_secs(1));
            session.refresh_device_names()?;
        }
        look = look.saturating_add(1);
        let all = session.all_flows(filter)?;
        let seconds = start.elapsed().as_secs();
        for (event, flow) in watcher.look(all) {
            let content = Content {
                seconds,
                event,
                flow: &flow,
            };
            out.either(content, |_| line(seconds, event, &flow))?;
        }
        out.flush()?;
    }
    Ok(0)
}
