// SPDX-License-Identifier: GPL-2.0

//! The checks of the fuzz targets on their seeds (`tests/fuzz`).

use crate::checks;
use crate::translate::refusal::Refusal;
use std::{fs, path::Path};

/// The names of the seeds of a target, and their content.
fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds");
    let seeds: Vec<_> = fs::read_dir(directory.join(target))
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            (name, fs::read(entry.path()).unwrap())
        })
        .collect();
    assert!(!seeds.is_empty());
    seeds
}

#[test]
fn translations_end_as_their_names_say() {
    for (name, input) in seeds("translation") {
        let wanted = name
            .strip_prefix("refused-")
            .and_then(|why| why.split('-').next());
        let why = |refusal: Refusal| format!("{refusal:?}").to_lowercase();
        for outcome in checks::translation::outcomes(&input) {
            assert_eq!(outcome.err().map(why).as_deref(), wanted, "{name}");
        }
    }
}

/// There is a translation for each outcome except those that only the kernel has.
#[test]
fn each_refusal_has_a_seed() {
    for refusal in [
        Refusal::Encapsulation,
        Refusal::Xfrm,
        Refusal::NotEthernet,
        Refusal::Unresolved,
        Refusal::Transmit,
        Refusal::NoEgress,
        Refusal::Lwtunnel,
        Refusal::TunnelDevice,
        Refusal::Oversize,
        Refusal::GreNat,
        Refusal::Pppoe,
        Refusal::ServiceTag,
        Refusal::LayerOrder,
        Refusal::Retag,
        Refusal::SourceMac,
        Refusal::Nat4,
        Refusal::Nat6,
        Refusal::Gre,
        Refusal::Tunnel,
    ] {
        let is = |(_, input): &(String, Vec<u8>)| {
            checks::translation::outcomes(input) == [Err(refusal); 2]
        };
        assert!(seeds("translation").iter().any(is), "{refusal:?}");
    }
}

#[test]
fn the_other_targets_take_theirs() {
    type Target = fn(&[u8]);
    for (target, check) in [
        ("translation", checks::translation as Target),
        ("profile", checks::profile),
        ("demux", checks::demux),
        ("counters", checks::counters),
    ] {
        for (_, input) in seeds(target) {
            check(&input);
        }
        check(&[]);
    }
}
