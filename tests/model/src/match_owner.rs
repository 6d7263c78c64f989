// SPDX-License-Identifier: GPL-2.0

//! The table of the owners of matches beside a map of the standard library: random commands, few
//! keys and many, also with all of them in one place, and without memory.

use crate::net::flowtable::flow_map::FlowId;
use crate::offload::match_owner::{Claim, MatchOwner};
use kernel::{alloc, init::PinInit};
use proptest::prelude::*;
use std::{collections::HashMap, num::NonZeroU32};

#[derive(Clone, Copy, Debug)]
enum Command {
    Claim,
    Seize,
    Release,
    /// By a flow that does not have it.
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
        (0u64..24).prop_map(|n| n << 24),
        (0u64..24).prop_map(|n| (n << 24) | 0xff_ffff),
        (0u64..600).prop_map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
        0u64..4,
    ];
    prop::collection::vec((command, key), 0..1500)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_table_is_a_map(commands in commands()) {
        let built = MatchOwner::new();
        let table = built.build().unwrap();
        let mut map: HashMap<u64, FlowId> = HashMap::new();
        let mut next = 0;
        for (command, key) in commands {
            // All that it goes by.
            let same = key & 0xf800_0000_ffff_ffff;
            next += 1;
            let flow = FlowId(NonZeroU32::new(next).unwrap());
            match command {
                Command::Claim => match table.claim(key, flow) {
                    Ok(Claim::Granted) => prop_assert!(map.insert(same, flow).is_none()),
                    Ok(Claim::OwnedBy(other)) => prop_assert_eq!(map.get(&same), Some(&other)),
                    Err(_) => {}
                },
                Command::Seize => {
                    if table.seize(key, flow).is_ok() {
                        map.insert(same, flow);
                    }
                }
                Command::Release => {
                    if let Some(flow) = map.remove(&same) {
                        prop_assert!(table.release(key, flow));
                    }
                }
                Command::ReleaseOther => prop_assert!(!table.release(key, flow)),
                Command::Look => {}
                Command::NoMemory => {
                    alloc::fail_in(Some(0));
                    continue;
                }
            }
            alloc::fail_in(None);
            prop_assert_eq!(table.of(key), map.get(&same).copied());
        }
        for (key, flow) in &map {
            prop_assert_eq!(table.of(*key), Some(*flow));
        }
    }
}
