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
        read_flow,
        reason::{
            Reason,
            Stage, //
        },
        record::{
            Held,
            Record,
            Refused,
            Rule, //
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

/// A direction of a flow, ready to be given to a driver.
struct Prepared<'a> {
    binding: &'a Binding,
    /// The hash of what the rule matches.
    matching: u64,
    /// The number of actions of the rule.
    actions: u32,
}

impl<E: Events> Session<'_, E> {
    /// Finds the binding of a direction and translates the direction, without building a rule.
    fn prepare(&self, of: &Flow, flow: &PlainFlow, dir: Dir) -> Result<Prepared<'_>, Reason> {
        let ingress = match dir {
            Dir::Original => flow.original.ingress,
            Dir::Reply => flow.reply.ingress,
        };
        // The core offers only flows whose lowest devices are in the flowtable
        // (`nft_dev_forward_path`).
        let binding = self
            .bindings
            .get(ingress)
            .ok_or(Reason::NoBinding)
            .and_then(|binding| binding.no_rules().map_or(Ok(binding), Err))
            .inspect_err(|reason| self.count(ingress, *reason, None))?;
        let semantics = binding.profile.semantics;
        let mut hash = self.match_hash(semantics);
        let translated = translate::rule(flow, dir, semantics, &mut hash);
        let translated = translated.map_err(Reason::from);
        Traced {
            flow: of,
            dir,
            ifindex: ingress,
            cookie: 0,
            reason: translated.map_or_else(|reason| reason as u8, |()| 0),
            error: 0,
        }
        .translate();
        translated.inspect_err(|reason| self.count(ingress, *reason, None))?;
        let matching = hash.value();
        self.match_owner.prefetch(matching);
        Ok(Prepared {
            binding,
            matching,
            actions: hash.actions(),
        })
    }

    /// Finds the binding of each direction and translates it.
    fn prepare_both(&self, of: &Flow, plain: &PlainFlow) -> [Result<Prepared<'_>, Reason>; 2] {
        let closed = |dir| {
            let binding = self.bindings.get(of.ingress_ifindex(dir));
            binding.is_some_and(Binding::is_closed)
        };
        if closed(Dir::Original) || closed(Dir::Reply) {
            // No rule may lead to a device that leaves, either.
            return [Err(Reason::NoBinding), Err(Reason::NoBinding)];
        }
        let original = self.prepare(of, plain, Dir::Original);
        match original {
            // One refusal is enough, and is counted once.
            Err(reason) if self.directions == Directions::Both => [Err(reason), Err(reason)],
            original => [original, self.prepare(of, plain, Dir::Reply)],
        }
    }

    /// Gives a driver the rule of one direction.
    ///
    /// If there is no room, a flow that is much less busy than `rate` packets per second is evicted
    /// to make some.
    fn install(
        &self,
        attempt: &Attempt<'_>,
        dir: Dir,
        prepared: &Prepared<'_>,
    ) -> Result<Rule, Refused> {
        let Prepared {
            binding,
            matching,
            actions,
        } = *prepared;
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
        let mut driver_rule = DriverRule::new(flow, dir, self.flowtable.net(), actions)?;
        let semantics = binding.profile.semantics;
        // The translation was checked when it was prepared.
        translate::write(plain, dir, semantics, &mut driver_rule)?;
        loop {
            let rule = Rule {
                ifindex: binding.ifindex,
                // The lowest device, on which the packets of the other direction arrive.
                leads_to: flow.ingress_ifindex(dir.other()),
                cookie: binding.new_cookie(),
                matching,
            };
            self.claim_match(attempt, dir, prepared)
                .inspect_err(|reason| self.count(binding.ifindex, *reason, None))?;
            let answer = binding.replace(rule.cookie, driver_rule.as_rule());
            Traced {
                flow,
                dir,
                ifindex: rule.ifindex,
                cookie: rule.cookie,
                reason: 0,
                error: match &answer {
                    Err(NotTaken::Driver(error)) => error.errno.to_errno(),
                    _ => 0,
                },
            }
            .install();
            let (reason, error) = match answer {
                Ok(()) => return Ok(rule),
                Err(NotTaken::Limit) => (Reason::Limit, None),
                Err(NotTaken::Driver(error)) if error.is_full() => (Reason::Full, Some(error)),
                Err(NotTaken::Driver(error)) => (Reason::DriverRefused, Some(error)),
            };
            self.match_owner.release(matching, attempt.id);
            if reason.stage() == Stage::Capacity {
                if make_room(reason).is_ok() {
                    continue;
                }
                self.tell_if_full(binding);
            }
            self.count(rule.ifindex, reason, error.as_ref());
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

    /// Makes a flow the owner of a match.
    ///
    /// The present owner loses its rules. Where the hardware would mistake the packets of one flow
    /// for those of the other, the claim fails with [`Reason::SameKey`] instead.
    fn claim_match(
        &self,
        attempt: &Attempt<'_>,
        dir: Dir,
        prepared: &Prepared<'_>,
    ) -> Result<(), Reason> {
        let matching = prepared.matching;
        let claim = self.match_owner.claim(matching, attempt.id);
        let Claim::OwnedBy(owner) = claim.map_err(|_| Reason::NoMemory)? else {
            return Ok(());
        };
        if is_blind(prepared) && occupies(self.flows, owner, attempt.flow, dir) {
            return Err(Reason::SameKey);
        }
        self.displace(owner, matching);
        let seized = self.match_owner.seize(matching, attempt.id);
        seized.map_err(|_| Reason::NoMemory)
    }

    /// Tries to get a flow into hardware.
    ///
    /// `known` is a copy of its record. `changes` was read before the flow was examined.
    pub(super) fn attempt(&self, flow: LiveFlow<'_>, known: Record, now: u64, changes: u32) {
        let mut record = known;
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
            Outcome::Lost => {}
            Outcome::Changed(held, refused) => {
                if let Some(rules) = held.both() {
                    record.installed(rules, now);
                } else {
                    let why = refused.unwrap_or(Reason::NotTried.into());
                    if why.reason.stage() == Stage::Capacity && !known.waits_for_room() {
                        record.pace.begin(now, flow.packets().unwrap_or(0) as u32);
                    }
                    self.refuse(&flow, &mut record, held, why, (now, changes));
                    record.stayed(&known);
                }
                self.settle(&flow, &known, record);
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
            for (dir, prepared) in missing {
                let Ok(prepared) = prepared else {
                    continue;
                };
                if refused.is_some() && !any {
                    break;
                }
                match self.install(&attempt, dir, prepared) {
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
                let devices = given_back.filter_map(|(_, rule)| self.bindings.get(rule.ifindex));
                devices.for_each(Binding::starve);
            }
            in_hardware = Held::default();
        }
        Outcome::Changed(in_hardware, Some(why))
    }
}

/// Returns whether the hardware does not see on which device packets arrive.
fn is_blind(prepared: &Prepared<'_>) -> bool {
    !prepared.binding.profile.semantics.sees_arrival
}
