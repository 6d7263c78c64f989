// SPDX-License-Identifier: GPL-2.0

//! Ends flows whose path has changed.
//!
//! Notifiers note what has changed ([`Watch::note`]). A work gathers these changes, looks at the
//! flows that they can concern, asks the resolver about them ([`resolve`]), removes the rules of
//! those that differ, and tears these flows down. The core learns them anew with their next packet.
//! No rule is changed in place.
//!
//! Some changes have no notifier: a switch of forwarding, an IPsec policy, another next-hop object.
//! They change a number of the namespace ([`Netns::routing`]). It is read ten times a second as
//! long as there are flows, or less often where there are very many; if it has changed, all flows
//! are looked at. All of this takes a twentieth of a processor: after a work has looked at many
//! flows it pauses.
//!
//! The path of some flows cannot be found from outside, for example with a policy rule on a mark
//! that is not saved. Such a flow differs from the beginning. It is ended once, and marked when the
//! connection comes again: from then on each event that touches it ends it, and no other event
//! does. Where things change all the time it is marked only after it has differed a few times, as
//! it may differ because of what has changed since the core has learned it.
//!
//! The core does not see a bridge that does not forward, and makes flows for it again and again. So
//! new flows of a namespace with bridges are looked up.

use crate::{
    net::{
        flowtable::{
            flow::{
                Flow,
                Xmit, //
            },
            flow_map::FlowMap, //
        },
        neighbour::MacSet,
        time::{
            jiffies64,
            now_ns,
            seconds, //
        },
        trace::Traced, //
    },
    offload::{
        changes::{
            Causes,
            Noticed,
            OVERTAKEN,
            REST,
            USE_NEIGHBOURS, //
        },
        events::Events,
        reason::Reason,
        record::{
            Held,
            Record,
            State, //
        },
        resolve,
        table::Table, //
    },
    proto::Dir, //
};
use core::ops::ControlFlow;
use kernel::sync::atomic::Relaxed;

impl<E: Events> Table<E> {
    /// Watches the next hops of a flow that is offered for the first time.
    ///
    /// Returns why the flow has to end at once, if what the core has learned was not true any more.
    pub(super) fn welcome(&self, flow: &Flow, record: &mut Record) -> Option<Reason> {
        self.watch.add_next_hops(flow);
        let ended = self.watch.remembers(flow);
        let is_behind = self.watch.is_behind(flow);
        if ended.is_none() && !is_behind && !flow.net().has_bridges() {
            return None;
        }
        let difference = resolve::difference(flow);
        if let Some(difference) = difference.filter(|difference| difference.is_blocked) {
            return Some(difference.reason);
        }
        let Some(ended) = ended else {
            let difference = difference.filter(|_| is_behind);
            return difference.map(|difference| difference.reason);
        };
        let Some(difference) = difference else {
            ended.again.store(0, Relaxed);
            return None;
        };
        let is_overtaken = is_behind && ended.again.fetch_add(1u32, Relaxed) < OVERTAKEN;
        if !difference.is_final && !is_overtaken {
            record.unchecked = true;
            return None;
        }
        Some(difference.reason)
    }

    /// Ends a flow that was offered for the first time, which has no rules.
    pub(super) fn turn_away(&self, flows: &FlowMap<Record>, flow: &Flow, reason: Reason) {
        flows.of(flow, |record| {
            self.outdate(flow, record, reason);
            record.removed(jiffies64());
            record.attempted = false;
        });
        flow.teardown();
    }

    /// Notes that a flow ends for a reason. It has no rules, or they are about to be removed.
    pub(super) fn outdate(&self, flow: &Flow, record: &mut Record, reason: Reason) {
        self.watch.remember(flow);
        let error = 0;
        let ifindex = flow.ingress_ifindex(Dir::Original);
        Traced {
            flow,
            dir: Dir::Original,
            ifindex,
            cookie: 0,
            reason: reason as u8,
            error,
        }
        .evict();
        record.outdated = Some(reason);
    }

    /// Ends the flows that the noted changes concern and whose path differs.
    ///
    /// Returns the milliseconds until the next look, or `None` if there are no flows.
    pub(super) fn watch_flows(&self, flows: &FlowMap<Record>) -> Option<u32> {
        let began = now_ns();
        let noticed = self.watch.take(self.flowtable.net());
        if noticed.causes != Causes::NONE {
            self.end_changed(flows, &noticed);
        }
        // Done here, so that it also happens where something changes all the time.
        let now = jiffies64();
        if now.saturating_sub(self.watch.used.load(Relaxed)) >= seconds(USE_NEIGHBOURS) {
            self.watch.used.store(now, Relaxed);
            self.use_neighbours(flows);
        }
        let ended = now_ns();
        let rest = ended.saturating_sub(began).saturating_mul(REST);
        if noticed.routing {
            // Where routes change all the time, so does the number, and the other changes do not
            // wait for it. It is read half as often, so that both take a fortieth and an eightieth
            // of a processor.
            self.watch.read_routing_in(ended, rest.saturating_mul(2));
        } else {
            self.watch.owe(ended, rest);
        }
        // Set before the walk, so that a flow that the walk does not see wakes the work.
        self.watch.asleep.store(true, Relaxed);
        let idle = flows.walk(0, |_, _| ControlFlow::Break(())).is_none();
        if !idle {
            self.watch.asleep.store(false, Relaxed);
        }
        match Causes(self.watch.causes.load(Relaxed)) {
            Causes::NONE if idle => None,
            Causes::NONE => Some(self.watch.pause().max(self.watch.until_routing())),
            _ => Some(self.watch.pause()),
        }
    }

    fn end_changed(&self, flows: &FlowMap<Record>, noticed: &Noticed) {
        let wants = |flow: &Flow, record: &mut Record| {
            if record.state == State::Removing {
                return ControlFlow::Continue(false);
            }
            let touched = noticed.touches(flow);
            let differs = || resolve::difference(flow).map(|difference| difference.reason);
            let reason = match touched {
                Some(reason) if record.unchecked => Some(reason),
                Some(_) => differs().or_else(|| noticed.rewrites(flow)),
                None if !noticed.causes.has(Causes::ROUTING) => None,
                None if record.unchecked => resolve::difference(flow)
                    .filter(|difference| difference.is_final)
                    .map(|difference| difference.reason),
                None => differs(),
            };
            let Some(reason) = reason else {
                return ControlFlow::Continue(false);
            };
            self.outdate(flow, record, reason);
            let held = record.held();
            if held.any().is_none() {
                record.removed(jiffies64());
                flow.teardown();
            }
            ControlFlow::Continue(true)
        };
        self.remove_many(flows, None, 0, wants, |session, flow, record, held| {
            if let Some(reason) = record.outdated {
                let ifindex = held.any().map_or(0, |(dir, _)| flow.ingress_ifindex(dir));
                session.count(ifindex, reason, None);
            }
            self.tell_of_flow(flow, held, record);
            flow.set_hw_offload(false);
            flow.teardown();
        });
    }

    /// Keeps the neighbour entries of flows whose packets hardware carries from expiring.
    fn use_neighbours(&self, flows: &FlowMap<Record>) {
        let mut used = MacSet::new();
        let since = jiffies64().saturating_sub(seconds(USE_NEIGHBOURS * 2));
        let mut from = Some(0);
        while let Some(next) = from {
            let mut looks = 512u32;
            from = flows.walk(next, |flow, record| {
                if looks == 0 {
                    return ControlFlow::Break(());
                }
                looks = looks.saturating_sub(1);
                if record.held() != Held::default() && record.last_used >= since {
                    for dir in [Dir::Original, Dir::Reply] {
                        if let Xmit::Direct(hop) = flow.xmit(dir) {
                            used.add(&hop.destination);
                        }
                    }
                }
                ControlFlow::Continue(())
            });
        }
        used.use_neighbours(self.flowtable.net());
    }
}
