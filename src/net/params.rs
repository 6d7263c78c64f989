// SPDX-License-Identifier: GPL-2.0

//! Module parameters, of kinds that the kernel crate does not have (7.2): strings and a bool. They do not change after loading.

use crate::net::bindings;
use kernel::{
    prelude::*,
    str::CStr, //
};

/// The parameter `limit`: how many rules a device may hold.
pub(crate) fn limit() -> &'static CStr {
    // SAFETY: As in `profile`.
    unsafe { CStr::from_char_ptr(bindings::nfto_param_limit()) }
}

/// The parameter `block`: devices whose driver may be given rules through its block of tc.
pub(crate) fn block() -> &'static CStr {
    // SAFETY: As in `profile`.
    unsafe { CStr::from_char_ptr(bindings::nfto_param_block()) }
}

/// The parameter `unsupported`: what becomes of a device whose driver takes no rules.
pub(crate) fn unsupported() -> &'static CStr {
    // SAFETY: As in `profile`.
    unsafe { CStr::from_char_ptr(bindings::nfto_param_unsupported()) }
}

/// The parameter `directions`: whether one direction of a flow may be in hardware alone.
pub(crate) fn directions() -> &'static CStr {
    // SAFETY: As in `profile`.
    unsafe { CStr::from_char_ptr(bindings::nfto_param_directions()) }
}

/// The parameter `admit`: how many packets a flow must have passed before it is offloaded.
pub(crate) fn admit() -> &'static CStr {
    // SAFETY: As in `profile`.
    unsafe { CStr::from_char_ptr(bindings::nfto_param_admit()) }
}

/// The parameter `flush_on_reload`: whether flows end when the ruleset changes.
pub(crate) fn flush_on_reload() -> bool {
    // SAFETY: An FFI call with no requirements.
    unsafe { bindings::nfto_param_flush_on_reload() }
}

/// The parameter `profile`: driver profiles that are forced on devices.
pub(crate) fn profile() -> &'static CStr {
    // SAFETY: An FFI call with no requirements; the string was set before the module's init and stays as long as the
    // module.
    unsafe { CStr::from_char_ptr(bindings::nfto_param_profile()) }
}
