// SPDX-License-Identifier: GPL-2.0

//! Translates one direction of a flow into a rule: what a packet must look like, and what is done to it.
//!
//! Pure: no `unsafe`, no allocation, no type of the kernel. A flow comes in as plain data, the rule goes out through a
//! [`RuleSink`]; so the same code runs in the kernel and in the tests on the host. One file a concern:
//!
//! | file               | what it writes                                                           |
//! |--------------------|--------------------------------------------------------------------------|
//! | `flow.rs`, `refusal.rs`, `semantics.rs`, `rule.rs` | nothing: the words of this directory |
//! | `matching.rs`      | the match keys of addresses, ports and flags                             |
//! | `encapsulation.rs` | VLAN tags and PPPoE headers: matched, taken off, put on                  |
//! | `tunnel.rs`        | lightweight tunnels: matched, taken off, put on                          |
//! | `ethernet.rs`      | the addresses of the frame                                               |
//! | `ttl.rs`           | time to live, hop limit                                                  |
//! | `nat.rs`           | source and destination, address and port, and the checksums              |
//! | `mtu.rs`           | nothing: refuses flows whose packets may not fit                         |
//! | `redirect.rs`      | the way out                                                              |
//!
//! The order of the actions is the order in which they are done, as in tc. What differs from driver to driver is in
//! [`Semantics`]. The whole table of cases is in `docs/translation.md`.

pub(crate) mod encapsulation;
pub(crate) mod ethernet;
pub(crate) mod flow;
pub(crate) mod match_hash;
pub(crate) mod matching;
pub(crate) mod mtu;
pub(crate) mod nat;
pub(crate) mod redirect;
pub(crate) mod refusal;
pub(crate) mod rule;
pub(crate) mod semantics;
pub(crate) mod ttl;
pub(crate) mod tunnel;

use crate::{
    proto::Dir,
    translate::{
        flow::Flow,
        refusal::Refusal,
        rule::{
            Key,
            RuleSink, //
        },
        semantics::Semantics, //
    }, //
};

/// Whether the rules of `flow` can be expressed, those of both directions: one alone would be of no use.
pub(crate) fn check(flow: &Flow, semantics: Semantics) -> Result<(), Refusal> {
    matching::check(flow)?;
    redirect::check(flow)?;
    ethernet::check(flow, semantics)?;
    encapsulation::check(flow, semantics)?;
    nat::check(flow, semantics)?;
    tunnel::check(flow, semantics)?;
    mtu::check(flow, semantics)
}

/// Writes the match of the rule for one direction of `flow` into `sink`.
pub(crate) fn write_match(flow: &Flow, dir: Dir, semantics: Semantics, sink: &mut impl RuleSink) {
    let (side, other) = (flow.side(dir), flow.side(dir.other()));
    sink.key(Key::Ingress(side.ingress));
    tunnel::write_match(other, sink);
    encapsulation::write_match(flow.family, side, other, semantics, sink);
    matching::write(flow, dir, semantics, sink);
}

/// Writes the rule for one direction of `flow`, which passed [`check`] with the same `semantics`, into `sink`.
///
/// On an error the sink holds a part of a rule, which must not be used.
pub(crate) fn write(
    flow: &Flow,
    dir: Dir,
    semantics: Semantics,
    sink: &mut impl RuleSink,
) -> Result<(), Refusal> {
    let (side, other) = (flow.side(dir), flow.side(dir.other()));
    write_match(flow, dir, semantics, sink);

    tunnel::write_decap(other, sink)?;
    ethernet::write(side, sink)?;
    encapsulation::write_pops(side, sink)?;
    // Between the two: with two tags before it, tc does not find the IP header (`pedit_skb_hdr_offset`).
    ttl::write(flow, semantics, sink)?;
    nat::write(flow, dir, sink)?;
    nat::write_checksums(flow, semantics, sink)?;
    encapsulation::write_pushes(other, semantics, sink)?;
    tunnel::write_encap(side, sink)?;
    redirect::write(side, sink)
}

/// Writes the rule for one direction of `flow`, if it can be expressed, into `sink`.
pub(crate) fn rule(
    flow: &Flow,
    dir: Dir,
    semantics: Semantics,
    sink: &mut impl RuleSink,
) -> Result<(), Refusal> {
    check(flow, semantics)?;
    write(flow, dir, semantics, sink)
}
