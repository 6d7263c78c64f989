// SPDX-License-Identifier: GPL-2.0

//! Totals, devices, reasons and the busiest flows with their rates, again and again: a screen on a terminal, frames in a
//! file or a pipe.

use crate::{
    cli,
    client::{Error, Result},
    end::{End, Wake},
    family::{Filter, Flow, Flowtable, State, Stats},
    monitor::{now_ms, stamp},
    rates::{Counters, History, Rates},
    screen::{self, How, Line, Rated, Sort, View},
    watch, Kernel, Output,
};
use ratatui::{
    crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers},
    layout::Rect,
    style::Stylize,
    text::{self, Text},
    widgets::Widget,
    DefaultTerminal, Frame,
};
use serde::Serialize;
use signal_hook::consts::SIGHUP;
use std::{
    env, io,
    time::{Duration, Instant},
};

/// With more flows in hardware than that, they are not looked at.
const FLOWS: u64 = 20_000;
/// How many flows a frame has.
const BUSIEST: usize = 20;
/// How soon a signal ends it.
const SOON: Duration = Duration::from_millis(100);

/// What was seen before.
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

    /// What there is now.
    fn look(&mut self, kernel: &mut Kernel) -> Result<View> {
        kernel.look_at_links()?;
        let stats = kernel.family.stats(&kernel.names)?;
        let devices = kernel.family.devices(&kernel.names)?;
        let flows = flows(kernel, &stats)?;
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

/// The flows that hardware carries, if they are not too many.
fn flows(kernel: &mut Kernel, stats: &Stats) -> Result<Option<Vec<Flow>>> {
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
        let names = &kernel.names;
        kernel
            .family
            .flows(&filter, names, usize::MAX, &mut |some| {
                all.append(some);
                Ok(())
            })?;
    }
    Ok(Some(all))
}

/// What a key does.
#[derive(Debug, PartialEq, Eq)]
pub enum Action {
    /// It ends.
    Quit,
    /// It is sorted otherwise.
    Sort,
    /// It stands still, or goes on.
    Pause,
}

/// What is to be done at a key.
pub fn action(key: &KeyEvent) -> Option<Action> {
    if key.kind == KeyEventKind::Release {
        return None;
    }
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    match key.code {
        KeyCode::Char('c') if control => Some(Action::Quit),
        KeyCode::Char('q') | KeyCode::Esc => Some(Action::Quit),
        KeyCode::Char('s') => Some(Action::Sort),
        KeyCode::Char(' ') => Some(Action::Pause),
        _ => None,
    }
}

/// Lines on a terminal.
pub struct Shown {
    lines: Vec<Line>,
    bold: bool,
}

impl Shown {
    /// What is seen, as large as that.
    pub fn new(view: &View, how: How, area: Rect, bold: bool) -> Self {
        Self {
            lines: screen::screen(view, how, area.width.into(), area.height.into()),
            bold,
        }
    }
}

impl Widget for Shown {
    fn render(self, area: Rect, to: &mut ratatui::buffer::Buffer) {
        let lines = self.lines.into_iter().map(|line| {
            let text = text::Line::from(line.text);
            match line.header && self.bold {
                true => text.bold(),
                false => text,
            }
        });
        Text::from_iter(lines).render(area, to);
    }
}

fn terminal(error: io::Error) -> Error {
    Error::System(format!("the terminal: {error}"))
}

/// The terminal, which is restored when this goes, also by a panic.
struct Terminal(DefaultTerminal);

impl Terminal {
    fn new() -> Result<Self> {
        ratatui::try_init().map(Self).map_err(terminal)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

/// A screen that changes, until a key or a signal ends it.
fn interactive(kernel: &mut Kernel, how: &cli::Top, bold: bool) -> Result<u8> {
    let end = End::on(&[SIGHUP])?;
    let mut looks = Looks::new();
    let mut view = looks.look(kernel)?;
    let mut looked = Instant::now();
    let mut frames = 1u64;
    let mut shown = How {
        sort: Sort::Packets,
        paused: false,
        interval: how.interval,
    };
    let mut screen = Terminal::new()?;
    let mut changed = true;
    loop {
        if changed {
            view.sort(shown.sort);
            let draw = |frame: &mut Frame<'_>| {
                let area = frame.area();
                frame.render_widget(Shown::new(&view, shown, area, bold), area);
            };
            screen.0.draw(draw).map_err(terminal)?;
            changed = false;
        }
        let rest = how.interval.saturating_sub(looked.elapsed());
        if rest.is_zero() && !shown.paused {
            if how.frames.is_some_and(|most| frames >= most) {
                return Ok(0);
            }
            view = looks.look(kernel)?;
            looked = Instant::now();
            frames = frames.saturating_add(1);
            changed = true;
            continue;
        }
        let rest = if shown.paused { SOON } else { rest.min(SOON) };
        if event::poll(rest).map_err(terminal)? {
            let action = match event::read().map_err(terminal)? {
                Event::Key(key) => action(&key),
                Event::Resize(..) => {
                    changed = true;
                    None
                }
                _ => None,
            };
            match action {
                Some(Action::Quit) => return Ok(0),
                Some(Action::Sort) => shown.sort = shown.sort.next(),
                Some(Action::Pause) => shown.paused = !shown.paused,
                None => continue,
            }
            changed = true;
        }
        if end.wait(None, Some(Duration::ZERO))? == Wake::End {
            return Ok(0);
        }
    }
}

/// A frame in JSON.
#[derive(Serialize)]
struct Content<'a> {
    time_ms: u64,
    stats: &'a Stats,
    rates: Option<Rates>,
    devices: &'a [Rated<crate::family::Device>],
    flows: Option<&'a [Rated<Flow>]>,
}

/// Frames one after the other.
fn batch(out: &mut Output, kernel: &mut Kernel, how: &cli::Top) -> Result<u8> {
    let end = End::on(&[])?;
    let mut looks = Looks::new();
    let mut frames = 0u64;
    while how.frames.is_none_or(|most| frames < most) {
        if frames > 0 && end.wait(None, Some(how.interval))? == Wake::End {
            break;
        }
        let mut view = looks.look(kernel)?;
        view.sort(Sort::Packets);
        let time_ms = now_ms();
        if out.json {
            out.document(Content {
                time_ms,
                stats: &view.stats,
                rates: view.rates(),
                devices: &view.devices,
                flows: view
                    .flows
                    .as_deref()
                    .map(|all| all.get(..BUSIEST).unwrap_or(all)),
            })?;
        } else {
            let between = if frames > 0 { "\n" } else { "" };
            out.write(&format!("{between}{} ", stamp(time_ms)))?;
            for line in screen::frame(&view, BUSIEST) {
                out.write(&line.text)?;
                out.write("\n")?;
            }
        }
        out.flush()?;
        frames = frames.saturating_add(1);
    }
    Ok(0)
}

/// Looks until it is ended, or so many times.
pub fn run(out: &mut Output, how: &cli::Top) -> Result<u8> {
    let mut kernel = Kernel::open()?;
    let dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
    // The width is that of a terminal.
    match out.style.width.is_some() && !out.json && !dumb {
        true => interactive(&mut kernel, how, out.style.bold),
        false => batch(out, &mut kernel, how),
    }
}
