// SPDX-License-Identifier: GPL-2.0

//! MediaTek's packet processing engine: the Ethernet of MT7621 to MT7988, DSA switches behind it,
//! and Wi-Fi through WED.
//!
//! Written for flowtables: an entry is a 5-tuple and what the frame becomes, in no order.
//!
//! | what                 | how                             | from                                |
//! |----------------------|---------------------------------|-------------------------------------|
//! | keys                 | META, CONTROL, BASIC,           | `mtk_flow_offload_replace`          |
//! |                      | addresses, PORTS; others are    |                                     |
//! |                      | not read                        |                                     |
//! | ingress of a frame   | not checked, except for the     | `mtk_flow_offload_replace`          |
//! |                      | engine that it belongs to       |                                     |
//! | tags and PPPoE       | popped by the hardware,         | `FLOW_ACTION_VLAN_POP` does nothing |
//! |                      | whatever they are               |                                     |
//! | pushes               | 802.1Q, the outer one first;    | `mtk_flow_offload_replace`          |
//! |                      | PPPoE once; two in all          |                                     |
//! | 802.1ad              | refused                         | `mtk_flow_offload_replace`          |
//! | TTL, hop limit       | decremented by the hardware;    | `mtk_flow_offload_replace`          |
//! |                      | `FLOW_ACTION_ADD` is refused    |                                     |
//! | checksums            | by the hardware                 | `FLOW_ACTION_CSUM` does nothing     |
//! | MACs                 | the masks of the four words     | `mtk_flow_offload_mangle_eth`       |
//! |                      | tell the halves apart           |                                     |
//! | IPv6 translation     | addresses are refused, ports    | `mtk_flow_offload_replace`          |
//! |                      | are taken and not written       |                                     |
//! | fragments, TCP flags | left to the CPU by the          | `flow_rule_has_control_flags`       |
//! |                      | hardware; flags in a key are    |                                     |
//! |                      | refused                         |                                     |
//! | GRE                  | refused: no ports               | `mtk_flow_offload_replace`          |
//! | MTU                  | checked against the largest one | `mtk_ppe_update_mtu`,               |
//! |                      | of its ports; a PPPoE header    | `dsa_conduit_setup`                 |
//! |                      | counts as a tag, 4 bytes for    |                                     |
//! |                      | its 8; before a DSA switch 4    |                                     |
//! |                      | bytes more: up to 1500 bytes    |                                     |
//! |                      | pass then                       |                                     |
//! | priority of a tag    | not read                        | `mtk_flow_offload_replace`          |
//! | an unknown rule      | `ENOENT`                        | `mtk_flow_offload_destroy`,         |
//! |                      |                                 | `mtk_flow_offload_stats`            |
//! | in hardware          | when the next packet of the     | `__mtk_ppe_check_skb`               |
//! |                      | flow traps, not at once         |                                     |

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
    block_first: false,
    unlocked: false,
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
    match_after_tags: false,
    pppoe: true,
    service_tags: false,
    retags: true,
    source_mac6: true,
    nat4: true,
    nat6: false,
    gre: false,
    tunnels: false,
    checks_mtu: true,
    names_ingress: true,
    sees_arrival: false,
};
