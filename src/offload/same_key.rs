// SPDX-License-Identifier: GPL-2.0

//! Separates flows that hardware would take for one.
//!
//! A packet processing engine such as mtk's looks a frame up by addresses, ports and protocol, on
//! whatever device it arrives. Conntrack has two connections with the same of these only if they
//! are in different zones: customers with the same addresses behind different VLANs, for example. A
//! rule of one of them would take the packets of the other, which the CPU then never sees. Where
//! the hardware of a direction is of this kind, a flow in a zone of its own therefore gets no
//! rules, and occupies its matches as long as it lives: a flow in the default zone that has them
//! leaves hardware, and gets no rules meanwhile.
//!
//! Two cases cannot be seen: a connection in a zone whose packet comes, for the first time or after
//! its flow has ended, while a flow of the default zone is in hardware; and another flowtable with
//! ports of the same NIC.

use crate::{
    net::{
        flowtable::{
            flow::Flow,
            flow_map::{
                FlowId,
                FlowMap, //
            }, //
        },
        time::jiffies64, //
    },
    offload::{
        events::Events,
        reason::Reason,
        record::Record,
        session::Session,
        table::Table, //
    },
    proto::Dir, //
};

impl<E: Events> Table<E> {
    /// Releases the matches that a flow occupies.
    pub(super) fn stop_occupying(&self, flow: &Flow, id: FlowId) {
        for dir in [Dir::Original, Dir::Reply] {
            self.match_owner
                .release(self.match_hash(flow, dir, false), id);
        }
    }
}

impl<E: Events> Session<'_, E> {
    /// Lets a flow of a conntrack zone occupy its matches in hardware that does not see where
    /// packets arrive.
    pub(super) fn keep_apart(&self, flow: &Flow, record: &mut Record) {
        let blind = |dir: &Dir| {
            let binding = self.bindings.get(flow.ingress_ifindex(*dir));
            binding.is_some_and(|binding| !binding.profile.semantics.sees_arrival)
        };
        let directions = [Dir::Original, Dir::Reply];
        let apart = directions.iter().any(blind) && flow.zone() != 0;
        if apart {
            self.count(flow.ingress_ifindex(Dir::Original), Reason::SameKey, None);
            for dir in directions.into_iter().filter(blind) {
                self.occupy(record.id, self.match_hash(flow, dir, false));
            }
        } else if record.occupies {
            self.stop_occupying(flow, record.id);
        }
        if record.occupies != apart {
            record.occupies = apart;
            self.flows.of(flow, |present| present.occupies = apart);
        }
    }

    /// Keeps other flows from having rules with a match, unless there is no memory for that.
    fn occupy(&self, by: FlowId, matching: u64) {
        if let Some(owner) = self.match_owner.of(matching) {
            let occupies = self.flows.find(owner, |_, record| record.occupies);
            if !occupies.unwrap_or(false) {
                if owner != by {
                    self.expel(owner, matching);
                }
                self.match_owner.release(matching, owner);
            }
        }
        // Several flows can occupy the same match, each with an entry of its own.
        let _ = self.match_owner.add(matching, by);
    }

    /// Ends a flow with a match, if it has rules or is being given some.
    fn expel(&self, owner: FlowId, matching: u64) {
        let is_it = |of: &Flow, dir| self.match_hash(of, dir, false) == matching;
        while self.displace(owner, is_it).is_err() {
            // The attempt removes the rules that it has made, if it finds this at its end.
            let told = self.flows.find(owner, |flow, record| {
                let told = record.attempted && record.held().any().is_none();
                if told {
                    record.removed(jiffies64());
                    flow.teardown();
                }
                told
            });
            if told == Some(true) {
                break;
            }
        }
    }
}

/// Returns whether the owner of a match occupies it, and has packets like those of a direction of
/// `flow`.
///
/// A flow whose devices are gone may have left its name there, which is another flow's by now.
pub(super) fn occupies(flows: &FlowMap<Record>, owner: FlowId, flow: &Flow, dir: Dir) -> bool {
    let like = |of: &Flow, other| {
        of.protocol() == flow.protocol()
            && of.family() == flow.family()
            && of.source(other) == flow.source(dir)
            && of.destination(other) == flow.destination(dir)
            && of.ports(other) == flow.ports(dir)
    };
    let occupies = flows.find(owner, |of, record| {
        record.occupies && (like(of, Dir::Original) || like(of, Dir::Reply))
    });
    occupies.unwrap_or(false)
}
