// SPDX-License-Identifier: GPL-2.0

//! Flows as they come, change and go: asked for each second.

use crate::{
    client::Result,
    family::{Filter, Flow, Protocol, State},
    show, Kernel, Output,
};
use serde::Serialize;
use std::{
    collections::HashMap,
    net::IpAddr,
    thread,
    time::{Duration, Instant},
};

/// What a flow is known by from one look to the next.
pub type Key = (u32, u16, Protocol, IpAddr, u16, IpAddr, u16);

/// What this flow is known by.
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

/// What has happened to a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// It is there at the first look.
    Present,
    /// It has come.
    New,
    /// It stands elsewhere than before.
    Changed,
    /// It has gone.
    Gone,
}

impl Event {
    fn sign(self) -> char {
        match self {
            Event::Present => ' ',
            Event::New => '+',
            Event::Changed => '~',
            Event::Gone => '-',
        }
    }
}

/// What is different from the last look.
#[derive(Debug, Default)]
pub struct Watcher {
    known: Option<HashMap<Key, Flow>>,
}

/// What one sees a change by.
fn standing(flow: &Flow) -> (State, Option<u32>, State, State) {
    let reason = flow.reason.as_ref().map(|r| r.number);
    (flow.state, reason, flow.original.state, flow.reply.state)
}

impl Watcher {
    /// What has happened since the last look.
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

/// Looks each second, so many times or until it is interrupted.
pub fn run(
    out: &mut Output,
    kernel: &mut Kernel,
    filter: &Filter,
    looks: Option<u64>,
) -> Result<u8> {
    let start = Instant::now();
    let mut watcher = Watcher::default();
    let mut look = 0u64;
    while looks.is_none_or(|looks| look < looks) {
        if look > 0 {
            thread::sleep(Duration::from_secs(1));
            kernel.look_at_links()?;
        }
        look = look.saturating_add(1);
        let mut all = Vec::new();
        let names = &kernel.names;
        kernel
            .family
            .flows(filter, names, usize::MAX, &mut |some| {
                all.append(some);
                Ok(())
            })?;
        let seconds = start.elapsed().as_secs();
        for (event, flow) in watcher.look(all) {
            if out.json {
                #[derive(Serialize)]
                struct Content<'a> {
                    seconds: u64,
                    event: Event,
                    flow: &'a Flow,
                }
                out.document(Content {
                    seconds,
                    event,
                    flow: &flow,
                })?;
            } else {
                let [state, protocol, _, way, what] = show::flow_cells(&flow);
                let sign = event.sign();
                out.write(&format!(
                    "{seconds:>4}s {sign} {state:<14}  {protocol:<4} {way:<9}  {what}\n"
                ))?;
            }
        }
        out.flush()?;
    }
    Ok(0)
}
