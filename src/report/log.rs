// SPDX-License-Identifier: GPL-2.0

//! The kernel log: one line for each event that needs action by the administrator, never one per
//! flow.

use crate::{
    net::{
        flow_offload::driver_error::DriverError,
        flowtable::{
            flow::Flow,
            registration::RegistrationError,
            view::Flowtable, //
        },
        log::Line,
        netdevice::NetDevice, //
    },
    offload::{
        binding::{
            Binding,
            Bound,
            Device, //
        },
        events::{
            DeviceNews,
            Events,
            FlowNews, //
        },
        parameter::Invalid,
        profile,
        reason::Reason,
        record::Record, //
    },
    report::netlink::event, //
};
use kernel::{
    fmt,
    prelude::*, //
};

/// The kernel log.
pub(crate) struct Log;

/// Logs that a family cannot be registered, why, and what to do.
pub(crate) fn registration_failed(error: &RegistrationError) {
    match error {
        RegistrationError::Held { family, holder } if holder.builtin => pr_err!(
            "flowtable type of family {family} is {holder}; nft_offload needs CONFIG_NF_FLOW_TABLE_INET=m\n"
        ),
        RegistrationError::Held { family, holder } => pr_err!(
            "flowtable type of family {family} is already registered by module {holder}; delete all flowtables, 'rmmod {holder}' and load nft_offload again; to load it first at boot, add 'softdep {holder} pre: nft_offload' to /etc/modprobe.d\n"
        ),
        RegistrationError::Twice => pr_err!("flowtable types are already registered by nft_offload\n"),
        RegistrationError::Alloc => pr_err!("cannot allocate the flowtable types\n"),
    }
}

/// Untrusted bytes in a log line, such as those of a parameter: unprintable ones are replaced.
struct Quoted<'a>(&'a [u8]);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write;
        f.write_char('"')?;
        for byte in self.0 {
            f.write_char(match byte {
                b' '..=b'~' => char::from(*byte),
                _ => '?',
            })?;
        }
        f.write_char('"')
    }
}

/// Formats who would accept the rules of a device: its driver, or the device itself without one.
struct Who<'a>(&'a Binding);

impl fmt::Display for Who<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0.driver(), self.0.kind()) {
            (b"", b"") => f.write_str("the device"),
            (b"", kind) => f.write_fmt(fmt!("a device of kind {}", Quoted(kind))),
            (driver, _) => f.write_fmt(fmt!("driver {}", Quoted(driver))),
        }
    }
}

/// Formats the names of all profiles.
struct ProfileNames;

impl fmt::Display for ProfileNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, profile) in profile::ALL.iter().enumerate() {
            f.write_str(if i == 0 { "" } else { ", " })?;
            f.write_str(profile.name)?;
        }
        Ok(())
    }
}

/// Logs what is wrong with a module parameter that lists devices.
fn parameter_invalid(
    parameter: &str,
    form: &str,
    invalid: &Invalid<'_>,
    expected: fmt::Arguments<'_>,
) {
    match invalid {
        Invalid::Form(item) => pr_err!(
            "parameter {parameter}: invalid entry {}: expected {form}\n",
            Quoted(item)
        ),
        Invalid::Device(name) => pr_err!(
            "parameter {parameter}: invalid device name {}: expected 1 to 15 characters\n",
            Quoted(name)
        ),
        Invalid::Value(text) => value_invalid(parameter, text, expected),
    }
}

/// Logs where and how the module parameter `profile` is wrong.
pub(crate) fn profile_invalid(invalid: &Invalid<'_>) {
    parameter_invalid(
        "profile",
        "DEVICE:PROFILE",
        invalid,
        fmt!("one of {ProfileNames}"),
    );
}

/// Logs where and how the module parameter `limit` is wrong.
pub(crate) fn limit_invalid(invalid: &Invalid<'_>) {
    parameter_invalid("limit", "DEVICE:RULES", invalid, fmt!("a rule count"));
}

/// Logs where and how the module parameter `block` is wrong.
pub(crate) fn block_invalid(invalid: &Invalid<'_>) {
    parameter_invalid("block", "DEVICE", invalid, fmt!("device names"));
}

/// Logs that the value of a module parameter is invalid, and what was expected.
fn value_invalid(parameter: &str, text: &[u8], expected: fmt::Arguments<'_>) {
    pr_err!(
        "parameter {parameter}: invalid value {}: expected {expected}\n",
        Quoted(text)
    );
}

/// Logs that a module parameter of a single word is invalid, and what was expected.
pub(crate) fn word_invalid(parameter: &str, text: &[u8], expected: &str) {
    value_invalid(parameter, text, fmt!("{expected}"));
}

/// Logs that a device accepts no rules, and the outcome.
fn accepts_no_rules(
    dev: &NetDevice,
    binding: &Binding,
    error: &DriverError,
    outcome: fmt::Arguments<'_>,
) {
    if !Line::DeviceInSoftware.is_allowed() {
        return;
    }
    pr_warn!(
        "{}: {} accepts no rules ({error}); {outcome}\n",
        dev.name(),
        Who(binding)
    );
}

impl Events for Log {
    fn flow(news: FlowNews, flowtable: &Flowtable, flow: &Flow, record: &Record) {
        event::tell_of_flow(news, flowtable, flow, record);
    }

    fn device(news: DeviceNews, flowtable: &Flowtable, device: &Device<'_>) {
        event::tell_of_device(news, flowtable, device);
    }

    fn device_in_software(dev: &NetDevice, binding: &Binding, error: &DriverError) {
        let retry = if error.is_temporary() {
            "retrying every second"
        } else {
            "retrying at growing intervals"
        };
        accepts_no_rules(
            dev,
            binding,
            error,
            fmt!("its flows stay in software, {retry}"),
        );
    }

    fn ruleset_refused(dev: &NetDevice, binding: &Binding, error: &DriverError) {
        accepts_no_rules(
            dev,
            binding,
            error,
            fmt!("the ruleset is rejected (unsupported=reject)"),
        );
    }

    fn more_in_software(devices: usize) {
        if !Line::DeviceInSoftware.is_allowed() {
            return;
        }
        pr_warn!(
            "{devices} more devices of the flowtable accept no rules; see 'nft-offload devices'\n"
        );
    }

    fn device_bound(dev: &NetDevice, bound: Bound) {
        if !Line::DeviceBound.is_allowed() {
            return;
        }
        let how = match bound {
            Bound::Software | Bound::Waiting => "not bound",
            Bound::Direct => "TC_SETUP_FT",
            Bound::Block => "TC_SETUP_BLOCK",
            Bound::Indirect => "indirect TC_SETUP_FT",
            Bound::IndirectBlock => "indirect TC_SETUP_BLOCK",
        };
        pr_info!(
            "{}: accepts rules now ({how}); its flows are offloaded\n",
            dev.name()
        );
    }

    fn flow_in_software(reason: Reason) {
        if !Line::FlowInSoftware.is_allowed() {
            return;
        }
        pr_info!(
            "flow stays in software: {} (logged once per flowtable and reason)\n",
            reason.text()
        );
    }

    fn flow_not_handed_over(reason: Reason) {
        pr_info!("flow stays in software: {} (logged once)\n", reason.text());
    }

    fn tunnel_in_slow_path(dev: Option<&NetDevice>) {
        match dev {
            Some(dev) => pr_info!(
                "{}: flows through this tunnel stay on the slow path, as this kernel's flowtable would lose their packets (logged once)\n",
                dev.name()
            ),
            None => pr_info!(
                "flows through an IP tunnel stay on the slow path, as this kernel's flowtable would lose their packets (logged once)\n"
            ),
        }
    }

    fn ends_are_not_promised() {
        pr_err!(
            "the flowtable core no longer reports the end of flows (NF_FLOW_HW was cleared); offload is disabled, unload nft_offload and report the kernel version\n"
        );
    }

    fn admission_is_blind() {
        if !Line::AdmissionIsBlind.is_allowed() {
            return;
        }
        pr_warn!(
            "parameter admit has no effect, as conntrack counts no packets; add 'counter' to the flowtable and set net.netfilter.nf_conntrack_acct=1 (logged once per flowtable)\n"
        );
    }

    fn rule_refused(dev: &NetDevice, error: &DriverError) {
        if !Line::RuleRefused.is_allowed() {
            return;
        }
        pr_warn!(
            "{}: driver refused a rule ({error}); such flows stay in software (logged once per device and error)\n",
            dev.name()
        );
    }

    fn rule_kept(dev: &NetDevice, cookie: u64, error: &DriverError) {
        if !Line::RuleKept.is_allowed() {
            return;
        }
        pr_warn!(
            "{}: driver failed to destroy rule {cookie} ({error}); retrying\n",
            dev.name()
        );
    }

    fn rules_left(dev: &NetDevice, rules: u64) {
        if !Line::RulesLeft.is_allowed() {
            return;
        }
        pr_err!(
            "{}: {rules} rules remain in hardware, as the driver failed to destroy them; reset the device\n",
            dev.name()
        );
    }
}
