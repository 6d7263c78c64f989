// SPDX-License-Identifier: GPL-2.0

//! The table of drivers: how they take rules, and what they can offload.
//!
//! The drivers that take rules are those of the profiles of the module (`src/offload/profile/`),
//! which cite the functions that determine how a rule is read; a test compares the two. The
//! function named here is the one that takes a flowtable or a block. No other `ndo_setup_tc` of
//! Linux 7.2 and 7.3 takes flowtables.

use crate::netlink::family::Capabilities;

/// How a driver takes rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// It takes the flowtable of each device (`TC_SETUP_FT`).
    Flowtables,
    /// It has an embedded switch: it takes the block (`TC_SETUP_BLOCK`) of the uplink and of each
    /// representor. Of representors it also takes the flowtable, whose rules no packet reaches as
    /// long as tc has had no filter of a second priority (`esw_chains_create`).
    Switch,
    /// It takes the block (`TC_SETUP_BLOCK`) of the function and of each representor.
    Blocks,
    /// It takes no rules, for this reason.
    Nothing(&'static str),
}

/// A driver, or several similar ones.
#[derive(Debug)]
pub struct Driver {
    /// The names under which it registers.
    pub names: &'static [&'static str],
    /// Its profile in the module; `default` if it takes no rules.
    pub profile: &'static str,
    /// How it takes rules.
    pub takes: Takes,
    /// What it can offload.
    pub holds: Capabilities,
    /// The kernel options that it needs to take rules.
    pub options: &'static [&'static str],
    /// Whether it refuses rules while `hw-tc-offload` is off.
    pub looks_at_feature: bool,
    /// What is missing where that feature cannot be switched on.
    pub without_feature: &'static str,
    /// Hardware of this driver without an engine for rules, by `compatible` in the device tree.
    pub without_engine: &'static [&'static str],
    /// The tagging that it requires of the ports of a switch (DSA) behind it.
    pub tagging: Option<&'static str>,
    /// What keeps flows of its devices out of hardware in every supported kernel.
    pub hurdle: Option<&'static str>,
    /// The function that takes a flowtable or a block.
    pub function: &'static str,
}

const NOTHING: Capabilities = Capabilities {
    ipv4: false,
    ipv6: false,
    nat4: false,
    nat6: false,
    vlan_depth: 0,
    service_tags: false,
    pppoe: false,
    gre: false,
    tunnels: false,
    reports_use: false,
};

/// The capabilities of the profile tc.
const TC: Capabilities = Capabilities {
    ipv4: true,
    ipv6: true,
    nat4: true,
    nat6: true,
    vlan_depth: 2,
    service_tags: true,
    pppoe: false,
    gre: true,
    tunnels: true,
    reports_use: false,
};

/// The capabilities of the profile mlx5.
const MLX5: Capabilities = Capabilities {
    tunnels: false,
    ..TC
};

/// The capabilities of the profiles mtk and airoha.
const MTK: Capabilities = Capabilities {
    ipv4: true,
    ipv6: true,
    nat4: true,
    vlan_depth: 2,
    pppoe: true,
    ..NOTHING
};

/// The capabilities of the profile sfc.
const SFC: Capabilities = Capabilities {
    nat4: false,
    nat6: false,
    vlan_depth: 1,
    tunnels: false,
    ..TC
};

const PLAIN: Driver = Driver {
    names: &[],
    profile: "default",
    takes: Takes::Flowtables,
    holds: NOTHING,
    options: &[],
    looks_at_feature: true,
    without_feature: "this hardware has no engine for rules",
    without_engine: &[],
    tagging: None,
    hurdle: None,
    function: "",
};

/// All drivers in the table.
pub static ALL: &[Driver] = &[
    Driver {
        names: &["mtk_soc_eth"],
        profile: "mtk",
        holds: MTK,
        // mtk_soc_data without offload_version
        without_engine: &[
            "mediatek,mt2701-eth",
            "mediatek,mt7629-eth",
            "ralink,rt5350-eth",
        ],
        // mtk_flow_get_dsa_port()
        tagging: Some("mtk"),
        function: "mtk_eth_setup_tc",
        ..PLAIN
    },
    Driver {
        names: &["mt7915e", "mt798x-wmac", "mt7996e"],
        profile: "mtk",
        holds: MTK,
        options: &["NET_MEDIATEK_SOC_WED"],
        without_feature: "the driver runs without WED (parameter wed_enable, on a SoC that has it)",
        // DEV_PATH_MTK_WDMA, from mt7915_net_fill_forward_path() and
        // mt7996_net_fill_forward_path(), is an error in nft_dev_path_info().
        hurdle: Some(
            "Linux 7.2 and 7.3 add no flow to a flowtable that leaves through such a Wi-Fi device \
             (nft_dev_path_info)",
        ),
        function: "mt76_wed_net_setup_tc",
        ..PLAIN
    },
    Driver {
        names: &["airoha_eth"],
        profile: "airoha",
        holds: MTK,
        function: "airoha_dev_tc_setup",
        ..PLAIN
    },
    Driver {
        names: &["mlx5_core"],
        profile: "mlx5",
        takes: Takes::Switch,
        holds: MLX5,
        options: &["MLX5_ESWITCH", "MLX5_CLS_ACT"],
        without_feature: "this card has no flow tables for rules",
        // And mlx5e_setup_tc_block_cb for the uplink.
        function: "mlx5e_rep_setup_tc",
        ..PLAIN
    },
    Driver {
        names: &["netdevsim"],
        profile: "tc",
        holds: TC,
        // The netdevsim of Linux accepts the flowtable without registering a callback.
        function: "nsim_setup_tc",
        ..PLAIN
    },
    Driver {
        names: &["nfp"],
        takes: Takes::Nothing("it has no action to decrement the TTL, which every rule needs"),
        function: "nfp_flower_setup_tc",
        ..PLAIN
    },
    Driver {
        names: &["sfc_ef100", "efx_ef100_rep"],
        profile: "sfc",
        takes: Takes::Blocks,
        holds: SFC,
        options: &["SFC_SRIOV"],
        without_feature: "this function does not control the card's match-action engine",
        // And efx_ef100_rep_setup_tc for a representor.
        function: "efx_tc_setup",
        ..PLAIN
    },
    Driver {
        names: &["sfc"],
        takes: Takes::Nothing("this card has no engine for rules; those of EF100 have"),
        function: "efx_setup_tc",
        ..PLAIN
    },
    Driver {
        names: &["cxgb4"],
        takes: Takes::Nothing("it does not match on the ingress device, which every rule needs"),
        function: "cxgb4_validate_flow_match",
        ..PLAIN
    },
    Driver {
        names: &["bnxt_en"],
        takes: Takes::Nothing("it ignores unknown actions, so it is never given rules"),
        function: "bnxt_tc_parse_actions",
        ..PLAIN
    },
    Driver {
        names: &["i40e", "iavf", "igb"],
        takes: Takes::Nothing("it ignores the actions of a rule, so it is never given rules"),
        function: "i40e_configure_clsflower",
        ..PLAIN
    },
    Driver {
        names: &[
            "ice",
            "rvu_nicpf",
            "rvu_nicvf",
            "sparx5-switch",
            "ocelot-switch",
        ],
        takes: Takes::Nothing(
            "it cannot rewrite packets as a router must, so it is never given rules",
        ),
        function: "ice_tc_parse_action, otx2_tc_parse_actions, sparx5_tc_flower_replace",
        ..PLAIN
    },
];

/// Looks up a driver.
pub fn find(name: &str) -> Option<&'static Driver> {
    ALL.iter().find(|driver| driver.names.contains(&name))
}
