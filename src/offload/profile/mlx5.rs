// SPDX-License-Identifier: GPL-2.0

//! mlx5 representors, which read a flowtable's rule with the parser of tc flower.
//!
//! `mlx5e_rep_setup_ft_cb` rewrites the chain and hands the rule to `mlx5e_configure_flower`.
//!
//! | what             | how                              | from                                   |
//! |------------------|----------------------------------|----------------------------------------|
//! | flowtables       | in a chain that packets reach    | `esw_chains_create`,                   |
//! |                  | only after tc has had rules of   | `mlx5_chains_create_prio`              |
//! |                  | a priority other than 1; tc's    |                                        |
//! |                  | blocks are reached               |                                        |
//! | keys             | a list; no PPPoE                 | `__parse_cls_flower`                   |
//! | no VLAN key      | untagged frames only             | `__parse_cls_flower`                   |
//! | VLAN, no CVLAN   | a second tag may follow, unless  | `__parse_cls_flower`                   |
//! |                  | the rule says what follows the   |                                        |
//! |                  | tag (`vlan_eth_type`)            |                                        |
//! | ingress          | must be the representor itself   | `mlx5e_flower_parse_meta`              |
//! | priority         | less than 16 without             | `mlx5e_rep_setup_ft_cb`                |
//! |                  | `ignore_flow_level`; negative    |                                        |
//! |                  | refused                          |                                        |
//! | two tags pushed  | as tc: the first one is the      | `mlx5e_tc_act_vlan_add_push_action`    |
//! |                  | inner                            |                                        |
//! | tag popped, one  | becomes a rewrite of the VLAN;   | `tc_act_parse_vlan`,                   |
//! | pushed           | priority and Ethertype stay      | `mlx5e_tc_act_vlan_add_rewrite_action` |
//! |                  | (802.1Q, and a match on the      |                                        |
//! |                  | priority that it leaves with);   |                                        |
//! |                  | other counts than one for one    |                                        |
//! |                  | come out wrong                   |                                        |
//! | TTL, hop limit   | decremented if the rule does so  | `parse_pedit_to_modify_hdr`            |
//! |                  | (`FLOW_ACTION_ADD`)              |                                        |
//! | checksums        | by the hardware; the action is   | `csum_offload_supported`               |
//! |                  | taken after a rewrite only       |                                        |
//! | addresses of GRE | not rewritten: TCP, UDP and ICMP | `modify_header_match_supported`        |
//! |                  | only                             |                                        |
//! | tunnels          | refused: the core has only those | `mlx5e_get_tc_tun`                     |
//! |                  | of devices that are not          |                                        |
//! |                  | Ethernet, none of which the      |                                        |
//! |                  | driver knows                     |                                        |
//! | fragments        | excluded by `control.flags`      | `__parse_cls_flower`                   |
//! | SYN              | excluded by `tcp.flags`, with    | `__parse_cls_flower`                   |
//! |                  | FIN and RST                      |                                        |
//! | PPPoE            | refused: "Not implemented        | `parse_tc_actions`                     |
//! |                  | offload action"                  |                                        |
//! | MTU              | not checked                      |                                        |
//! | an unknown rule  | `EINVAL`, which a rule that it   | `mlx5e_delete_flower`,                 |
//! |                  | has never gets                   | `mlx5e_stats_flower`                   |

use crate::{
    offload::profile::{
        definition::{
            Counts,
            Profile,
            EINVAL,
            ENOENT, //
        },
        tc, //
    },
    translate::semantics::Semantics, //
};

pub(super) static PROFILE: Profile = Profile {
    name: "mlx5",
    drivers: &["mlx5_core"],
    block: true,
    block_first: true,
    unlocked: false,
    semantics: Semantics {
        retags: false,
        tunnels: false,
        ..tc::SEMANTICS
    },
    counts: Counts::Frames,
    // `ENOENT` is the error of another driver in an indirect block.
    unknown_rule: &[EINVAL, ENOENT],
};
