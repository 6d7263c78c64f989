// SPDX-License-Identifier: GPL-2.0

//! What has changed in a network namespace.

use crate::proto::Mac;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum DeviceEvent {
    Registered,
    Features,
    Below(u32),
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Prefix {
    pub(crate) family: u8,
    pub(crate) len: u8,
    pub(crate) address: [u8; 16],
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Route(Prefix),
    Rules,
    Neighbour(Option<Mac>),
    #[allow(dead_code)]
    Station(Mac),
    Devices {
        devices: u64,
        rewrites: bool,
    },
}
