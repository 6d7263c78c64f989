// SPDX-License-Identifier: GPL-2.0

//! Limits how often a line of the kernel log comes, as the kernel crate has no `pr_*_ratelimited`.
//!
//! C header: [`include/linux/ratelimit.h`](srctree/include/linux/ratelimit.h)

use crate::net::bindings;

/// A kind of line, which has a limit of its own: twenty lines in five seconds, those of devices in five minutes. The kernel
/// says how many were left out.
#[derive(Clone, Copy)]
pub(crate) enum Line {
    /// No driver takes the rules of a device.
    DeviceInSoftware = bindings::nfto_log_NFTO_LOG_DEVICE_IN_SOFTWARE as isize,
    /// A driver takes the rules of a device that none took before.
    DeviceBound = bindings::nfto_log_NFTO_LOG_DEVICE_BOUND as isize,
    /// A flow stays in software.
    FlowInSoftware = bindings::nfto_log_NFTO_LOG_FLOW_IN_SOFTWARE as isize,
    /// The parameter `admit` has no effect.
    AdmissionIsBlind = bindings::nfto_log_NFTO_LOG_ADMISSION_IS_BLIND as isize,
    /// A driver refused a rule.
    RuleRefused = bindings::nfto_log_NFTO_LOG_RULE_REFUSED as isize,
    /// A driver did not destroy a rule.
    RuleKept = bindings::nfto_log_NFTO_LOG_RULE_KEPT as isize,
    /// Rules are left in hardware.
    RulesLeft = bindings::nfto_log_NFTO_LOG_RULES_LEFT as isize,
    /// A driver kept its callback.
    CallbackKept = bindings::nfto_log_NFTO_LOG_CALLBACK_KEPT as isize,
}

impl Line {
    /// Whether a line of this kind may be logged now.
    pub(crate) fn is_allowed(self) -> bool {
        // CAST: The numbers are those of the C enumeration.
        // SAFETY: An FFI call with no requirements.
        unsafe { bindings::nfto_log_allows(self as bindings::nfto_log) }
    }
}
