// SPDX-License-Identifier: GPL-2.0

//! What `use kernel::prelude::*` brings.

pub use crate::{
    alloc::{flags::*, KBox, KVec},
    error::{code, Error, Result},
    init::PinInit,
    pin_init, try_pin_init,
};
pub use core::{
    mem::{align_of, align_of_val, size_of, size_of_val},
    pin::Pin,
};
pub use macros::pin_data;
