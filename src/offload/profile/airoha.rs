// SPDX-License-Identifier: GPL-2.0

//! Airoha's packet processing engine (EN7581, AN7583). It reads rules as MediaTek's does.
//!
//! | what               | how                                | from                               |
//! |--------------------|------------------------------------|------------------------------------|
//! | keys, pushes,      | as `mtk.rs`                        | `airoha_ppe_flow_offload_replace`  |
//! | checksums, MACs,   |                                    |                                    |
//! | IPv6, GRE          |                                    |                                    |
//! | TTL, hop limit     | decremented by the hardware        | `airoha_ppe_foe_entry_prepare`     |
//! |                    | (`AIROHA_FOE_IB1_BIND_TTL`)        |                                    |
//! | source MAC of IPv6 | the egress port's, whatever the    | `airoha_ppe_foe_entry_prepare`     |
//! |                    | rule contains (`SMAC_ID`); behind  |                                    |
//! |                    | a DSA switch the conduit's         |                                    |
//! | pushes             | 802.1Q twice at most, PPPoE with   | `airoha_ppe_flow_offload_replace`  |
//! |                    | one tag at most                    |                                    |
//! | a foreign egress   | `EINVAL`, not `EOPNOTSUPP`         | `airoha_ppe_foe_entry_prepare`     |
//! | MTU                | checked per port: its MTU and one  | `airoha_ppe_set_xmit_frame_size`   |
//! |                    | tag                                |                                    |
//! | priority of a tag  | not read                           | `airoha_ppe_flow_offload_replace`  |
//! | an unknown rule    | `ENOENT`                           | `airoha_ppe_flow_offload_destroy`, |
//! |                    |                                    | `airoha_ppe_flow_offload_stats`    |
//! | counters           | of EN7581 only, and of entries in  | `airoha_ppe_foe_entry_get_stats`,  |
//! |                    | SRAM; negative after an entry has  | `airoha_ppe_flow_offload_stats`    |
//! |                    | aged out                           |                                    |
//! | busy               | `EBUSY` until all ports of the SoC | `airoha_ppe_setup_tc_block_cb`     |
//! |                    | are registered                     |                                    |
//! | no NPU             | `ENODEV`, `ETIMEDOUT` for REPLACE  | `airoha_ppe_offload_setup`         |

use crate::{
    offload::profile::{
        definition::{
            Counts,
            Profile,
            ENOENT, //
        },
        mtk, //
    },
    translate::semantics::Semantics, //
};

pub(super) static PROFILE: Profile = Profile {
    name: "airoha",
    drivers: &["airoha_eth"],
    block: false,
    block_first: false,
    unlocked: false,
    semantics: Semantics {
        source_mac6: false,
        ..mtk::SEMANTICS
    },
    counts: Counts::Unknown,
    unknown_rule: &[ENOENT],
};
