// SPDX-License-Identifier: GPL-2.0

//! A stand-in for `src/net/`: the same names and signatures, over the [`World`](crate::world::World) of the test
//! instead of the kernel.
//!
//! A view such as [`Flow`](flowtable::flow::Flow) is a name; what it says is looked up in the world, so that what the core has freed is found to
//! be gone.

pub(crate) mod errno;
pub(crate) mod flow_offload;
pub(crate) mod flowtable;
pub(crate) mod listener;
pub(crate) mod neighbour;
pub(crate) mod netdevice;
pub(crate) mod params;
pub(crate) mod percpu_rwsem;
pub(crate) mod random;
pub(crate) mod route;
pub(crate) mod skbuff;
pub(crate) mod time;
pub(crate) mod trace;
