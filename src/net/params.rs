// SPDX-License-Identifier: GPL-2.0

//! Module parameters of types that the kernel crate does not support (7.2): strings and a bool.
//! They do not change after loading.

use crate::net::bindings;
use kernel::{
    prelude::*,
    str::CStr, //
};

/// Returns the parameter `limit`: the maximum number of rules of a device.
pub(crate) fn limit() -> &'static CStr {
    // SAFETY: As in `profile`.
    unsafe { CStr::from_char_ptr(bindings::nfto_param_limit()) }
}

/// Returns the parameter `block`: devices whose driver may receive rules through its block of tc.
pub(crate) fn block() -> &'static CStr {
    // SAFETY: As in `profile`.
    unsafe { CStr::from_char_ptr(bindings::nfto_param_block()) }
}

/// Returns the parameter `unsupported`: the treatment of a device whose driver accepts no rules.
pub(crate) fn unsupported() -> &'static CStr {
    // SAFETY: As in `profile`.
    unsafe { CStr::from_char_ptr(bindings::nfto_param_unsupported()) }
}

/// Returns the parameter `directions`: whether one direction of a flow may be in hardware alone.
pub(crate) fn directions() -> &'static CStr {
    // SAFETY: As in `profile`.
    unsafe { CStr::from_char_ptr(bindings::nfto_param_directions()) }
}

/// Returns the parameter `admit`: the number of packets that a flow must have passed before it is
/// offloaded.
pub(crate) fn admit() -> &'static CStr {
    // SAFETY: As in `profile`.
    unsafe { CStr::from_char_ptr(bindings::nfto_param_admit()) }
}

/// Returns the parameter `flush_on_reload`: whether flows end when the ruleset changes.
pub(crate) fn flush_on_reload() -> bool {
    // SAFETY: An FFI call with no requirements.
    unsafe { bindings::nfto_param_flush_on_reload() }
}

/// Returns the parameter `profile`: driver profiles that are forced on devices.
pub(crate) fn profile() -> &'static CStr {
    // SAFETY: An FFI call with no requirements; the string was set before the module's init and
    // stays as long as the module is loaded.
    unsafe { CStr::from_char_ptr(bindings::nfto_param_profile()) }
}
