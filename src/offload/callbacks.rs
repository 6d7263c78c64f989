// SPDX-License-Identifier: GPL-2.0

//! The callbacks of the core.

use crate::{
    net::{
        flow_offload::{
            block::{
                BlockId,
                Stats, //
            },
            driver_error::DriverError, //
        },
        flowtable::{
            engine::{
                Engine,
                Verdict, //
            },
            flow::{
                Flow,
                LiveFlow, //
            },
            flow_map::{
                FlowAddress,
                FlowMap, //
            },
            view::Flowtable, //
        },
        listener::{
            Change,
            DeviceEvent, //
        },
        netdevice::{
            NetDevice,
            RegisteredDevice, //
        },
        params,
        percpu_rwsem::RwSem,
        random::random,
        skbuff::SkBuff,
        time::jiffies64, //
    },
    offload::{
        batch::Batch,
        binding::{
            Binding,
            Bindings, //
        },
        changes::Watch,
        closing::Closing,
        counters,
        events::Events,
        ip_version::{
            ip_version,
            IpVersion, //
        },
        log_once::LogOnce,
        match_owner::MatchOwner,
        parameter::{
            self,
            Directions, //
        },
        reason::Reason,
        record::{
            Record,
            State, //
        },
        refusals::Refusals,
        remove::Flows,
        table::Table,
        tombstones::Tombstones, //
    },
    proto::Dir, //
};
use core::{
    marker::PhantomData,
    num::NonZeroU32, //
};
use kernel::{
    alloc::KVec,
    error::code,
    new_mutex,
    prelude::*,
    sync::atomic::{
        Acquire,
        Atomic,
        Relaxed, //
    }, //
};

/// What a REPLACE has to do for a flow.
enum Look {
    /// Nothing.
    Over,
    /// Nothing, unless the flow has passed enough packets.
    Waits,
    /// Nothing, as the flow is in hardware.
    InHardware,
    /// An attempt to offload the flow.
    Try,
}

/// Clears `[HW_OFFLOAD]` of a flow in software.
///
/// The core may have set it for an answer that was true when it was given. Called where the core
/// does not ask for the flow's rules at the same time.
fn clear_flag(flow: &Flow, record: &Record) {
    // While a flow is being removed, the next flow of the connection may be in hardware.
    if matches!(record.state, State::Software(_) | State::OneDirection(..)) {
        flow.set_hw_offload(false);
    }
}

impl<E: Events> Engine for Table<E> {
    type Record = Record;

    fn new(flowtable: Flowtable) -> impl PinInit<Self, Error> {
        let reloads = Self::watch_ruleset(&flowtable);
        try_pin_init!(Self {
            watch: Watch::new(flowtable.net()),
            closing: Closing::new(),
            flowtable,
            bindings <- RwSem::new(Bindings::new()),
            batch <- new_mutex!(Batch::new()?, "Table::batch"),
            match_owner <- MatchOwner::new(),
            tombstones <- new_mutex!(Tombstones::new(), "Table::tombstones"),
            complaints <- new_mutex!(KVec::new(), "Table::complaints"),
            refusals <- new_mutex!(Refusals::default(), "Table::refusals"),
            reported: Atomic::new(0),
            next_retry: Atomic::new(u64::MAX),
            chores: Atomic::new(false),
            awaits_room: Atomic::new(false),
            rebind_pending: Atomic::new(false),
            rebind_below <- new_mutex!(KVec::new(), "Table::rebind_below"),
            changes: Atomic::new(0),
            room: Atomic::new(0),
            clock_hand: Atomic::new(0),
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
        // Any user can create a network namespace with devices of any kind, and flowtables over
        // them. There a device whose rules no driver takes is refused, as the in-tree type does.
        let reject = !self.flowtable.net().is_initial()
            || parameter::unsupported(params::unsupported().to_bytes())
                == Some(parameter::Unsupported::Reject);
        // The entry is made first, so that no device is bound and then forgotten. Without the entry
        // the number of joins of the device would be unknown, so this error always fails the
        // ruleset. An error of the driver fails it only with `reject`.
        bindings.add(Binding::new(dev))?;
        self.watch.add_device(dev.ifindex());
        self.note_change();
        match self.try_bind(&mut bindings, dev) {
            // A busy device is retried: an earlier flowtable may have it until the end of this
            // transaction.
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
        self.forget_complaints(ifindex);
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
            State::Removing => Look::Over,
            State::Software(Reason::NotTried) if record.refusals == 0 => Look::Try,
            State::Software(Reason::Admission) => Look::Waits,
            State::InHardware(_) => Look::InHardware,
            State::OneDirection(_, _, reason) | State::Software(reason)
                if record.stands(now, self.changes_for(reason)) =>
            {
                Look::Over
            }
            _ => Look::Try,
        };
        let session = self.session(flows);
        if !session.knows_a_device(&flow) && flows.get(&flow).is_none() {
            // It cannot be offloaded before a device joins. Any user can make a flowtable without
            // devices, and flows in it (Linux 7.2), so they must not cost memory.
            return;
        }
        // The record comes first: a flow whose rules cannot be remembered must not get any.
        let make = |id| Record::new(id, now);
        let looked = flows.of_or(flow, make, |record| {
            let new = record.is_new().then_some(record.id);
            record.attempted = new.is_some();
            (look(record, now), record.suspect(now), new)
        });
        let Ok((seen, suspect, new)) = looked else {
            return;
        };
        match (seen, suspect) {
            (_, Some(held)) if session.has_lost(&flow, held) => now = jiffies64(),
            (Look::Over, _) => return,
            (Look::Waits, _) if !self.is_admitted(&flow) => return,
            (Look::InHardware, _) => return session.missed(&flow),
            _ => {}
        }
        let known = match new {
            Some(id) => Record::new(id, now),
            // Its state may have changed in between.
            None => {
                let present = flows.of(&flow, |record| {
                    let tried = !matches!(look(record, now), Look::Over | Look::InHardware);
                    record.attempted = tried;
                    tried.then_some(*record)
                });
                match present.flatten() {
                    Some(present) => present,
                    None => return,
                }
            }
        };
        session.retry_tombstones(Self::RETRIES);
        session.attempt(flow, &known, now, changes);
    }

    fn destroy(&self, flows: &FlowMap<Record>, flow: &Flow) {
        let session = self.session(flows);
        session.retry_tombstones(Self::RETRIES);
        let claimed = session.of_unpinned(flow, |record| {
            let held = record.held();
            if held.any().is_some() {
                record.removed(jiffies64());
                // An earlier flow of the connection, which ends at the same time, may have set the
                // flag for this one.
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
        if held.any().is_some() {
            // The connection's next flow displaces these rules before it gets any, so it has none.
            session.remove(flow, &mut record, held);
            return self.tell_of_flow(flow, held, &record);
        }
        // The core has cleared `[HW_OFFLOAD]` of the connection, whose next flow may be in
        // hardware.
        flows.find_twin(flow, Dir::Original, |next, _, record| {
            let in_hardware = record.is_in_hardware();
            if in_hardware {
                next.set_hw_offload(true);
            }
            in_hardware.then_some(())
        });
    }

    fn stats(&self, flows: &FlowMap<Record>, flow: &Flow, dir: Dir) -> Result<Stats> {
        let session = self.session(flows);
        session.retry_tombstones(Self::RETRIES);
        let record = flows.get(flow).ok_or(code::ENOENT)?;
        let Some(cookie) = record.rule(dir) else {
            clear_flag(flow, &record);
            return Err(code::ENOENT);
        };
        let binding = session.bindings.get(flow.ingress_ifindex(dir));
        let binding = binding.ok_or(code::ENOENT)?;
        let answer = binding.stats(cookie.get());
        let now = jiffies64();
        if let Err(error) = &answer {
            if binding.is_unknown_rule(error) {
                // The driver has lost the rule. The next packet that the CPU sees offloads the flow
                // again.
                let (held, why) = (record.held(), Reason::RuleLost);
                session.return_to_software(flow, held, why, Some(error));
                return Err(error.errno);
            }
        }
        let answer = answer.map(|stats| {
            let booked = flows.of(flow, |present| {
                let mut stats = self.book(binding, present, dir, stats, now);
                // Another task may have asked the driver before, to measure the rate of the flow.
                stats.last_used = stats.last_used.max(present.last_used);
                if present.is_in_hardware() {
                    if dir == Dir::Reply {
                        present.look(now);
                    }
                    // The DESTROY of an earlier flow of this connection may have cleared the flag.
                    flow.set_hw_offload(true);
                }
                stats
            });
            booked.unwrap_or(stats)
        });
        let (end, lifetime) = (flow.timeout(), flow.offload_timeout());
        if !binding.reports_use() && counters::ends_soon(now, end, lifetime) {
            // The driver does not report whether the flow is still used. A packet in software has
            // to show it, and the flow is offloaded again.
            let (held, why) = (record.held(), Reason::Unreported);
            session.return_to_software(flow, held, why, None);
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
        self.rebind(flows);
        self.bind_waiting();
        let session = self.session(flows);
        for binding in session.bindings.iter() {
            self.look_for_room(binding);
            if binding.is_starved() {
                self.awaits_room.store(true, Relaxed);
            }
        }
        session.report_devices();
        session.retry_tombstones(Self::RETRIES_OF_CHORES);
        if session.bindings.any_unbound() || !self.tombstones.lock().is_empty() {
            self.chores.store(true, Relaxed);
        }
    }

    fn driver_gone(&self, flows: &FlowMap<Record>, block: BlockId) {
        // Taking the lock waits for a writer, which may be unbinding the block at the moment.
        let Some(ifindex) = self.bindings.read().with_block(block) else {
            return;
        };
        let is = |binding: &Binding| binding.has_block(block);
        self.with_emptied(flows, ifindex, is, |binding| {
            binding.let_go(self.flowtable.net(), Some(DriverError::driver_gone()), true);
        });
        self.chores.store(true, Relaxed);
    }

    fn device_changed(&self, event: DeviceEvent) {
        match event {
            DeviceEvent::Registered => {}
            // The features include hw-tc-offload, which drivers check when they are given a rule.
            DeviceEvent::Features => self.note_change(),
            DeviceEvent::Below(ifindex) => {
                let mut below = self.rebind_below.lock();
                if !below.contains(&ifindex) {
                    // Without memory the device stays bound as it is.
                    let _ = below.push(ifindex, GFP_KERNEL_ACCOUNT);
                }
            }
        }
        self.rebind_pending.store(true, Relaxed);
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
        match ip_version(protocol, |offset| skb.mac_be16(offset)) {
            Some(IpVersion::V4) => Verdict::Ipv4,
            Some(IpVersion::V6) => Verdict::Ipv6,
            None => Verdict::Accept,
        }
    }
}
