// SPDX-License-Identifier: GPL-2.0

//! The module parameter `profile`, whatever is written in it.

use crate::offload::parameter;
use crate::offload::parameter::Invalid;
use crate::offload::profile::definition::Profile;
use crate::offload::profile::{for_driver, ALL};

fn by_name(name: &[u8]) -> Option<&'static Profile> {
    ALL.into_iter().find(|p| p.name.as_bytes() == name)
}

/// A fuzz target: the parameter's text.
pub fn profile(text: &[u8]) {
    let same = |a: Option<&'static Profile>, b| a.map(|p| p.name) == b;
    // The driver's name goes its own way.
    assert!(ALL.contains(&for_driver(text)));

    let items = || text.split(|byte| b",\n".contains(byte));
    let colon = |item: &[u8]| item.iter().position(|byte| *byte == b':');
    let mut wrong = None;
    for item in items().filter(|item| !item.is_empty()) {
        wrong = match colon(item) {
            None => Some(Invalid::Form(item)),
            Some(at) if !(1..=15).contains(&at) => Some(Invalid::Device(&item[..at])),
            Some(at) if by_name(&item[at + 1..]).is_none() => Some(Invalid::Value(&item[at + 1..])),
            Some(_) => None,
        };
        if wrong.is_some() {
            break;
        }
    }
    match (parameter::check_profile(text), wrong) {
        (Ok(()), None) => {}
        (Err(found), Some(wrong)) => return assert_eq!(found, wrong),
        (Ok(()), Some(wrong)) => panic!("taken: {wrong:?}"),
        (Err(found), None) => panic!("not taken: {found:?}"),
    }
    let mut last = std::collections::BTreeMap::new();
    for item in items().filter(|item| !item.is_empty()) {
        let at = colon(item).unwrap();
        last.insert(&item[..at], by_name(&item[at + 1..]).map(|p| p.name));
    }
    for (device, name) in &last {
        assert!(same(parameter::profile(text, device), *name));
    }
    for device in [&b""[..], b"no such", text] {
        assert!(last.contains_key(device) || parameter::profile(text, device).is_none());
    }
}
