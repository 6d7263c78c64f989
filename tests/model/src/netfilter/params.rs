// SPDX-License-Identifier: GPL-2.0

//! The module's parameters.

use kernel::str::CStr;

/// No profile is forced on a device.
pub(crate) fn profile() -> &'static CStr {
    c""
}
