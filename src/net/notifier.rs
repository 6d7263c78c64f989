// SPDX-License-Identifier: GPL-2.0

//! Listens to what happens to network devices: what a driver may look at when a device is bound (it appears, its features are
//! switched, it is put below another device or taken away from there), and what can change the way of packets.
//!
//! The engines only note it: the notifier holds RTNL, and they may wait for drivers. They look at it in their chores.
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
/// It is registered, and stays where it is.
pub(crate) struct Notifier<L: Listener>(
    Pin<KBox<Opaque<bindings::notifier_block>>>,
    PhantomData<L>,
);

// SAFETY: A notifier can be unregistered by any thread.
unsafe impl<L: Listener> Send for Notifier<L> {}
// SAFETY: A shared reference does nothing.
unsafe impl<L: Listener> Sync for Notifier<L> {}

impl<L: Listener> Notifier<L> {
    /// Registers it; takes RTNL. To be dropped before what it tells of bridges.
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
        // SAFETY: By the type invariant. When it returns nobody is in `notify`: both hold RTNL.
        unsafe { bindings::unregister_netdevice_notifier(self.0.get()) };
    }
}

/// Whether an event can change the way of packets through the device.
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

/// Called for each event of each device, with RTNL held.
///
/// # Safety
///
/// `info` is what comes with an event of the netdevice notifier.
unsafe extern "C" fn notify<L: Listener>(
    _block: *mut bindings::notifier_block,
    event: c_ulong,
    info: *mut c_void,
) -> c_int {
    const NOTIFY_DONE: c_int = 0;
    // SAFETY: By the safety requirement; `Watch` is there, and RTNL is held.
    unsafe { bindings::nfto_bridge_changed(event, info) };
    // CAST: The numbers are those of the C enumeration.
    let event = event as bindings::netdev_cmd;
    let up = event == bindings::netdev_cmd_NETDEV_UP;
    if up || event == bindings::netdev_cmd_NETDEV_DOWN {
        // SAFETY: By the safety requirement. A device goes down as often as it has come up: the kernel tells a notifier of those
        // that are up when it is registered, and when it is unregistered.
        unsafe { bindings::nfto_tunnel_changed(info, up) };
    }
    // SAFETY: By the safety requirement; the device keeps its namespace.
    let net = unsafe { Netns::from_raw(bindings::nfto_notifier_net(info)) };
    if is_on_the_way(event) {
        let rewrites = match event {
            bindings::netdev_cmd_NETDEV_CHANGEADDR | bindings::netdev_cmd_NETDEV_CHANGEMTU => true,
            // Drivers look at a bond's active ports when they are given a rule.
            bindings::netdev_cmd_NETDEV_BONDING_FAILOVER
            | bindings::netdev_cmd_NETDEV_CHANGELOWERSTATE => true,
            // Its priorities may be others.
            // SAFETY: By the safety requirement.
            bindings::netdev_cmd_NETDEV_CHANGE => unsafe { bindings::nfto_notifier_is_vlan(info) },
            _ => false,
        };
        // CAST: As it came.
        // SAFETY: By the safety requirement.
        let devices = unsafe { bindings::nfto_notifier_devices(event as c_ulong, info) };
        L::network_changed(net, Change::Devices { devices, rewrites });
    }
    let event = match event {
        bindings::netdev_cmd_NETDEV_REGISTER => DeviceEvent::Registered,
        bindings::netdev_cmd_NETDEV_FEAT_CHANGE => DeviceEvent::Features,
        // SAFETY: By the safety requirement; the event's information is of this kind, and the devices stay during the call.
        bindings::netdev_cmd_NETDEV_CHANGEUPPER => unsafe {
            DeviceEvent::Below(bindings::nfto_notifier_upper(info))
        },
        _ => return NOTIFY_DONE,
    };
    L::device_changed(net, event);
    NOTIFY_DONE
}
