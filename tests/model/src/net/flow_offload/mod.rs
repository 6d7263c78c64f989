// SPDX-License-Identifier: GPL-2.0

//! Rules for drivers, and the blocks through which they get them.

pub(crate) mod block;
pub(crate) mod rule;

pub(crate) mod driver_error {
    pub(crate) use super::block::DriverError;
}

pub(crate) mod shared_block {
    pub(crate) use super::block::{Load, SharedBlock};
}
