// SPDX-License-Identifier: GPL-2.0

//! The engine: which rule goes to which device, when it goes in, and how it comes out again.
//!
//! Safe Rust only. What is a pure decision stands in a file of its own, without kernel types, and is tested on the host
//! as well.
//!
//! Locks, in their order: the commit mutex of nftables (held by the callers of bind and unbind) or the flowtable's
//! `flow_block_lock` (held by the callers of the rest); `Table::bindings`; `Table::batch`; the lock of the flows, `Matches`,
//! `Table::tombstones`, `Table::complaints`, `Table::refusals`, `Table::rebind_below` or `Table::reloads`, which are not held over a
//! driver's call; the lock of the driver's BIND; the driver's own.

mod backoff;
mod behind;
mod binding;
mod callbacks;
mod closing;
mod counters;
mod demux;
mod events;
mod evict;
mod inspect;
mod install;
mod log_once;
pub(crate) mod matches;
mod operator;
mod pace;
pub(crate) mod parameter;
mod profile;
mod reason;
mod rebind;
mod record;
mod refusals;
mod relearn;
pub(crate) mod reload;
mod remove;
mod resolve;
mod ruleset;
mod same_key;
mod session;
mod sink;
mod table;
pub(crate) mod tombstones;
mod view;
mod watch;

pub(crate) use binding::{Binding, Bound};
pub(crate) use events::{DeviceNews, Events, FlowNews};
pub(crate) use inspect::Device;
pub(crate) use operator::Settings;
pub(crate) use profile::{by_name as profile_by_name, ALL as PROFILES};
pub(crate) use reason::Reason;
pub(crate) use record::{Record, State};
pub(crate) use table::Table;
