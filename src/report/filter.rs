// SPDX-License-Identifier: GPL-2.0

//! The parts of a filter on flows: prefixes, parts of tuples, marks.
//!
//! The code is pure: it is also compiled and tested on the host.

/// The set of addresses that begin with the same bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Prefix<'a> {
    /// Any address of the set, of 4 or 16 bytes.
    address: &'a [u8],
    /// The number of bits that the addresses share.
    bits: usize,
}

impl<'a> Prefix<'a> {
    /// Returns the set of addresses that share the first `bits` bits with `address`; without
    /// `bits`, only that address. Returns `None` if the address has fewer bits.
    pub(crate) fn new(address: &'a [u8], bits: Option<u8>) -> Option<Self> {
        let all = address.len().saturating_mul(8);
        let bits = bits.map_or(all, usize::from);
        (bits <= all).then_some(Self { address, bits })
    }

    /// Returns whether both are of the same family.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        self.address.len() == other.address.len()
    }

    /// Returns whether an address is in the set.
    pub(crate) fn has(&self, address: &[u8]) -> bool {
        let mut left = self.bits;
        let alike = |(mine, other): (&u8, &u8)| {
            let bits = left.min(8);
            left = left.saturating_sub(bits);
            // CAST: The low half is wanted: `bits` ones, from the top.
            let mask = (0xff00u16 >> bits) as u8;
            (mine ^ other) & mask == 0
        };
        self.address.len() == address.len() && self.address.iter().zip(address).all(alike)
    }
}

/// A part of the tuple of one direction. An absent field matches any value.
#[derive(Clone, Copy, Default)]
pub(crate) struct Part<'a> {
    /// The source addresses.
    pub(crate) source: Option<Prefix<'a>>,
    /// The destination addresses.
    pub(crate) destination: Option<Prefix<'a>>,
    /// The source port, network order.
    pub(crate) source_port: Option<[u8; 2]>,
    /// The destination port, network order.
    pub(crate) destination_port: Option<[u8; 2]>,
}

impl Part<'_> {
    /// Returns whether a tuple matches. Its addresses have 4 or 16 bytes.
    pub(crate) fn is_of(
        &self,
        source: &[u8],
        destination: &[u8],
        (source_port, destination_port): ([u8; 2], [u8; 2]),
    ) -> bool {
        self.source_port.is_none_or(|wanted| wanted == source_port)
            && self
                .destination_port
                .is_none_or(|wanted| wanted == destination_port)
            && self.source.is_none_or(|wanted| wanted.has(source))
            && self
                .destination
                .is_none_or(|wanted| wanted.has(destination))
    }
}

/// The set of marks that share some bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Mark {
    value: u32,
    mask: u32,
}

impl Mark {
    /// Returns the set of marks that equal `value` in the bits of `mask`, or `None` if `value` has
    /// bits outside of `mask`.
    pub(crate) fn new(value: u32, mask: Option<u32>) -> Option<Self> {
        let mask = mask.unwrap_or(u32::MAX);
        (value & !mask == 0).then_some(Self { value, mask })
    }

    /// Returns whether a mark is in the set.
    pub(crate) fn has(self, mark: u32) -> bool {
        mark & self.mask == self.value
    }
}
