// SPDX-License-Identifier: GPL-2.0

//! Error numbers that the kernel crate does not name.

use crate::net::bindings;
use kernel::prelude::*;

/// Returns `EOPNOTSUPP`, which the kernel crate does not name.
pub(crate) fn eopnotsupp() -> Error {
    Error::from_errno(-(bindings::EOPNOTSUPP as i32))
}
