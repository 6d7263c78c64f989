// SPDX-License-Identifier: GPL-2.0

//! A stand-in for the pin-init crate: what is not used through the kernel crate.

pub use kernel::init::pin_init_array_from_fn;
