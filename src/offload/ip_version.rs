// SPDX-License-Identifier: GPL-2.0

//! Finds the IP version of a packet at the inet hook, below one VLAN tag or a PPPoE header.
//!
//! Pure: the host tests compile this file as well.

use crate::proto::{
    ETH_P_8021Q,
    ETH_P_IP,
    ETH_P_IPV6,
    ETH_P_PPP_SES,
    PPP_IP,
    PPP_IPV6, //
};
/// Offset of the encapsulated protocol in a tagged Ethernet header (`struct vlan_ethhdr`).
const VLAN_ENCAPSULATED_PROTO: u32 = 16;
/// Offset of the PPP protocol: after the Ethernet header and `struct pppoe_hdr`.
const PPP_PROTO: u32 = 14 + 6;

/// An IP version.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum IpVersion {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// Returns the IP version of a packet; `None` if it is not IP or too short.
///
/// `protocol` is its `skb->protocol` in host order. `be16_at` reads a big-endian number at an
/// offset from the start of the link-layer header.
pub(crate) fn ip_version(
    protocol: u16,
    be16_at: impl FnOnce(u32) -> Option<u16>,
) -> Option<IpVersion> {
    let protocol = match protocol {
        ETH_P_8021Q => be16_at(VLAN_ENCAPSULATED_PROTO)?,
        ETH_P_PPP_SES => match be16_at(PPP_PROTO)? {
            PPP_IP => ETH_P_IP,
            PPP_IPV6 => ETH_P_IPV6,
            _ => return None,
        },
        other => other,
    };
    match protocol {
        ETH_P_IP => Some(IpVersion::V4),
        ETH_P_IPV6 => Some(IpVersion::V6),
        _ => None,
    }
}
