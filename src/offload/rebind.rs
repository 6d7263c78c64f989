// SPDX-License-Identifier: GPL-2.0

//! Binds devices: when they join, again while no driver takes their rules, and anew when another
//! driver may.

use crate::{
    net::{
        flow_offload::driver_error::DriverError,
        flowtable::flow_map::FlowMap,
        netdevice::NetDevice,
        time::{
            jiffies64,
            sleep_ms, //
        }, //
    },
    offload::{
        binding::{
            Binding,
            Bindings, //
        },
        events::{
            DeviceNews,
            Events, //
        },
        record::{
            Record,
            State, //
        },
        remove::Flows,
        session::Session,
        table::Table, //
    }, //
};
use core::ops::ControlFlow;
use kernel::{
    prelude::*,
    sync::atomic::Relaxed, //
};

impl<E: Events> Table<E> {
    /// Binds a device that has an entry.
    ///
    /// A refusal is reported later, once it has lasted ([`Session::report_devices`]).
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
            // Flows that wait for room have not tried this driver.
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

    /// Waits until the flows that were told to end have ended, for a second at most.
    ///
    /// In a network namespace that is being removed they have to end: the core frees the counters
    /// of their works (`net->ft.stat`) before nf_tables frees the flowtable.
    pub(super) fn wait_for_ends(&self, flows: &FlowMap<Record>) {
        const PAUSE: u32 = 10;
        self.flowtable.collect();
        for _ in 0..100 {
            let ending = |record: &Record| record.state == State::Removing;
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

    /// Binds devices anew that are bound at the drivers of other devices, if something below them
    /// has changed.
    ///
    /// Other drivers may take their rules now.
    pub(super) fn rebind(&self, flows: &FlowMap<Record>) {
        if self.rebind_pending.xchg(false, Relaxed) {
            let mut bindings = self.bindings.write();
            bindings.iter_mut().for_each(Binding::try_anew);
        }
        loop {
            let Some(ifindex) = self.rebind_below.lock().pop() else {
                return;
            };
            self.with_emptied(flows, ifindex, Binding::is_indirect, |binding| {
                binding.let_go(self.flowtable.net(), None, true);
            });
        }
    }

    /// Retries to bind the devices that are not bound and are due.
    pub(super) fn bind_waiting(&self) {
        if !self.bindings.read().any_due() {
            return;
        }
        let mut bindings = self.bindings.write();
        let now = jiffies64();
        // Each attempt that fails sets a new time, so the loop ends.
        while let Some(ifindex) = bindings.next_due(now) {
            // The entry is removed, under this lock, before the device goes.
            if let Some(dev) = self.flowtable.net().device(ifindex) {
                // The binding keeps the outcome.
                let _ = self.try_bind(&mut bindings, &dev);
            }
        }
    }

    /// Unbinds or changes a device while it has no rules.
    ///
    /// If `is` holds for its binding, closes it, removes its rules, tells their flows to end, and
    /// calls `then` if `is` still holds. The binding takes no rules meanwhile. May sleep.
    pub(super) fn with_emptied(
        &self,
        flows: &FlowMap<Record>,
        ifindex: u32,
        is: impl Fn(&Binding) -> bool,
        then: impl FnOnce(&mut Binding),
    ) {
        let closed = match self.bindings.write().get_mut(ifindex).filter(|b| is(b)) {
            Some(binding) => binding.close(),
            None => return,
        };
        self.empty(flows, ifindex, Flows::InHardware);
        let mut bindings = self.bindings.write();
        // The device may have left and joined again.
        let same = |binding: &&mut Binding| binding.number() == closed;
        if let Some(binding) = bindings.get_mut(ifindex).filter(same) {
            binding.reopen();
            if is(binding) {
                then(binding);
            }
        }
        drop(bindings);
        // Flows were refused because the device was closed.
        self.note_change();
    }
}

impl<E: Events> Session<'_, E> {
    /// Reports the devices whose rules no driver takes: a few by name, the others by their number.
    ///
    /// Reports none in the transaction that makes the flowtable, which nf_tables may repeat or
    /// undo; and none outside of the initial network namespace, where such a device fails the
    /// ruleset.
    pub(super) fn report_devices(&self) {
        const BY_NAME: usize = 4;
        if !self.flowtable.net().is_initial() || !self.flowtable.is_committed() {
            return;
        }
        let mut more = 0usize;
        let news = self
            .bindings
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
}
