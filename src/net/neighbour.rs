// SPDX-License-Identifier: GPL-2.0

//! Neighbours, and sets of their addresses.

use crate::{
    net::{
        bindings,
        netdevice::Netns, //
    },
    proto::Mac, //
};

/// The number of bits of a [`MacSet`].
pub(crate) const MAC_PLACES: usize = bindings::NFTO_MAC_PLACES as usize;

/// Returns the place of an address in a [`MacSet`]: the index of a word, and a mask of bits in it.
pub(crate) fn mac_place(mac: &Mac) -> (usize, u64) {
    let mut bits = 0;
    // SAFETY: The address has the length that is read.
    let word = unsafe { bindings::nfto_mac_place(mac.as_ptr(), &raw mut bits) };
    (word as usize, bits)
}

/// A set of Ethernet addresses, which may also contain others that have the same place.
#[derive(Clone, Copy)]
pub(crate) struct MacSet([u64; MAC_PLACES / 64]);

impl MacSet {
    /// Creates an empty set.
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

    /// Makes the kernel check that the neighbours of a namespace with these addresses are still
    /// reachable, as if a packet were sent to them.
    pub(crate) fn use_neighbours(&self, net: Netns<'_>) {
        // SAFETY: The namespace exists; the set has the number of words that is read.
        unsafe { bindings::nfto_neighbours_use(net.as_raw(), self.0.as_ptr()) }
    }
}
