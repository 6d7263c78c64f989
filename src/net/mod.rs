// SPDX-License-Identifier: GPL-2.0

//! The kernel's C interfaces, wrapped. The only place of this module with `unsafe`.
//!
//! One file for each interface. What leaves this directory is safe to use and says what it means: shapes, units, byte
//! order, errors. It decides nothing about offload; that is `offload/`.

pub(crate) mod bindings;
pub(crate) mod errno;
pub(crate) mod flow_offload;
pub(crate) mod flowtable;
pub(crate) mod genl;
pub(crate) mod listener;
pub(crate) mod log;
pub(crate) mod neighbour;
pub(crate) mod netdevice;
pub(crate) mod notifier;
pub(crate) mod params;
pub(crate) mod percpu_rwsem;
pub(crate) mod prefetch;
pub(crate) mod random;
pub(crate) mod route;
pub(crate) mod skbuff;
pub(crate) mod time;
pub(crate) mod trace;
pub(crate) mod watch;
