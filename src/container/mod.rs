// SPDX-License-Identifier: GPL-2.0

//! Tables in safe Rust, for what is looked up once or more for each rule that comes and goes, among millions.

mod hash;
pub(crate) mod places;

pub(crate) use hash::{
    HashTable,
    Slot, //
};
pub(crate) use places::{
    part,
    Places, //
};
