// SPDX-License-Identifier: GPL-2.0

//! The kernel's C interfaces, wrapped. The only place of this module with `unsafe`.
//!
//! One file for each interface. What leaves this directory is safe to use and says what it means: shapes, units, byte
//! order, errors. It decides nothing about offload; that is `offload/`.

mod bindings;
mod block;
mod flow;
mod flowmap;
mod flowtable;
pub(crate) mod genl;
mod instances;
mod log;
mod netdev;
mod notifier;
pub(crate) mod params;
mod registration;
mod route;
mod rule;
pub(crate) mod ruleset;
mod rwsem;
mod shared_block;
mod skb;
mod trace;
mod watch;

use kernel::prelude::*;

pub(crate) use block::{Block, BlockId, Command, DriverError, Rung, Stats};
pub(crate) use flow::{Dir, Flow, LiveFlow, NeighbourError, Tunnel, TunnelInfo, Xmit};
pub(crate) use flowmap::{FlowAddress, FlowId, FlowMap, Tuple};
pub(crate) use flowtable::{Flowtable, Offload, Verdict};
pub(crate) use instances::{walk as walk_instances, Instances, Names};
pub(crate) use log::Line;
pub(crate) use netdev::{DriverName, NetDevice, Netns, Port, RegisteredDevice};
pub(crate) use notifier::{DeviceEvent, Notifier};
pub(crate) use registration::{Registration, RegistrationError};
pub(crate) use route::{NoWay, Way};
pub(crate) use rule::{Header, RuleBuilder};
pub(crate) use rwsem::{ReadGuard, RwSem};
pub(crate) use shared_block::{Load, SharedBlock};
pub(crate) use skb::SkBuff;
pub(crate) use trace::Traced;
pub(crate) use watch::{mac_place, now_ns, Change, MacSet, Prefix, Watch, MAC_PLACES};

/// `EOPNOTSUPP`, which the kernel crate does not name.
pub(crate) fn eopnotsupp() -> Error {
    Error::from_errno(-(bindings::EOPNOTSUPP as i32))
}

/// Something is about to be written that may be far away: the processor is to fetch it meanwhile.
///
/// C header: [`include/linux/prefetch.h`](srctree/include/linux/prefetch.h)
pub(crate) fn prefetch<T>(place: &T) {
    // SAFETY: An FFI call with no requirements.
    unsafe { bindings::nfto_prefetch(core::ptr::from_ref(place).cast()) }
}

/// A number of seconds in jiffies.
pub(crate) fn seconds(seconds: u64) -> u64 {
    seconds.saturating_mul(u64::from(bindings::HZ))
}

/// A number of jiffies in milliseconds.
pub(crate) fn milliseconds(jiffies: u64) -> u64 {
    jiffies.saturating_mul(1000) / u64::from(bindings::HZ)
}

/// Sleeps for about so many milliseconds.
pub(crate) fn sleep_ms(milliseconds: u32) {
    // SAFETY: An FFI call with no requirements; the callers may sleep.
    unsafe { bindings::nfto_sleep_ms(milliseconds) }
}

/// Lets other tasks run, if they wait.
///
/// C header: [`include/linux/sched.h`](srctree/include/linux/sched.h)
pub(crate) fn cond_resched() {
    // SAFETY: An FFI call with no requirements; the callers may sleep.
    unsafe { bindings::nfto_cond_resched() }
}

/// A number that nobody can guess.
///
/// C header: [`include/linux/random.h`](srctree/include/linux/random.h)
pub(crate) fn random() -> u64 {
    // SAFETY: An FFI call with no requirements.
    unsafe { bindings::nfto_random() }
}

/// The kernel's clock in jiffies, 64 bit on every architecture.
///
/// C header: [`include/linux/jiffies.h`](srctree/include/linux/jiffies.h)
pub(crate) fn jiffies64() -> u64 {
    // SAFETY: An FFI call with no requirements.
    unsafe { bindings::nfto_jiffies64() }
}
