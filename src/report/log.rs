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
            "flowtables of family {family} are held by the kernel's own type, which is {holder}: nft_offload needs a kernel with CONFIG_NF_FLOW_TABLE_INET=m\n"
        ),
        RegistrationError::Held { family, holder } => pr_err!(
            "flowtables of family {family} are held by module {holder}: delete the flowtables, run 'rmmod {holder}', then load nft_offload; 'softdep {holder} pre: nft_offload' in /etc/modprobe.d does so at the next boot\n"
        ),
        RegistrationError::Twice => pr_err!("the flowtable types were registered before\n"),
        RegistrationError::Alloc => pr_err!("no memory to register the flowtable types\n"),
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
    value: &str,
    invalid: &Invalid<'_>,
    wanted: fmt::Arguments<'_>,
) {
    match invalid {
        Invalid::Form(item) => pr_err!(
            "parameter {parameter}: {} is not DEVICE:{value}, separated by commas\n",
            Quoted(item)
        ),
        Invalid::Device(name) => pr_err!(
            "parameter {parameter}: {} cannot be the name of a device: 1 to 15 characters\n",
            Quoted(name)
        ),
        Invalid::Value(text) => {
            pr_err!(
                "parameter {parameter}: {} means nothing; {wanted}\n",
                Quoted(text)
            )
        }
    }
}

/// Logs where and how the module parameter `profile` is wrong.
pub(crate) fn profile_invalid(invalid: &Invalid<'_>) {
    parameter_invalid(
        "profile",
        "PROFILE",
        invalid,
        fmt!("there are {ProfileNames}"),
    );
}

/// Logs where and how the module parameter `limit` is wrong.
pub(crate) fn limit_invalid(invalid: &Invalid<'_>) {
    parameter_invalid(
        "limit",
        "RULES",
        invalid,
        fmt!("a number of rules is wanted"),
    );
}

/// Logs where and how the module parameter `block` is wrong.
pub(crate) fn block_invalid(invalid: &Invalid<'_>) {
    parameter_invalid("block", "", invalid, fmt!("names of devices are wanted"));
}

/// Logs that a module parameter of a single word is wrong, and which values it can have.
pub(crate) fn parameter_means_nothing(parameter: &str, text: &[u8], wanted: &str) {
    pr_err!(
        "parameter {parameter}: {} means nothing; {wanted}\n",
        Quoted(text)
    );
}

/// Logs that a device accepts no rules, and the outcome.
fn takes_no_rules(
    dev: &NetDevice,
    binding: &Binding,
    error: &DriverError,
    outcome: fmt::Arguments<'_>,
) {
    if !Line::DeviceInSoftware.is_allowed() {
        return;
    }
    pr_warn!(
        "{}: {} takes no rules ({error}): {outcome}\n",
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
        let how_long = if error.is_temporary() {
            " until it does; tried every second"
        } else {
            " until somebody does"
        };
        takes_no_rules(
            dev,
            binding,
            error,
            fmt!("its flows stay in software{how_long}"),
        );
    }

    fn ruleset_refused(dev: &NetDevice, binding: &Binding, error: &DriverError) {
        takes_no_rules(
            dev,
            binding,
            error,
            fmt!("the ruleset is refused (unsupported=reject)"),
        );
    }

    fn more_in_software(devices: usize) {
        if !Line::DeviceInSoftware.is_allowed() {
            return;
        }
        pr_warn!(
            "{devices} more devices of the flowtable take no rules: 'nft-offload devices' shows them\n"
        );
    }

    fn device_bound(dev: &NetDevice, bound: Bound) {
        if !Line::DeviceBound.is_allowed() {
            return;
        }
        let how = match bound {
            Bound::Software | Bound::Waiting => "not bound",
            Bound::Direct => "its driver takes flowtables",
            Bound::Block => "its driver takes rules of tc",
            Bound::Indirect => "the driver of another device takes flowtables for it",
            Bound::IndirectBlock => "the driver of another device takes rules of tc for it",
        };
        pr_info!(
            "{}: takes rules now ({how}): its flows go into hardware\n",
            dev.name()
        );
    }

    fn flow_in_software(reason: Reason) {
        if !Line::FlowInSoftware.is_allowed() {
            return;
        }
        pr_info!(
            "a flow stays in software: {}; said once per flowtable and reason\n",
            reason.text()
        );
    }

    fn flow_not_handed_over(reason: Reason) {
        pr_info!("a flow stays in software: {}; said once\n", reason.text());
    }

    fn tunnel_in_slow_path(dev: Option<&NetDevice>) {
        match dev {
            Some(dev) => pr_info!(
                "{}: this tunnel's flows stay on the slow path: the flowtable of this kernel would lose their packets; said once\n",
                dev.name()
            ),
            None => pr_info!(
                "flows through an IP tunnel stay on the slow path: the flowtable of this kernel would lose their packets; said once\n"
            ),
        }
    }

    fn ends_are_not_promised() {
        pr_err!(
            "this kernel does not say any more when a flow ends (NF_FLOW_HW was cleared): nothing is offloaded from now on; unload nft_offload and report the kernel's version\n"
        );
    }

    fn admission_is_blind() {
        if !Line::AdmissionIsBlind.is_allowed() {
            return;
        }
        pr_warn!(
            "parameter admit has no effect: conntrack does not count packets; add 'counter' to the flowtable and set net.netfilter.nf_conntrack_acct=1; said once per flowtable\n"
        );
    }

    fn rule_refused(dev: &NetDevice, error: &DriverError) {
        if !Line::RuleRefused.is_allowed() {
            return;
        }
        pr_warn!(
            "{}: the driver refused a rule ({error}): such flows stay in software; said once per device and error\n",
            dev.name()
        );
    }

    fn rule_kept(dev: &NetDevice, cookie: u64, error: &DriverError) {
        if !Line::RuleKept.is_allowed() {
            return;
        }
        pr_warn!(
            "{}: the driver did not destroy rule {cookie} ({error}): tried again\n",
            dev.name()
        );
    }

    fn rules_left(dev: &NetDevice, rules: u64) {
        if !Line::RulesLeft.is_allowed() {
            return;
        }
        pr_err!(
            "{}: {rules} rules are left in hardware, their driver did not destroy them: reset the device\n",
            dev.name()
        );
    }
}
