// SPDX-License-Identifier: GPL-2.0

//! tc's own semantics: actions are done one after the other, and say everything that changes.
//!
//! | what                    | how                                                   | from                              |
//! |-------------------------|-------------------------------------------------------|-----------------------------------|
//! | VLAN tags               | matched by VLAN and CVLAN, 802.1Q and 802.1ad         | `fl_set_key_vlan`                 |
//! | two tags put on         | the inner one first: each goes in front of the packet | `tcf_vlan_act`, `skb_vlan_push`   |
//! | TTL, hop limit          | decremented if the rule says so                       | `tcf_pedit_act`                   |
//! | checksums               | corrected if the rule says so, after the rewrites     | `tcf_csum_act`                    |
//! | fragments               | excluded by `control.flags`                           | `fl_set_key_flags`                |
//! | SYN                     | excluded by `tcp.flags`, with FIN and RST             | `fl_set_key`                      |
//! | PPPoE                   | refused: matched and put on, but no action takes off  | `enum flow_action_id`             |
//! | tunnels                 | decapsulated first, encapsulated last                 | `tunnel_key_act`                  |
//! | MTU                     | not looked at                                         |                                   |
//! | an unknown rule         | `ENOENT` (sfc, cxgb4, a DESTROY of nfp),              | `efx_tc_flower_destroy`,          |
//! |                         | `EINVAL` (ice, otx2, a DESTROY of bnxt, STATS of nfp) | `ice_del_cls_flower`              |

use crate::{
    offload::profile::definition::{
        Counts,
        Profile,
        EINVAL,
        ENOENT, //
    },
    translate::semantics::{
        PushOrder,
        Semantics, //
    }, //
};

pub(super) static PROFILE: Profile = Profile {
    name: "tc",
    drivers: &[
        // The simulated NIC. Not nfp, which has no addition for the TTL, nor cxgb4 and sfc, which do not take the ingress device
        // in a match: they would take no rule.
        "netdevsim",
    ],
    block: true,
    semantics: SEMANTICS,
    counts: Counts::Frames,
    unknown_rule: &[ENOENT, EINVAL],
};

pub(super) const SEMANTICS: Semantics = Semantics {
    explicit_hop_limit: true,
    explicit_checksums: true,
    push_order: PushOrder::InnerFirst,
    excludes_fragments: true,
    excludes_syn: true,
    pppoe: false,
    service_tags: true,
    retags: true,
    source_mac6: true,
    nat6: true,
    gre: true,
    tunnels: true,
    checks_mtu: false,
    sees_arrival: true,
};
