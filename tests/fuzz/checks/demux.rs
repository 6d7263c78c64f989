// SPDX-License-Identifier: GPL-2.0

//! The IP version of any frame.

use super::Input;
use crate::offload::ip_version::{ip_version, IpVersion};

/// A fuzz target: a protocol and a frame.
pub fn demux(data: &[u8]) {
    let mut input = Input(data);
    let protocol = input.u16();
    let frame = input.0;
    let be16_at = |offset: u32| {
        let at = frame.get(offset as usize..)?.first_chunk()?;
        Some(u16::from_be_bytes(*at))
    };
    let found = ip_version(protocol, be16_at);
    let inside = match protocol {
        0x8100 => be16_at(16),
        0x8864 => be16_at(20).and_then(|ppp| match ppp {
            0x0021 => Some(0x0800),
            0x0057 => Some(0x86dd),
            _ => None,
        }),
        plain => Some(plain),
    };
    let expected = match inside {
        Some(0x0800) => Some(IpVersion::V4),
        Some(0x86dd) => Some(IpVersion::V6),
        _ => None,
    };
    assert_eq!(found, expected);
}
