// SPDX-License-Identifier: GPL-2.0

//! The criteria by which flows are selected.

use crate::report::filter::Mark;
use crate::report::filter::Part;
use crate::report::filter::Prefix;
use proptest::prelude::*;

fn prefix(address: &[u8], bits: u8) -> Prefix<'_> {
    Prefix::new(address, Some(bits)).unwrap()
}

#[test]
fn a_prefix_is_as_long_as_its_address_at_most() {
    assert!(Prefix::new(&[10, 0, 1, 2], Some(33)).is_none());
    assert!(Prefix::new(&[10, 0, 1, 2], Some(32)).is_some());
    assert!(Prefix::new(&[0; 16], Some(129)).is_none());
    assert_eq!(
        Prefix::new(&[10, 0, 1, 2], None),
        Some(prefix(&[10, 0, 1, 2], 32))
    );
}

#[test]
fn addresses_that_begin_alike() {
    let it = prefix(&[10, 0, 0b1010_0001, 2], 20);
    assert!(it.has(&[10, 0, 0b1010_1111, 255]));
    assert!(!it.has(&[10, 0, 0b1011_0001, 2]));
    assert!(!it.has(&[10, 1, 0b1010_0001, 2]));
    assert!(!it.has(&[0; 16]));
    assert!(prefix(&[10, 0, 0, 1], 0).has(&[255; 4]));
    assert!(!prefix(&[10, 0, 0, 1], 0).has(&[255; 16]));
}

#[test]
fn what_is_not_said_of_a_tuple_is_any() {
    let tuple = ([10, 0, 1, 2], [10, 0, 2, 2], ([0, 1], [0, 80]));
    let is_of = |part: Part<'_>| part.is_of(&tuple.0, &tuple.1, tuple.2);
    assert!(is_of(Part::default()));
    let part = Part {
        source: Some(prefix(&[10, 0, 1, 0], 24)),
        destination: Some(prefix(&[10, 0, 2, 2], 32)),
        source_port: Some([0, 1]),
        destination_port: Some([0, 80]),
    };
    assert!(is_of(part));
    for wrong in [
        Part {
            source: part.destination,
            ..part
        },
        Part {
            destination: part.source,
            ..part
        },
        Part {
            source_port: part.destination_port,
            ..part
        },
        Part {
            destination_port: part.source_port,
            ..part
        },
    ] {
        assert!(!is_of(wrong));
    }
}

#[test]
fn some_bits_of_a_mark() {
    assert!(Mark::new(7, None).unwrap().has(7) && !Mark::new(7, None).unwrap().has(0x17));
    let it = Mark::new(0x100, Some(0xf00)).unwrap();
    assert!(it.has(0x104) && !it.has(0x304) && !it.has(4));
    assert_eq!(Mark::new(0x104, Some(0xf00)), None);
    assert!(Mark::new(0, Some(0)).unwrap().has(u32::MAX));
}

proptest! {
    #[test]
    fn prefixes_are_those_of_a_number(mine in any::<u128>(), bits in 0u8..=128, other in any::<u128>(), alike in 0u32..=128) {
        // A name that begins like the other one.
        let other = if alike == 0 { other } else { mine ^ (other.checked_shr(alike).unwrap_or(0)) };
        let wanted = (mine ^ other).checked_shr(128 - u32::from(bits)).unwrap_or(0) == 0;
        let (mine, other) = (mine.to_be_bytes(), other.to_be_bytes());
        prop_assert_eq!(prefix(&mine, bits).has(&other), wanted);
        if bits <= 32 {
            prop_assert_eq!(prefix(&mine[..4], bits).has(&other[..4]), wanted);
        }
    }
}
