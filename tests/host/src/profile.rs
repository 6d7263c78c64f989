// SPDX-License-Identifier: GPL-2.0

//! Which driver gets rules in which form.

use crate::offload::profile::{for_driver, FLOWTABLE, TC};

#[test]
fn drivers_that_read_rules_as_tc_does() {
    for name in ["mlx5_core", "netdevsim"] {
        assert_eq!(*for_driver(name.as_bytes()), TC);
    }
}

#[test]
fn drivers_written_for_flowtables_and_unknown_ones_are_not_told_the_hop_limit() {
    for name in ["mtk_soc_eth", "airoha_eth", "mt7530-mdio", "", "mlx5_core2"] {
        assert_eq!(*for_driver(name.as_bytes()), FLOWTABLE);
        assert!(!for_driver(name.as_bytes()).semantics.explicit_hop_limit);
    }
}
