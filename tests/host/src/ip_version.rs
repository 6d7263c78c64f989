// SPDX-License-Identifier: GPL-2.0

//! The IP hook that the inet hook passes a packet to.

use crate::offload::ip_version::{ip_version, IpVersion};

fn at(expected: u32, value: u16) -> impl FnOnce(u32) -> Option<u16> {
    move |offset| {
        assert_eq!(offset, expected);
        Some(value)
    }
}

fn never(_: u32) -> Option<u16> {
    panic!("the frame is not looked at")
}

#[test]
fn plain_ip() {
    assert_eq!(ip_version(0x0800, never), Some(IpVersion::V4));
    assert_eq!(ip_version(0x86dd, never), Some(IpVersion::V6));
}

#[test]
fn a_vlan_tag() {
    assert_eq!(ip_version(0x8100, at(16, 0x0800)), Some(IpVersion::V4));
    assert_eq!(ip_version(0x8100, at(16, 0x86dd)), Some(IpVersion::V6));
    assert_eq!(ip_version(0x8100, at(16, 0x0806)), None);
    // A PPPoE header below a tag is not IP, and neither is a second tag.
    assert_eq!(ip_version(0x8100, at(16, 0x8864)), None);
    assert_eq!(ip_version(0x8100, at(16, 0x8100)), None);
}

#[test]
fn a_pppoe_session() {
    assert_eq!(ip_version(0x8864, at(20, 0x0021)), Some(IpVersion::V4));
    assert_eq!(ip_version(0x8864, at(20, 0x0057)), Some(IpVersion::V6));
    assert_eq!(ip_version(0x8864, at(20, 0xc021)), None);
    // A PPP protocol is no ethertype.
    assert_eq!(ip_version(0x8864, at(20, 0x0800)), None);
}

#[test]
fn anything_else_and_short_frames() {
    assert_eq!(ip_version(0x0806, never), None);
    assert_eq!(ip_version(0x88a8, never), None);
    assert_eq!(ip_version(0x8863, never), None);
    assert_eq!(ip_version(0x8100, |_| None), None);
    assert_eq!(ip_version(0x8864, |_| None), None);
}
