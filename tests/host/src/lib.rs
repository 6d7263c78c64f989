// SPDX-License-Identifier: GPL-2.0

//! The pure code of the kernel module, compiled for the host from the files of the module.

// Only the tests use its exports.
#[cfg_attr(not(test), allow(unused_imports))]
#[path = "../../../src/translate/mod.rs"]
mod translate;

mod offload;

#[allow(dead_code)]
#[path = "../../../src/proto.rs"]
mod proto;

mod report;

/// The numbers of the netlink interface, which the module takes from `src/uapi`.
#[path = "../../../tools/nft-offload/src/netlink/uapi.rs"]
mod uapi;

/// The checks of the fuzz targets.
#[cfg(test)]
#[path = "../../fuzz/checks/mod.rs"]
mod checks;

#[cfg(test)]
mod backoff;
#[cfg(test)]
mod behind;
#[cfg(test)]
mod counters;
#[cfg(test)]
mod docs;
#[cfg(test)]
mod filter;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod ip_version;
#[cfg(test)]
mod layout;
#[cfg(test)]
mod match_hash;
#[cfg(test)]
mod packet;
#[cfg(test)]
mod parameter;
#[cfg(test)]
mod profile;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod published_numbers;
#[cfg(test)]
mod rate;
#[cfg(test)]
mod reason;
#[cfg(test)]
mod reload;
#[cfg(test)]
mod rule;
#[cfg(test)]
mod seeds;
