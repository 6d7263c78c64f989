// SPDX-License-Identifier: GPL-2.0

//! `nft-offload top`: totals, devices, reasons and the busiest flows with their rates,
//! continuously. [`rates`] computes the rates, [`view`] builds the tables, [`screen`] draws them on
//! a terminal; in a file or a pipe there are frames of text.

pub mod rates;
pub mod screen;
pub mod view;

use super::{
    flows::watch,
    monitor::{now_ms, stamp},
};
use crate::{
    interrupt::{Interrupt, Wake},
    netlink::{
        client::{Error, Result},
        family::{Device, Filter, Flow, Flowtable, State, Stats},
    },
    output::Output,
    session::Session,
};
use clap::{Args, ValueHint};
use ratatui::{
    crossterm::event::{self, Event},
    DefaultTerminal, Frame,
};
use rates::{Counters, History, Rates};
use screen::{Outcome, Screen};
use serde::Serialize;
use signal_hook::consts::SIGHUP;
use std::{
    env, io,
    time::{Duration, Instant},
};
use view::{Rated, Sort, View};

/// The most flows in hardware that are read.
const FLOWS: u64 = 20_000;
/// The number of flows in a frame of text.
const BUSIEST: usize = 20;
/// The time after which a signal is noticed.
const SOON: Duration = Duration::from_millis(100);

/// The arguments of `top`.
#[derive(Debug, Args)]
pub struct Top {
    /// The time between two looks
    #[arg(
        short,
        long,
        value_parser = seconds,
        default_value = "2",
        value_name = "SECONDS",
        value_hint = ValueHint::Other
    )]
    pub interval: Duration,
    /// End after COUNT frames
    #[arg(short = 'n', long, value_name = "COUNT")]
    pub frames: Option<u64>,
}

/// Parses an interval.
fn seconds(text: &str) -> std::result::Result<Duration, String> {
    let number = text.parse().ok().filter(|n| (0.1..=86400.0).contains(n));
    number
        .map(Duration::from_secs_f64)
        .ok_or_else(|| "expected a number of seconds from 0.1 to 86400".to_owned())
}

/// The counters of earlier looks.
struct Looks {
    start: Instant,
    devices: History<(Flowtable, u32)>,
    flows: History<watch::Key>,
}

impl Looks {
    fn new() -> Self {
        Self {
            start: Instant::now(),
            devices: History::default(),
            flows: History::default(),
        }
    }

    /// Reads totals, devices and flows, and computes their rates.
    fn look(&mut self, session: &mut Session) -> Result<View> {
        session.refresh_device_names()?;
        let stats = session.family.stats(&session.names)?;
        let devices = session.family.devices(&session.names)?;
        let flows = flows(session, &stats)?;
        let now = self.start.elapsed();
        let counted = devices
            .iter()
            .map(|d| ((d.flowtable.clone(), d.ifindex), Counters::of_device(d)));
        let rates = self.devices.look(now, counted);
        let devices = devices.into_iter().zip(rates);
        let counted = flows.iter().flatten();
        let counted = counted.map(|f| (watch::key(f), Counters::of_flow(f)));
        let of_flows = self.flows.look(now, counted);
        Ok(View {
            stats,
            devices: devices.map(|(it, rates)| Rated { it, rates }).collect(),
            flows: flows.map(|flows| {
                let flows = flows.into_iter().zip(of_flows);
                flows.map(|(it, rates)| Rated { it, rates }).collect()
            }),
        })
    }
}

/// Reads the flows in hardware, unless there are more than [`FLOWS`].
fn flows(session: &mut Session, stats: &Stats) -> Result<Option<Vec<Flow>>> {
    let mut all = Vec::new();
    for (state, number) in [
        (State::IN_HARDWARE, stats.flows_in_hardware),
        (State::ONE_DIRECTION, stats.flows_one_direction),
    ] {
        if number > FLOWS {
            return Ok(None);
        }
        if number == 0 {
            continue;
        }
        let filter = Filter {
            state: Some(state.0),
            ..Filter::default()
        };
        all.append(&mut session.all_flows(&filter)?);
    }
    Ok(Some(all))
}

/// Converts an error of the terminal.
fn terminal_error(error: io::Error) -> Error {
    Error::System(format!("terminal: {error}"))
}

/// The terminal, which is restored on drop and on a panic.
struct Terminal(DefaultTerminal);

impl Terminal {
    fn new() -> Result<Self> {
        ratatui::try_init().map(Self).map_err(terminal_error)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

/// Draws a screen until a key or a signal ends the command.
fn interactive(session: &mut Session, args: &Top, bold: bool) -> Result<u8> {
    let interrupt = Interrupt::on(&[SIGHUP])?;
    let mut looks = Looks::new();
    let mut view = looks.look(session)?;
    let mut looked = Instant::now();
    let mut frames = 1u64;
    let mut screen = Screen::new(args.interval, bold);
    let mut terminal = Terminal::new()?;
    let mut changed = true;
    loop {
        if changed {
            view.sort(screen.sort, screen.reverse);
            let draw = |frame: &mut Frame<'_>| screen.draw(frame, &view);
            terminal.0.draw(draw).map_err(terminal_error)?;
            changed = false;
        }
        let rest = args.interval.saturating_sub(looked.elapsed());
        if rest.is_zero() && !screen.paused {
            if args.frames.is_some_and(|most| frames >= most) {
                return Ok(0);
            }
            view = looks.look(session)?;
            screen.record(view.rates());
            looked = Instant::now();
            frames = frames.saturating_add(1);
            changed = true;
            continue;
        }
        let rest = if screen.paused { SOON } else { rest.min(SOON) };
        if event::poll(rest).map_err(terminal_error)? {
            match event::read().map_err(terminal_error)? {
                Event::Key(key) => match screen.key(&key) {
                    Outcome::Quit => return Ok(0),
                    Outcome::Redraw => changed = true,
                    Outcome::Ignored => {}
                },
                Event::Resize(..) => changed = true,
                _ => {}
            }
        }
        if interrupt.wait(None, Some(Duration::ZERO))? == Wake::Interrupted {
            return Ok(0);
        }
    }
}

/// The JSON object of a frame.
#[derive(Serialize)]
struct Content<'a> {
    time_ms: u64,
    stats: &'a Stats,
    rates: Option<Rates>,
    devices: &'a [Rated<Device>],
    flows: Option<&'a [Rated<Flow>]>,
}

/// Prints one frame after the other.
fn batch(out: &mut Output, session: &mut Session, args: &Top) -> Result<u8> {
    let interrupt = Interrupt::on(&[])?;
    let mut looks = Looks::new();
    let mut frames = 0u64;
    while args.frames.is_none_or(|most| frames < most) {
        if frames > 0 && interrupt.wait(None, Some(args.interval))? == Wake::Interrupted {
            break;
        }
        let mut view = looks.look(session)?;
        view.sort(Sort::Packets, false);
        let time_ms = now_ms();
        let flows = view.flows.as_deref();
        let content = Content {
            time_ms,
            stats: &view.stats,
            rates: view.rates(),
            devices: &view.devices,
            flows: flows.map(|all| all.get(..BUSIEST).unwrap_or(all)),
        };
        out.either(content, |_| {
            let between = if frames > 0 { "\n" } else { "" };
            format!(
                "{between}{} {}",
                stamp(time_ms),
                view::frame(&view, BUSIEST)
            )
        })?;
        out.flush()?;
        frames = frames.saturating_add(1);
    }
    Ok(0)
}

/// Runs the command until it is interrupted, or for a number of frames.
pub fn run(out: &mut Output, args: &Top) -> Result<u8> {
    let mut session = Session::open()?;
    let dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
    // Only the style of a terminal has a width.
    match out.style.width.is_some() && !out.json && !dumb {
        true => interactive(&mut session, args, out.style.bold),
        false => batch(out, &mut session, args),
    }
}

#[cfg(test)]
pub mod tests;
