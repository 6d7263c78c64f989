// SPDX-License-Identifier: GPL-2.0

//! The rules that drivers did not destroy, beside a map of the standard library: random commands, also without memory. Each
//! has its turn after 1, 2, 4 ... seconds, and no command takes longer the more there are.

use crate::offload::tombstones::{Tombstone, Tombstones};
use kernel::{alloc, error::code};
use proptest::prelude::*;
use std::{collections::BTreeMap, time::Instant};

const SECOND: u64 = 250;

#[derive(Clone, Copy, Debug)]
enum Command {
    Add {
        cookie: u64,
        ifindex: u32,
    },
    /// Time passes; then so many are tried.
    Try {
        jiffies: u64,
        limit: usize,
    },
    Remove {
        cookie: u64,
    },
    Forget {
        ifindex: u32,
    },
    /// The next one finds no memory, this or the one after.
    NoMemory {
        after: u32,
    },
}

fn commands() -> impl Strategy<Value = Vec<Command>> {
    let cookie = || prop_oneof![1u64..20, 1u64..300];
    let command = prop_oneof![
        8 => (cookie(), 1u32..4).prop_map(|(cookie, ifindex)| Command::Add { cookie, ifindex }),
        6 => (0u64..40_000, 0usize..8).prop_map(|(jiffies, limit)| Command::Try { jiffies, limit }),
        3 => cookie().prop_map(|cookie| Command::Remove { cookie }),
        1 => (1u32..4).prop_map(|ifindex| Command::Forget { ifindex }),
        1 => (0u32..3).prop_map(|after| Command::NoMemory { after }),
    ];
    prop::collection::vec(command, 0..800)
}

/// What the map has of a cookie: the device, when it is due, how often it was tried.
#[derive(Clone, Copy)]
struct Known {
    ifindex: u32,
    due: u64,
    tries: u32,
}

/// The cookies of a device, as a walk finds them.
fn cookies_of(tombstones: &mut Tombstones, ifindex: u32) -> Vec<u64> {
    let (mut from, mut found) = (0, Vec::new());
    while let Some((rule, next)) = tombstones.next(from, |rule| rule.ifindex == ifindex) {
        assert_eq!(rule.ifindex, ifindex);
        assert!(next > from, "it goes on for ever");
        found.push(rule.cookie);
        from = next;
    }
    found.sort_unstable();
    found
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn each_has_its_turn(commands in commands()) {
        let mut tombstones = Tombstones::new();
        let mut map: BTreeMap<u64, Known> = BTreeMap::new();
        let mut now = 1_000_000;
        for command in commands {
            match command {
                Command::Add { cookie, ifindex } => {
                    let failed = alloc::failed();
                    match tombstones.add(Tombstone { ifindex, leads_to: 0, cookie }, now, SECOND) {
                        Ok(()) => {
                            let new = Known { ifindex, due: now + SECOND, tries: 0 };
                            prop_assert!(map.insert(cookie, new).is_none());
                        }
                        Err(error) if error == code::EEXIST => prop_assert!(map.contains_key(&cookie)),
                        Err(_) => prop_assert!(alloc::failed() > failed),
                    }
                }
                Command::Try { jiffies, limit } => {
                    now += jiffies;
                    for _ in 0..limit {
                        let first = map.values().map(|known| known.due).min();
                        prop_assert_eq!(tombstones.due(), first);
                        let Some(rule) = tombstones.next_due(now, SECOND) else {
                            prop_assert!(first.is_none_or(|due| due > now));
                            break;
                        };
                        let known = map.get_mut(&rule.cookie).unwrap();
                        prop_assert_eq!(rule.ifindex, known.ifindex);
                        prop_assert_eq!(Some(known.due), first);
                        known.tries += 1;
                        known.due = now + SECOND * (1 << known.tries.min(6));
                    }
                }
                Command::Remove { cookie } => {
                    prop_assert_eq!(tombstones.remove(cookie), map.remove(&cookie).is_some());
                }
                Command::Forget { ifindex } => {
                    tombstones.forget(ifindex);
                    map.retain(|_, known| known.ifindex != ifindex);
                }
                Command::NoMemory { after } => alloc::fail_in(Some(after)),
            }
            prop_assert_eq!(tombstones.len(), map.len());
            prop_assert_eq!(tombstones.is_empty(), map.is_empty());
            for ifindex in 1..4 {
                let mine = map.iter().filter(|(_, known)| known.ifindex == ifindex);
                let mine: Vec<u64> = mine.map(|(cookie, _)| *cookie).collect();
                prop_assert_eq!(cookies_of(&mut tombstones, ifindex), mine);
            }
        }
        alloc::fail_in(None);
    }
}

/// A driver that destroys nothing: as many rules as there may be are kept, then each is tried every 64 seconds, and others do
/// not get in.
#[test]
fn there_are_not_more_than_the_bound() {
    let mut tombstones = Tombstones::new();
    let mut now = 0;
    let full = Tombstones::MAX as u64;
    for cookie in 1..=100_000 {
        let added = tombstones.add(
            Tombstone {
                ifindex: 1,
                leads_to: 0,
                cookie,
            },
            now,
            SECOND,
        );
        let right = if cookie <= full {
            Ok(())
        } else {
            Err(code::ENOSPC)
        };
        assert_eq!(added, right);
    }
    assert_eq!(tombstones.len(), Tombstones::MAX);
    let mut tries = 0;
    for _ in 0..400 {
        now += SECOND;
        // As the engine does every second.
        for _ in 0..Tombstones::MAX / 64 {
            tries += u64::from(tombstones.next_due(now, SECOND).is_some());
        }
    }
    assert!(tries > 4 * full, "{tries} in 400 seconds");
    assert!(tombstones.remove(1));
    let last = Tombstone {
        leads_to: 0,
        ifindex: 2,
        cookie: 200_000,
    };
    assert_eq!(tombstones.add(last, now, SECOND), Ok(()));
    tombstones.forget(1);
    assert_eq!(cookies_of(&mut tombstones, 2), [200_000]);
    assert_eq!(tombstones.len(), 1);
}

/// How long it takes to add, to try and to remove each of so many, in ns.
fn time(rules: u64) -> u128 {
    let mut tombstones = Tombstones::new();
    let begin = Instant::now();
    for cookie in 1..=rules {
        let _ = tombstones.add(
            Tombstone {
                ifindex: 1,
                leads_to: 0,
                cookie,
            },
            0,
            SECOND,
        );
    }
    for _ in 1..=rules {
        let due = tombstones.next_due(SECOND, SECOND);
        assert!(due.is_some_and(|rule| tombstones.remove(rule.cookie)));
    }
    assert!(tombstones.is_empty());
    begin.elapsed().as_nanos()
}

/// 16 times as many take about 16 times as long; a removal from the front of an array would take 256 times as long.
#[test]
fn many_failures_are_not_quadratic() {
    let best = |rules| (0..5).map(|_| time(rules)).min().unwrap_or(u128::MAX);
    let (few, many) = (best(1 << 10), best(1 << 14));
    assert!(many < 80 * few, "{few} ns for 1,024, {many} ns for 16,384");
}
