// SPDX-License-Identifier: GPL-2.0

//! A stand-in for `src/netfilter/`: the same names and signatures, over the [`World`](crate::world::World) of the test
//! instead of the kernel.
//!
//! A view such as [`Flow`] is a name; what it says is looked up in the world, so that what the core has freed is found to
//! be gone.

mod block;
mod flow;
mod flowmap;
mod flowtable;
mod netdev;
mod notifier;
pub(crate) mod params;
mod route;
mod rule;
pub(crate) mod ruleset;
mod rwsem;
mod skb;
mod trace;
mod watch;

use crate::world::World;
use kernel::prelude::*;

pub(crate) use block::{
    reset as reset_blocks, retire, root, Block, BlockId, Command, DriverError, Load, Rung,
    SharedBlock, Stats,
};
pub(crate) use flow::{Dir, Encap, Flow, LiveFlow, NeighbourError, Tunnel, TunnelInfo, Xmit};
pub(crate) use flowmap::{FlowAddress, FlowId, FlowMap};
pub(crate) use flowtable::{Flowtable, Offload, Owned, Verdict};
pub(crate) use netdev::{DriverName, NetDevice, Netns, Port, RegisteredDevice};
pub(crate) use notifier::DeviceEvent;
pub(crate) use route::{NoWay, Way};
pub(crate) use rule::{Header, RuleBuilder};
pub(crate) use rwsem::{ReadGuard, RwSem};
pub(crate) use skb::SkBuff;
pub(crate) use trace::Traced;
pub(crate) use watch::{mac_place, now_ns, Change, MacSet, Prefix, MAC_PLACES};

/// Jiffies in a second.
pub(crate) const HZ: u64 = 250;

pub(crate) fn sleep_ms(_: u32) {}

pub(crate) fn cond_resched() {}

pub(crate) fn eopnotsupp() -> Error {
    Error::from_errno(-95)
}

pub(crate) fn prefetch<T>(_: &T) {}

pub(crate) fn seconds(seconds: u64) -> u64 {
    seconds.saturating_mul(HZ)
}

/// The same each time, so that a seed does the same each time.
pub(crate) fn random() -> u64 {
    0x9e37_79b9_7f4a_7c15
}

/// The test moves the clock.
pub(crate) fn jiffies64() -> u64 {
    World::with(|world| world.now)
}
