// SPDX-License-Identifier: GPL-2.0

//! The semantics of tc: actions are executed one after the other, and contain everything that
//! changes.
//!
//! | what            | how                                             | from                     |
//! |-----------------|-------------------------------------------------|--------------------------|
//! | VLAN tags       | matched by VLAN and CVLAN, 802.1Q and 802.1ad   | `fl_set_key_vlan`        |
//! | what follows a  | matched with the tag; the basic key has what    | `fl_set_key_vlan`,       |
//! | tag             | follows all tags, however many there are        | `__skb_flow_dissect`     |
//! | two tags pushed | the inner one first: each goes in front of the  | `tcf_vlan_act`,          |
//! |                 | packet                                          | `skb_vlan_push`          |
//! | TTL, hop limit  | decremented if the rule does so                 | `tcf_pedit_act`          |
//! | checksums       | corrected if the rule does so, after the        | `tcf_csum_act`           |
//! |                 | rewrites                                        |                          |
//! | fragments       | excluded by `control.flags`                     | `fl_set_key_flags`       |
//! | SYN             | excluded by `tcp.flags`, with FIN and RST       | `fl_set_key`             |
//! | PPPoE           | refused: matched and pushed, but no action pops | `enum flow_action_id`    |
//! |                 | it                                              |                          |
//! | tunnels         | decapsulated first, encapsulated last           | `tunnel_key_act`         |
//! | MTU             | not checked                                     |                          |
//! | an unknown rule | `ENOENT` (sfc, cxgb4, a DESTROY of nfp),        | `efx_tc_flower_destroy`, |
//! |                 | `EINVAL` (ice, otx2, a DESTROY of bnxt, STATS   | `ice_del_cls_flower`     |
//! |                 | of nfp)                                         |                          |

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
        // The simulated NIC. Not nfp, which has no addition for the TTL (`nfp_flower_loop_action`),
        // nor cxgb4, which does not take the ingress device in a match
        // (`cxgb4_validate_flow_match`): they would take no rule. Nor bnxt, which would leave the
        // TTL as it is (`bnxt_tc_parse_actions`).
        "netdevsim",
    ],
    block: true,
    block_first: false,
    unlocked: false,
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
    match_after_tags: true,
    pppoe: false,
    service_tags: true,
    retags: true,
    source_mac6: true,
    nat4: true,
    nat6: true,
    gre: true,
    tunnels: true,
    checks_mtu: false,
    names_ingress: true,
    sees_arrival: true,
};
