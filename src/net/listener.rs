// SPDX-License-Identifier: GPL-2.0

//! What the notifiers report, and to whom.

use crate::{
    net::netdevice::Netns,
    proto::Mac, //
};

/// Receives what the notifiers of this module report.
pub(crate) trait Listener: 'static {
    /// Something about a device of the namespace has changed. Called with RTNL held.
    fn device_changed(net: Netns<'_>, event: DeviceEvent);

    /// Something has changed that can change the way of the namespace's flows. Any context.
    fn network_changed(net: Netns<'_>, change: Change);
}

/// What has happened to a device.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum DeviceEvent {
    /// It has appeared.
    Registered,
    /// Its features were switched, for example hw-tc-offload.
    Features,
    /// It was put below the device with this index, or taken away from there.
    Below(u32),
}

/// The destination of a route.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Prefix {
    /// `NFPROTO_IPV4` or `NFPROTO_IPV6`.
    pub(crate) family: u8,
    /// How many bits count.
    pub(crate) len: u8,
    /// Network order; an IPv4 address is in the first four bytes.
    pub(crate) address: [u8; 16],
}

/// What has changed in a network namespace.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// A route to these addresses.
    Route(Prefix),
    /// A policy rule, or the state of a next hop.
    Rules,
    /// A neighbour has this address no more; `None` if it is not known which one it had.
    Neighbour(Option<Mac>),
    /// A bridge has learnt or forgotten where a station is.
    Station(Mac),
    /// Something about devices.
    Devices {
        /// A bit for `ifindex % 64` of each device, of those below it and of its bond.
        devices: u64,
        /// What is written into rules may be another: an address, an MTU, the priorities of a VLAN, the port of a bond.
        rewrites: bool,
    },
}
