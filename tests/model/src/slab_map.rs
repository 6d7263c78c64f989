// SPDX-License-Identifier: GPL-2.0

//! The table of records beside a map of the standard library: random commands, also without memory. Who walks meets each value
//! that stays once, at a place where it stays.

use crate::container::slab_map::{part, SlabMap};
use kernel::alloc;
use proptest::prelude::*;
use std::{
    collections::{BTreeSet, HashMap},
    num::NonZeroUsize,
    ops::ControlFlow,
};

#[derive(Clone, Copy, Debug)]
enum Command {
    Set,
    Change,
    Remove,
    /// The next one finds no memory, this or the one after.
    NoMemory(u32),
    /// A walk in steps of so many, with the next commands between them.
    Walk(usize),
}

fn commands() -> impl Strategy<Value = Vec<(Command, usize)>> {
    let command = prop_oneof![
        8 => Just(Command::Set), 1 => Just(Command::Change), 5 => Just(Command::Remove),
        1 => (0u32..3).prop_map(Command::NoMemory), 1 => (1usize..40).prop_map(Command::Walk)
    ];
    // As addresses of a slab, few and many.
    let key = prop_oneof![1usize..30, 1usize..600].prop_map(|n| n * 512);
    prop::collection::vec((command, key), 0..2000)
}

/// A walk that is not over: where it goes on, what it has met, what was there all the time.
struct Walk {
    step: usize,
    from: Option<u32>,
    met: BTreeSet<usize>,
    stayed: BTreeSet<usize>,
}

impl Walk {
    fn go_on(&mut self, places: &mut SlabMap<u64>) {
        let Some(from) = self.from else {
            return;
        };
        let mut left = self.step;
        self.from = places.walk(from, u64::MAX, |key, _| {
            if left == 0 {
                return ControlFlow::Break(());
            }
            left -= 1;
            let new = self.met.insert(key.get());
            assert!(new || !self.stayed.contains(&key.get()), "it comes twice");
            ControlFlow::Continue(())
        });
    }
}

/// The marks of a value: of one device in eight.
fn marks(address: usize) -> u64 {
    1 << (address / 512 % 8)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_table_is_a_map(commands in commands()) {
        let mut places: SlabMap<u64> = SlabMap::new();
        let mut map: HashMap<usize, u64> = HashMap::new();
        let mut walk: Option<Walk> = None;
        let mut next = 0;
        for (command, address) in commands {
            let key = NonZeroUsize::new(address).unwrap();
            match command {
                Command::Set => {
                    next += 1;
                    let mut at = 0;
                    let make = |place| {
                        at = place;
                        next
                    };
                    if !map.contains_key(&address) && places.add(key, marks(address), make).is_ok() {
                        map.insert(address, next);
                        prop_assert_eq!(places.at(at), Some((key, &mut next)));
                    }
                }
                Command::Change => {
                    next += 1;
                    if let Some(value) = places.get_mut(key) {
                        *value = next;
                        prop_assert!(map.insert(address, next).is_some());
                    }
                }
                Command::Remove => {
                    places.remove(key);
                    map.remove(&address);
                    if let Some(walk) = &mut walk {
                        walk.stayed.remove(&address);
                    }
                }
                Command::NoMemory(n) => {
                    alloc::fail_in(Some(n));
                    continue;
                }
                Command::Walk(step) => {
                    let stayed = map.keys().copied().collect();
                    walk = Some(Walk { step, from: Some(0), met: BTreeSet::new(), stayed });
                }
            }
            alloc::fail_in(None);
            prop_assert_eq!(places.get(key).copied(), map.get(&address).copied());
            prop_assert_eq!(places.len(), map.len());
            if let Some(walk) = &mut walk {
                walk.go_on(&mut places);
                if walk.from.is_none() {
                    prop_assert!(walk.stayed.is_subset(&walk.met), "some were passed over");
                }
            }
            let mark = marks(address);
            let mut marked = BTreeSet::new();
            places.walk(0, mark, |key, _| {
                marked.insert(key.get());
                ControlFlow::Continue(())
            });
            let mine = map.keys().filter(|address| marks(**address) & mark != 0);
            prop_assert!(mine.copied().collect::<BTreeSet<_>>().is_subset(&marked));
        }
        for (address, value) in &map {
            prop_assert_eq!(places.get(NonZeroUsize::new(*address).unwrap()), Some(value));
        }
    }
}

/// Whoever wants the values with a mark does not meet all the others.
#[test]
fn others_are_skipped() {
    let mut places: SlabMap<usize> = SlabMap::new();
    for address in 1..=10_000 {
        let mark = 1 << (address / 1000 % 8);
        assert!(places
            .add(NonZeroUsize::new(address).unwrap(), mark, |_| address)
            .is_ok());
    }
    let (mut met, mut mine) = (0, 0);
    places.walk(0, 1 << 3, |_, value| {
        met += 1;
        mine += usize::from(*value / 1000 % 8 == 3);
        ControlFlow::Continue(())
    });
    assert_eq!(mine, 1000);
    assert!(met < 1100, "{met} are looked at for 1000");
}

/// Addresses of a slab are spread over the parts.
#[test]
fn parts_are_alike() {
    for size in [64, 320, 512, 4096] {
        let mut parts = [0; 32];
        for i in 1..=32 * 50_000 {
            let address = 0xffff_8880_0000_0000 + i * size;
            parts[part(NonZeroUsize::new(address).unwrap(), 32)] += 1;
        }
        let (least, most) = (parts.iter().min(), parts.iter().max());
        assert!(
            least > Some(&40_000) && most < Some(&60_000),
            "{size}: {parts:?}"
        );
    }
}
