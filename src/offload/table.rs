// SPDX-License-Identifier: GPL-2.0

//! A flowtable with `flags offload`: puts flows into hardware and takes them out.
//!
//! A flow is in hardware with both directions or with none. Rules go to the binding of their ingress device, under a
//! cookie of our own. When a flow ends, a device leaves or the flowtable goes, its rules are destroyed; what a driver does
//! not destroy is tried again as long as the device is there, and said.

use super::{
    backoff::{
        self,
        Stands, //
    },
    binding::{
        Binding,
        Bindings,
        NotTaken, //
    },
    closing::Closing,
    counters,
    demux::{
        self,
        IpVersion, //
    },
    log_once::LogOnce,
    matches::{
        Claim,
        Matches, //
    },
    parameter::{
        self,
        Directions, //
    },
    reason::Stage,
    record::{
        Held,
        Record,
        Refused,
        Rule,
        State, //
    },
    refusals::Refusals,
    reload::Reloads,
    remove::{
        Batch,
        Flows, //
    },
    same_key::occupies,
    sink::DriverRule,
    tombstones::Tombstones,
    view,
    watch::Watch,
    DeviceNews,
    Events,
    FlowNews,
    Reason, //
};
use crate::{
    netfilter::{
        jiffies64,
        params,
        random,
        seconds,
        sleep_ms,
        BlockId,
        Change,
        DeviceEvent,
        Dir,
        DriverError,
        Flow,
        FlowAddress,
        FlowId,
        FlowMap,
        Flowtable,
        LiveFlow,
        NetDevice,
        Offload,
        RegisteredDevice,
        RwSem,
        SkBuff,
        Stats,
        Traced,
        Verdict, //
    },
    translate::{
        self,
        MatchHash,
        Secret,
        Semantics, //
    }, //
};
use core::{
    marker::PhantomData,
    num::NonZeroU32,
    ops::ControlFlow, //
};
use kernel::{
    alloc::KVec,
    error::code,
    new_mutex,
    prelude::*,
    sync::{
        atomic::{
            Acquire,
            Atomic,
            Relaxed,
            Release, //
        },
        Mutex, //
    }, //
};

/// What a driver can be reported for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum About {
    Replace,
    Destroy,
}

/// An error of a driver that was reported.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Complaint {
    about: About,
    ifindex: u32,
    errno: i32,
}

/// The engine of one flowtable.
///
/// Locks, in their order: `bindings`, `batch`, a part of the flow map, one of the others.
#[pin_data]
pub(crate) struct Table<E> {
    pub(super) flowtable: Flowtable,
    /// Written where a device is bound or unbound; whoever calls a driver holds it for reading, so nobody is in a driver
    /// that is being unbound.
    #[pin]
    pub(super) bindings: RwSem<Bindings>,
    /// Serialises removals in batches; held over the driver calls of one batch, between `bindings` and the flow map.
    #[pin]
    pub(super) batch: Mutex<Batch>,
    #[pin]
    pub(super) matches: Matches,
    #[pin]
    pub(super) tombstones: Mutex<Tombstones>,
    /// What was reported already.
    #[pin]
    complaints: Mutex<KVec<Complaint>>,
    /// What was refused, for who asks.
    #[pin]
    pub(super) refusals: Mutex<Refusals>,
    /// Which reasons were reported, by their number.
    reported: Atomic<u64>,
    /// When the first of `tombstones` is due, in 64 bit jiffies; `u64::MAX` without any.
    pub(super) next_retry: Atomic<u64>,
    /// There may be something in `tombstones`, or a device that is not bound.
    pub(super) chores: Atomic<bool>,
    /// Flows may wait for room on a device, where another flowtable's rules may go.
    awaits_room: Atomic<bool>,
    /// Something about the devices has changed that may change who takes the rules of one that is not bound.
    shaken: Atomic<bool>,
    /// Devices below which something has changed.
    #[pin]
    shaken_below: Mutex<KVec<u32>>,
    /// Counts what may change the answer for a flow that was refused.
    changes: Atomic<u32>,
    /// Counts how often room was made for a flow that was refused for want of it.
    pub(super) room: Atomic<u32>,
    /// Where the next look for a flow that can make room begins: a key of the flow map.
    pub(super) hand: Atomic<usize>,
    /// What has changed that may change the way of flows.
    pub(super) watch: Watch,
    /// Connections that close.
    pub(super) closing: Closing,
    /// What the numbers of its rules are made with.
    secret: Secret,
    /// Whether one direction of a flow may be in hardware alone.
    directions: Directions,
    /// How many packets a flow must have passed before it is offloaded.
    admit: u64,
    /// It was said that nobody counts them.
    said_blind: Atomic<bool>,
    /// Flows end when the ruleset changes, which is looked at in the chores.
    pub(super) follows_ruleset: bool,
    /// The ruleset as it was looked at, if that is so.
    #[pin]
    pub(super) reloads: Mutex<Option<Reloads>>,
    _events: PhantomData<E>,
}

/// An attempt to get a flow into hardware.
struct Attempt<'a> {
    id: FlowId,
    flow: &'a Flow,
    plain: &'a translate::Flow,
    /// How busy it is in software, in packets a second, if that is known.
    rate: Option<u32>,
}

/// What there is to do for a flow.
enum Look {
    /// Nothing.
    Over,
    /// Nothing, unless it has passed enough packets.
    Waits,
    /// It is in hardware as it should be.
    InHardware,
    /// An attempt.
    Try,
}

/// What an attempt came to.
enum Outcome {
    /// These rules are in hardware; the refusal, if there was one.
    Changed(Held, Option<Refused>),
    /// Somebody else has taken its rules out meanwhile.
    Lost,
}

/// A direction of a flow, ready to be given to a driver.
struct Prepared<'a> {
    binding: &'a Binding,
    /// The number of what its rule matches.
    matching: u64,
    /// How many actions the rule has.
    actions: u32,
}

impl<E: Events> Table<E> {
    /// After so many different errors of its devices a flowtable reports no more.
    const MAX_COMPLAINTS: usize = 64;

    /// Finds the binding of a direction and translates it, without a rule.
    fn prepare<'a>(
        &self,
        bindings: &'a Bindings,
        of: &Flow,
        flow: &translate::Flow,
        dir: Dir,
    ) -> Result<Prepared<'a>, Reason> {
        let ingress = match dir {
            Dir::Original => flow.original.ingress,
            Dir::Reply => flow.reply.ingress,
        };
        // The core gives flows only whose lowest devices are in the flowtable (`nft_dev_forward_path`).
        let binding = bindings
            .get(ingress)
            .ok_or(Reason::NoBinding)
            .and_then(|binding| binding.no_rules().map_or(Ok(binding), Err))
            .inspect_err(|reason| self.count(bindings, ingress, *reason, None))?;
        let semantics = binding.profile.semantics;
        let mut hash = self.match_hash(semantics);
        let translated = translate::rule(flow, view::dir(dir), semantics, &mut hash);
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
        translated.inspect_err(|reason| self.count(bindings, ingress, *reason, None))?;
        let matching = hash.value();
        self.matches.prefetch(matching);
        Ok(Prepared {
            binding,
            matching,
            actions: hash.actions(),
        })
    }

    /// For the number of what a rule matches at a driver that reads rules so.
    pub(super) fn match_hash(&self, semantics: Semantics) -> MatchHash {
        MatchHash::new(self.secret, semantics.sees_arrival)
    }

    /// Counts a refusal on a device of the flowtable.
    pub(super) fn count(
        &self,
        bindings: &Bindings,
        ifindex: u32,
        reason: Reason,
        error: Option<&DriverError>,
    ) {
        if bindings.get(ifindex).is_some() {
            self.refusals.lock().count(ifindex, reason, error);
        }
    }

    /// Gives a driver the rule of one direction. If there is no room, that of a flow which is much less busy than `rate`
    /// packets a second makes some.
    fn install(
        &self,
        bindings: &Bindings,
        flows: &FlowMap<Record>,
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
            Some(rate) if self.make_room(bindings, flows, binding, rate) => Ok(()),
            _ => Err(reason),
        };
        let refuse = |reason: Reason| {
            self.count(bindings, binding.ifindex, reason, None);
            self.tell_if_full(binding);
            Refused::from(reason)
        };
        if let Some(reason) = binding.no_room() {
            make_room(reason).map_err(refuse)?;
        }
        let mut driver_rule = DriverRule::new(flow, dir, self.flowtable.net(), actions)?;
        let semantics = binding.profile.semantics;
        // It was checked when it was prepared.
        translate::write(plain, view::dir(dir), semantics, &mut driver_rule)?;
        loop {
            let rule = Rule {
                ifindex: binding.ifindex,
                // The lowest device, where the packets of the other direction arrive.
                leads_to: flow.ingress_ifindex(dir.other()),
                cookie: binding.new_cookie(),
                matching,
            };
            self.claim_match(bindings, flows, attempt, dir, prepared)
                .inspect_err(|reason| self.count(bindings, binding.ifindex, *reason, None))?;
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
            self.matches.release(matching, attempt.id);
            if reason.stage() == Stage::Capacity {
                if make_room(reason).is_ok() {
                    continue;
                }
                self.tell_if_full(binding);
            }
            self.count(bindings, rule.ifindex, reason, error.as_ref());
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

    /// Makes a flow the holder of a match; a flow that has it loses its rules, unless the hardware would take them for one.
    fn claim_match(
        &self,
        bindings: &Bindings,
        flows: &FlowMap<Record>,
        attempt: &Attempt<'_>,
        dir: Dir,
        prepared: &Prepared<'_>,
    ) -> Result<(), Reason> {
        let matching = prepared.matching;
        let claim = self.matches.claim(matching, attempt.id);
        let Claim::HeldBy(holder) = claim.map_err(|_| Reason::NoMemory)? else {
            return Ok(());
        };
        if is_blind(prepared) && occupies(flows, holder, attempt.flow, dir) {
            return Err(Reason::SameKey);
        }
        self.displace(bindings, flows, holder, matching);
        let seized = self.matches.seize(matching, attempt.id);
        seized.map_err(|_| Reason::NoMemory)
    }

    /// Tells who listens that there is no room on a device, at most once a second.
    fn tell_if_full(&self, binding: &Binding) {
        if binding.is_full_news(jiffies64()) {
            self.tell_of(DeviceNews::Full, binding);
        }
    }

    /// Finds the binding of each direction and translates it.
    fn prepare_both<'a>(
        &self,
        bindings: &'a Bindings,
        of: &Flow,
        plain: &translate::Flow,
    ) -> [Result<Prepared<'a>, Reason>; 2] {
        let closed = |dir| {
            let binding = bindings.get(of.ingress_ifindex(dir));
            binding.is_some_and(Binding::is_closed)
        };
        if closed(Dir::Original) || closed(Dir::Reply) {
            // Nothing may lead to a device that leaves, either.
            return [Err(Reason::NoBinding), Err(Reason::NoBinding)];
        }
        let original = self.prepare(bindings, of, plain, Dir::Original);
        match original {
            // One refusal is enough, and is counted once.
            Err(reason) if self.directions == Directions::Both => [Err(reason), Err(reason)],
            original => [original, self.prepare(bindings, of, plain, Dir::Reply)],
        }
    }

    /// Puts the directions of a flow that are not in hardware there: both or none, or those that hardware takes, if that is
    /// allowed. A rule that is in stays as it is: what makes it wrong ends the flow (`super::watch`). The flow's rules are its
    /// own in the end: they are not in the flow map yet.
    fn offload(
        &self,
        bindings: &Bindings,
        flows: &FlowMap<Record>,
        flow: LiveFlow<'_>,
        record: &mut Record,
        rate: Option<u32>,
    ) -> Outcome {
        let plain = view::read(&flow, self.flowtable.net());
        if let Err(reason) = plain {
            let ingress = flow.ingress_ifindex(Dir::Original);
            self.count(bindings, ingress, reason, None);
        }
        let prepared = match &plain {
            _ if record.occupies => [Err(Reason::SameKey), Err(Reason::SameKey)],
            Ok(plain) => self.prepare_both(bindings, &flow, plain),
            Err(reason) => [Err(*reason), Err(*reason)],
        };
        let held = record.held();
        if held.any().is_some() {
            // Nobody else takes them out from now on.
            let Some(claimed) = self.claim(flows, &flow, held) else {
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
                match self.install(bindings, flows, &attempt, dir, prepared) {
                    Ok(rule) => in_hardware.set(dir, Some(rule)),
                    Err(why) => refused = refused.or(Some(why)),
                }
            }
        }
        let Some(why) = refused else {
            return Outcome::Changed(in_hardware, None);
        };
        if !any {
            self.remove(bindings, &flow, record, in_hardware);
            if why.reason.stage() == Stage::Capacity {
                // It waits for more room than that of the rule that it has just given back.
                let given_back = in_hardware.each();
                let devices = given_back.filter_map(|(_, rule)| bindings.get(rule.ifindex));
                devices.for_each(Binding::starve);
            }
            in_hardware = Held::default();
        }
        Outcome::Changed(in_hardware, Some(why))
    }

    /// Packets of a flow have come to the CPU although its rules are in, if they still are.
    fn missed(&self, bindings: &Bindings, flows: &FlowMap<Record>, flow: &Flow) {
        flows.of(flow, |present| {
            if !present.is_in_hardware() {
                return;
            }
            present.misses = present.misses.saturating_add(1);
            // The DESTROY of an earlier flow of this connection may have cleared it.
            flow.set_hw_offload(true);
            let rule = present.rule(Dir::Original);
            if let Some(binding) = rule.and_then(|rule| bindings.get(rule.ifindex)) {
                binding.count_miss();
            }
        });
    }

    /// Packets of a flow have come to the CPU although these rules are in: asks their drivers for them, as the core does for
    /// flows whose packets the CPU does not see. Whether one of them is lost: the flow is in software then, to be tried anew.
    fn has_lost(&self, flows: &FlowMap<Record>, flow: &Flow, held: Held) -> bool {
        let bindings = self.bindings.read();
        let mut answered = true;
        for (dir, rule) in held.each() {
            let Some(binding) = bindings.get(rule.ifindex) else {
                continue;
            };
            match binding.stats(rule.cookie) {
                Ok(stats) => {
                    let now = jiffies64();
                    let book = |present: &mut Record| self.book(binding, present, dir, stats, now);
                    if let Some(stats) = flows.of(flow, book) {
                        self.account(flow, dir, stats);
                    }
                }
                Err(error) if binding.is_unknown_rule(&error) => {
                    self.take_back(&bindings, flows, flow, held, Reason::RuleLost, Some(&error));
                    return true;
                }
                // That says nothing about the rule.
                Err(_) => answered = false,
            }
        }
        if answered {
            flows.of(flow, |present| {
                if present.is_in_hardware() {
                    present.look(jiffies64());
                }
            });
        }
        false
    }

    /// An attempt is over: the flow was `before`, and is as `record` says, unless it was told to end meanwhile.
    fn settle(
        &self,
        bindings: &Bindings,
        flows: &FlowMap<Record>,
        flow: &Flow,
        before: &Record,
        mut record: Record,
    ) {
        let held = record.held();
        let ends = flows.of(flow, |present| {
            let told = matches!(present.state, State::Removing(_)) || flow.is_closing();
            let ends = told && held.any().is_some();
            if !ends {
                present.update(record);
                flow.set_hw_offload(record.is_in_hardware());
            }
            ends
        });
        if ends == Some(true) {
            // Nobody else knows of its rules yet.
            self.remove(bindings, flow, &mut record, held);
            record.removed(held, jiffies64());
            flows.of(flow, |present| {
                record.outdated = present.outdated;
                present.update(record);
                flow.set_hw_offload(false);
            });
            return self.tell_of_flow(flow, before.held(), &record);
        }
        let had = before.held();
        self.tell_of_flow(flow, had, &record);
        if record.is_in_hardware() {
            return;
        }
        let stays = had.any().is_none() && record.held().any().is_none();
        if stays && before.reason() != record.reason() {
            E::flow(FlowNews::Refused, &self.flowtable, flow, &record);
        }
        if let Some(reason) = record.reason() {
            self.report(reason);
        }
    }

    /// Makes a flow's rules the caller's: only it takes them out from now on. The record as it is then; `None` if somebody
    /// has taken them meanwhile.
    fn claim(&self, flows: &FlowMap<Record>, flow: &Flow, held: Held) -> Option<Record> {
        let claimed = self.of_unpinned(flows, flow, |record| {
            if record.held() != held {
                return None;
            }
            record.claim();
            Some(*record)
        });
        claimed.flatten()
    }

    /// A flow stays in software, for now. `changes` was counted when its case was looked at.
    pub(super) fn refuse(
        &self,
        flow: &Flow,
        record: &mut Record,
        held: Held,
        why: Refused,
        (now, changes): (u64, u32),
    ) {
        let dir = match held.any() {
            Some((Dir::Original, _)) => Dir::Reply,
            _ => Dir::Original,
        };
        Traced {
            flow,
            dir,
            ifindex: flow.ingress_ifindex(dir),
            cookie: 0,
            reason: why.reason as u8,
            error: why.errno,
        }
        .refuse();
        let next = record.refusals.saturating_add(1);
        let pause = seconds(backoff::seconds(next.into(), why.stands));
        let changes = match why.reason.stage() {
            // What the flow has given back itself is not meant.
            Stage::Capacity => {
                self.awaits_room.store(true, Relaxed);
                self.changes_for(why.reason)
            }
            _ if why.reason.stands() == Stands::ForGood => self.changes_for(why.reason),
            _ => changes,
        };
        record.refused(held, why, now, pause, changes);
    }

    /// Takes a flow that is in hardware back into software, unless somebody else has done so.
    fn take_back(
        &self,
        bindings: &Bindings,
        flows: &FlowMap<Record>,
        flow: &Flow,
        held: Held,
        why: Reason,
        error: Option<&DriverError>,
    ) {
        let Some(mut record) = self.claim(flows, flow, held) else {
            return;
        };
        let ingress = flow.ingress_ifindex(Dir::Original);
        self.count(bindings, ingress, why, error);
        self.remove(bindings, flow, &mut record, held);
        let now = (jiffies64(), self.changes.load(Acquire));
        self.refuse(flow, &mut record, Held::default(), why.into(), now);
        flows.of(flow, |present| {
            present.update(record);
            flow.set_hw_offload(false);
        });
        self.report(why);
        self.tell_of_flow(flow, held, &record);
    }

    /// Whether a flow has passed as many packets as it must have.
    fn is_admitted(&self, flow: &Flow) -> bool {
        if self.admit == 0 {
            return true;
        }
        match flow.packets() {
            Some(packets) if self.flowtable.counts() => packets >= self.admit,
            _ => {
                if !self.said_blind.load(Relaxed) && !self.said_blind.xchg(true, Relaxed) {
                    E::admission_is_blind();
                }
                true
            }
        }
    }

    /// What may change the answer for a flow that was refused for a reason.
    pub(super) fn changes_for(&self, reason: Reason) -> u32 {
        match reason.stage() {
            // Nothing changes what somebody wants.
            _ if reason.stands() == Stands::ForGood => 0,
            Stage::Capacity => self.room.load(Relaxed),
            _ => self.changes.load(Acquire),
        }
    }

    /// Something has changed that may change the answer for flows that were refused.
    pub(super) fn note_change(&self) {
        // After the change, for who reads the number first.
        self.changes.fetch_add(1u32, Release);
    }

    /// Binds a device that has an entry. A refusal is reported when it has come to stay.
    pub(super) fn try_bind(
        &self,
        bindings: &mut Bindings,
        dev: &NetDevice,
    ) -> Result<(), DriverError> {
        let Some(binding) = bindings.get_mut(dev.ifindex()) else {
            return Ok(());
        };
        let Err(error) = binding.bind(dev, &self.flowtable) else {
            self.note_change();
            // Whoever waits for room has not asked this driver.
            self.room.fetch_add(1u32, Relaxed);
            if binding.take_said() {
                E::device_bound(dev, binding.bound());
            }
            if binding.no_rules().is_none() {
                self.tell_of(DeviceNews::Bound, binding);
            }
            return Ok(());
        };
        self.chores.store(true, Relaxed);
        Err(error)
    }

    /// Reports the devices that nobody takes rules of: a few by their names, and how many more. Not in the
    /// transaction that makes the flowtable, which nf_tables may repeat, or undo; and not in a namespace of somebody else, where it fails the ruleset.
    fn report_devices(&self, bindings: &Bindings) {
        const BY_NAME: usize = 4;
        if !self.flowtable.net().is_initial() || !self.flowtable.is_committed() {
            return;
        }
        let mut more = 0usize;
        let news = bindings
            .iter()
            .filter_map(|binding| Some((binding, binding.news()?)));
        for (i, (binding, error)) in news.enumerate() {
            match self.flowtable.net().device(binding.ifindex) {
                Some(dev) if i < BY_NAME => E::device_in_software(&dev, binding, error),
                _ => more = more.saturating_add(1),
            }
            self.tell_of(DeviceNews::Refused, binding);
        }
        if more != 0 {
            E::more_in_software(more);
        }
    }

    /// Waits until the flows that were told to end have ended, at most for a second. In a network namespace that goes they have
    /// to: the core frees what it counts their work in (`net->ft.stat`) before nf_tables frees the flowtable.
    fn wait_for_ends(&self, flows: &FlowMap<Record>) {
        const PAUSE: u32 = 10;
        self.flowtable.collect();
        for _ in 0..100 {
            let ending = |record: &Record| matches!(record.state, State::Removing(_));
            let any = flows.walk(0, |_, record| match ending(record) {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            });
            if any.is_none() {
                return;
            }
            sleep_ms(PAUSE);
        }
    }

    /// Binds the devices anew that are bound at the drivers of others, if something below them has changed: other drivers may
    /// take their rules now.
    fn bind_shaken(&self, flows: &FlowMap<Record>) {
        if self.shaken.xchg(false, Relaxed) {
            let mut bindings = self.bindings.write();
            bindings.iter_mut().for_each(Binding::try_anew);
        }
        loop {
            let Some(ifindex) = self.shaken_below.lock().pop() else {
                return;
            };
            self.with_emptied(flows, ifindex, Binding::is_indirect, |binding| {
                binding.let_go(self.flowtable.net(), None);
            });
        }
    }

    /// Tries again to bind the devices that are not bound and whose time it is.
    fn bind_waiting(&self) {
        if !self.bindings.read().any_due() {
            return;
        }
        let mut bindings = self.bindings.write();
        let now = jiffies64();
        // Each attempt that fails sets a new time, so this ends.
        while let Some(ifindex) = bindings.next_due(now) {
            // The entry goes, under this lock, before the device does.
            if let Some(dev) = self.flowtable.net().device(ifindex) {
                // Whether it went well, the binding knows.
                let _ = self.try_bind(&mut bindings, &dev);
            }
        }
    }

    /// Reports a driver's refusal once for each device and error; not one that the core's next try may find gone.
    fn complain(&self, binding: &Binding, error: &DriverError) {
        if !error.is_temporary() && self.is_new_complaint(About::Replace, binding.ifindex, error) {
            if let Some(dev) = self.flowtable.net().device(binding.ifindex) {
                E::rule_refused(&dev, error);
            }
        }
    }

    /// Whether this error of this device was not reported yet; remembers it.
    pub(super) fn is_new_complaint(&self, about: About, ifindex: u32, error: &DriverError) -> bool {
        let complaint = Complaint {
            about,
            ifindex,
            errno: error.errno.to_errno(),
        };
        let mut complaints = self.complaints.lock();
        if complaints.len() >= Self::MAX_COMPLAINTS || complaints.contains(&complaint) {
            return false;
        }
        // Without memory it is said once more.
        let _ = complaints.push(complaint, GFP_KERNEL_ACCOUNT);
        true
    }

    /// Reports why a flow stays in software once for each reason; a driver's refusals are reported with its words, and what
    /// the user wants is no news.
    pub(super) fn report(&self, reason: Reason) {
        if matches!(reason.stage(), Stage::Driver | Stage::Policy) {
            return;
        }
        let bit = 1u64 << (reason as u8 & 63);
        let mut seen = self.reported.load(Relaxed);
        while seen & bit == 0 {
            match self.reported.cmpxchg(seen, seen | bit, Relaxed) {
                Ok(_) => return E::flow_in_software(reason),
                Err(now) => seen = now,
            }
        }
    }

    /// Books what a driver has reported for a rule of a flow. The same in bytes of the network layer, with the last use in
    /// 64 bit jiffies, 0 if the driver has said nothing of it.
    pub(super) fn book(
        &self,
        binding: &Binding,
        record: &mut Record,
        dir: Dir,
        stats: Stats,
        now: u64,
    ) -> Stats {
        let bytes = counters::network_bytes(binding.profile.counts, stats.packets, stats.bytes);
        let reported = counters::widen(now, stats.last_used, usize::BITS);
        let mut last_used = counters::plausible(now, reported, seconds(1));
        if stats.packets != 0 {
            record.carry(dir, stats.packets, bytes);
            binding.count_carried(stats.packets, bytes);
            if last_used == 0 {
                // It was since the last report.
                last_used = now;
            }
        }
        if stats.packets != 0 || last_used > record.since {
            binding.note_use();
        }
        record.last_used = record.last_used.max(last_used);
        Stats {
            packets: stats.packets,
            bytes,
            last_used,
        }
    }

    /// Tells conntrack what was booked, where the core does not.
    pub(super) fn account(&self, flow: &Flow, dir: Dir, stats: Stats) {
        if stats.packets != 0 && self.flowtable.counts() {
            flow.account(dir, stats.packets, stats.bytes);
        }
    }
}

/// Whether its hardware does not see where packets arrive.
fn is_blind(prepared: &Prepared<'_>) -> bool {
    !prepared.binding.profile.semantics.sees_arrival
}

/// The core may have set [HW_OFFLOAD] for an answer that was true when it was given. Called where the core does not ask for
/// the flow's rules at the same time.
fn clear_flag(flow: &Flow, record: &Record) {
    // While it is being removed, the connection may have its next flow in hardware.
    if matches!(record.state, State::Software(_) | State::OneDirection(..)) {
        flow.set_hw_offload(false);
    }
}

/// As `KVec::retain`, which indexes and so has a way to panic (7.2).
fn keep_only<T>(list: &mut KVec<T>, mut keep: impl FnMut(&T) -> bool) {
    let mut i = 0;
    while let Some(item) = list.get(i) {
        if keep(item) {
            i += 1;
        } else if list.remove(i).is_err() {
            return;
        }
    }
}

impl<E: Events> Offload for Table<E> {
    type Record = Record;

    fn new(flowtable: Flowtable) -> impl PinInit<Self, Error> {
        let reloads = Self::watch_ruleset(&flowtable);
        try_pin_init!(Self {
            watch: Watch::new(flowtable.net()),
            closing: Closing::new(),
            flowtable,
            bindings <- RwSem::new(Bindings::new()),
            batch <- new_mutex!(Batch::new()?, "Table::batch"),
            matches <- Matches::new(),
            tombstones <- new_mutex!(Tombstones::new(), "Table::tombstones"),
            complaints <- new_mutex!(KVec::new(), "Table::complaints"),
            refusals <- new_mutex!(Refusals::default(), "Table::refusals"),
            reported: Atomic::new(0),
            next_retry: Atomic::new(u64::MAX),
            chores: Atomic::new(false),
            awaits_room: Atomic::new(false),
            shaken: Atomic::new(false),
            shaken_below <- new_mutex!(KVec::new(), "Table::shaken_below"),
            changes: Atomic::new(0),
            room: Atomic::new(0),
            hand: Atomic::new(0),
            secret: [random(), random()],
            directions: parameter::directions(params::directions().to_bytes())
                .unwrap_or(Directions::Both),
            admit: parameter::admit(params::admit().to_bytes()).unwrap_or(0),
            said_blind: Atomic::new(false),
            follows_ruleset: reloads.is_some(),
            reloads <- new_mutex!(reloads, "Table::reloads"),
            _events: PhantomData,
        })
    }

    fn bind(&self, dev: &RegisteredDevice) -> Result {
        let mut bindings = self.bindings.write();
        if let Some(binding) = bindings.get_mut(dev.ifindex()) {
            binding.join();
            return Ok(());
        }
        // Anyone may create a network namespace with devices of any kind, and flowtables over them: those that no driver
        // takes rules of are refused there, as the in-tree type does.
        let reject = !self.flowtable.net().is_initial()
            || parameter::unsupported(params::unsupported().to_bytes())
                == Some(parameter::Unsupported::Reject);
        // The entry is made first, so that a driver is not bound and then forgotten. Without one nobody would know how often
        // the device has joined, so this is the one error that fails a ruleset.
        bindings.add(Binding::new(dev))?;
        self.watch.add_device(dev.ifindex());
        self.note_change();
        match self.try_bind(&mut bindings, dev) {
            // One that is busy is waited for: an earlier flowtable may have it until the end of this transaction.
            Err(error) if reject && !error.is_temporary() => {
                let binding = bindings.take(dev.ifindex());
                if let Some(binding) = binding.filter(|_| self.flowtable.net().is_initial()) {
                    E::ruleset_refused(dev, &binding, &error);
                }
                Err(error.errno)
            }
            _ => Ok(()),
        }
    }

    fn unbind(&self, flows: &FlowMap<Record>, dev: &NetDevice) {
        let ifindex = dev.ifindex();
        if !self
            .bindings
            .write()
            .get_mut(ifindex)
            .is_some_and(Binding::leave)
        {
            return;
        }
        self.empty(flows, ifindex, Flows::All);
        let mut bindings = self.bindings.write();
        if let Some(binding) = bindings.take(ifindex) {
            binding.unbind(self.flowtable.net());
        }
        keep_only(&mut self.complaints.lock(), |complaint| {
            complaint.ifindex != ifindex
        });
        self.refusals.lock().forget(ifindex);
        drop(bindings);
        if self.flowtable.is_going() {
            self.wait_for_ends(flows);
        }
    }

    fn replace(&self, flows: &FlowMap<Record>, flow: LiveFlow<'_>) {
        if self.chores.load(Relaxed) {
            self.bind_waiting();
        }
        let mut now = jiffies64();
        let changes = self.changes.load(Acquire);
        let look = |record: &Record, now: u64| match record.state {
            State::Removing(_) => Look::Over,
            State::Software(Reason::Admission) => Look::Waits,
            State::InHardware(_) => Look::InHardware,
            State::OneDirection(_, _, reason) | State::Software(reason)
                if record.stands(now, self.changes_for(reason)) =>
            {
                Look::Over
            }
            _ => Look::Try,
        };
        match flows.of(&flow, |record| (look(record, now), record.suspect(now))) {
            Some((_, Some(held))) if self.has_lost(flows, &flow, held) => now = jiffies64(),
            Some((Look::Over, _)) => return,
            Some((Look::Waits, _)) if !self.is_admitted(&flow) => return,
            Some((Look::InHardware, _)) => {
                return self.missed(&self.bindings.read(), flows, &flow);
            }
            _ => {}
        }
        let bindings = self.bindings.read();
        // The record comes first: a flow whose rules cannot be remembered must not get any.
        let Ok(known) = flows.get_or(flow, |id| Record::new(id, now)) else {
            return;
        };
        if matches!(look(&known, now), Look::Over | Look::InHardware) {
            // Since a moment ago.
            return;
        }
        self.retry_tombstones(&bindings, Self::RETRIES);
        let mut record = known;
        if known.is_new() {
            if let Some(reason) = self.welcome(&flow, &mut record) {
                return self.turn_away(flows, &flow, reason);
            }
        }
        if known.waits_for_packets() {
            // It has waited for its own packets: what comes now is refused for the first time.
            record.refusals = 0;
        }
        self.keep_apart(&bindings, flows, &flow, &mut record);
        let admitted = record.occupies || record.held().any().is_some() || self.is_admitted(&flow);
        let outcome = if admitted {
            let rate = self.pace_of_waiting(&flow, &mut record, now);
            self.offload(&bindings, flows, flow, &mut record, rate)
        } else {
            let ingress = flow.ingress_ifindex(Dir::Original);
            self.count(&bindings, ingress, Reason::Admission, None);
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
                self.settle(&bindings, flows, &flow, &known, record);
            }
        }
    }

    #[cfg(nfto_bench)]
    fn translate(&self, flow: &Flow, dir: Dir, rounds: usize) -> Result {
        let bindings = self.bindings.read();
        let binding = bindings
            .get(flow.ingress_ifindex(dir))
            .ok_or(code::ENODEV)?;
        let net = self.flowtable.net();
        let mut rule = DriverRule::new(flow, dir, net, crate::netfilter::RuleBuilder::MAX_ACTIONS)
            .map_err(|_| code::ENOMEM)?;
        for _ in 0..rounds {
            rule.clear();
            let plain = view::read(flow, net).map_err(|_| code::EINVAL)?;
            let semantics = binding.profile.semantics;
            translate::rule(&plain, view::dir(dir), semantics, &mut rule)
                .map_err(|_| code::EINVAL)?;
        }
        Ok(())
    }

    fn destroy(&self, flows: &FlowMap<Record>, flow: &Flow) {
        let bindings = self.bindings.read();
        self.retry_tombstones(&bindings, Self::RETRIES);
        let claimed = self.of_unpinned(flows, flow, |record| {
            let held = record.held();
            if held.any().is_some() {
                record.removed(held, jiffies64());
                // An earlier flow of the connection, which ends at the same time, may have set it for this one.
                flow.set_hw_offload(false);
            }
            (*record, held)
        });
        let Some((mut record, held)) = claimed else {
            return;
        };
        if record.occupies {
            self.stop_occupying(flow, record.id);
        }
        let had = held.any().is_some();
        let taken = self.remove(&bindings, flow, &mut record, held);
        if had {
            self.tell_of_flow(flow, held, &record);
        }
        // The core has cleared [HW_OFFLOAD] of the connection, which may have its next flow in hardware already: that has
        // taken the match.
        let State::Removing(matching) = record.state else {
            return;
        };
        if had && !taken {
            return;
        }
        let next = self.matches.holder(matching);
        if let Some(next) = next.filter(|next| *next != record.id) {
            flows.find(next, |next, record| {
                next.set_hw_offload(record.is_in_hardware());
            });
        }
    }

    fn stats(&self, flows: &FlowMap<Record>, flow: &Flow, dir: Dir) -> Result<Stats> {
        let bindings = self.bindings.read();
        self.retry_tombstones(&bindings, Self::RETRIES);
        let record = flows.get(flow).ok_or(code::ENOENT)?;
        let Some(rule) = record.rule(dir) else {
            clear_flag(flow, &record);
            return Err(code::ENOENT);
        };
        let binding = bindings.get(rule.ifindex).ok_or(code::ENOENT)?;
        let answer = binding.stats(rule.cookie);
        let now = jiffies64();
        if let Err(error) = &answer {
            if binding.is_unknown_rule(error) {
                // The driver has lost the rule. The next packet that the CPU sees brings the flow back.
                let (held, why) = (record.held(), Reason::RuleLost);
                self.take_back(&bindings, flows, flow, held, why, Some(error));
                return Err(error.errno);
            }
        }
        let answer = answer.map(|stats| {
            let booked = flows.of(flow, |present| {
                let mut stats = self.book(binding, present, dir, stats, now);
                // Somebody else may have asked the driver before, to see how busy the flow is.
                stats.last_used = stats.last_used.max(present.last_used);
                if present.is_in_hardware() {
                    if dir == Dir::Reply {
                        present.look(now);
                    }
                    // The DESTROY of an earlier flow of this connection may have cleared it.
                    flow.set_hw_offload(true);
                }
                stats
            });
            booked.unwrap_or(stats)
        });
        let (end, lifetime) = (flow.timeout(), flow.offload_timeout());
        if !binding.reports_use() && counters::ends_soon(now, end, lifetime) {
            // Nobody knows whether it still is used: a packet has to show it, and takes it back into hardware.
            let (held, why) = (record.held(), Reason::Unreported);
            self.take_back(&bindings, flows, flow, held, why, None);
        }
        let stats = answer.map_err(|error| error.errno)?;
        Ok(Stats {
            last_used: counters::last_used(now, end, lifetime, stats.last_used),
            ..stats
        })
    }

    fn has_chores(&self) -> bool {
        self.follows_ruleset || self.chores.load(Relaxed) || self.awaits_room.load(Relaxed)
    }

    fn do_chores(&self, flows: &FlowMap<Record>) {
        self.follow_ruleset(flows);
        self.chores.store(false, Relaxed);
        self.awaits_room.store(false, Relaxed);
        self.bind_shaken(flows);
        self.bind_waiting();
        let bindings = self.bindings.read();
        for binding in bindings.iter() {
            self.look_for_room(binding);
            if binding.is_starved() {
                self.awaits_room.store(true, Relaxed);
            }
        }
        self.report_devices(&bindings);
        self.retry_tombstones(&bindings, Self::RETRIES_OF_CHORES);
        if bindings.any_unbound() || !self.tombstones.lock().is_empty() {
            self.chores.store(true, Relaxed);
        }
    }

    fn driver_gone(&self, flows: &FlowMap<Record>, block: BlockId) {
        // Waits for a writer, which may just be unbinding it.
        let Some(ifindex) = self.bindings.read().with_block(block) else {
            return;
        };
        let is = |binding: &Binding| binding.has_block(block);
        self.with_emptied(flows, ifindex, is, |binding| {
            binding.let_go(self.flowtable.net(), Some(DriverError::driver_gone()));
        });
        self.chores.store(true, Relaxed);
    }

    fn device_changed(&self, event: DeviceEvent) {
        match event {
            DeviceEvent::Registered => {}
            // hw-tc-offload may be among them, which drivers look at when they are given a rule.
            DeviceEvent::Features => self.note_change(),
            DeviceEvent::Below(ifindex) => {
                let mut below = self.shaken_below.lock();
                if !below.contains(&ifindex) {
                    // Without memory the device stays bound as it is.
                    let _ = below.push(ifindex, GFP_KERNEL_ACCOUNT);
                }
            }
        }
        self.shaken.store(true, Relaxed);
        self.chores.store(true, Relaxed);
    }

    fn network_changed(&self, change: Change) -> Option<u32> {
        self.watch.note(change)
    }

    fn watch(&self, flows: &FlowMap<Record>) -> Option<u32> {
        self.watch_flows(flows)
    }

    fn flow_closes(&self, flow: FlowAddress) {
        self.closing.note(flow);
    }

    fn remove_closing(&self, flows: &FlowMap<Record>) {
        Table::remove_closing(self, flows);
    }

    fn wake(&self) -> Option<u32> {
        self.watch.wake()
    }

    fn not_handed_over() {
        static SAID: LogOnce<1> = LogOnce::new();
        if SAID.is_new(NonZeroU32::MIN) {
            E::flow_not_handed_over(Reason::CoreTunnel);
        }
    }

    fn mishandled(flow: &Flow) {
        static SAID: LogOnce<16> = LogOnce::new();
        if flow.net().is_initial() && SAID.is_new(flow.tunnel_hash().unwrap_or(NonZeroU32::MIN)) {
            E::tunnel_in_slow_path(flow.tunnel_device().as_deref());
        }
    }

    fn ends_are_not_promised() {
        E::ends_are_not_promised();
    }

    fn demultiplex(skb: &mut SkBuff, protocol: u16) -> Verdict {
        match demux::ip_version(protocol, |offset| skb.mac_be16(offset)) {
            Some(IpVersion::V4) => Verdict::Ipv4,
            Some(IpVersion::V6) => Verdict::Ipv6,
            None => Verdict::Accept,
        }
    }
}
