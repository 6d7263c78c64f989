// SPDX-License-Identifier: GPL-2.0

//! What `top` shows of the recorded devices and flows, on terminals of any size.
#![cfg(target_endian = "little")]

use super::{
    rates::{Counters, Each, History, Rate, Rates},
    screen::{Outcome, Screen},
    view::{self, Rated, Sort, View},
};
use crate::{
    commands::flows::watch,
    netlink::family::{Device, Flow, Stats},
    tests::{devices, flows, stats},
};
use ratatui::{
    backend::TestBackend,
    buffer::Cell,
    crossterm::event::{KeyCode, KeyEvent, KeyModifiers},
    style::Modifier,
};
use std::time::Duration;

/// The recorded state, and a second later.
fn view() -> View {
    let (mut history, mut of_flows) = (History::default(), History::default());
    let (mut devices, mut flows) = (devices(), flows());
    let mut view = View::default();
    for seconds in 0..2 {
        let now = Duration::from_secs(seconds);
        let counted = devices.iter().map(|d| (d.ifindex, Counters::of_device(d)));
        let rates = history.look(now, counted);
        let counted = flows.iter().map(|f| (watch::key(f), Counters::of_flow(f)));
        let rates_of_flows = of_flows.look(now, counted);
        let flows_now = flows.iter().cloned().zip(rates_of_flows);
        let devices_now = devices.iter().cloned().zip(rates);
        view = View {
            stats: stats(),
            devices: devices_now.map(|(it, rates)| Rated { it, rates }).collect(),
            flows: Some(flows_now.map(|(it, rates)| Rated { it, rates }).collect()),
        };
        for (i, device) in devices.iter_mut().enumerate() {
            device.packets += 1000 * (i as u64 + 1);
            device.bytes += 1_500_000;
            device.adds += 3;
        }
        for (i, flow) in flows.iter_mut().enumerate() {
            flow.original.packets += 10 * i as u64;
            flow.reply.bytes += 100_000;
        }
    }
    view
}

/// A view with many devices and flows.
fn many() -> View {
    let mut many = view();
    for i in 0..40 {
        many.devices.push(many.devices[i % 3].clone());
        let one = many.flows.as_ref().unwrap()[i % 4].clone();
        many.flows.as_mut().unwrap().push(one);
    }
    many
}

fn screen() -> Screen {
    Screen::new(Duration::from_secs(2), true)
}

fn press(screen: &mut Screen, code: KeyCode) -> Outcome {
    screen.key(&KeyEvent::new(code, KeyModifiers::NONE))
}

fn type_in(screen: &mut Screen, text: &str) {
    for c in text.chars() {
        assert_eq!(press(screen, KeyCode::Char(c)), Outcome::Redraw, "{c}");
    }
}

/// Draws a view on a terminal of this size.
fn draw(screen: &mut Screen, view: &View, width: u16, height: u16) -> Vec<Cell> {
    let mut terminal = ratatui::Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| screen.draw(frame, view)).unwrap();
    terminal.backend().buffer().content.clone()
}

/// Draws a view and returns its lines.
fn lines(screen: &mut Screen, view: &View, width: u16, height: u16) -> Vec<String> {
    let cells = draw(screen, view, width, height);
    let rows = cells.chunks(usize::from(width).max(1));
    let row = |cells: &[Cell]| -> String {
        let text: String = cells.iter().map(Cell::symbol).collect();
        text.trim_end().to_owned()
    };
    rows.map(row).collect()
}

/// Draws devices and flows of any content.
pub fn draw_anything(devices: &[Device], flows: &[Flow]) {
    let devices = devices.iter().cloned();
    let flows = flows.iter().cloned();
    let view = View {
        stats: Stats::default(),
        devices: devices.map(|it| Rated { it, rates: None }).collect(),
        flows: Some(flows.map(|it| Rated { it, rates: None }).collect()),
    };
    for (width, height) in [(80, 24), (60, 15)] {
        lines(&mut screen(), &view, width, height);
    }
    view::frame(&view, 20);
}

#[test]
fn a_screen_of_80_by_24() {
    let mut view = view();
    view.sort(Sort::Packets, false);
    let lines = lines(&mut screen(), &view, 80, 24);
    let shown = lines.join("\n");
    assert_eq!(lines.len(), 24);
    assert_eq!(
        lines[0],
        "3 flows in hardware, 1 in software: 1 driver-refused"
    );
    assert_eq!(
        lines[23],
        "q quit   h help   s sort: packets   / filter   space pause   every 2 s"
    );
    for part in [
        "\n            RULES  PACKETS  BYTES  ADDS  DELETES  REFUSED  MISSES  EVICTED\ntotal ",
        "\nper second            6000   4.5M   9.0        0        0       0        0\n",
        "\npackets per second: 6000, peak 0",
        "bytes per second: 4.5M, peak 0\n",
        "\nDEVICE  RULES  LIMIT  ADD/S  PKT/S  BYTE/S  MISS/S  REFUSED\n",
        "\nFLOWS  REFUSED  REASON\n    1  ",
        "\nPKT/S  BYTE/S  SINCE  PROTO  IN>OUT   FLOW\n",
        "10.0.1.2:42001 > 10.0.2.2:5001",
        "EOPNOTSUPP",
    ] {
        assert!(shown.contains(part), "{part} is not in:\n{shown}");
    }
}

#[test]
fn a_screen_of_60_by_15() {
    let mut view = view();
    for device in &mut view.devices {
        device.it.name = "abcdefghijklmno".to_owned();
        device.it.limit = 123_456;
        device.it.rules = 123_456;
    }
    let lines = lines(&mut screen(), &view, 60, 15);
    let shown = lines.join("\n");
    assert_eq!(lines.len(), 15);
    assert!(shown.contains("\ntotal "), "{shown}");
    assert!(shown.contains("abcdefghijklmno   123k   123k"), "{shown}");
    assert!(
        shown.contains(" udp    10.0.1.2:42010 > 10.0.2.2:5001\n"),
        "{shown}"
    );
    assert_eq!(
        lines[14],
        "q quit   h help   s sort: packets   / filter   every 2 s"
    );
}

#[test]
fn a_screen_of_any_size() {
    let too_many = View {
        flows: None,
        ..view()
    };
    for view in [view(), many(), too_many, View::default()] {
        let mut screen = screen();
        screen.record(view.rates());
        for help in [false, true] {
            for width in [0u16, 1, 2, 5, 12, 20, 33, 40, 57, 60, 79, 80, 132] {
                for height in [0, 1, 2, 3, 5, 9, 15, 19, 20, 23, 24, 50] {
                    let lines = lines(&mut screen, &view, width, height);
                    assert_eq!(lines.len(), usize::from(height.min(width * height)));
                    if !help && width > 30 && height > 0 {
                        let footer = &lines[usize::from(height) - 1];
                        assert!(footer.starts_with("q quit   h help"), "{footer}");
                    }
                }
            }
            press(&mut screen, KeyCode::Char('?'));
        }
    }
}

#[test]
fn what_is_not_shown_is_counted() {
    let mut view = view();
    view.flows = None;
    view.stats.flows_in_hardware = 30_000;
    let shown = lines(&mut screen(), &view, 80, 24).join("\n");
    assert!(
        shown.contains("30.0k flows in hardware are too many to list"),
        "{shown}"
    );
    view.flows = Some(Vec::new());
    let mut paused = screen();
    assert_eq!(press(&mut paused, KeyCode::Char(' ')), Outcome::Redraw);
    let shown = lines(&mut paused, &view, 80, 24).join("\n");
    assert!(shown.contains("no flow in hardware"), "{shown}");
    assert!(shown.ends_with("space pause   paused"), "{shown}");
    for _ in 0..30 {
        view.devices.push(view.devices[0].clone());
    }
    let shown = lines(&mut screen(), &view, 80, 24).join("\n");
    assert!(shown.contains("\nand 28 more\n"), "{shown}");
}

#[test]
fn the_view_is_sorted() {
    let mut view = view();
    let ports = |view: &View| -> Vec<u16> {
        let flows = view.flows.iter().flatten();
        flows.map(|f| f.it.original.source_port).collect()
    };
    let before = ports(&view);
    view.sort(Sort::Packets, false);
    let reversed: Vec<_> = before.iter().rev().copied().collect();
    assert_eq!(ports(&view), reversed);
    view.sort(Sort::Packets, true);
    assert_eq!(ports(&view), before);
    view.sort(Sort::Packets, false);
    let flows = view.flows.as_mut().unwrap();
    flows[3].rates = Some(Each {
        bytes: Rate(1e9),
        ..Each::default()
    });
    view.sort(Sort::Bytes, false);
    assert_eq!(ports(&view)[0], before[0]);
    view.sort(Sort::Newest, false);
    let flows = view.flows.as_ref().unwrap();
    assert!(flows.is_sorted_by_key(|f| f.it.since_ms));
    view.sort(Sort::Name, false);
    assert!(view.devices.is_sorted_by_key(|d| d.it.name.clone()));
    assert_eq!(ports(&view).first(), Some(&42001));
    let mut sort = Sort::Packets;
    for next in [Sort::Bytes, Sort::Newest, Sort::Name, Sort::Packets] {
        assert_eq!((sort.next(), next.previous()), (next, sort));
        sort = next;
    }
}

#[test]
fn the_column_sorted_by_is_underlined() {
    let underlined = |screen: &mut Screen| -> String {
        let cells = draw(screen, &view(), 80, 24);
        let cells = cells.iter();
        let cells = cells.filter(|cell| cell.modifier.contains(Modifier::UNDERLINED));
        cells.map(Cell::symbol).collect()
    };
    let mut screen = screen();
    for columns in ["PKT/SPKT/S", "BYTE/SBYTE/S", "ADD/SSINCE", "DEVICEFLOW"] {
        let shown = underlined(&mut screen);
        let shown: String = shown.split_whitespace().collect();
        assert_eq!(shown, columns);
        press(&mut screen, KeyCode::Char('s'));
    }
    let mut plain = Screen::new(Duration::from_secs(2), false);
    assert!(draw(&mut plain, &view(), 80, 24)
        .iter()
        .all(|cell| cell.modifier.is_empty()));
}

#[test]
fn sparklines_show_the_last_looks() {
    let mut screen = screen();
    for packets in [0.0, 400.0, 800.0] {
        screen.record(Some(Rates {
            packets: Rate(packets),
            ..Rates::default()
        }));
    }
    screen.record(None);
    let lines = lines(&mut screen, &view(), 80, 24);
    let title = lines
        .iter()
        .position(|l| l.starts_with("packets per second"));
    let title = title.unwrap();
    assert!(lines[title].starts_with("packets per second: 6000, peak 800 "));
    // The newest is at the right end of the left half, over both rows.
    let column = |row: usize, at: usize| lines[title + row].chars().nth(at).unwrap_or(' ');
    assert_eq!((column(1, 38), column(2, 38)), ('█', '█'));
    assert_eq!((column(1, 37), column(2, 37)), (' ', '█'));
    assert_eq!((column(1, 36), column(2, 36)), (' ', ' '));
}

#[test]
fn a_filter_selects_devices_and_flows() {
    let mut screen = screen();
    assert_eq!(press(&mut screen, KeyCode::Char('/')), Outcome::Redraw);
    type_in(&mut screen, "Dummyq");
    press(&mut screen, KeyCode::Backspace);
    let shown = lines(&mut screen, &view(), 80, 24);
    assert_eq!(
        shown[23], "filter: dummy_   Enter apply   Esc clear",
        "keys are text while the filter is edited"
    );
    press(&mut screen, KeyCode::Enter);
    let shown = lines(&mut screen, &view(), 80, 24).join("\n");
    assert!(
        shown.contains("\ndummy0 ") && !shown.contains("\nlan "),
        "{shown}"
    );
    assert!(shown.contains("\nno flow matches the filter\n"), "{shown}");
    assert!(shown.contains("/ filter: dummy   "), "{shown}");
    // Esc clears the filter first.
    assert_eq!(press(&mut screen, KeyCode::Esc), Outcome::Redraw);
    type_in(&mut screen, "/42003");
    let shown = lines(&mut screen, &view(), 80, 24).join("\n");
    assert!(shown.contains("[fd00:1::2]:42003"), "{shown}");
    assert!(!shown.contains("10.0.1.2"), "{shown}");
    assert!(
        shown.contains("\nno device matches the filter\n"),
        "{shown}"
    );
    assert_eq!(press(&mut screen, KeyCode::Esc), Outcome::Redraw);
    let shown = lines(&mut screen, &view(), 80, 24).join("\n");
    assert!(shown.contains("10.0.1.2:42001"), "{shown}");
    assert_eq!(press(&mut screen, KeyCode::Esc), Outcome::Quit);
}

#[test]
fn flows_scroll() {
    let (mut screen, mut view) = (screen(), many());
    view.devices.truncate(1);
    for (i, flow) in view.flows.iter_mut().flatten().enumerate() {
        flow.it.original.source_port = 1000 + i as u16;
    }
    let first = |screen: &mut Screen, view: &View| {
        let lines = lines(screen, view, 80, 15);
        let header = lines.iter().position(|l| l.starts_with("PKT/S")).unwrap();
        let end = lines[lines.len() - 2].clone();
        (lines[header + 1].contains(":1000 "), end)
    };
    let (top, end) = first(&mut screen, &view);
    assert!(
        top && end.starts_with("and ") && end.ends_with(" more"),
        "{end}"
    );
    press(&mut screen, KeyCode::Down);
    let (top, end) = first(&mut screen, &view);
    assert!(!top && end.starts_with("1 above, "), "{end}");
    press(&mut screen, KeyCode::End);
    let (_, end) = first(&mut screen, &view);
    assert!(end.ends_with(" above, 0 below"), "{end}");
    press(&mut screen, KeyCode::PageUp);
    let (_, end) = first(&mut screen, &view);
    assert!(!end.ends_with(" 0 below"), "{end}");
    press(&mut screen, KeyCode::Home);
    assert!(first(&mut screen, &view).0);
    press(&mut screen, KeyCode::Up);
    assert!(first(&mut screen, &view).0);
}

#[test]
fn help_lists_the_keys() {
    let mut screen = screen();
    press(&mut screen, KeyCode::Char('h'));
    let shown = lines(&mut screen, &view(), 80, 24).join("\n");
    for part in [
        "Keys",
        "q, Esc, Ctrl-C",
        "reverse the order",
        "show or hide this help",
    ] {
        assert!(shown.contains(part), "{part} is not in:\n{shown}");
    }
    assert_eq!(press(&mut screen, KeyCode::Esc), Outcome::Redraw);
    let shown = lines(&mut screen, &view(), 80, 24).join("\n");
    assert!(!shown.contains("reverse the order"), "{shown}");
}

#[test]
fn a_frame_in_a_file_has_all_devices() {
    let mut view = view();
    for _ in 0..30 {
        view.devices.push(view.devices[0].clone());
    }
    let text = view::frame(&view, 2);
    assert!(text.lines().count() > 33);
    assert_eq!(text.lines().last(), Some("and 2 more"));
    // Before the second look there are no rates.
    for device in &mut view.devices {
        device.rates = None;
    }
    assert_eq!(view.rates(), None);
    let text = view::frame(&view, 2);
    let line = text.lines().find(|l| l.starts_with("per second"));
    assert!(line.unwrap().ends_with("      -"));
}

#[test]
fn keys_have_an_effect() {
    let mut screen = screen();
    for (code, outcome) in [
        (KeyCode::Char('s'), Outcome::Redraw),
        (KeyCode::Char('r'), Outcome::Redraw),
        (KeyCode::Char(' '), Outcome::Redraw),
        (KeyCode::Char('c'), Outcome::Ignored),
        (KeyCode::Char('q'), Outcome::Quit),
        (KeyCode::Esc, Outcome::Quit),
    ] {
        assert_eq!(press(&mut screen, code), outcome, "{code}");
    }
    assert_eq!(
        (screen.sort, screen.reverse, screen.paused),
        (Sort::Bytes, true, true)
    );
    press(&mut screen, KeyCode::Left);
    assert_eq!(screen.sort, Sort::Packets);
    press(&mut screen, KeyCode::Right);
    assert_eq!(screen.sort, Sort::Bytes);
    let control = |c| KeyEvent::new(KeyCode::Char(c), KeyModifiers::CONTROL);
    assert_eq!(screen.key(&control('c')), Outcome::Quit);
    assert_eq!(screen.key(&control('s')), Outcome::Ignored);
    // Ctrl-C also ends the editing of a filter.
    press(&mut screen, KeyCode::Char('/'));
    assert_eq!(screen.key(&control('c')), Outcome::Quit);
}
