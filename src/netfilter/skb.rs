// SPDX-License-Identifier: GPL-2.0

//! A packet at the netdev ingress hook.
//!
//! C header: [`include/linux/skbuff.h`](srctree/include/linux/skbuff.h)

use super::bindings;
use kernel::types::Opaque;

/// A view of a `struct sk_buff` that is at the ingress hook: its link-layer header is set, its data starts after it.
///
/// # Invariants
///
/// A reference to this type points to a packet that the hook owns.
#[repr(transparent)]
pub(crate) struct SkBuff(Opaque<bindings::sk_buff>);

impl SkBuff {
    /// # Safety
    ///
    /// `ptr` is the packet that a netfilter ingress hook was given, and `'a` ends with the hook.
    pub(super) unsafe fn from_raw<'a>(ptr: *mut bindings::sk_buff) -> &'a mut Self {
        // CAST: `Self` is a transparent wrapper of `Opaque<sk_buff>`.
        // SAFETY: By the safety requirement.
        unsafe { &mut *ptr.cast() }
    }

    /// The protocol after the link-layer header (and after a VLAN tag that the stack took off), host order.
    pub(crate) fn protocol(&self) -> u16 {
        // SAFETY: By the type invariant the packet is valid.
        u16::from_be(unsafe { bindings::nfto_skb_protocol(self.0.get()) })
    }

    /// The big-endian 16 bit number at `offset` bytes from the start of the link-layer header; `None` if the frame is
    /// too short.
    pub(crate) fn mac_be16(&mut self, offset: u32) -> Option<u16> {
        let mut bytes = [0u8; 2];
        // SAFETY: By the type invariant the packet is valid and ours to make linear; `bytes` holds two bytes.
        let ok = unsafe {
            bindings::nfto_skb_mac_bytes(self.0.get(), offset, bytes.as_mut_ptr().cast(), 2)
        };
        ok.then_some(u16::from_be_bytes(bytes))
    }
}
