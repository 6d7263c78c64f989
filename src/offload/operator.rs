// SPDX-License-Identifier: GPL-2.0

//! What an operator changes while flows run: takes flows out of hardware, and sets devices.

use crate::{
    net::{
        flowtable::{
            flow::Flow,
            flow_map::FlowMap, //
        },
        trace::Traced, //
    },
    offload::{
        binding::{
            Binding,
            Bound,
            Device, //
        },
        events::{
            DeviceNews,
            Events,
            FlowNews, //
        },
        profile::definition::Profile,
        reason::Reason,
        record::{
            Held,
            Record, //
        },
        session::Session,
        table::Table, //
    }, //
};
use core::ops::ControlFlow::{
    self,
    Break,
    Continue, //
};
use kernel::sync::atomic::Relaxed;

/// Traces that a flow is taken out of hardware.
pub(super) fn trace_eviction(flow: &Flow, held: Held, why: Reason) {
    if let Some((dir, cookie)) = held.any() {
        Traced {
            flow,
            dir,
            ifindex: flow.ingress_ifindex(dir),
            cookie: cookie.get(),
            reason: why as u8,
            error: 0,
        }
        .evict();
    }
}

/// The settings of a device to change; `None` keeps the present one.
pub(crate) struct Settings {
    /// The rules that the device may hold; 0 for any number.
    pub(crate) limit: Option<u64>,
    /// How its driver reads rules.
    pub(crate) profile: Option<&'static Profile>,
    /// Whether its driver's block of tc may be taken.
    pub(crate) block: Option<bool>,
    /// Whether the device takes rules at all.
    pub(crate) enabled: Option<bool>,
}

impl<E: Events> Table<E> {
    /// Takes the flows that `wants` picks out of hardware until they end, from a key on, until it
    /// breaks.
    ///
    /// Returns the key at which it did, and adds the flows taken out to `taken`. A flow whose rules
    /// are just being changed is passed over. May sleep.
    pub(crate) fn take_out(
        &self,
        flows: &FlowMap<Record>,
        from: usize,
        taken: &mut u64,
        mut wants: impl FnMut(&Flow, &Record) -> ControlFlow<(), bool>,
    ) -> Option<usize> {
        let why = Reason::Operator;
        let wants = |flow: &Flow, record: &mut Record| {
            let wanted = wants(flow, record)?;
            if wanted {
                trace_eviction(flow, record.held(), why);
            }
            Continue(wanted)
        };
        self.remove_many(flows, None, from, wants, |session, flow, record, held| {
            session.put_back_counted(flow, record, held, why);
            *taken = taken.saturating_add(1);
        })
    }

    /// Removes at most `rules` rules of a device, and the other rules of their flows.
    fn drain(&self, flows: &FlowMap<Record>, ifindex: u32, mut rules: u64, why: Reason) {
        let wants = |flow: &Flow, record: &mut Record| {
            if rules == 0 {
                return Break(());
            }
            let here = record.held().each();
            let here = here.filter(|(dir, _)| flow.ingress_ifindex(*dir) == ifindex);
            let here = here.count() as u64;
            rules = rules.saturating_sub(here);
            if here != 0 {
                trace_eviction(flow, record.held(), why);
            }
            Continue(here != 0)
        };
        self.remove_many(
            flows,
            Some(ifindex),
            0,
            wants,
            |session, flow, record, held| {
                session.put_back_counted(flow, record, held, why);
            },
        );
    }

    /// Changes the settings of a device. Returns whether it is in this flowtable. May sleep.
    pub(crate) fn set_device(
        &self,
        flows: &FlowMap<Record>,
        ifindex: u32,
        settings: &Settings,
    ) -> bool {
        let Some(rebinds) = self.bindings.read().get(ifindex).map(|binding| {
            // A bind method before the block works the same with the block and without.
            let other_block = settings.block.is_some_and(|b| b != binding.may_use_block())
                && (binding.prefers_block() || binding.bound() != Bound::Direct);
            settings.profile.is_some() || other_block
        }) else {
            return false;
        };
        if !rebinds {
            if let Some(allowed) = settings.block {
                self.with_binding(ifindex, |binding| binding.allow_block(allowed));
            }
        } else {
            // The settings decide which driver takes its rules. Its flows end and are learned anew.
            self.with_emptied(
                flows,
                ifindex,
                |_| true,
                |binding| {
                    binding.let_go(self.flowtable.net(), None, false);
                    if let Some(profile) = settings.profile {
                        binding.set_profile(profile);
                    }
                    if let Some(allowed) = settings.block {
                        binding.allow_block(allowed);
                    }
                },
            );
            let mut bindings = self.bindings.write();
            if let Some(dev) = self.flowtable.net().device(ifindex) {
                // The binding keeps the outcome.
                let _ = self.try_bind(&mut bindings, &dev);
            }
        }
        if let Some(limit) = settings.limit {
            let limit = Some(limit).filter(|limit| *limit != 0);
            let rules = self.with_binding(ifindex, |binding| {
                binding.set_limit(limit);
                binding.rules_of_device()
            });
            let over = rules.saturating_sub(limit.unwrap_or(rules));
            self.drain(flows, ifindex, over, Reason::Limit);
            self.room.fetch_add(1u32, Relaxed);
        }
        if let Some(enabled) = settings.enabled {
            self.with_binding(ifindex, |binding| binding.enable(enabled));
            if !enabled {
                self.drain(flows, ifindex, u64::MAX, Reason::DeviceOff);
            }
        }
        self.note_change();
        true
    }

    /// Changes a binding while no rule is being given to it.
    fn with_binding<T: Default>(&self, ifindex: u32, f: impl FnOnce(&mut Binding) -> T) -> T {
        let mut bindings = self.bindings.write();
        bindings.get_mut(ifindex).map(f).unwrap_or_default()
    }

    /// Sends the event of a device.
    pub(super) fn tell_of(&self, news: DeviceNews, binding: &Binding) {
        let dev = self.flowtable.net().device(binding.ifindex);
        let device = Device {
            binding,
            dev: dev.as_deref(),
            refusals: &self.refusals.lock(),
        };
        E::device(news, &self.flowtable, &device);
    }

    /// Sends the event of a flow, if the number of its rules differs from `had`.
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

impl<E: Events> Session<'_, E> {
    /// Does the same as [`Table::put_back`], and counts it on the device of the flow's first rule.
    fn put_back_counted(&self, flow: &Flow, record: &mut Record, held: Held, why: Reason) {
        if let Some((dir, _)) = held.any() {
            self.count(flow.ingress_ifindex(dir), why, None);
        }
        self.put_back(flow, record, held, why);
    }
}
