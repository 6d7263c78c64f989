// SPDX-License-Identifier: GPL-2.0

//! What has changed in a network namespace.

use super::{flow::Mac, Netns};
use crate::world::World;

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

pub(crate) const MAC_PLACES: usize = 1024;

pub(crate) fn mac_place(mac: &Mac) -> (usize, u64) {
    let bytes = mac.iter();
    let hash = bytes.fold(0usize, |hash, byte| hash * 31 + usize::from(*byte));
    let bits = 1 << (hash % 64) | 1 << (hash / 64 % 64);
    (hash / 4096 % (MAC_PLACES / 64), bits)
}

pub(crate) struct MacSet;

impl MacSet {
    pub(crate) fn new() -> Self {
        Self
    }

    pub(crate) fn add(&mut self, _: &Mac) {}

    pub(crate) fn use_neighbours(&self, _: Netns<'_>) {}
}

/// The test moves the clock.
pub(crate) fn now_ns() -> u64 {
    World::with(|world| world.now) * 4_000_000
}
