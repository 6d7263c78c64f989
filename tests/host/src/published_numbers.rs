// SPDX-License-Identifier: GPL-2.0

//! The numbers of the netlink interface: those of `src/uapi/nft_offload.h`, those of the command line, and
//! those that were published.
//!
//! That the header is what the kernel's generators make of the specification is checked by
//! `scripts/lint.sh uapi`.

use crate::offload::reason::Reason;
use std::collections::BTreeMap;

const HEADER: &str = include_str!("../../../src/uapi/nft_offload.h");
const COMMAND_LINE: &str = include_str!("../../../tools/nft-offload/src/netlink/uapi.rs");
/// The numbers of version 1 as they were published. Names may be added at its end; no line changes.
const PUBLISHED: &str = include_str!("published_numbers.txt");

type Numbers<'a> = BTreeMap<&'a str, u32>;

/// The members of the header's enums, and its numeric definitions.
fn of_header() -> Numbers<'static> {
    let mut numbers = Numbers::new();
    let mut next = 0;
    for line in HEADER.lines().map(str::trim) {
        if line.starts_with("enum ") {
            next = 0;
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["#define", name, value] => {
                if let Ok(value) = value.parse() {
                    numbers.insert(name, value);
                }
            }
            [name, "=", value] if name.starts_with("NFT_OFFLOAD_") && value.ends_with(',') => {
                next = value.trim_end_matches(',').parse().unwrap();
                numbers.insert(name, next);
                next += 1;
            }
            [name] if name.starts_with("NFT_OFFLOAD_") && name.ends_with(',') => {
                numbers.insert(name.trim_end_matches(','), next);
                next += 1;
            }
            _ => {}
        }
    }
    numbers
}

#[test]
fn the_command_line_has_the_numbers_of_the_header() {
    let numbers: Numbers<'_> = COMMAND_LINE
        .lines()
        .filter_map(|line| {
            let (name, value) = line.strip_prefix("pub const ")?.split_once(": ")?;
            let (_, value) = value.split_once(" = ")?;
            Some((name, value.trim_end_matches(';').parse().ok()?))
        })
        .collect();
    assert!(numbers.len() > 150);
    assert_eq!(numbers, of_header());
}

#[test]
fn no_published_number_has_changed() {
    let numbers = of_header();
    for line in PUBLISHED.lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.split_once(' ').unwrap();
        assert_eq!(numbers.get(name), value.parse().ok().as_ref(), "{name}");
    }
}

#[test]
fn the_reasons_are_those_of_the_header() {
    let prefix = "NFT_OFFLOAD_REASON_";
    let of_header: BTreeMap<String, u32> = of_header()
        .into_iter()
        .filter_map(|(name, number)| Some((name.strip_prefix(prefix)?, number)))
        .map(|(name, number)| (name.to_lowercase().replace('_', "-"), number))
        .collect();
    let of_module = Reason::ALL.map(|r| (r.name().to_owned(), r as u32));
    assert_eq!(of_header, BTreeMap::from(of_module));
}
