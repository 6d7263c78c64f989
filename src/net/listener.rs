// SPDX-License-Identifier: GPL-2.0

//! The events that the notifiers report, and the trait of their receiver.

use crate::{
    net::netdevice::Netns,
    proto::Mac, //
};

/// Receives the events that the notifiers of this module report.
pub(crate) trait Listener: 'static {
    /// Handles a change of a device of the namespace. Called with RTNL held.
    fn device_changed(net: Netns<'_>, event: DeviceEvent);

    /// Handles a change that can affect the path of the namespace's flows. Any context.
    fn network_changed(net: Netns<'_>, change: Change);
}

/// An event of a device.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum DeviceEvent {
    /// The device has appeared.
    Registered,
    /// The features of the device were changed, for example hw-tc-offload.
    Features,
    /// The device was put below the device with this index, or removed from there.
    Below(u32),
}

/// The destination of a route.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Prefix {
    /// `NFPROTO_IPV4` or `NFPROTO_IPV6`.
    pub(crate) family: u8,
    /// Prefix length in bits.
    pub(crate) len: u8,
    /// Network order; an IPv4 address is in the first four bytes.
    pub(crate) address: [u8; 16],
}

/// A change in a network namespace.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// A route to these addresses.
    Route(Prefix),
    /// A policy rule, or the state of a next hop.
    Rules,
    /// A neighbour has lost this address; `None` if its former address is not known.
    Neighbour(Option<Mac>),
    /// A bridge has learnt or forgotten the port of a station.
    Station(Mac),
    /// A change of devices.
    Devices {
        /// A mask with the bit `ifindex % 64` of each device, of those below it and of its bond.
        devices: u64,
        /// Whether data that is written into rules may have changed: an address, an MTU, the
        /// priorities of a VLAN, the port of a bond.
        rewrites: bool,
    },
}
