// SPDX-License-Identifier: GPL-2.0

//! Which driver gets rules in which form, and the parameter that says otherwise.

use crate::offload::profile::{for_driver, Forced, Invalid, ALL};

#[test]
fn a_drivers_name_gives_its_profile() {
    for (driver, profile) in [
        ("netdevsim", "tc"),
        ("mlx5_core", "mlx5"),
        ("mtk_soc_eth", "mtk"),
        ("mt7915e", "mtk"),
        ("mt798x-wmac", "mtk"),
        ("mt7996e", "mtk"),
        ("airoha_eth", "airoha"),
        ("", "default"),
        ("mlx5_core2", "default"),
        ("tc", "default"),
    ] {
        assert_eq!(for_driver(driver.as_bytes()).name, profile, "{driver}");
    }
}

#[test]
fn names_are_unique() {
    for profile in ALL {
        let same = ALL.iter().filter(|other| other.name == profile.name);
        assert_eq!(same.count(), 1);
    }
}

/// What a flowtable driver refuses is not said to it, and what only tc's readers do by themselves neither.
#[test]
fn drivers_written_for_flowtables_are_not_told_what_they_refuse() {
    for driver in ["mtk_soc_eth", "airoha_eth", "unknown"] {
        let semantics = for_driver(driver.as_bytes()).semantics;
        assert!(!semantics.explicit_hop_limit);
        assert!(!semantics.excludes_fragments);
    }
}

#[test]
fn the_parameter_forces_a_profile_on_a_device() {
    let forced = Forced::parse(b"eth0:mtk,eth1.5:mlx5,eth0:tc,\n").unwrap();
    assert_eq!(forced.get(b"eth0").unwrap().name, "tc");
    assert_eq!(forced.get(b"eth1.5").unwrap().name, "mlx5");
    assert!(forced.get(b"eth1").is_none());
    assert!(forced.get(b"").is_none());
    assert!(Forced::parse(b"").unwrap().get(b"eth0").is_none());
    assert!(Forced::parse(b"123456789012345:default").is_ok());
}

#[test]
fn a_wrong_parameter_says_what_is_wrong() {
    let wrong = |text| Forced::parse(text).err().unwrap();
    assert_eq!(wrong(b"mtk"), Invalid::Form(b"mtk"));
    assert_eq!(wrong(b"eth0:tc,eth1=mtk"), Invalid::Form(b"eth1=mtk"));
    assert_eq!(wrong(b":mtk"), Invalid::Device(b""));
    assert_eq!(
        wrong(b"1234567890123456:mtk"),
        Invalid::Device(b"1234567890123456")
    );
    assert_eq!(wrong(b"eth0:"), Invalid::Profile(b""));
    assert_eq!(wrong(b"eth0:MTK"), Invalid::Profile(b"MTK"));
    assert_eq!(wrong(b"eth0:mtk:tc"), Invalid::Profile(b"mtk:tc"));
}
