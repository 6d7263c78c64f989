// SPDX-License-Identifier: GPL-2.0

//! A flowtable with `flags offload`: puts flows into hardware and takes them out.
//!
//! A flow is in hardware with both directions or with none. Rules go to the binding of their ingress device, under a
//! cookie of our own. When a flow ends, a device leaves or the flowtable goes, its rules are destroyed; what a driver does
//! not destroy is tried again as long as the device is there, and said.

use super::{
    backoff,
    binding::{
        Binding,
        Bindings, //
    },
    counters,
    demux::{
        self,
        IpVersion, //
    },
    matches::{
        Holder,
        Matches, //
    },
    parameter,
    reason::Stage,
    record::{
        new_cookie,
        Record,
        Refused,
        Rule,
        Rules,
        State, //
    },
    refusals::Refusals,
    sink::DriverRule,
    view,
    Events,
    Reason, //
};
use crate::{
    netfilter::{
        eopnotsupp,
        estale,
        jiffies64,
        params,
        seconds,
        Dir,
        DriverError,
        Flow,
        FlowMap,
        Flowtable,
        LiveFlow,
        NetDevice,
        Offload,
        RwSem,
        SkBuff,
        Stats,
        Verdict, //
    },
    translate::{
        self,
        Fingerprint, //
    }, //
};
use core::marker::PhantomData;
use kernel::{
    alloc::KVec,
    error::code,
    new_mutex,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Mutex, //
    }, //
};

/// A rule that a driver did not destroy when it was told to.
struct Tombstone {
    ifindex: u32,
    cookie: u64,
}

/// What a driver can be reported for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum About {
    Bind,
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
#[pin_data]
pub(crate) struct Table<E> {
    pub(super) flowtable: Flowtable,
    /// Written where a device is bound or unbound; whoever calls a driver holds it for reading, so nobody is in a driver
    /// that is being unbound.
    #[pin]
    pub(super) bindings: RwSem<Bindings>,
    #[pin]
    matches: Matches,
    #[pin]
    tombstones: Mutex<KVec<Tombstone>>,
    /// What was reported already.
    #[pin]
    complaints: Mutex<KVec<Complaint>>,
    /// What was refused, for who asks.
    #[pin]
    pub(super) refusals: Mutex<Refusals>,
    /// Which reasons were reported, by their number.
    reported: Atomic<u64>,
    /// There may be something in `tombstones`, or a device that waits for its driver.
    chores: Atomic<bool>,
    /// Counts what may change the answer for a flow that was refused.
    changes: Atomic<u32>,
    _events: PhantomData<E>,
}

/// A direction of a flow, ready to be given to a driver.
struct Prepared<'a> {
    binding: &'a Binding,
    fingerprint: Fingerprint,
}

impl<E: Events> Table<E> {
    /// After so many different errors of its devices a flowtable reports no more.
    const MAX_COMPLAINTS: usize = 64;
    /// How many tombstones one command of the core tries again.
    const RETRIES: usize = 4;
    /// How many are tried again every second.
    const RETRIES_OF_CHORES: usize = 256;

    /// Finds the binding of a direction and translates it, without a rule.
    fn prepare<'a>(
        &self,
        bindings: &'a Bindings,
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
            .filter(|binding| binding.takes_rules())
            .ok_or(Reason::NoBinding)
            .inspect_err(|reason| self.count(bindings, ingress, *reason, None))?;
        let mut fingerprint = Fingerprint::new();
        let semantics = binding.profile.semantics;
        translate::rule(flow, view::dir(dir), semantics, &mut fingerprint)
            .map_err(Reason::from)
            .inspect_err(|reason| self.count(bindings, ingress, *reason, None))?;
        Ok(Prepared {
            binding,
            fingerprint,
        })
    }

    /// Counts a refusal on a device of the flowtable.
    fn count(
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

    /// Gives a driver the rule of one direction.
    fn install(
        &self,
        bindings: &Bindings,
        flows: &FlowMap<Record>,
        flow: &Flow,
        plain: &translate::Flow,
        dir: Dir,
        prepared: &Prepared<'_>,
    ) -> Result<Rule, Refused> {
        let Prepared {
            binding,
            fingerprint,
        } = *prepared;
        let mut driver_rule = DriverRule::new(flow, dir, self.flowtable.net())?;
        let semantics = binding.profile.semantics;
        translate::rule(plain, view::dir(dir), semantics, &mut driver_rule)?;
        let rule = Rule {
            ifindex: binding.ifindex,
            cookie: new_cookie(),
            fingerprint: fingerprint.value(),
            matching: fingerprint.matching(),
        };
        if binding.is_at_limit() {
            self.count(bindings, rule.ifindex, Reason::Limit, None);
            return Err(Reason::Limit.into());
        }
        if let Some(holder) = self.matches.holder(rule.matching) {
            self.displace(bindings, flows, holder);
        }
        let holder = Holder {
            cookie: rule.cookie,
            flow: flow.id(),
        };
        self.matches
            .claim(rule.matching, holder)
            .map_err(|_| Reason::NoMemory)?;
        match binding.replace(rule.cookie, driver_rule.as_rule()) {
            Ok(()) => Ok(rule),
            Err(error) => {
                self.matches.release(rule.matching, rule.cookie);
                self.complain(binding, &error);
                let reason = if error.is_full() {
                    Reason::Full
                } else {
                    Reason::DriverRefused
                };
                self.count(bindings, rule.ifindex, reason, Some(&error));
                Err(Refused {
                    reason,
                    errno: error.errno.to_errno(),
                    passes_by_itself: error.is_temporary(),
                })
            }
        }
    }

    /// Takes the rules of a flow out whose packets another flow is about to have: the core has torn it down, and will say so.
    fn displace(&self, bindings: &Bindings, flows: &FlowMap<Record>, holder: Holder) {
        flows.find(holder.flow, |old, record| {
            let Some(rules) = record.rules() else {
                return;
            };
            if rules.original.cookie == holder.cookie || rules.reply.cookie == holder.cookie {
                self.remove(bindings, old, record, rules);
                record.removed(rules, jiffies64());
                old.teardown();
            }
        });
    }

    /// Puts both directions of a flow into hardware, or none.
    fn offload(
        &self,
        bindings: &Bindings,
        flows: &FlowMap<Record>,
        flow: LiveFlow<'_>,
        record: &mut Record,
    ) -> Result<Rules, Refused> {
        let held = record.rules();
        let prepared = view::read(&flow, self.flowtable.net())
            .map_err(Reason::from)
            .inspect_err(|reason| {
                let ingress = flow.ingress_ifindex(Dir::Original);
                self.count(bindings, ingress, *reason, None);
            })
            .and_then(|plain| {
                let original = self.prepare(bindings, &plain, Dir::Original)?;
                let reply = self.prepare(bindings, &plain, Dir::Reply)?;
                Ok((plain, original, reply))
            });
        if let (Some(rules), Ok((_, original, reply))) = (held, &prepared) {
            let unchanged = |rule: Rule, now: &Prepared<'_>| {
                rule.fingerprint == now.fingerprint.value() && rule.ifindex == now.binding.ifindex
            };
            if unchanged(rules.original, original) && unchanged(rules.reply, reply) {
                record.misses = record.misses.saturating_add(1);
                original.binding.count_miss();
                return Ok(rules);
            }
        }
        if let Some(rules) = held {
            self.remove(bindings, &flow, record, rules);
        }
        let (plain, original, reply) = prepared?;
        let install = |dir, prepared| self.install(bindings, flows, &flow, &plain, dir, prepared);
        let original = install(Dir::Original, &original)?;
        match install(Dir::Reply, &reply) {
            Ok(reply) => Ok(Rules { original, reply }),
            Err(refused) => {
                self.remove_one(bindings, &flow, record, Dir::Original, original);
                Err(refused)
            }
        }
    }

    /// Writes a flow's record back, unless another flow has taken its match meanwhile: then it is told to end. False if so.
    fn keep(&self, flows: &FlowMap<Record>, flow: &Flow, record: Record) -> bool {
        let mut kept = true;
        flows.find(flow.id(), |_, present| {
            kept = !matches!(present.state, State::Removing(_));
            if kept {
                *present = record;
            }
        });
        kept
    }

    /// Something has changed that may change the answer for flows that were refused.
    fn note_change(&self) {
        self.changes.fetch_add(1u32, Relaxed);
    }

    /// Binds a device that has an entry. A refusal is reported; a temporary one when it lasts.
    fn try_bind(&self, bindings: &mut Bindings, dev: &NetDevice) -> Result {
        let Some(binding) = bindings.get_mut(dev.ifindex()) else {
            return Ok(());
        };
        let bound = binding.bind(dev, self.flowtable.net());
        self.note_change();
        let Err(error) = bound else {
            return Ok(());
        };
        if (!error.is_temporary() || binding.is_refused_for_long())
            && self.is_new_complaint(About::Bind, dev.ifindex(), &error)
        {
            E::device_in_software(dev, &error);
        }
        if error.is_temporary() {
            self.chores.store(true, Relaxed);
        }
        Err(error.errno)
    }

    /// Tries again to bind the devices whose drivers refused for now, if it is time.
    fn bind_waiting(&self) {
        if !self.bindings.read().any_due() {
            return;
        }
        let mut bindings = self.bindings.write();
        // Each attempt that fails sets a new time, so this ends.
        while let Some(ifindex) = bindings.next_due() {
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
    fn is_new_complaint(&self, about: About, ifindex: u32, error: &DriverError) -> bool {
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
        let _ = complaints.push(complaint, GFP_KERNEL);
        true
    }

    /// Reports why a flow stays in software once for each reason; a driver's refusals are reported with its words.
    fn report(&self, reason: Reason) {
        if reason.stage() == Stage::Driver {
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

    /// Takes both rules of a flow out of hardware, and their last counters in.
    fn remove(&self, bindings: &Bindings, flow: &Flow, record: &mut Record, rules: Rules) {
        self.remove_one(bindings, flow, record, Dir::Original, rules.original);
        self.remove_one(bindings, flow, record, Dir::Reply, rules.reply);
    }

    fn remove_one(
        &self,
        bindings: &Bindings,
        flow: &Flow,
        record: &mut Record,
        dir: Dir,
        rule: Rule,
    ) {
        self.matches.release(rule.matching, rule.cookie);
        let Some(binding) = bindings.get(rule.ifindex) else {
            return;
        };
        if let Ok(stats) = binding.stats(rule.cookie) {
            if stats.packets != 0 {
                let stats = network(binding, stats);
                record.carry(dir, stats.packets, stats.bytes);
                binding.count_carried(stats.packets, stats.bytes);
                if self.flowtable.counts() {
                    flow.account(dir, stats.packets, stats.bytes);
                }
            }
        }
        if binding.was_full() {
            self.note_change();
        }
        let Err(error) = binding.destroy(rule.cookie) else {
            return;
        };
        if error.is_unknown_rule() {
            return;
        }
        if self.is_new_complaint(About::Destroy, binding.ifindex, &error) {
            if let Some(dev) = self.flowtable.net().device(binding.ifindex) {
                E::rule_kept(&dev, rule.cookie, &error);
            }
        }
        let tombstone = Tombstone {
            ifindex: binding.ifindex,
            cookie: rule.cookie,
        };
        self.chores.store(true, Relaxed);
        if self.tombstones.lock().push(tombstone, GFP_KERNEL).is_err() {
            // Nowhere to remember it: the last thing that can be done is to try at once.
            let _ = binding.destroy(rule.cookie);
        }
    }

    /// Tries to destroy rules again whose driver refused before: at most `limit` of them, those of one device or of all.
    fn retry_tombstones(&self, bindings: &Bindings, only: Option<u32>, limit: usize) {
        let waiting = self.tombstones.lock().len().min(limit);
        for _ in 0..waiting {
            let mine = |t: &Tombstone| only.is_none_or(|ifindex| ifindex == t.ifindex);
            let mut tombstones = self.tombstones.lock();
            let Some(first) = tombstones.iter().position(mine) else {
                return;
            };
            let Ok(tombstone) = tombstones.remove(first) else {
                return;
            };
            drop(tombstones);
            let Some(binding) = bindings.get(tombstone.ifindex) else {
                continue;
            };
            match binding.destroy(tombstone.cookie) {
                Err(error) if !error.is_unknown_rule() => {
                    // To the end, so that the others get their turn.
                    let _ = self.tombstones.lock().push(tombstone, GFP_KERNEL);
                }
                _ => {}
            }
        }
    }

    /// Forgets the tombstones of a device that leaves; how many there were.
    fn forget_tombstones(&self, ifindex: u32) -> usize {
        let mut tombstones = self.tombstones.lock();
        let before = tombstones.len();
        keep_only(&mut tombstones, |tombstone| tombstone.ifindex != ifindex);
        before.saturating_sub(tombstones.len())
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

/// What a driver reports, in bytes of the network layer.
fn network(binding: &Binding, stats: Stats) -> Stats {
    Stats {
        bytes: counters::network_bytes(binding.profile.counts, stats.packets, stats.bytes),
        ..stats
    }
}

impl<E: Events> Offload for Table<E> {
    type Record = Record;

    fn new(flowtable: Flowtable) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            flowtable,
            bindings <- RwSem::new(Bindings(KVec::new())),
            matches <- Matches::new(),
            tombstones <- new_mutex!(KVec::new(), "Table::tombstones"),
            complaints <- new_mutex!(KVec::new(), "Table::complaints"),
            refusals <- new_mutex!(Refusals::default(), "Table::refusals"),
            reported: Atomic::new(0),
            chores: Atomic::new(false),
            changes: Atomic::new(0),
            _events: PhantomData,
        })
    }

    fn bind(&self, dev: &NetDevice) -> Result {
        let mut bindings = self.bindings.write();
        if let Some(binding) = bindings.get_mut(dev.ifindex()) {
            binding.join();
            return Ok(());
        }
        let reject = parameter::unsupported(params::unsupported().to_bytes())
            == Some(parameter::Unsupported::Reject);
        // The entry is made first, so that a driver is not bound and then forgotten.
        if bindings.0.push(Binding::new(dev), GFP_KERNEL).is_err() {
            E::device_in_software(dev, &DriverError::no_memory());
            return if reject { Err(code::ENOMEM) } else { Ok(()) };
        }
        match self.try_bind(&mut bindings, dev) {
            Err(errno) if reject => {
                bindings.take(dev.ifindex());
                Err(errno)
            }
            _ => Ok(()),
        }
    }

    fn unbind(&self, flows: &FlowMap<Record>, dev: &NetDevice) {
        let ifindex = dev.ifindex();
        let mut bindings = self.bindings.write();
        if !bindings.get_mut(ifindex).is_some_and(Binding::leave) {
            return;
        }
        flows.for_each(|flow, record| {
            let Some(rules) = record.rules() else {
                return;
            };
            if rules.original.ifindex != ifindex && rules.reply.ifindex != ifindex {
                return;
            }
            self.remove(&bindings, flow, record, rules);
            record.removed(rules, jiffies64());
            flow.set_hw_offload(false);
            flow.teardown();
        });
        self.retry_tombstones(&bindings, Some(ifindex), usize::MAX);
        let left = self.forget_tombstones(ifindex);
        if left != 0 {
            E::rules_left(dev, left);
        }
        keep_only(&mut self.complaints.lock(), |complaint| {
            complaint.ifindex != ifindex
        });
        self.refusals.lock().forget(ifindex);
        if let Some(binding) = bindings.take(ifindex) {
            binding.unbind(dev, self.flowtable.net());
        }
    }

    fn replace(&self, flows: &FlowMap<Record>, flow: LiveFlow<'_>, dir: Dir) -> Result {
        if dir == Dir::Original {
            self.bind_waiting();
        }
        let bindings = self.bindings.read();
        let known = flows.get(&flow);
        if dir == Dir::Reply {
            // The original direction has answered for both.
            return match known {
                Some(record) if record.rules().is_some() => Ok(()),
                _ => Err(eopnotsupp()),
            };
        }
        self.retry_tombstones(&bindings, None, Self::RETRIES);
        let (now, changes) = (jiffies64(), self.changes.load(Relaxed));
        let mut record = match known {
            Some(record) if matches!(record.state, State::Removing(_)) => return Err(estale()),
            Some(record) if record.stands(now, changes).is_some() => return Err(eopnotsupp()),
            Some(record) => record,
            None => {
                // The record comes first: a flow whose rules cannot be remembered must not get any.
                let record = Record::new(now);
                flows.set(flow, record)?;
                record
            }
        };
        let result = self.offload(&bindings, flows, flow, &mut record);
        match result {
            Ok(rules) => record.installed(rules, now),
            Err(refused) => {
                let next = record.refusals.saturating_add(1);
                let pause = seconds(backoff::seconds(next, refused.passes_by_itself));
                record.refused(refused, now, pause, changes);
            }
        }
        if !self.keep(flows, &flow, record) {
            if let Ok(rules) = result {
                self.remove(&bindings, &flow, &mut record, rules);
            }
            return Err(estale());
        }
        match result {
            Ok(_) => Ok(()),
            Err(refused) => {
                flow.set_hw_offload(false);
                self.report(refused.reason);
                Err(eopnotsupp())
            }
        }
    }

    fn destroy(&self, flows: &FlowMap<Record>, flow: &Flow) {
        let bindings = self.bindings.read();
        self.retry_tombstones(&bindings, None, Self::RETRIES);
        let Some(mut record) = flows.get(flow) else {
            return;
        };
        if let Some(rules) = record.rules() {
            self.remove(&bindings, flow, &mut record, rules);
            record.removed(rules, jiffies64());
            flows.update(flow, record);
        }
        // The core has cleared [HW_OFFLOAD] of the connection, which may have its next flow in hardware already.
        let State::Removing(matching) = record.state else {
            return;
        };
        let next = self.matches.holder(matching).map(|holder| holder.flow);
        if let Some(next) = next.filter(|next| *next != flow.id()) {
            flows.find(next, |next, record| {
                next.set_hw_offload(record.rules().is_some());
            });
        }
    }

    fn stats(&self, flows: &FlowMap<Record>, flow: &Flow, dir: Dir) -> Result<Stats> {
        let bindings = self.bindings.read();
        self.retry_tombstones(&bindings, None, Self::RETRIES);
        let mut record = flows.get(flow).ok_or(code::ENOENT)?;
        let rules = record.rules().ok_or(code::ENOENT)?;
        let rule = match dir {
            Dir::Original => rules.original,
            Dir::Reply => rules.reply,
        };
        let binding = bindings.get(rule.ifindex).ok_or(code::ENOENT)?;
        let now = jiffies64();
        let stats = match binding.stats(rule.cookie) {
            Ok(stats) => network(binding, stats),
            Err(error) => {
                if error.is_unknown_rule() {
                    // The driver has lost the rule. The next packet that the CPU sees brings the flow back.
                    self.remove(&bindings, flow, &mut record, rules);
                    record.refused(Reason::RuleLost.into(), now, 0, self.changes.load(Relaxed));
                    self.keep(flows, flow, record);
                    flow.set_hw_offload(false);
                    self.report(Reason::RuleLost);
                    self.count(&bindings, rule.ifindex, Reason::RuleLost, Some(&error));
                }
                return Err(error.errno);
            }
        };
        let reported = counters::widen(now, stats.last_used, usize::BITS).min(now);
        if stats.packets != 0 {
            record.carry(dir, stats.packets, stats.bytes);
            binding.count_carried(stats.packets, stats.bytes);
        }
        record.last_used = record.last_used.max(reported);
        if self.keep(flows, flow, record) {
            // The DESTROY of an earlier flow of this connection may have cleared it.
            flow.set_hw_offload(true);
        }
        Ok(Stats {
            last_used: counters::last_used(now, flow.timeout(), flow.offload_timeout(), reported),
            ..stats
        })
    }

    fn has_chores(&self) -> bool {
        self.chores.load(Relaxed)
    }

    fn do_chores(&self) {
        self.chores.store(false, Relaxed);
        self.bind_waiting();
        let bindings = self.bindings.read();
        self.retry_tombstones(&bindings, None, Self::RETRIES_OF_CHORES);
        if bindings.any_waiting() || !self.tombstones.lock().is_empty() {
            self.chores.store(true, Relaxed);
        }
    }

    fn not_handed_over() {
        static SAID: Atomic<u32> = Atomic::new(0);
        if SAID.load(Relaxed) == 0 && SAID.xchg(1u32, Relaxed) == 0 {
            E::flow_not_handed_over(Reason::CoreTunnel);
        }
    }

    fn demultiplex(skb: &mut SkBuff) -> Verdict {
        match demux::ip_version(skb.protocol(), |offset| skb.mac_be16(offset)) {
            Some(IpVersion::V4) => Verdict::Ipv4,
            Some(IpVersion::V6) => Verdict::Ipv6,
            None => Verdict::Accept,
        }
    }
}
