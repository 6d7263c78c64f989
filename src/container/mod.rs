// SPDX-License-Identifier: GPL-2.0

//! Tables in safe Rust, for what is looked up once or more for each rule that comes and goes, among millions.

pub(crate) mod hash;
pub(crate) mod slab_map;
