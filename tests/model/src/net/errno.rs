// SPDX-License-Identifier: GPL-2.0

//! Error numbers.

use kernel::prelude::*;

pub(crate) fn eopnotsupp() -> Error {
    Error::from_errno(-95)
}
