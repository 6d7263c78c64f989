// SPDX-License-Identifier: GPL-2.0

//! Totals.

use crate::{
    net::{
        flowtable::instances,
        genl::{
            Command,
            Cursor,
            Do,
            Request,
            Writer, //
        }, //
    },
    offload::reason::Reason,
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

pub(super) struct StatsGet;

impl Command for StatsGet {
    const NUMBER: u8 = command::STATS_GET;
    const ADMIN: bool = true;
}

/// What is counted for a reason.
#[derive(Clone, Copy)]
pub(super) struct Count {
    reason: Reason,
    flows: u64,
    refusals: u64,
}

impl Do for StatsGet {
    fn run(request: &Request<'_>, answer: &mut Writer<'_>) -> Result {
        let (mut tables, mut devices) = (0u32, 0u32);
        let mut total = [0u64; 7];
        let mut counts = Reason::ALL.map(|reason| Count {
            reason,
            flows: 0,
            refusals: 0,
        });
        instances::walk::<Engine>(request.net(), 0, |_, _, engine, _| {
            tables = tables.saturating_add(1);
            engine.walk_devices(0, |of| {
                devices = devices.saturating_add(1);
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
                for (sum, more) in total.iter_mut().zip(more) {
                    *sum = sum.saturating_add(more.get());
                }
                for refusal in of.refusals.of(of.binding.ifindex) {
                    let count = counts.iter_mut().find(|c| c.reason == refusal.reason);
                    if let Some(count) = count {
                        count.refusals = count.refusals.saturating_add(refusal.count);
                    }
                }
                Continue(())
            });
            Continue(())
        });
        let (mut hardware, mut software, mut removing, mut one) = (0u64, 0u64, 0u64, 0u64);
        let all = Tables::all();
        let mut cursor = Cursor::default();
        walk_flows(request.net(), &all, &mut cursor, |_, _, record| {
            let sum = match State::of(record) {
                State::InHardware => &mut hardware,
                State::Software => &mut software,
                State::Removing => &mut removing,
                State::OneDirection => &mut one,
            };
            *sum = sum.saturating_add(1);
            let reason = record.reason();
            if let Some(count) = counts.iter_mut().find(|c| Some(c.reason) == reason) {
                count.flows = count.flows.saturating_add(1);
            }
            Continue(())
        });
        answer.u32(stats::FLOWTABLES, tables)?;
        answer.u32(stats::DEVICES, devices)?;
        let numbers = [
            stats::RULES,
            stats::ADDS,
            stats::DELETES,
            stats::HARDWARE_MISSES,
            stats::PACKETS,
            stats::BYTES,
            stats::EVICTIONS,
        ];
        for (number, sum) in numbers.into_iter().zip(total) {
            answer.uint(number, sum)?;
        }
        answer.uint(stats::FLOWS_IN_HARDWARE, hardware)?;
        answer.uint(stats::FLOWS_IN_SOFTWARE, software)?;
        answer.uint(stats::FLOWS_REMOVING, removing)?;
        answer.uint(stats::FLOWS_ONE_DIRECTION, one)?;
        for count in counts {
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
