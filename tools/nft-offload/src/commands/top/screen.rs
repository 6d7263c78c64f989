// SPDX-License-Identifier: GPL-2.0

//! The screen of `top`: its state, its keys, and how a view is drawn with widgets.

use super::{
    rates::Rates,
    view::{self, rate, Sort, View},
};
use crate::{
    output::{
        describe,
        table::{Align, Fitted, Table, GAP},
        Style as Plain,
    },
    text::{count, cut},
};
use ratatui::{
    crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers},
    layout::{Alignment, Constraint, Flex, Layout, Rect},
    style::{Modifier, Style},
    text::Line,
    widgets::{
        Block, Cell, Clear, Paragraph, RenderDirection, Row, Sparkline, Table as TableWidget,
    },
    Frame,
};
use std::{collections::VecDeque, time::Duration};

/// The number of rates that the sparklines keep.
const HISTORY: usize = 240;
/// The least height with blank lines between the sections.
const SPACED: u16 = 20;
/// The least height with sparklines.
const WITH_SPARKLINES: u16 = 24;
/// The rows of the sparklines, with their title.
const SPARKLINE_ROWS: u16 = 3;
/// The most reasons that are shown.
const REASONS: usize = 3;

/// The keys, for the help.
const KEYS: [(&str, &str); 10] = [
    ("q, Esc, Ctrl-C", "quit"),
    ("s, Right", "sort by packets, bytes, newest, name in turn"),
    ("S, Left", "the same, backwards"),
    ("r", "reverse the order"),
    ("/", "show devices and flows with this text only"),
    ("Esc", "clear the filter"),
    ("Up, Down, PgUp, PgDn", "scroll the flows"),
    ("Home, End", "show the first or the last flows"),
    ("Space", "pause, or continue"),
    ("h, ?", "show or hide this help"),
];

/// What a key requires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The command ends.
    Quit,
    /// The screen is drawn again.
    Redraw,
    /// Nothing.
    Ignored,
}

/// The state of the screen.
#[derive(Debug)]
pub struct Screen {
    /// The order of devices and flows.
    pub sort: Sort,
    /// Whether that order is reversed.
    pub reverse: bool,
    /// Whether the view stands still.
    pub paused: bool,
    /// The text that devices and flows must contain, in lower case.
    filter: String,
    /// Whether keys change the filter.
    editing: bool,
    /// Whether the help is shown.
    help: bool,
    /// The first flow that is shown.
    offset: usize,
    /// The number of flows that were shown last.
    page: usize,
    /// The rates of the last looks, the newest first.
    packets: VecDeque<u64>,
    bytes: VecDeque<u64>,
    interval: Duration,
    bold: bool,
}

impl Screen {
    /// Creates the screen of a command that looks every `interval`.
    pub fn new(interval: Duration, bold: bool) -> Self {
        Self {
            sort: Sort::Packets,
            reverse: false,
            paused: false,
            filter: String::new(),
            editing: false,
            help: false,
            offset: 0,
            page: 1,
            packets: VecDeque::new(),
            bytes: VecDeque::new(),
            interval,
            bold,
        }
    }

    /// Adds the rates of a new look to the sparklines.
    pub fn record(&mut self, rates: Option<Rates>) {
        let Some(rates) = rates else {
            return;
        };
        for (history, rate) in [
            (&mut self.packets, rates.packets),
            (&mut self.bytes, rates.bytes),
        ] {
            history.push_front(rate.0.round() as u64);
            history.truncate(HISTORY);
        }
    }

    /// Handles a key.
    pub fn key(&mut self, key: &KeyEvent) -> Outcome {
        if key.kind == KeyEventKind::Release {
            return Outcome::Ignored;
        }
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return match key.code {
                KeyCode::Char('c') => Outcome::Quit,
                _ => Outcome::Ignored,
            };
        }
        if self.editing {
            return self.edit(key.code);
        }
        match key.code {
            KeyCode::Char('q') => return Outcome::Quit,
            KeyCode::Esc if self.help => self.help = false,
            KeyCode::Esc if !self.filter.is_empty() => self.filter.clear(),
            KeyCode::Esc => return Outcome::Quit,
            KeyCode::Char('h' | '?') => self.help = !self.help,
            KeyCode::Char('s') | KeyCode::Right => self.sort = self.sort.next(),
            KeyCode::Char('S') | KeyCode::Left => self.sort = self.sort.previous(),
            KeyCode::Char('r') => self.reverse = !self.reverse,
            KeyCode::Char(' ') => self.paused = !self.paused,
            KeyCode::Char('/') => self.editing = true,
            KeyCode::Up | KeyCode::Char('k') => self.offset = self.offset.saturating_sub(1),
            KeyCode::Down | KeyCode::Char('j') => self.offset = self.offset.saturating_add(1),
            KeyCode::PageUp => self.offset = self.offset.saturating_sub(self.page),
            KeyCode::PageDown => self.offset = self.offset.saturating_add(self.page),
            KeyCode::Home => self.offset = 0,
            KeyCode::End => self.offset = usize::MAX,
            _ => return Outcome::Ignored,
        }
        Outcome::Redraw
    }

    /// Handles a key that changes the filter.
    fn edit(&mut self, code: KeyCode) -> Outcome {
        match code {
            KeyCode::Enter => self.editing = false,
            KeyCode::Esc => {
                self.filter.clear();
                self.editing = false;
            }
            KeyCode::Backspace => drop(self.filter.pop()),
            KeyCode::Char(c) => self.filter.extend(c.to_lowercase()),
            _ => return Outcome::Ignored,
        }
        self.offset = 0;
        Outcome::Redraw
    }

    /// Selects the items that match the filter; `table` builds the table of one.
    fn select<'a, T>(&self, all: &'a [T], table: impl Fn(&'a T) -> Table) -> Vec<&'a T> {
        let matches = |it: &'a T| {
            let lines = table(it).render(false, Plain::PLAIN);
            lines.to_lowercase().contains(&self.filter)
        };
        let all = all.iter();
        all.filter(|it| self.filter.is_empty() || matches(it))
            .collect()
    }

    /// Returns the style of headers.
    fn header(&self) -> Style {
        match self.bold {
            true => Style::new().add_modifier(Modifier::BOLD),
            false => Style::new(),
        }
    }

    /// Draws a view, which is sorted.
    pub fn draw(&mut self, frame: &mut Frame<'_>, view: &View) {
        let area = frame.area();
        let gap = u16::from(area.height >= SPACED);
        let [mut rest, footer] =
            Layout::vertical([Constraint::Fill(1), Constraint::Length(1.min(area.height))])
                .areas(area);
        frame.render_widget(Line::styled(self.footer(area.width), self.header()), footer);

        let headline = cut(&describe::headline(&view.stats), Some(area.width.into()));
        frame.render_widget(Line::styled(headline, self.header()), take(&mut rest, 1));
        take(&mut rest, gap);
        self.draw_table(frame, &view::totals(view), take(&mut rest, 3), "");
        if area.height >= WITH_SPARKLINES {
            take(&mut rest, gap);
            self.draw_sparklines(frame, view.rates(), take(&mut rest, SPARKLINE_ROWS));
        }
        self.draw_devices(frame, view, &mut rest, gap);
        self.draw_reasons(frame, view, &mut rest, gap);
        take(&mut rest, gap);
        self.draw_flows(frame, view, rest);
        if self.help {
            self.draw_help(frame, area);
        }
    }

    /// Formats the last line: the keys, as far as there is room, and the state.
    fn footer(&self, width: u16) -> String {
        let width = usize::from(width);
        if self.editing {
            let text = format!("filter: {}_   Enter apply   Esc clear", self.filter);
            return cut(&text, Some(width));
        }
        let state = match self.paused {
            true => "paused".to_owned(),
            false => format!("every {} s", self.interval.as_secs_f64()),
        };
        let reverse = if self.reverse { ", reversed" } else { "" };
        let filter = match self.filter.as_str() {
            "" => "/ filter".to_owned(),
            text => format!("/ filter: {text}"),
        };
        let mut parts = vec![
            "q quit".to_owned(),
            "h help".to_owned(),
            format!("s sort: {}{reverse}", self.sort.name()),
            filter,
            "space pause".to_owned(),
            state,
        ];
        let join = |parts: &[String]| parts.join("   ");
        // The state stays, and so does how to quit and to get help.
        while parts.len() > 3 && join(&parts).chars().count() > width {
            parts.remove(parts.len() - 2);
        }
        cut(&join(&parts), Some(width))
    }

    /// Draws a table. The header of the column `sorted` is underlined.
    fn draw_table(&self, frame: &mut Frame<'_>, table: &Table, area: Rect, sorted: &str) {
        let width = usize::from(area.width);
        let fitted = table.fit(Some(width));
        let last = fitted.len().saturating_sub(1);
        let before: usize = fitted.iter().take(last).map(|f| f.width + GAP).sum();
        let room = width.saturating_sub(before);
        let cell = |(i, f): (usize, &Fitted), text: &str| {
            let (text, alignment) = match f.column.align {
                Align::Left if i == last => (cut(text, Some(room)), Alignment::Left),
                Align::Left => (text.to_owned(), Alignment::Left),
                Align::Right => (text.to_owned(), Alignment::Right),
            };
            Cell::from(Line::from(text).alignment(alignment))
        };
        let title = |(i, f): (usize, &Fitted)| {
            let style = match !sorted.is_empty() && f.column.title == sorted && self.bold {
                true => self.header().add_modifier(Modifier::UNDERLINED),
                false => self.header(),
            };
            cell((i, f), f.column.title).style(style)
        };
        let header = Row::new(fitted.iter().enumerate().map(title));
        let row = |row: usize| {
            let cells = fitted.iter().enumerate();
            Row::new(cells.map(move |(i, f)| cell((i, f), table.cell(row, f.index))))
        };
        let width = |(i, f): (usize, &Fitted)| match i == last && f.column.align == Align::Left {
            true => Constraint::Fill(1),
            false => Constraint::Length(f.width.try_into().unwrap_or(u16::MAX)),
        };
        let widget = TableWidget::new(
            (0..table.len()).map(row),
            fitted.iter().enumerate().map(width),
        );
        let gap = GAP.try_into().unwrap_or(1);
        frame.render_widget(widget.header(header).column_spacing(gap), area);
    }

    /// Draws the packet rate and the byte rate of the last looks.
    fn draw_sparklines(&self, frame: &mut Frame<'_>, rates: Option<Rates>, area: Rect) {
        let gap = Constraint::Length(GAP.try_into().unwrap_or(1));
        let [left, _, right] =
            Layout::horizontal([Constraint::Fill(1), gap, Constraint::Fill(1)]).areas(area);
        for (unit, now, history, mut area) in [
            ("packets", rate(rates, |r| r.packets), &self.packets, left),
            ("bytes", rate(rates, |r| r.bytes), &self.bytes, right),
        ] {
            let shown = history.iter().take(area.width.into());
            let peak = shown.clone().max().copied().unwrap_or(0);
            let title = format!("{unit} per second: {now}, peak {}", count(peak));
            let title = cut(&title, Some(area.width.into()));
            frame.render_widget(Line::from(title), take(&mut area, 1));
            let sparkline = Sparkline::default()
                .data(shown)
                .max(peak.max(1))
                .direction(RenderDirection::RightToLeft);
            frame.render_widget(sparkline, area);
        }
    }

    /// Draws the devices that match the filter, in at most half of the rest.
    fn draw_devices(&self, frame: &mut Frame<'_>, view: &View, rest: &mut Rect, gap: u16) {
        if view.devices.is_empty() {
            return;
        }
        take(rest, gap);
        let all = self.select(&view.devices, |it| view::devices([it]));
        if all.is_empty() {
            self.draw_text(frame, "no device matches the filter", take(rest, 1));
            return;
        }
        let room = usize::from(rest.height / 2).max(1);
        let (shown, more) = match all.len() <= room {
            true => (all.len(), 0),
            false => (room - 1, all.len() - (room - 1)),
        };
        let table = view::devices(all.into_iter().take(shown));
        let sorted = match self.sort {
            Sort::Packets => "PKT/S",
            Sort::Bytes => "BYTE/S",
            Sort::Newest => "ADD/S",
            Sort::Name => "DEVICE",
        };
        self.draw_table(frame, &table, take(rest, rows(shown + 1)), sorted);
        if more > 0 {
            self.draw_text(frame, &view::more(more), take(rest, 1));
        }
    }

    /// Draws the reasons of the most flows, in at most a quarter of the rest.
    fn draw_reasons(&self, frame: &mut Frame<'_>, view: &View, rest: &mut Rect, gap: u16) {
        let all = view.sorted_reasons();
        let shown = REASONS.min(usize::from(rest.height / 4)).min(all.len());
        if let Some(all) = all.get(..shown).filter(|all| !all.is_empty()) {
            take(rest, gap);
            let area = take(rest, rows(shown + 1));
            self.draw_table(frame, &view::reasons(all), area, "");
        }
    }

    /// Draws the flows that match the filter, from the one scrolled to.
    fn draw_flows(&mut self, frame: &mut Frame<'_>, view: &View, mut rest: Rect) {
        let all = view.flows.as_deref().unwrap_or_default();
        let all = self.select(all, |it| view::flows([it]));
        let none = match (view.no_flows(), all.is_empty()) {
            (Some(text), _) => Some(text),
            (None, true) => Some("no flow matches the filter".to_owned()),
            (None, false) => None,
        };
        if let Some(text) = none {
            self.draw_text(frame, &text, rest);
            return;
        }
        let room = usize::from(rest.height).saturating_sub(1).max(1);
        // A line says how many are not shown, unless all are.
        self.page = match all.len() <= room {
            true => room,
            false => room.saturating_sub(1).max(1),
        };
        self.offset = self.offset.min(all.len().saturating_sub(self.page));
        let after = all.len().saturating_sub(self.offset + self.page);
        let before = self.offset;
        let shown = all.into_iter().skip(self.offset).take(self.page);
        let table = view::flows(shown);
        let sorted = match self.sort {
            Sort::Packets => "PKT/S",
            Sort::Bytes => "BYTE/S",
            Sort::Newest => "SINCE",
            Sort::Name => "FLOW",
        };
        self.draw_table(
            frame,
            &table,
            take(&mut rest, rows(table.len() + 1)),
            sorted,
        );
        match (before, after) {
            (0, 0) => {}
            (0, after) => self.draw_text(frame, &view::more(after), rest),
            (before, after) => {
                let text = format!(
                    "{} above, {} below",
                    count(before as u64),
                    count(after as u64)
                );
                self.draw_text(frame, &text, rest);
            }
        }
    }

    /// Draws a line of text.
    fn draw_text(&self, frame: &mut Frame<'_>, text: &str, area: Rect) {
        frame.render_widget(Line::from(cut(text, Some(area.width.into()))), area);
    }

    /// Draws the help over the rest, in the middle.
    fn draw_help(&self, frame: &mut Frame<'_>, area: Rect) {
        let mut table = Table::labels(0);
        for (key, text) in KEYS {
            table.label(key, text);
        }
        let text = table.render(false, Plain::PLAIN);
        let width = text.lines().map(|line| line.chars().count()).max();
        // With the border.
        let [area] = Layout::vertical([Constraint::Length(rows(KEYS.len() + 2))])
            .flex(Flex::Center)
            .areas(area);
        let [area] = Layout::horizontal([Constraint::Length(rows(width.unwrap_or(0) + 2))])
            .flex(Flex::Center)
            .areas(area);
        frame.render_widget(Clear, area);
        let block = Block::bordered().title(" Keys ");
        frame.render_widget(Paragraph::new(text).block(block), area);
    }
}

/// Converts a number of rows or columns.
fn rows(n: usize) -> u16 {
    n.try_into().unwrap_or(u16::MAX)
}

/// Splits `rows` rows off the top of an area, or as many as there are.
fn take(from: &mut Rect, rows: u16) -> Rect {
    let rows = rows.min(from.height);
    let top = Rect {
        height: rows,
        ..*from
    };
    from.y = from.y.saturating_add(rows);
    from.height -= rows;
    top
}
