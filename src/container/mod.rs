// SPDX-License-Identifier: GPL-2.0

//! Tables in safe Rust, for lookups that happen at least once for each rule that is installed or
//! removed, among millions of entries.

pub(crate) mod hash;
pub(crate) mod slab_map;
