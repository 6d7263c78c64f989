// SPDX-License-Identifier: GPL-2.0

//! Airoha's packet processing engine (EN7581, AN7583), MediaTek's in all that a rule says.
//!
//! | what                    | how                                                      | from                                  |
//! |-------------------------|----------------------------------------------------------|---------------------------------------|
//! | keys, put on, checksums,| as `mtk.rs`                                              | `airoha_ppe_flow_offload_replace`     |
//! | MACs, IPv6, GRE         |                                                          |                                       |
//! | TTL, hop limit          | decremented by the hardware (`AIROHA_FOE_IB1_BIND_TTL`)  | `airoha_ppe_foe_entry_prepare`        |
//! | source MAC of IPv6      | the egress port's, whatever the rule says (`SMAC_ID`)    | `airoha_ppe_foe_entry_prepare`        |
//! | put on                  | 802.1Q twice at most, PPPoE with one tag at most         | `airoha_ppe_flow_offload_replace`     |
//! | a foreign way out       | `EINVAL`, not `EOPNOTSUPP`                               | `airoha_ppe_foe_entry_prepare`        |
//! | MTU                     | checked per port: its MTU and one tag                    | `airoha_ppe_set_xmit_frame_size`      |
//! | priority of a tag       | not read                                                 | `airoha_ppe_flow_offload_replace`     |
//! | an unknown rule         | `ENOENT`                                                 | `airoha_ppe_flow_offload_destroy`,    |
//! |                         |                                                          | `airoha_ppe_flow_offload_stats`       |
//! | busy                    | `EBUSY` until all ports of the SoC are registered        | `airoha_ppe_setup_tc_block_cb`        |

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
    semantics: Semantics {
        source_mac6: false,
        ..mtk::SEMANTICS
    },
    counts: Counts::Unknown,
    unknown_rule: &[ENOENT],
};
