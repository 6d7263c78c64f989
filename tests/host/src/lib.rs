// SPDX-License-Identifier: GPL-2.0

//! The pure code of the kernel module, compiled for the host from the files of the module.

// Only the tests use its exports.
#[cfg_attr(not(test), allow(unused_imports))]
#[path = "../../../src/translate/mod.rs"]
mod translate;

mod offload;

mod report;

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
mod demux;
#[cfg(test)]
mod filter;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod layout;
#[cfg(test)]
mod match_hash;
#[cfg(test)]
mod pace;
#[cfg(test)]
mod packet;
#[cfg(test)]
mod parameter;
#[cfg(test)]
mod profile;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod reason;
#[cfg(test)]
mod reload;
#[cfg(test)]
mod rule;
#[cfg(test)]
mod seeds;
