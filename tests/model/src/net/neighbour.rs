// SPDX-License-Identifier: GPL-2.0

//! Sets of addresses.

use crate::{net::netdevice::Netns, proto::Mac};

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
