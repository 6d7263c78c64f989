// SPDX-License-Identifier: GPL-2.0

//! Time to live and hop limit: one less, where the hardware does not do it by itself.
//!
//! Said as tc says it (`pedit ... ttl dec`): minus one is added to the one byte of the word that is not kept.

use crate::{
    proto::Header,
    translate::{
        flow::{
            Family,
            Flow, //
        },
        refusal::Refusal,
        rule::{
            Action,
            RuleSink,
            Word, //
        },
        semantics::Semantics, //
    }, //
};

/// TTL is the first byte of the word at 8 of the IPv4 header (`struct iphdr`).
const TTL: Word = Word {
    header: Header::Ipv4,
    offset: 8,
    keep: [0, 0xff, 0xff, 0xff],
    value: [0xff, 0, 0, 0],
};

/// The hop limit is the last byte of the word at 4 of the IPv6 header (`struct ipv6hdr`).
const HOP_LIMIT: Word = Word {
    header: Header::Ipv6,
    offset: 4,
    keep: [0xff, 0xff, 0xff, 0],
    value: [0, 0, 0, 0xff],
};

pub(super) fn write(
    flow: &Flow,
    semantics: Semantics,
    sink: &mut impl RuleSink,
) -> Result<(), Refusal> {
    if !semantics.explicit_hop_limit {
        return Ok(());
    }
    sink.action(Action::Add(match flow.family {
        Family::Ipv4 => TTL,
        Family::Ipv6 => HOP_LIMIT,
    }))
}
