// SPDX-License-Identifier: GPL-2.0

//! What a person changes while flows run: flows are taken out of hardware, a device is set.

use super::{
    binding::{
        Binding,
        Bindings, //
    },
    profile::Profile,
    record::{
        Held,
        Record,
        Refused, //
    },
    DeviceNews,
    Events,
    FlowNews,
    Reason,
    Table, //
};
use crate::netfilter::{
    jiffies64,
    Flow,
    FlowMap,
    Traced, //
};
use core::ops::ControlFlow::{
    self,
    Break,
    Continue, //
};
use kernel::sync::atomic::Relaxed;

/// What is to be set of a device; what is `None` stays.
pub(crate) struct Settings {
    /// How many rules it may hold; 0 for any number.
    pub(crate) limit: Option<u64>,
    /// How its driver reads rules.
    pub(crate) profile: Option<&'static Profile>,
    /// Whether it takes rules at all.
    pub(crate) enabled: Option<bool>,
}

impl<E: Events> Table<E> {
    /// Takes the flows that are wanted out of hardware until they end: those from a key on, until `wants` says to stop. The key at
    /// which it did; `taken` counts them. One whose rules are just being changed is passed over. May sleep.
    pub(crate) fn take_out(
        &self,
        flows: &FlowMap<Record>,
        from: usize,
        taken: &mut u64,
        mut wants: impl FnMut(&Flow, &Record) -> ControlFlow<(), bool>,
    ) -> Option<usize> {
        let bindings = self.bindings.read();
        flows.walk(from, |flow, record| {
            let wanted = match wants(flow, record) {
                Break(()) => return Break(()),
                Continue(wanted) => wanted,
            };
            if wanted && record.held().any().is_some() {
                self.pull_counted(&bindings, flow, record, Reason::Operator);
                *taken = taken.saturating_add(1);
            }
            Continue(())
        })
    }

    /// As [`Table::pull`], and counts it on the device of the flow's first rule.
    fn pull_counted(&self, bindings: &Bindings, flow: &Flow, record: &mut Record, why: Reason) {
        if let Some((_, rule)) = record.held().any() {
            self.count(bindings, rule.ifindex, why, None);
        }
        self.pull(bindings, flow, record, why);
    }

    /// Takes the rules of a flow out; it goes on in software. Its record is the one in the map.
    pub(super) fn pull(&self, bindings: &Bindings, flow: &Flow, record: &mut Record, why: Reason) {
        let held = record.held();
        if let Some((dir, rule)) = held.any() {
            Traced {
                flow,
                dir,
                ifindex: rule.ifindex,
                cookie: rule.cookie,
                reason: why as u8,
                error: 0,
            }
            .evict();
        }
        self.remove(bindings, flow, record, held);
        self.refuse(
            flow,
            record,
            Held::default(),
            Refused::from(why),
            (jiffies64(), self.changes_for(why)),
        );
        flow.set_hw_offload(false);
        self.tell_of_flow(flow, held, record);
    }

    /// Takes at most `rules` rules of a device out, and what belongs to them.
    fn drain(
        &self,
        bindings: &Bindings,
        flows: &FlowMap<Record>,
        ifindex: u32,
        mut rules: u64,
        why: Reason,
    ) {
        flows.walk(0, |flow, record| {
            if rules == 0 {
                return Break(());
            }
            let held = record.held();
            if held.is_on(ifindex) {
                let mine = held.each().filter(|(_, rule)| rule.ifindex == ifindex);
                rules = rules.saturating_sub(mine.count() as u64);
                self.pull_counted(bindings, flow, record, why);
            }
            Continue(())
        });
    }

    /// Sets a device; whether it is one of this flowtable. May sleep.
    pub(crate) fn set_device(
        &self,
        flows: &FlowMap<Record>,
        ifindex: u32,
        settings: &Settings,
    ) -> bool {
        let mut bindings = self.bindings.write();
        if bindings.get(ifindex).is_none() {
            return false;
        }
        if let Some(profile) = settings.profile {
            // Who takes its rules depends on it. Its flows end and are learned anew.
            self.empty(&bindings, flows, ifindex);
            if let Some(binding) = bindings.get_mut(ifindex) {
                binding.let_go(self.flowtable.net(), None);
                binding.set_profile(profile);
            }
            if let Some(dev) = self.flowtable.net().device(ifindex) {
                // Whether it went well, the binding knows.
                let _ = self.try_bind(&mut bindings, &dev);
            }
        }
        if let Some(limit) = settings.limit {
            let limit = Some(limit).filter(|limit| *limit != 0);
            if let Some(binding) = bindings.get_mut(ifindex) {
                binding.set_limit(limit);
            }
            let rules = bindings.get(ifindex).map_or(0, |b| b.counts().rules.get());
            let over = rules.saturating_sub(limit.unwrap_or(rules));
            self.drain(&bindings, flows, ifindex, over, Reason::Limit);
            self.room.fetch_add(1u32, Relaxed);
        }
        if let Some(enabled) = settings.enabled {
            if let Some(binding) = bindings.get_mut(ifindex) {
                binding.enable(enabled);
            }
            if !enabled {
                self.drain(&bindings, flows, ifindex, u64::MAX, Reason::DeviceOff);
            }
        }
        self.note_change();
        true
    }

    /// Tells who listens what has happened to a device.
    pub(super) fn tell_of(&self, news: DeviceNews, binding: &Binding) {
        let dev = self.flowtable.net().device(binding.ifindex);
        let device = super::Device {
            binding,
            dev: dev.as_deref(),
            refusals: &self.refusals.lock(),
        };
        E::device(news, &self.flowtable, &device);
    }

    /// Tells who listens that a flow had these rules and has others now, if that is so.
    pub(super) fn tell_of_flow(&self, flow: &Flow, had: Held, record: &Record) {
        let (had, has) = (had.each().count(), record.held().each().count());
        let news = match has {
            _ if has > had => FlowNews::In,
            _ if has < had => FlowNews::Out,
            _ => return,
        };
        E::flow(news, &self.flowtable, flow, record);
    }
}
