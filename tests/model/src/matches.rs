// SPDX-License-Identifier: GPL-2.0

//! The table of matches beside a map of the standard library: random commands, few keys and many, also with all of them in one
//! place, and without memory.

use crate::{
    netfilter::Flow,
    offload::matches::{Claim, Holder, Matches},
};
use kernel::{alloc, init::PinInit};
use proptest::prelude::*;
use std::collections::HashMap;

#[derive(Clone, Copy, Debug)]
enum Command {
    Claim,
    Seize,
    Release,
    /// By a rule that does not have it.
    ReleaseOther,
    Look,
    /// The next claim finds no memory.
    NoMemory,
}

fn commands() -> impl Strategy<Value = Vec<(Command, u64)>> {
    use Command::{Claim, Look, NoMemory, Release, ReleaseOther, Seize};
    let command = prop_oneof![
        5 => Just(Claim), 2 => Just(Seize), 5 => Just(Release), 1 => Just(ReleaseOther), 2 => Just(Look), 1 => Just(NoMemory)
    ];
    // Few keys that collide, also at the end of a part; many.
    let key = prop_oneof![
        (0u64..24).prop_map(|n| n << 32),
        (0u64..24).prop_map(|n| (n << 32) | 0xff_ffff),
        (0u64..600).prop_map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
        0u64..4,
    ];
    prop::collection::vec((command, key), 0..1500)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_table_is_a_map(commands in commands()) {
        let built = Matches::new();
        let table = built.build().unwrap();
        let mut map: HashMap<u64, u64> = HashMap::new();
        let mut next = 0;
        for (command, key) in commands {
            let flow = Flow::at(key as usize).id();
            match command {
                Command::Claim => {
                    next += 1;
                    match table.claim(key, Holder { cookie: next, flow }) {
                        Ok(Claim::Granted) => prop_assert!(map.insert(key, next).is_none()),
                        Ok(Claim::HeldBy(other)) => {
                            prop_assert_eq!(map.get(&key), Some(&other.cookie));
                        }
                        Err(_) => {}
                    }
                }
                Command::Seize => {
                    next += 1;
                    if table.seize(key, Holder { cookie: next, flow }).is_ok() {
                        map.insert(key, next);
                    }
                }
                Command::Release => {
                    if let Some(cookie) = map.remove(&key) {
                        prop_assert!(table.release(key, cookie));
                    }
                }
                Command::ReleaseOther => prop_assert!(!table.release(key, u64::MAX)),
                Command::Look => {}
                Command::NoMemory => {
                    alloc::fail_in(Some(0));
                    continue;
                }
            }
            alloc::fail_in(None);
            let holder = table.holder(key);
            prop_assert_eq!(holder.map(|h| h.cookie), map.get(&key).copied());
            prop_assert!(holder.is_none_or(|h| h.flow == flow));
        }
        for (key, cookie) in &map {
            prop_assert_eq!(table.holder(*key).map(|h| h.cookie), Some(*cookie));
        }
    }
}
