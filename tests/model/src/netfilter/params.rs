// SPDX-License-Identifier: GPL-2.0

//! The module's parameters.

use kernel::str::CStr;

/// No device has a limit.
pub(crate) fn limit() -> &'static CStr {
    c""
}

/// A device whose driver takes no rules stays in software.
pub(crate) fn unsupported() -> &'static CStr {
    c"software"
}

/// No profile is forced on a device.
pub(crate) fn profile() -> &'static CStr {
    c""
}
