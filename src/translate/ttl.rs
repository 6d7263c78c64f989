// SPDX-License-Identifier: GPL-2.0

//! Time to live and hop limit: decremented where the hardware does not do so on its own.
//!
//! The action is encoded as in tc (`pedit ... ttl dec`): minus one is added to the only byte of the
//! word that is not kept.

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

/// The word with the TTL, the first byte of the word at offset 8 of the IPv4 header (`struct
/// iphdr`).
const TTL: Word = Word {
    header: Header::Ipv4,
    offset: 8,
    keep: [0, 0xff, 0xff, 0xff],
    value: [0xff, 0, 0, 0],
};

/// The word with the hop limit, the last byte of the word at offset 4 of the IPv6 header (`struct
/// ipv6hdr`).
const HOP_LIMIT: Word = Word {
    header: Header::Ipv6,
    offset: 4,
    keep: [0xff, 0xff, 0xff, 0],
    value: [0, 0, 0, 0xff],
};

/// Writes the action that decrements the TTL or hop limit, if the hardware needs one.
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
