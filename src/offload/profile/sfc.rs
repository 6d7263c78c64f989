// SPDX-License-Identifier: GPL-2.0

//! EF100 of Solarflare (AMD Alveo SN1000 and X3): the function, whose rules are for the wire, and
//! the representors. They read the block of tc, and write what they find into the match-action
//! engine (MAE).
//!
//! | what             | how                              | from                                   |
//! |------------------|----------------------------------|----------------------------------------|
//! | keys             | a list; no META, no PPPoE        | `efx_tc_flower_parse_match`            |
//! | ingress          | the device of the block          | `efx_tc_flower_external_mport`         |
//! | what can be      | the firmware says; otherwise     | `efx_mae_match_check_caps`             |
//! | matched          | refused                          |                                        |
//! | no VLAN key      | frames with any tags, or none    | `efx_mae_populate_match_criteria`      |
//! | VLAN tags        | two with their types, any type   | `efx_tc_flower_parse_match`            |
//! | what follows a   | not read: another tag may follow | `efx_tc_flower_parse_match`            |
//! | tag              | the last one                     |                                        |
//! | pops and pushes  | all pops, then all pushes        | `efx_tc_flower_action_order_ok`        |
//! | two tags pushed  | the first one becomes the outer  | `efx_tc_flower_replace`,               |
//! |                  | one, unlike in tc: refused here, | `efx_mae_alloc_action_set`             |
//! |                  | as a mended driver swaps them    |                                        |
//! | TTL, hop limit   | decremented if the rule does so  | `efx_tc_pedit_add`                     |
//! |                  | (`FLOW_ACTION_ADD`)              |                                        |
//! | checksums        | by the hardware; the action is   | `efx_tc_flower_replace`                |
//! |                  | refused                          |                                        |
//! | MAC addresses    | both, each as a whole            | `efx_tc_mangle`,                       |
//! |                  |                                  | `efx_tc_incomplete_mangle`             |
//! | IP addresses and | refused: only `FLOW_ACTION_CT`   | `efx_tc_mangle`                        |
//! | ports            | translates, from the table of    |                                        |
//! |                  | connections of act_ct            |                                        |
//! | GRE              | taken, without ports             | `efx_tc_flower_parse_match`            |
//! | tunnels          | refused: the keys of an outer    | `efx_tc_flower_replace`                |
//! |                  | header are                       |                                        |
//! | fragments        | excluded by `control.flags`      | `efx_tc_flower_parse_match`            |
//! | SYN              | excluded by `tcp.flags`, with    | `efx_tc_flower_parse_match`            |
//! |                  | FIN and RST                      |                                        |
//! | MTU              | not checked                      |                                        |
//! | RTNL             | not needed: a mutex of its own;  | `efx_tc_flower`,                       |
//! |                  | it does not say so               | `efx_tc_setup_block`                   |
//! | an unknown rule  | `ENOENT`, which a rule that it   | `efx_tc_flower_destroy`,               |
//! |                  | has never gets                   | `efx_tc_flower_stats`                  |

use crate::{
    offload::profile::{
        definition::{
            Counts,
            Profile,
            ENOENT, //
        },
        tc, //
    },
    translate::semantics::{
        PushOrder,
        Semantics, //
    }, //
};

pub(super) static PROFILE: Profile = Profile {
    name: "sfc",
    // Not the older cards' "sfc", which have no such engine (`efx_setup_tc`). A representor only
    // tells its driver to ethtool (`efx_ef100_rep_get_drvinfo`).
    drivers: &["sfc_ef100", "efx_ef100_rep"],
    block: true,
    block_first: false,
    unlocked: true,
    semantics: Semantics {
        explicit_checksums: false,
        push_order: PushOrder::Unknown,
        match_after_tags: false,
        nat4: false,
        nat6: false,
        tunnels: false,
        names_ingress: false,
        ..tc::SEMANTICS
    },
    counts: Counts::Unknown,
    unknown_rule: &[ENOENT],
};
