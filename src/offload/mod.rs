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

pub(crate) mod backoff;
pub(crate) mod batch;
pub(crate) mod behind;
pub(crate) mod binding;
pub(crate) mod callbacks;
pub(crate) mod changes;
pub(crate) mod closing;
pub(crate) mod counters;
pub(crate) mod driver_rule;
pub(crate) mod events;
pub(crate) mod evict;
pub(crate) mod install;
pub(crate) mod ip_version;
pub(crate) mod log_once;
pub(crate) mod matches;
pub(crate) mod operator;
pub(crate) mod parameter;
pub(crate) mod prefixes;
pub(crate) mod profile;
pub(crate) mod rate;
pub(crate) mod read_flow;
pub(crate) mod reason;
pub(crate) mod rebind;
pub(crate) mod record;
pub(crate) mod refusals;
pub(crate) mod relearn;
pub(crate) mod reload;
pub(crate) mod remove;
pub(crate) mod resolve;
pub(crate) mod ruleset;
pub(crate) mod same_key;
pub(crate) mod session;
pub(crate) mod table;
pub(crate) mod tombstones;
pub(crate) mod watch;
