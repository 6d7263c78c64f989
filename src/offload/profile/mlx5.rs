// SPDX-License-Identifier: GPL-2.0

//! mlx5 representors, which read a flowtable's rule with the parser of tc flower (`mlx5e_rep_setup_ft_cb` rewrites the
//! chain and hands the rule to `mlx5e_configure_flower`).
//!
//! | what                    | how                                                        | from                                  |
//! |-------------------------|------------------------------------------------------------|---------------------------------------|
//! | keys                    | a list; no PPPoE                                           | `__parse_cls_flower`                  |
//! | no VLAN key             | untagged frames only                                       | `__parse_cls_flower`                  |
//! | ingress                 | must be the representor itself                             | `mlx5e_flower_parse_meta`             |
//! | priority                | less than 16 without `ignore_flow_level`; negative refused | `mlx5e_rep_setup_ft_cb`               |
//! | two tags put on         | as tc: the first one is the inner                          | `mlx5e_tc_act_vlan_add_push_action`   |
//! | tag off, then on        | becomes a rewrite of the VLAN; priority and Ethertype stay | `tc_act_parse_vlan`,                  |
//! |                         | (802.1Q, and a match on the priority that it leaves with), | `mlx5e_tc_act_vlan_add_rewrite_action`|
//! |                         | other counts than one for one come out wrong               |                                       |
//! | TTL, hop limit          | decremented if the rule says so (`FLOW_ACTION_ADD`)        | `parse_pedit_to_modify_hdr`           |
//! | checksums               | by the hardware; the action is taken after a rewrite only  | `csum_offload_supported`              |
//! | addresses of GRE        | not rewritten: TCP, UDP and ICMP only                      | `modify_header_match_supported`       |
//! | tunnels                 | refused: the core has only those of devices that are not   | `mlx5e_get_tc_tun`                    |
//! |                         | Ethernet, none of which the driver knows                   |                                       |
//! | fragments               | excluded by `control.flags`                                | `__parse_cls_flower`                  |
//! | SYN                     | excluded by `tcp.flags`, with FIN and RST                  | `__parse_cls_flower`                  |
//! | PPPoE                   | refused: "Not implemented offload action"                  | `parse_tc_actions`                    |
//! | MTU                     | not looked at                                              |                                       |
//! | an unknown rule         | `EINVAL`, which a rule that it has never gets              | `mlx5e_delete_flower`,                |
//! |                         |                                                            | `mlx5e_stats_flower`                  |

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
    semantics: Semantics {
        retags: false,
        tunnels: false,
        ..tc::SEMANTICS
    },
    counts: Counts::Frames,
    // `ENOENT` is that of another driver in an indirect block.
    unknown_rule: &[EINVAL, ENOENT],
};
