// SPDX-License-Identifier: GPL-2.0

//! The events of the engine. `report/` puts them into words.

use crate::{
    net::{
        flow_offload::driver_error::DriverError,
        flowtable::{
            flow::Flow,
            view::Flowtable, //
        },
        netdevice::NetDevice, //
    },
    offload::{
        binding::{
            Binding,
            Bound,
            Device, //
        },
        reason::Reason,
        record::Record, //
    }, //
};

/// What has happened to a flow.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum FlowNews {
    /// The flow, or one more of its directions, is in hardware.
    In,
    /// The flow, or one of its directions, is not in hardware any more.
    Out,
    /// The flow was tried and stays in software, for another reason than before.
    Refused,
}

/// What has happened to a device.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum DeviceNews {
    /// The device takes rules now.
    Bound,
    /// The device takes no rules.
    Refused,
    /// The device has no room for another rule.
    Full,
}

/// Takes the engine's events.
///
/// All events are rare, never one per packet or flow, except for [`Events::flow`] and
/// [`Events::device`], which are for netlink listeners. May be called with the engine's locks held.
pub(crate) trait Events: Send + Sync + 'static {
    /// Reports what has happened to a flow.
    fn flow(news: FlowNews, flowtable: &Flowtable, flow: &Flow, record: &Record);

    /// Reports what has happened to a device.
    fn device(news: DeviceNews, flowtable: &Flowtable, device: &Device<'_>);

    /// Reports that a device takes no rules: its flows stay in software until it does.
    ///
    /// The flowtable has `flags offload`.
    fn device_in_software(dev: &NetDevice, binding: &Binding, error: &DriverError);

    /// Reports that a ruleset is refused because of a device that takes no rules (parameter
    /// `unsupported`).
    fn ruleset_refused(dev: &NetDevice, binding: &Binding, error: &DriverError);

    /// Reports the number of further devices of the flowtable that take no rules.
    fn more_in_software(devices: usize);

    /// Reports that a device takes rules for which [`Events::device_in_software`] was called.
    fn device_bound(dev: &NetDevice, bound: Bound);

    /// Reports that a flow of a flowtable stays in software, for the first time for this reason.
    fn flow_in_software(reason: Reason);

    /// Reports, once, that the core does not hand over a kind of flow.
    fn flow_not_handed_over(reason: Reason);

    /// Reports, once for each tunnel, that its packets take the slow path, as the core would lose
    /// them.
    ///
    /// Atomic context.
    fn tunnel_in_slow_path(dev: Option<&NetDevice>);

    /// Reports, once, that the core does not promise the DESTROY of flows any more.
    fn ends_are_not_promised();

    /// Reports that flows are to be admitted by their packets, which are not counted.
    fn admission_is_blind();

    /// Reports that a driver refused a rule, once for each error, device and flowtable.
    fn rule_refused(dev: &NetDevice, error: &DriverError);

    /// Reports that a driver did not destroy a rule, the first time with this error.
    ///
    /// The rule is retried.
    fn rule_kept(dev: &NetDevice, cookie: u64, error: &DriverError);

    /// Reports that a device leaves with rules that its driver did not destroy.
    fn rules_left(dev: &NetDevice, rules: u64);
}
