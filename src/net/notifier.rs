// SPDX-License-Identifier: GPL-2.0

//! Listens to events of network devices.
//!
//! Two kinds of events matter: those that a driver may check when a device is bound (the device
//! appears, its features are changed, it is put below another device or removed from there), and
//! those that can change the path of packets.
//!
//! The engines only note an event: the notifier holds RTNL, and they may wait for drivers. They
//! handle it in their chores.
//!
//! C header: [`include/linux/netdevice.h`](srctree/include/linux/netdevice.h)

use crate::net::{
    bindings,
    listener::{
        Change,
        DeviceEvent,
        Listener, //
    },
    netdevice::Netns,
    watch::Watch, //
};
use core::marker::PhantomData;
use kernel::{
    alloc::KBox,
    error::to_result,
    ffi::{
        c_int,
        c_ulong,
        c_void, //
    },
    prelude::*,
    types::Opaque, //
};

/// A registered notifier.
///
/// # Invariants
///
/// The notifier block is registered, and does not move.
pub(crate) struct Notifier<L: Listener>(
    Pin<KBox<Opaque<bindings::notifier_block>>>,
    PhantomData<L>,
);

// SAFETY: A notifier can be unregistered by any thread.
unsafe impl<L: Listener> Send for Notifier<L> {}
// SAFETY: A shared reference gives access to nothing.
unsafe impl<L: Listener> Sync for Notifier<L> {}

impl<L: Listener> Notifier<L> {
    /// Registers the notifier; takes RTNL.
    ///
    /// It must be dropped before the [`Watch`], to which it reports the events of bridges.
    pub(crate) fn new(_watch: &Watch<L>) -> Result<Self> {
        let block = bindings::notifier_block {
            notifier_call: Some(notify::<L>),
            ..bindings::notifier_block::default()
        };
        let block = KBox::pin(Opaque::new(block), GFP_KERNEL)?;
        // SAFETY: The block is pinned and was not registered; `Drop` unregisters it.
        to_result(unsafe { bindings::register_netdevice_notifier(block.get()) })?;
        // INVARIANT: As above.
        Ok(Self(block, PhantomData))
    }
}

impl<L: Listener> Drop for Notifier<L> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant. When it returns, `notify` is not running: both hold RTNL.
        unsafe { bindings::unregister_netdevice_notifier(self.0.get()) };
    }
}

/// Returns whether an event can change the path of packets through the device.
fn is_on_the_way(event: bindings::netdev_cmd) -> bool {
    matches!(
        event,
        bindings::netdev_cmd_NETDEV_UP
            | bindings::netdev_cmd_NETDEV_DOWN
            | bindings::netdev_cmd_NETDEV_CHANGE
            | bindings::netdev_cmd_NETDEV_CHANGEADDR
            | bindings::netdev_cmd_NETDEV_CHANGEMTU
            | bindings::netdev_cmd_NETDEV_CHANGEUPPER
            | bindings::netdev_cmd_NETDEV_CHANGELOWERSTATE
            | bindings::netdev_cmd_NETDEV_BONDING_FAILOVER
            | bindings::netdev_cmd_NETDEV_UNREGISTER
    )
}

/// Handles an event of a device. Called with RTNL held.
///
/// # Safety
///
/// `info` belongs to an event of the netdevice notifier.
unsafe extern "C" fn notify<L: Listener>(
    _block: *mut bindings::notifier_block,
    event: c_ulong,
    info: *mut c_void,
) -> c_int {
    const NOTIFY_DONE: c_int = 0;
    // SAFETY: By the safety requirement; RTNL is held. The `Watch`, whose data this uses, exists
    // as long as the notifier (`Notifier::new`).
    unsafe { bindings::nfto_bridge_changed(event, info) };
    // CAST: The values are those of the C enumeration.
    let event = event as bindings::netdev_cmd;
    let up = event == bindings::netdev_cmd_NETDEV_UP;
    if up || event == bindings::netdev_cmd_NETDEV_DOWN {
        // SAFETY: By the safety requirement. A device goes down as often as it has come up: when a
        // notifier is registered, and when it is unregistered, the kernel reports the devices that
        // are up.
        unsafe { bindings::nfto_tunnel_changed(info, up) };
    }
    // SAFETY: By the safety requirement. The device is in its namespace during the event, so the
    // namespace exists.
    let net = unsafe { Netns::from_raw(bindings::nfto_notifier_net(info)) };
    if is_on_the_way(event) {
        let rewrites = match event {
            bindings::netdev_cmd_NETDEV_CHANGEADDR | bindings::netdev_cmd_NETDEV_CHANGEMTU => true,
            // Drivers check the active ports of a bond when a rule is added.
            bindings::netdev_cmd_NETDEV_BONDING_FAILOVER
            | bindings::netdev_cmd_NETDEV_CHANGELOWERSTATE => true,
            // The priority mapping of a VLAN may have changed.
            // SAFETY: By the safety requirement.
            bindings::netdev_cmd_NETDEV_CHANGE => unsafe { bindings::nfto_notifier_is_vlan(info) },
            _ => false,
        };
        // CAST: The value is converted back to the type that it had.
        // SAFETY: By the safety requirement.
        let devices = unsafe { bindings::nfto_notifier_devices(event as c_ulong, info) };
        L::network_changed(net, Change::Devices { devices, rewrites });
    }
    let event = match event {
        bindings::netdev_cmd_NETDEV_REGISTER => DeviceEvent::Registered,
        bindings::netdev_cmd_NETDEV_FEAT_CHANGE => DeviceEvent::Features,
        // SAFETY: By the safety requirement; the event's information is of this type, and the
        // devices stay during the call.
        bindings::netdev_cmd_NETDEV_CHANGEUPPER => unsafe {
            DeviceEvent::Below(bindings::nfto_notifier_upper(info))
        },
        _ => return NOTIFY_DONE,
    };
    L::device_changed(net, event);
    NOTIFY_DONE
}
