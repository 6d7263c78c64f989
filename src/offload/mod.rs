// SPDX-License-Identifier: GPL-2.0

//! The engine: decides which rule goes to which device, when it is installed, and when it is
//! removed.
//!
//! Safe Rust only. Pure decisions have files of their own without kernel types; the host tests
//! compile these files as well.
//!
//! Lock order, outermost first:
//!
//! 1. The locks of the caller. nf_tables holds its `commit_mutex`, and sometimes RTNL, for bind and
//!    unbind. The core holds the flowtable's `flow_block_lock` for reading in DESTROY and STATS. It
//!    holds no lock in REPLACE; neither do the module's works and netlink requests.
//! 2. `Table::bindings`. For writing, the locks of BIND and UNBIND and those of the driver follow.
//!    For reading, the driver's follow, directly or below `Table::batch`.
//! 3. `Table::batch`, held over the driver calls of one batch.
//! 4. A part of the flow map.
//! 5. One of: a part of `MatchOwner`, `Table::tombstones`, `Table::complaints`, `Table::refusals`,
//!    `Table::reloads`.
//!
//! The locks of 4 and 5 are not held over the call of a driver. `Table::rebind_below` is taken
//! alone. docs/design.md shows the whole picture.

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
pub(crate) mod match_owner;
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
