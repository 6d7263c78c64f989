// SPDX-License-Identifier: GPL-2.0

//! The profile of drivers that have none of their own, as they were not examined.
//!
//! Its rules have the C core's form, which is all that drivers with `TC_SETUP_FT` have seen, except
//! for what drivers read in different ways.
//!
//! | what               | how                                                                     |
//! |--------------------|-------------------------------------------------------------------------|
//! | VLAN tags          | in the match with their bits set: a driver that does not know them has  |
//! |                    | to refuse                                                               |
//! | what follows tags  | left out: the C core leaves it out, and no driver of a flowtable but    |
//! |                    | mlx5 reads it                                                           |
//! | two headers pushed | refused: in tc's reading and in mtk's they would come out swapped       |
//! | TTL, hop limit     | left out: drivers written for flowtables refuse it and decrement        |
//! |                    | unasked                                                                 |
//! | checksums          | written, also for IPv6                                                  |
//! | fragments          | left out: drivers written for flowtables refuse any flag                |
//! | PPPoE              | refused: no action pops it, and only a known driver does so unasked     |
//! | an unknown rule    | `ENOENT`, which can mean nothing else; after another error the rule may |
//! |                    | be there                                                                |

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
    name: "default",
    drivers: &[],
    block: false,
    block_first: false,
    unlocked: false,
    semantics: Semantics {
        explicit_hop_limit: false,
        explicit_checksums: true,
        push_order: PushOrder::Unknown,
        excludes_fragments: false,
        excludes_syn: false,
        match_after_tags: false,
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
    },
    counts: Counts::Unknown,
    unknown_rule: &[ENOENT],
};
