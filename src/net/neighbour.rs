// SPDX-License-Identifier: GPL-2.0

//! Neighbours, and sets of their addresses.

use crate::{
    net::{
        bindings,
        netdevice::Netns, //
    },
    proto::Mac, //
};

/// How many places a [`MacSet`] has.
pub(crate) const MAC_PLACES: usize = bindings::NFTO_MAC_PLACES as usize;

/// The place of an address in a [`MacSet`]: a word, and bits of it.
pub(crate) fn mac_place(mac: &Mac) -> (usize, u64) {
    let mut bits = 0;
    // SAFETY: The address has as many bytes as are read.
    let word = unsafe { bindings::nfto_mac_place(mac.as_ptr(), &raw mut bits) };
    (word as usize, bits)
}

/// Addresses, and some others that have the same places.
#[derive(Clone, Copy)]
pub(crate) struct MacSet([u64; MAC_PLACES / 64]);

impl MacSet {
    /// No address.
    pub(crate) fn new() -> Self {
        Self([0; MAC_PLACES / 64])
    }

    /// Adds an address.
    pub(crate) fn add(&mut self, mac: &Mac) {
        let (word, bits) = mac_place(mac);
        if let Some(word) = self.0.get_mut(word) {
            *word |= bits;
        }
    }

    /// Has the kernel see to it that the neighbours in a namespace with these addresses are still there, as if a packet were
    /// sent to them.
    pub(crate) fn use_neighbours(&self, net: Netns<'_>) {
        // SAFETY: The namespace exists; the set has as many words as are read.
        unsafe { bindings::nfto_neighbours_use(net.as_raw(), self.0.as_ptr()) }
    }
}
