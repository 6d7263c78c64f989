// SPDX-License-Identifier: GPL-2.0

//! What flows are asked for by: parts of tuples, marks. Pure: also compiled and tested on the host.

/// The addresses that begin with the same bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Prefix<'a> {
    /// Any of them, of 4 or 16 bytes.
    address: &'a [u8],
    /// How many bits.
    bits: usize,
}

impl<'a> Prefix<'a> {
    /// The addresses that share `bits` bits with this one, or only itself. `None` if it has fewer.
    pub(crate) fn new(address: &'a [u8], bits: Option<u8>) -> Option<Self> {
        let all = address.len().saturating_mul(8);
        let bits = bits.map_or(all, usize::from);
        (bits <= all).then_some(Self { address, bits })
    }

    /// Whether both are of one family.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        self.address.len() == other.address.len()
    }

    /// Whether an address is one of them.
    pub(crate) fn has(&self, address: &[u8]) -> bool {
        let mut left = self.bits;
        let alike = |(mine, other): (&u8, &u8)| {
            let bits = left.min(8);
            left = left.saturating_sub(bits);
            // CAST: The low half is what is wanted: as many ones, from the top.
            let mask = (0xff00u16 >> bits) as u8;
            (mine ^ other) & mask == 0
        };
        self.address.len() == address.len() && self.address.iter().zip(address).all(alike)
    }
}

/// A part of the tuple of one direction; what is not said is any.
#[derive(Clone, Copy, Default)]
pub(crate) struct Part<'a> {
    /// Where its packets come from.
    pub(crate) source: Option<Prefix<'a>>,
    /// Where they go to.
    pub(crate) destination: Option<Prefix<'a>>,
    /// Network order.
    pub(crate) source_port: Option<[u8; 2]>,
    /// Network order.
    pub(crate) destination_port: Option<[u8; 2]>,
}

impl Part<'_> {
    /// Whether it is one of such a tuple: the addresses are of 4 or 16 bytes.
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

/// Marks of which some bits are the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Mark {
    value: u32,
    mask: u32,
}

impl Mark {
    /// The marks that have the bits of `value` where `mask` has ones. `None` if `value` has bits elsewhere.
    pub(crate) fn new(value: u32, mask: Option<u32>) -> Option<Self> {
        let mask = mask.unwrap_or(u32::MAX);
        (value & !mask == 0).then_some(Self { value, mask })
    }

    /// Whether a mark is one of them.
    pub(crate) fn has(self, mark: u32) -> bool {
        mark & self.mask == self.value
    }
}
