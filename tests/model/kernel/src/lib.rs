// SPDX-License-Identifier: GPL-2.0

//! A stand-in for the kernel crate: the names and signatures that the engine uses, for a program on the host.
//!
//! What the kernel's versions cannot do here these add: an allocation fails when the test says so ([`alloc::fail_in`]),
//! and the order of the locks is checked ([`lockdep`]).

pub mod alloc;
pub mod error;
pub mod init;
pub mod lockdep;
pub mod prelude;
pub mod sync;

pub use core::fmt;

/// Strings.
pub mod str {
    pub use core::ffi::CStr;
}
