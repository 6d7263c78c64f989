// SPDX-License-Identifier: GPL-2.0

//! Wraps the kernel's C interfaces; the only part of this module that contains `unsafe`.
//!
//! There is one file for each interface. The items that this directory exports are safe to use, and
//! their types express shapes, units, byte order and errors. They decide nothing about offload;
//! that is the task of `offload/`.
//!
//! The files in `helpers/` wrap the inline functions of one C header each. What needs more of C than
//! that is in a C file beside the Rust file that calls it.

pub(crate) mod bindings;
pub(crate) mod errno;
pub(crate) mod flow_offload;
pub(crate) mod flowtable;
pub(crate) mod genetlink;
pub(crate) mod listener;
pub(crate) mod log;
pub(crate) mod neighbour;
pub(crate) mod netdevice;
pub(crate) mod notifier;
pub(crate) mod params;
pub(crate) mod percpu_rwsem;
pub(crate) mod random;
pub(crate) mod route;
pub(crate) mod skbuff;
pub(crate) mod time;
pub(crate) mod trace;
pub(crate) mod watch;
