// SPDX-License-Identifier: GPL-2.0

//! The engine of the kernel module, from the very files that the module is made of, between a core and a driver that a
//! test drives: see `model.rs`.
//!
//! | file         | what it stands for                                                                |
//! |--------------|-----------------------------------------------------------------------------------|
//! | `kernel/`    | the kernel crate, as far as the engine uses it                                    |
//! | `net/` | `src/net/`: names and signatures; asks the world                            |
//! | `world.rs`   | devices, connections, flows, the clock; what is known of each rule                |
//! | `driver.rs`  | the drivers: what they answer, and what must be true when they are called         |
//! | `nft.rs`     | nf_flow_table: the work items and the garbage collection; what must be true after |
//! | `ops.rs`     | the operations that a sequence is made of, and how they are written down          |
//! | `model.rs`   | the tests                                                                         |
//! | `match_owner.rs` | a test of the table of the owners of matches alone                            |
//! | `slab_map.rs`| a test of the table of records alone                                              |
//! | `tombstones.rs` | a test of the rules that drivers did not destroy, alone                        |
//!
//! Where to go when the engine changes:
//!
//! * It uses another function of the kernel crate or of `src/net/`: add it to the stand-in, with an allocation
//!   (`alloc::allocate`) where the real one has one.
//! * It tells another event: `Log` in `nft.rs`.
//! * It may do what the model forbids, such as taking a flow out to make room for another: `EVICTS`, `bind_again` and
//!   `owed` in `nft.rs` say what it may and what it must. `owed` asks only for flows that were never refused.
//! * There is another thing that can happen: a line in `ops.rs`, an arm in `run` of `nft.rs`. Seeds go by names, so the old
//!   ones stay good.

#[cfg(test)]
#[path = "../../../src/container/mod.rs"]
mod container;
#[cfg(test)]
mod driver;
#[cfg(test)]
mod match_owner;
#[cfg(test)]
mod model;
#[cfg(test)]
mod net;
#[cfg(test)]
mod nft;
#[cfg(test)]
// The report uses more of it.
#[allow(unused_imports)]
#[path = "../../../src/offload/mod.rs"]
mod offload;
#[cfg(test)]
mod ops;
#[cfg(test)]
#[allow(dead_code)]
#[path = "../../../src/proto.rs"]
mod proto;
#[cfg(test)]
mod slab_map;
#[cfg(test)]
mod tombstones;
#[cfg(test)]
#[path = "../../../src/translate/mod.rs"]
mod translate;
/// The numbers of the netlink interface, which the module takes from `src/uapi`.
#[cfg(test)]
#[path = "../../../tools/nft-offload/src/netlink/uapi.rs"]
mod uapi;
#[cfg(test)]
mod world;
