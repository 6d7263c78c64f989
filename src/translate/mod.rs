// SPDX-License-Identifier: GPL-2.0

//! Translates one direction of a flow into a rule: what a packet must look like, and what is done
//! to it.
//!
//! The code is pure: no `unsafe`, no allocation, no type of the kernel. A flow comes in as plain
//! data, and the rule goes out through a [`RuleSink`], so that the same code runs in the kernel and
//! in the tests on the host. Each concern has its own file:
//!
//! | file               | contents                                                      |
//! |--------------------|---------------------------------------------------------------|
//! | `flow.rs`          | type: the flow that comes in, as plain data                   |
//! | `rule.rs`          | type: the rule that goes out, piece by piece                  |
//! | `semantics.rs`     | type: what differs from driver to driver                      |
//! | `refusal.rs`       | type: why a flow has no translation                           |
//! | `matching.rs`      | writes the match keys of addresses, ports and flags           |
//! | `encapsulation.rs` | matches, removes and adds VLAN tags and PPPoE headers         |
//! | `tunnel.rs`        | matches, removes and adds the headers of lightweight tunnels  |
//! | `ethernet.rs`      | writes the addresses of the frame                             |
//! | `ttl.rs`           | decrements time to live and hop limit                         |
//! | `nat.rs`           | rewrites addresses, ports and checksums                       |
//! | `mtu.rs`           | writes nothing: refuses flows whose packets may not fit       |
//! | `redirect.rs`      | sends the packet out                                          |
//! | `match_hash.rs`    | a sink: hashes what a rule matches into one number            |
//!
//! The actions are executed in the order in which they are written, as in tc. What differs from
//! driver to driver is in [`Semantics`]. `docs/translation.md` has the whole table of cases.

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

/// Checks whether the rules of both directions of `flow` can be expressed.
///
/// A rule for one direction alone would be of no use.
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
    if semantics.names_ingress {
        sink.key(Key::Ingress(side.ingress));
    }
    tunnel::write_match(other, sink);
    encapsulation::write_match(flow.family, side, other, semantics, sink);
    matching::write(flow, dir, semantics, sink);
}

/// Writes the rule for one direction of `flow` into `sink`.
///
/// The flow must have passed [`check`] with the same `semantics`. On an error the sink holds part
/// of a rule, which must not be used.
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
    // Between the pops and the pushes: tc does not find the IP header behind two tags
    // (`pedit_skb_hdr_offset`).
    ttl::write(flow, semantics, sink)?;
    nat::write(flow, dir, sink)?;
    nat::write_checksums(flow, semantics, sink)?;
    encapsulation::write_pushes(other, semantics, sink)?;
    tunnel::write_encap(side, sink)?;
    redirect::write(side, sink)
}
