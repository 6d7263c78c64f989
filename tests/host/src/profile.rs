// SPDX-License-Identifier: GPL-2.0

//! The form of rules for each driver.

use crate::offload::profile::{for_driver, for_others, ALL};

#[test]
fn a_drivers_name_gives_its_profile() {
    for (driver, profile) in [
        ("netdevsim", "tc"),
        ("nfp", "default"),
        ("sfc_ef100", "sfc"),
        ("efx_ef100_rep", "sfc"),
        ("sfc", "default"),
        ("cxgb4", "default"),
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

/// The errors of `*_flow_offload_destroy`, `*_flow_offload_stats` and the like for a cookie that
/// the driver does not find. For an unknown driver, `EINVAL` may be returned for a rule that stays.
#[test]
fn what_a_driver_says_of_a_rule_that_it_does_not_know() {
    const ENOENT: u32 = 2;
    const EINVAL: u32 = 22;
    for (driver, errno, unknown) in [
        ("mlx5_core", EINVAL, true),
        ("mtk_soc_eth", ENOENT, true),
        ("mtk_soc_eth", EINVAL, false),
        ("airoha_eth", ENOENT, true),
        ("airoha_eth", EINVAL, false),
        ("netdevsim", ENOENT, true),
        ("sfc_ef100", ENOENT, true),
        ("sfc_ef100", EINVAL, false),
        ("another", ENOENT, true),
        ("another", EINVAL, false),
    ] {
        let says = for_driver(driver.as_bytes()).unknown_rule;
        assert_eq!(says.contains(&errno), unknown, "{driver}: {errno}");
    }
    for profile in ALL {
        for kept in [1, 4, 5, 11, 12, 16, 95, 110] {
            assert!(!profile.unknown_rule.contains(&kept), "{}", profile.name);
        }
    }
}

#[test]
fn names_are_unique() {
    for profile in ALL {
        let same = ALL.iter().filter(|other| other.name == profile.name);
        assert_eq!(same.count(), 1);
    }
}

/// A flowtable driver is not given keys that it refuses, nor those that only tc's readers handle.
#[test]
fn drivers_written_for_flowtables_are_not_told_what_they_refuse() {
    for driver in ["mtk_soc_eth", "airoha_eth", "unknown"] {
        let semantics = for_driver(driver.as_bytes()).semantics;
        assert!(!semantics.explicit_hop_limit);
        assert!(!semantics.excludes_fragments);
    }
}

#[test]
fn only_drivers_that_refuse_what_they_do_not_know_are_bound_as_with_tc() {
    let bound: Vec<&str> = ALL.iter().filter(|p| p.block).map(|p| p.name).collect();
    assert_eq!(bound, ["tc", "mlx5", "sfc"]);
    let first: Vec<&str> = ALL
        .iter()
        .filter(|p| p.block_first)
        .map(|p| p.name)
        .collect();
    assert_eq!(first, ["mlx5"]);
    for driver in ["stmmaceth", "bnxt_en", "i40e", "igb", "mlxsw_spectrum"] {
        assert!(!for_driver(driver.as_bytes()).block, "{driver}");
    }
    assert_eq!(
        (for_others(false).name, for_others(true).name),
        ("mlx5", "tc")
    );
}

/// All others either say so themselves (`unlocked_driver_cb`), or rely on RTNL.
#[test]
fn only_the_block_of_sfc_is_called_without_rtnl_unasked() {
    let unlocked: Vec<&str> = ALL.iter().filter(|p| p.unlocked).map(|p| p.name).collect();
    assert_eq!(unlocked, ["sfc"]);
    assert!(!for_others(true).unlocked && !for_driver(b"another").unlocked);
}
