// SPDX-License-Identifier: GPL-2.0

//! Flows that hardware takes for one.
//!
//! A packet processing engine such as mtk's looks a frame up by addresses, ports and protocol, wherever it arrives. Conntrack
//! has two connections with the same of these only if they are in different zones: customers with the same addresses behind
//! different VLANs, for example. A rule of one of them would carry off the packets of the other, which the CPU then never sees.
//! So where the hardware of a direction is such, a flow in a zone of its own gets no rules, and occupies its matches as long as
//! it lives: a flow in the default zone that has them leaves hardware, and gets no rules meanwhile.
//!
//! What cannot be seen is a connection in a zone whose first packet comes when a flow of the default zone is in hardware.

use super::{
    binding::Bindings,
    matches::Claim,
    profile,
    record::Record,
    view,
    Events,
    Reason,
    Table, //
};
use crate::{
    netfilter::{
        Dir,
        Flow,
        FlowId,
        FlowMap, //
    },
    translate, //
};

impl<E: Events> Table<E> {
    /// Keeps other flows from having rules with a match. Without memory they are not kept.
    pub(super) fn occupy(
        &self,
        bindings: &Bindings,
        flows: &FlowMap<Record>,
        by: FlowId,
        matching: u64,
    ) {
        match self.matches.claim(matching, by) {
            Ok(Claim::HeldBy(holder)) if holder != by => {
                self.displace(bindings, flows, holder, matching);
                let _ = self.matches.seize(matching, by);
            }
            _ => {}
        }
    }

    /// A flow that occupies its matches ends.
    pub(super) fn stop_occupying(&self, flow: &Flow, id: FlowId) {
        let plain = view::read(flow, self.flowtable.net());
        let (Ok(plain), Some(profile)) = (plain, profile::without_arrival()) else {
            return;
        };
        for dir in [Dir::Original, Dir::Reply] {
            let mut fingerprint = self.fingerprint(profile.semantics);
            translate::write_match(&plain, view::dir(dir), profile.semantics, &mut fingerprint);
            self.matches.release(fingerprint.matching(), id);
        }
    }
}

/// Whether the holder of a match is a flow that occupies it, and which has packets like those of a direction of `flow`. A flow
/// whose devices are gone may have left its name there, which is another one's by now.
pub(super) fn occupies(flows: &FlowMap<Record>, holder: FlowId, flow: &Flow, dir: Dir) -> bool {
    let like = |of: &Flow, other| {
        of.protocol() == flow.protocol()
            && of.family() == flow.family()
            && of.source(other) == flow.source(dir)
            && of.destination(other) == flow.destination(dir)
            && of.ports(other) == flow.ports(dir)
    };
    let occupies = flows.find(holder, |of, record| {
        record.occupies
            && record.reason() == Some(Reason::SameKey)
            && (like(of, Dir::Original) || like(of, Dir::Reply))
    });
    occupies.unwrap_or(false)
}
