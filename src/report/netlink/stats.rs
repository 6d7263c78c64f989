// SPDX-License-Identifier: GPL-2.0

//! The command on totals.

use crate::{
    net::{
        flowtable::instances,
        genetlink::{
            command::{
                Command,
                Cursor,
                Do, //
            },
            message::Writer,
            request::Request, //
        }, //
    },
    offload::{
        binding::Device,
        reason::Reason,
        record::Record, //
    },
    report::netlink::{
        attribute::{
            by_reason,
            command,
            stats, //
        },
        message::State,
        walk::{
            walk_flows,
            Engine,
            Tables, //
        }, //
    }, //
};
use core::ops::ControlFlow::Continue;
use kernel::prelude::*;

/// The command that reads the totals of a network namespace.
pub(super) struct StatsGet;

impl Command for StatsGet {
    const NUMBER: u8 = command::STATS_GET;
    const ADMIN: bool = true;
}

/// The counters of a reason.
#[derive(Clone, Copy)]
struct Count {
    reason: Reason,
    flows: u64,
    refusals: u64,
}

/// The totals of a network namespace.
struct Totals {
    flowtables: u32,
    devices: u32,
    /// Those of [`Totals::OF_DEVICES`].
    of_devices: [u64; Self::OF_DEVICES.len()],
    in_hardware: u64,
    in_software: u64,
    removing: u64,
    one_direction: u64,
    by_reason: [Count; Reason::ALL.len()],
}

impl Totals {
    /// The sums over devices.
    const OF_DEVICES: [u16; 7] = [
        stats::RULES,
        stats::ADDS,
        stats::DELETES,
        stats::HARDWARE_MISSES,
        stats::PACKETS,
        stats::BYTES,
        stats::EVICTIONS,
    ];

    fn new() -> Self {
        Self {
            flowtables: 0,
            devices: 0,
            of_devices: [0; Self::OF_DEVICES.len()],
            in_hardware: 0,
            in_software: 0,
            removing: 0,
            one_direction: 0,
            by_reason: Reason::ALL.map(|reason| Count {
                reason,
                flows: 0,
                refusals: 0,
            }),
        }
    }

    /// Adds a device with its refusals.
    fn add_device(&mut self, of: &Device<'_>) {
        self.devices = self.devices.saturating_add(1);
        let tally = of.binding.counts();
        let more = [
            &tally.rules,
            &tally.adds,
            &tally.deletes,
            &tally.misses,
            &tally.packets,
            &tally.bytes,
            &tally.evictions,
        ];
        for (sum, more) in self.of_devices.iter_mut().zip(more) {
            *sum = sum.saturating_add(more.get());
        }
        for refusal in of.refusals.of(of.binding.ifindex) {
            let mut counts = self.by_reason.iter_mut();
            if let Some(count) = counts.find(|count| count.reason == refusal.reason) {
                count.refusals = count.refusals.saturating_add(refusal.count);
            }
        }
    }

    /// Adds a flow.
    fn add_flow(&mut self, record: &Record) {
        let sum = match State::of(record) {
            State::InHardware => &mut self.in_hardware,
            State::Software => &mut self.in_software,
            State::Removing => &mut self.removing,
            State::OneDirection => &mut self.one_direction,
        };
        *sum = sum.saturating_add(1);
        let reason = record.reason();
        let mut counts = self.by_reason.iter_mut();
        if let Some(count) = counts.find(|count| Some(count.reason) == reason) {
            count.flows = count.flows.saturating_add(1);
        }
    }

    /// Writes them into an answer.
    fn put(&self, answer: &mut Writer<'_>) -> Result {
        answer.u32(stats::FLOWTABLES, self.flowtables)?;
        answer.u32(stats::DEVICES, self.devices)?;
        for (number, sum) in Self::OF_DEVICES.into_iter().zip(self.of_devices) {
            answer.uint(number, sum)?;
        }
        answer.uint(stats::FLOWS_IN_HARDWARE, self.in_hardware)?;
        answer.uint(stats::FLOWS_IN_SOFTWARE, self.in_software)?;
        answer.uint(stats::FLOWS_REMOVING, self.removing)?;
        answer.uint(stats::FLOWS_ONE_DIRECTION, self.one_direction)?;
        for count in &self.by_reason {
            if count.flows == 0 && count.refusals == 0 {
                continue;
            }
            answer.nest(stats::BY_REASON, |to| {
                to.u32(by_reason::REASON, count.reason as u32)?;
                to.uint(by_reason::FLOWS, count.flows)?;
                to.uint(by_reason::REFUSALS, count.refusals)
            })?;
        }
        Ok(())
    }
}

impl Do for StatsGet {
    fn run(request: &Request<'_>, answer: &mut Writer<'_>) -> Result {
        let mut totals = Totals::new();
        instances::walk::<Engine>(request.net(), 0, |_, _, engine, _| {
            totals.flowtables = totals.flowtables.saturating_add(1);
            engine.walk_devices(0, |of| {
                totals.add_device(of);
                Continue(())
            });
            Continue(())
        });
        let mut cursor = Cursor::default();
        walk_flows(
            request.net(),
            &Tables::all(),
            &mut cursor,
            |_, _, record| {
                totals.add_flow(record);
                Continue(())
            },
        );
        totals.put(answer)
    }
}
