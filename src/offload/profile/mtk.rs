// SPDX-License-Identifier: GPL-2.0

//! MediaTek's packet processing engine: the Ethernet of MT7621 to MT7988, DSA switches behind it, and Wi-Fi through WED.
//! Written for flowtables: an entry is a 5-tuple and what the frame becomes, in no order.
//!
//! | what                    | how                                                     | from                                 |
//! |-------------------------|---------------------------------------------------------|--------------------------------------|
//! | keys                    | META, CONTROL, BASIC, addresses, PORTS; others not read | `mtk_flow_offload_replace`           |
//! | where a frame arrives   | not looked at, but for which engine it belongs to       | `mtk_flow_offload_replace`           |
//! | tags and PPPoE          | taken off by the hardware, whatever they are            | `FLOW_ACTION_VLAN_POP` does nothing  |
//! | put on                  | 802.1Q, the outer one first; PPPoE once; two in all     | `mtk_flow_offload_replace`           |
//! | 802.1ad                 | refused                                                 | `mtk_flow_offload_replace`           |
//! | TTL, hop limit          | decremented by the hardware; `FLOW_ACTION_ADD` refused  | `mtk_flow_offload_replace`           |
//! | checksums               | by the hardware                                         | `FLOW_ACTION_CSUM` does nothing      |
//! | MACs                    | the masks of the four words tell the halves apart       | `mtk_flow_offload_mangle_eth`        |
//! | IPv6 translation        | addresses refused, ports taken and not written          | `mtk_flow_offload_replace`           |
//! | fragments, TCP flags    | left to the CPU by the hardware; flags in a key refused | `flow_rule_has_control_flags`        |
//! | GRE                     | refused: no ports                                       | `mtk_flow_offload_replace`           |
//! | MTU                     | checked against the largest one of its ports; a PPPoE   | `mtk_ppe_update_mtu`,                |
//! |                         | header counts as a tag, 4 bytes for its 8; before a DSA | `dsa_conduit_setup`                  |
//! |                         | switch 4 bytes more: up to 1500 bytes pass then         |                                      |
//! | priority of a tag       | not read                                                | `mtk_flow_offload_replace`           |
//! | an unknown rule         | `ENOENT`                                                | `mtk_flow_offload_destroy`,          |
//! |                         |                                                         | `mtk_flow_offload_stats`             |
//! | in hardware             | when the next packet of the flow traps, not at once     | `__mtk_ppe_check_skb`                |

use crate::{
    offload::profile::definition::{
        Counts,
        Profile,
        ENOENT, //
    },
    translate::semantics::{
        PushOrder,
        Semantics, //
    }, //
};

pub(super) static PROFILE: Profile = Profile {
    name: "mtk",
    drivers: &["mtk_soc_eth", "mt7915e", "mt798x-wmac", "mt7996e"],
    block: false,
    semantics: SEMANTICS,
    counts: Counts::Unknown,
    unknown_rule: &[ENOENT],
};

pub(super) const SEMANTICS: Semantics = Semantics {
    explicit_hop_limit: false,
    explicit_checksums: false,
    push_order: PushOrder::OuterFirst,
    excludes_fragments: false,
    excludes_syn: false,
    pppoe: true,
    service_tags: false,
    retags: true,
    source_mac6: true,
    nat6: false,
    gre: false,
    tunnels: false,
    checks_mtu: true,
    sees_arrival: false,
};
