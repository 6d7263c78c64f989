// SPDX-License-Identifier: GPL-2.0

//! A packet.

/// The bytes of a frame. No test sends one through the hook: `tests/host` tests what reads it.
pub(crate) struct SkBuff(pub(crate) Vec<u8>);

impl SkBuff {
    pub(crate) fn mac_be16(&mut self, offset: u32) -> Option<u16> {
        let offset = offset as usize;
        let bytes = self.0.get(offset..offset + 2)?;
        Some(u16::from_be_bytes([bytes[0], bytes[1]]))
    }
}
