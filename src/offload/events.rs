// SPDX-License-Identifier: GPL-2.0

//! What the engine has to tell a person. `report/` says how.

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
    /// It is in hardware, or one more of its directions.
    In,
    /// It is not any more, or one of its directions.
    Out,
    /// It was tried and stays in software, for another reason than before.
    Refused,
}

/// What has happened to a device.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum DeviceNews {
    /// It takes rules now.
    Bound,
    /// It takes none.
    Refused,
    /// It has no room for another one.
    Full,
}

/// Takes the engine's events; each is rare, never one per packet or flow, but for [`Events::flow`] and [`Events::device`], which
/// are for who listens. May be called with the engine's locks held.
pub(crate) trait Events: Send + Sync + 'static {
    /// Something has happened to a flow.
    fn flow(news: FlowNews, flowtable: &Flowtable, flow: &Flow, record: &Record);

    /// Something has happened to a device.
    fn device(news: DeviceNews, flowtable: &Flowtable, device: &Device<'_>);

    /// A device of a flowtable with `flags offload` takes no rules: its flows stay in software until it does.
    fn device_in_software(dev: &NetDevice, binding: &Binding, error: &DriverError);

    /// A ruleset is refused because of a device that takes no rules (parameter `unsupported`).
    fn ruleset_refused(dev: &NetDevice, binding: &Binding, error: &DriverError);

    /// So many more devices of the flowtable do not either.
    fn more_in_software(devices: usize);

    /// A device takes rules of which [`Events::device_in_software`] has said that it does not.
    fn device_bound(dev: &NetDevice, bound: Bound);

    /// A flow of a flowtable stays in software, for the first time for this reason.
    fn flow_in_software(reason: Reason);

    /// The core keeps a kind of flow to itself; said once.
    fn flow_not_handed_over(reason: Reason);

    /// The core would lose the packets of a tunnel, which take the slow path; said once for each tunnel. Atomic context.
    fn tunnel_in_slow_path(dev: Option<&NetDevice>);

    /// The core does not promise the DESTROY of flows any more; said once.
    fn ends_are_not_promised();

    /// Flows are to be admitted by their packets, but nobody counts those.
    fn admission_is_blind();

    /// A driver refused a rule, for the first time with this error on this device of this flowtable.
    fn rule_refused(dev: &NetDevice, error: &DriverError);

    /// A driver did not destroy a rule, for the first time with this error; it is tried again.
    fn rule_kept(dev: &NetDevice, cookie: u64, error: &DriverError);

    /// A device leaves with rules that its driver did not destroy.
    fn rules_left(dev: &NetDevice, rules: u64);
}
