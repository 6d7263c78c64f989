// SPDX-License-Identifier: GPL-2.0

//! Installs flows in hardware.
//!
//! Both directions of a flow go in or none; or, if that is allowed, those that hardware takes. A
//! rule goes to the binding of its ingress device, under one of the module's own cookies.

use crate::{
    net::{
        flowtable::{
            flow::{
                Flow,
                LiveFlow, //
            },
            flow_map::FlowId, //
        },
        trace::Traced, //
    },
    offload::{
        backoff::Stands,
        binding::{
            Binding,
            NotTaken, //
        },
        driver_rule::DriverRule,
        events::Events,
        match_owner::Claim,
        parameter::Directions,
        profile::definition::Profile,
        read_flow,
        reason::{
            Reason,
            Stage, //
        },
        record::{
            Cookie,
            Held,
            Record,
            Refused, //
        },
        same_key::occupies,
        session::Session, //
    },
    proto::Dir,
    translate::{
        self,
        flow::Flow as PlainFlow, //
    }, //
};
use kernel::prelude::*;

/// The outcome of an attempt.
enum Outcome {
    /// These rules are in hardware, with the refusal if there was one.
    Changed(Held, Option<Refused>),
    /// Another work has removed the flow's rules meanwhile.
    Lost,
}

/// An attempt to get a flow into hardware.
struct Attempt<'a> {
    id: FlowId,
    flow: &'a Flow,
    plain: &'a PlainFlow,
    /// The rate of the flow in software, in packets per second, if it is known.
    rate: Option<u32>,
}

impl<E: Events> Session<'_, E> {
    /// Checks whether the driver of a direction's binding takes the flow.
    ///
    /// `checked` is the profile for which the flow was checked before.
    fn prepare<'b>(
        &self,
        of: &Flow,
        flow: &PlainFlow,
        dir: Dir,
        binding: Option<&'b Binding>,
        checked: Option<&Profile>,
    ) -> Result<&'b Binding, Reason> {
        let ingress = of.ingress_ifindex(dir);
        // The core offers only flows whose lowest devices are in the flowtable
        // (`nft_dev_forward_path`).
        let binding = binding
            .ok_or(Reason::NoBinding)
            .and_then(|binding| binding.no_rules().map_or(Ok(binding), Err))
            .inspect_err(|reason| self.count(ingress, *reason, None))?;
        let translated = match checked {
            Some(checked) if core::ptr::eq(checked, binding.profile) => Ok(()),
            _ => translate::check(flow, binding.profile.semantics).map_err(Reason::from),
        };
        Traced {
            flow: of,
            dir,
            ifindex: ingress,
            cookie: 0,
            reason: translated.map_or_else(|reason| reason as u8, |()| 0),
            error: 0,
        }
        .translate();
        translated
            .map(|()| binding)
            .inspect_err(|reason| self.count(ingress, *reason, None))
    }

    /// Finds the binding of each direction and checks whether its driver takes the flow.
    fn prepare_both(&self, of: &Flow, plain: &PlainFlow) -> [Result<&Binding, Reason>; 2] {
        let binding = |dir| self.bindings.get(of.ingress_ifindex(dir));
        let (original, reply) = (binding(Dir::Original), binding(Dir::Reply));
        let closed = |binding: Option<&Binding>| binding.is_some_and(Binding::is_closed);
        if closed(original) || closed(reply) {
            // No rule may lead to a device that leaves, either.
            return [Err(Reason::NoBinding), Err(Reason::NoBinding)];
        }
        let original = self.prepare(of, plain, Dir::Original, original, None);
        let checked = match original {
            // One refusal is enough, and is counted once.
            Err(reason) if self.directions == Directions::Both => {
                return [Err(reason), Err(reason)];
            }
            original => original.ok().map(|binding| binding.profile),
        };
        let reply = self.prepare(of, plain, Dir::Reply, reply, checked);
        [original, reply]
    }

    /// Gives a driver the rule of one direction, which is written into `driver_rule`.
    ///
    /// If there is no room, a flow that is much less busy than `rate` packets per second is evicted
    /// to make some.
    fn install(
        &self,
        attempt: &Attempt<'_>,
        dir: Dir,
        binding: &Binding,
        driver_rule: &mut DriverRule<'_>,
    ) -> Result<Cookie, Refused> {
        let Attempt { flow, plain, .. } = *attempt;
        let mut rate = attempt.rate;
        let mut make_room = |reason: Reason| match rate.take() {
            Some(rate) if self.make_room(binding, rate) => Ok(()),
            _ => Err(reason),
        };
        let refuse = |reason: Reason| {
            self.count(binding.ifindex, reason, None);
            self.tell_if_full(binding);
            Refused::from(reason)
        };
        if let Some(reason) = binding.no_room() {
            make_room(reason).map_err(refuse)?;
        }
        driver_rule.begin(dir);
        translate::write(plain, dir, binding.profile.semantics, driver_rule)?;
        loop {
            let cookie = binding.new_cookie();
            self.claim_match(attempt, dir)
                .inspect_err(|reason| self.count(binding.ifindex, *reason, None))?;
            let answer = binding.replace(cookie.get(), driver_rule.as_rule());
            Traced {
                flow,
                dir,
                ifindex: binding.ifindex,
                cookie: cookie.get(),
                reason: 0,
                error: match &answer {
                    Err(NotTaken::Driver(error)) => error.errno.to_errno(),
                    _ => 0,
                },
            }
            .install();
            let (reason, error) = match answer {
                Ok(()) => return Ok(cookie),
                Err(NotTaken::Limit) => (Reason::Limit, None),
                Err(NotTaken::Driver(error)) if error.is_full() => (Reason::Full, Some(error)),
                Err(NotTaken::Driver(error)) => (Reason::DriverRefused, Some(error)),
            };
            self.release_match(flow, dir, attempt.id);
            if reason.stage() == Stage::Capacity {
                if make_room(reason).is_ok() {
                    continue;
                }
                self.tell_if_full(binding);
            }
            self.count(binding.ifindex, reason, error.as_ref());
            let mut refused = Refused::from(reason);
            if let Some(error) = error {
                self.complain(binding, &error);
                refused.errno = error.errno.to_errno();
                if error.is_temporary() {
                    refused.stands = Stands::Passes;
                }
            }
            return Err(refused);
        }
    }

    /// Returns the hash of what the rule of a direction matches, if flows with different packets
    /// can have the same match: the hardware does not see where a packet arrives, or a switch
    /// handles a tag.
    fn shared_match(&self, flow: &Flow, dir: Dir) -> Option<u64> {
        let binding = self.bindings.get(flow.ingress_ifindex(dir))?;
        let sees_arrival = binding.profile.semantics.sees_arrival;
        let shared = !sees_arrival || flow.has_tag_of_switch(dir);
        shared.then(|| self.match_hash(flow, dir, sees_arrival))
    }

    /// Releases the match of a direction whose rule is not in hardware, or is about to go.
    pub(super) fn release_match(&self, flow: &Flow, dir: Dir, id: FlowId) {
        if let Some(matching) = self.shared_match(flow, dir) {
            self.match_owner.release(matching, id);
        }
    }

    /// Removes the rules of flows whose packets are those of a direction of `flow`: of the
    /// connection's earlier flow, which the core has torn down.
    ///
    /// # Errors
    ///
    /// As [`Session::displace`].
    fn displace_twins(&self, flow: &Flow, dir: Dir) -> Result<(), Reason> {
        /// More than the core has of one connection at a time.
        const MOST: usize = 64;
        // The rules of a flow in a batch may still be in hardware: `displace` waits for the batch.
        let has_rule = |_: &Flow, other: Dir, record: &mut Record| {
            let may_have = record.attempted || record.pinned || record.rule(other).is_some();
            may_have.then_some(record.id)
        };
        for _ in 0..MOST {
            let Some(twin) = self.flows.find_twin(flow, dir, has_rule) else {
                break;
            };
            self.displace(twin, |of, other| of.is_twin(other, flow, dir))?;
        }
        Ok(())
    }

    /// Makes a flow the owner of the match of a direction.
    ///
    /// The present owner loses its rules. Where the hardware would mistake the packets of one flow
    /// for those of the other, the claim fails with [`Reason::SameKey`] instead; while an attempt
    /// is being made for the owner, with [`Reason::NotTried`].
    fn claim_match(&self, attempt: &Attempt<'_>, dir: Dir) -> Result<(), Reason> {
        let flow = attempt.flow;
        let Some(matching) = self.shared_match(flow, dir) else {
            return self.displace_twins(flow, dir);
        };
        let claim = self.match_owner.claim(matching, attempt.id);
        let Claim::OwnedBy(owner) = claim.map_err(|_| Reason::NoMemory)? else {
            return Ok(());
        };
        if occupies(self.flows, owner, flow, dir) {
            return Err(Reason::SameKey);
        }
        if owner != attempt.id {
            self.displace(owner, |of, dir| {
                self.shared_match(of, dir) == Some(matching)
            })?;
        }
        let seized = self.match_owner.seize(matching, attempt.id);
        seized.map_err(|_| Reason::NoMemory)
    }

    /// Tries to get a flow into hardware.
    ///
    /// `known` is a copy of its record. `changes` was read before the flow was examined.
    pub(super) fn attempt(&self, flow: LiveFlow<'_>, known: &Record, now: u64, changes: u32) {
        let mut record = *known;
        if known.is_new() {
            if let Some(reason) = self.welcome(&flow, &mut record) {
                return self.turn_away(self.flows, &flow, reason);
            }
        }
        if known.waits_for_packets() {
            // The flow was waiting for its own packets, so the next refusal is the first one.
            record.refusals = 0;
        }
        self.keep_apart(&flow, &mut record);
        let admitted = record.occupies || record.held().any().is_some() || self.is_admitted(&flow);
        let outcome = if admitted {
            let rate = self.pace_of_waiting(&flow, &mut record, now);
            self.offload(flow, &mut record, rate)
        } else {
            let ingress = flow.ingress_ifindex(Dir::Original);
            self.count(ingress, Reason::Admission, None);
            Outcome::Changed(Held::default(), Some(Reason::Admission.into()))
        };
        match outcome {
            Outcome::Lost => {
                self.flows.of(&flow, |present| present.attempted = false);
            }
            Outcome::Changed(held, refused) => {
                if let Some(rules) = held.both() {
                    record.installed(rules, now);
                } else {
                    let why = refused.unwrap_or(Reason::NotTried.into());
                    if why.reason.stage() == Stage::Capacity && !known.waits_for_room() {
                        record.pace.begin(now, flow.packets().unwrap_or(0) as u32);
                    }
                    self.refuse(&flow, &mut record, held, why, (now, changes));
                    record.stayed(known);
                }
                self.settle(&flow, known, &mut record);
            }
        }
    }

    /// Offloads the directions of a flow that are not in hardware: both or none; or, if that is
    /// allowed, those that hardware takes.
    ///
    /// A rule that is in hardware stays as it is: a change that makes it wrong ends the flow
    /// (`super::watch`). On return the flow's rules belong to this attempt: they are not in the
    /// flow map yet.
    fn offload(&self, flow: LiveFlow<'_>, record: &mut Record, rate: Option<u32>) -> Outcome {
        let plain = read_flow::read(&flow, self.flowtable.net());
        if let Err(reason) = plain {
            let ingress = flow.ingress_ifindex(Dir::Original);
            self.count(ingress, reason, None);
        }
        let prepared = match &plain {
            _ if record.occupies => [Err(Reason::SameKey), Err(Reason::SameKey)],
            Ok(plain) => self.prepare_both(&flow, plain),
            Err(reason) => [Err(*reason), Err(*reason)],
        };
        let held = record.held();
        if held.any().is_some() {
            // From now on only this attempt removes them.
            let Some(claimed) = self.claim(&flow, held) else {
                return Outcome::Lost;
            };
            *record = claimed;
        }
        let any = self.directions == Directions::Any;
        let directions = [Dir::Original, Dir::Reply].into_iter().zip(&prepared);
        let missing = directions.filter(|(dir, _)| held.of(*dir).is_none());
        let refusal = missing
            .clone()
            .find_map(|(_, prepared)| prepared.as_ref().err());
        let mut refused = refusal.map(|reason| Refused::from(*reason));
        let mut in_hardware = held;
        if let Ok(plain) = &plain {
            let attempt = Attempt {
                id: record.id,
                flow: &flow,
                plain,
                rate,
            };
            let mut memory = None;
            for (dir, prepared) in missing {
                let Ok(binding) = prepared else {
                    continue;
                };
                if refused.is_some() && !any {
                    break;
                }
                let rule = match &mut memory {
                    Some(rule) => Ok(rule),
                    None => DriverRule::new(&flow, self.flowtable.net())
                        .map(|rule| memory.insert(rule))
                        .map_err(Refused::from),
                };
                match rule.and_then(|rule| self.install(&attempt, dir, binding, rule)) {
                    Ok(rule) => in_hardware.set(dir, Some(rule)),
                    Err(why) => refused = refused.or(Some(why)),
                }
            }
        }
        let Some(why) = refused else {
            return Outcome::Changed(in_hardware, None);
        };
        if !any {
            self.remove(&flow, record, in_hardware);
            if why.reason.stage() == Stage::Capacity {
                // The flow waits for more room than that of the rule that it has just given back.
                let given_back = in_hardware.each();
                let devices =
                    given_back.filter_map(|(dir, _)| self.bindings.get(flow.ingress_ifindex(dir)));
                devices.for_each(Binding::starve);
            }
            in_hardware = Held::default();
        }
        Outcome::Changed(in_hardware, Some(why))
    }
}
