// SPDX-License-Identifier: GPL-2.0

//! The pure code of the kernel module with what has to hold for it, for the fuzz targets.

// Only the checks use what it exports.
#[allow(unused_imports)]
#[path = "../../../src/translate/mod.rs"]
mod translate;

/// The numbers of the netlink interface, which the module takes from `src/uapi`.
#[path = "../../../tools/nft-offload/src/netlink/uapi.rs"]
mod uapi;

#[path = "../../host/src/offload.rs"]
mod offload;

#[allow(dead_code)]
#[path = "../../../src/proto.rs"]
mod proto;

#[path = "../checks/mod.rs"]
mod checks;

pub use checks::{counters, demux, profile, translation};
