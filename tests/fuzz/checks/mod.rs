// SPDX-License-Identifier: GPL-2.0

//! What holds for any input. An input is bytes; each function panics where something does not hold. The fuzz targets
//! give it what they make up, the host tests the seeds (`tests/fuzz/seeds`).

mod counters;
mod demux;
mod flow;
mod profile;
pub(crate) mod translation;

pub use counters::counters;
pub use demux::demux;
pub use profile::profile;
pub use translation::translation;

/// Reads an input from its start. What is beyond its end is zero.
struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.byte())
    }

    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        *first
    }

    fn bit(&mut self) -> bool {
        self.byte() & 1 != 0
    }

    fn u16(&mut self) -> u16 {
        u16::from_be_bytes(self.bytes())
    }

    fn u32(&mut self) -> u32 {
        u32::from_be_bytes(self.bytes())
    }

    fn u64(&mut self) -> u64 {
        u64::from_be_bytes(self.bytes())
    }

    fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[usize::from(self.byte()) % choices.len()]
    }
}
