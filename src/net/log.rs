// SPDX-License-Identifier: GPL-2.0

//! Limits the rate of log lines, as the kernel crate has no `pr_*_ratelimited`.
//!
//! C header: [`include/linux/ratelimit.h`](srctree/include/linux/ratelimit.h)

use crate::net::bindings;

/// A kind of log line, with a limit of its own.
///
/// The limit is 20 lines in 5 seconds, or in 5 minutes for lines about devices. The kernel logs the
/// number of suppressed lines.
#[derive(Clone, Copy)]
pub(crate) enum Line {
    /// No driver accepts the rules of a device.
    DeviceInSoftware = bindings::nfto_log_NFTO_LOG_DEVICE_IN_SOFTWARE as isize,
    /// A driver accepts the rules of a device for which there was no driver before.
    DeviceBound = bindings::nfto_log_NFTO_LOG_DEVICE_BOUND as isize,
    /// A flow stays in software.
    FlowInSoftware = bindings::nfto_log_NFTO_LOG_FLOW_IN_SOFTWARE as isize,
    /// The parameter `admit` has no effect.
    AdmissionIsBlind = bindings::nfto_log_NFTO_LOG_ADMISSION_IS_BLIND as isize,
    /// A driver rejected a rule.
    RuleRefused = bindings::nfto_log_NFTO_LOG_RULE_REFUSED as isize,
    /// A driver did not destroy a rule.
    RuleKept = bindings::nfto_log_NFTO_LOG_RULE_KEPT as isize,
    /// Rules are left in hardware.
    RulesLeft = bindings::nfto_log_NFTO_LOG_RULES_LEFT as isize,
    /// A driver kept its callback.
    CallbackKept = bindings::nfto_log_NFTO_LOG_CALLBACK_KEPT as isize,
}

impl Line {
    /// Returns whether a line of this kind may be logged now.
    pub(crate) fn is_allowed(self) -> bool {
        // CAST: The values are those of the C enumeration.
        // SAFETY: An FFI call with no requirements.
        unsafe { bindings::nfto_log_allows(self as bindings::nfto_log) }
    }
}
