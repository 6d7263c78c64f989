// SPDX-License-Identifier: GPL-2.0

//! A packet at the netdev ingress hook.
//!
//! C header: [`include/linux/skbuff.h`](srctree/include/linux/skbuff.h)

use crate::net::{
    bindings,
    flowtable::flow_map::FlowAddress, //
};
use kernel::{
    ffi::{
        c_uint,
        c_void, //
    },
    types::Opaque, //
};

/// The VLAN ID in a tag; the other bits are priority and drop eligibility.
const VLAN_VID_MASK: u16 = 0x0fff;

/// A view of a `struct sk_buff` at the ingress hook: its link-layer header is set, its data starts
/// after that header.
///
/// # Invariants
///
/// A reference to this type points to a packet that the hook owns.
#[repr(transparent)]
pub(crate) struct SkBuff(Opaque<bindings::sk_buff>);

/// The properties of a packet that the hook reads before the lookup.
pub(super) struct Head {
    /// The protocol after the link-layer header (and after a VLAN tag that the stack has removed),
    /// in host order.
    pub(super) protocol: u16,
    /// Whether the packet has 802.1Q tags.
    pub(super) tags: bool,
    /// Whether the packet must take the slow path: it is multicast or broadcast, or the core would
    /// lose it in a tunnel.
    pub(super) slow: bool,
    /// Whether the packet belongs to a flowtable with `flags offload` and ends a TCP connection:
    /// FIN or RST.
    pub(super) ends: bool,
}

impl SkBuff {
    /// Creates a view from the C pointer.
    ///
    /// # Safety
    ///
    /// `ptr` is the packet that was passed to a netfilter ingress hook, `'a` ends with the hook, and
    /// there is no other view of the packet.
    pub(super) unsafe fn from_raw<'a>(ptr: *mut bindings::sk_buff) -> &'a mut Self {
        // CAST: `Self` is a transparent wrapper of `Opaque<sk_buff>`.
        // SAFETY: By the safety requirement the packet is valid, and nothing else uses it meanwhile.
        unsafe { &mut *ptr.cast() }
    }

    pub(super) fn as_raw(&mut self) -> *mut bindings::sk_buff {
        self.0.get()
    }

    /// Reads the properties of the packet.
    ///
    /// # Safety
    ///
    /// The arguments are those of the hook to which the packet was passed; `private` is a
    /// flowtable.
    pub(super) unsafe fn head(
        &self,
        private: *mut c_void,
        state: *const bindings::nf_hook_state,
    ) -> Head {
        // SAFETY: By the type invariant the packet is valid; the rest by the safety requirement.
        let head = unsafe { bindings::nfto_skb_head(self.0.get(), private.cast(), state) };
        Head {
            // CAST: The low half is the protocol.
            protocol: head as u16,
            tags: head >> 16 & 1 != 0,
            slow: head >> 17 & 1 != 0,
            ends: head >> 18 & 1 != 0,
        }
    }

    /// Returns the flow of a packet that ends its connection, if the core has the flow in hardware.
    ///
    /// A flow that the core does not find for the packet is torn down.
    ///
    /// # Safety
    ///
    /// As [`SkBuff::head`].
    pub(super) unsafe fn flow_in_hardware(
        &self,
        private: *mut c_void,
        state: *const bindings::nf_hook_state,
    ) -> Option<FlowAddress> {
        // SAFETY: By the type invariant the packet is valid; the rest by the safety requirement.
        let flow = unsafe { bindings::nfto_skb_flow_in_hw(self.0.get(), private.cast(), state) };
        FlowAddress::from_bits(flow as usize)
    }

    /// Returns the big-endian 16 bit number at `offset` bytes from the start of the link-layer
    /// header; `None` if the frame is too short.
    pub(crate) fn mac_be16(&mut self, offset: u32) -> Option<u16> {
        let mut bytes = [0u8; 2];
        // SAFETY: By the type invariant the packet is valid and may be made linear; `bytes` holds
        // two bytes.
        let ok = unsafe {
            bindings::nfto_skb_mac_bytes(self.0.get(), offset, bytes.as_mut_ptr().cast(), 2)
        };
        ok.then_some(u16::from_be_bytes(bytes))
    }

    /// Calls `f` while priority and drop eligibility are cleared in the packet's VLAN tags.
    ///
    /// They are restored if `f` accepts the packet. The packet must have tags. The core looks up a
    /// flow by the whole tag (`nf_flow_tuple_encap`), although the flow only has the VLAN ID.
    pub(super) fn without_priority(&mut self, f: impl FnOnce(&mut Self) -> c_uint) -> c_uint {
        let outer = self.outer_tci().filter(|tci| tci & !VLAN_VID_MASK != 0);
        let inner = self.inner_tci().filter(|tci| tci & !VLAN_VID_MASK != 0);
        if outer.is_none() && inner.is_none() {
            return f(self);
        }
        if let Some(tci) = outer {
            self.set_outer_tci(tci & VLAN_VID_MASK);
        }
        // A packet that cannot be written to takes the slow path, as before.
        let written = inner.filter(|tci| self.set_inner_tci(tci & VLAN_VID_MASK));
        let verdict = f(self);
        if verdict == bindings::NF_ACCEPT {
            if let Some(tci) = outer {
                self.set_outer_tci(tci);
            }
            if let Some(tci) = written {
                self.set_inner_tci(tci);
            }
        }
        verdict
    }

    /// Returns the tag that the stack has removed: priority, drop eligibility, VLAN ID.
    fn outer_tci(&self) -> Option<u16> {
        let mut tci = 0;
        // SAFETY: By the type invariant the packet is valid.
        unsafe { bindings::nfto_skb_vlan_tci(self.0.get(), &raw mut tci) }.then_some(tci)
    }

    fn set_outer_tci(&mut self, tci: u16) {
        // SAFETY: By the type invariant the packet is valid and the hook may change it.
        unsafe { bindings::nfto_skb_set_vlan_tci(self.0.get(), tci) }
    }

    /// Returns the 802.1Q tag that is still in the packet.
    fn inner_tci(&mut self) -> Option<u16> {
        let mut tci = 0;
        // SAFETY: By the type invariant the packet is valid and may be made linear.
        unsafe { bindings::nfto_skb_inner_tci(self.0.get(), &raw mut tci) }.then_some(tci)
    }

    /// Writes the 802.1Q tag; returns `false` if memory is too short to make the packet writable.
    ///
    /// The packet must have the tag ([`SkBuff::inner_tci`]).
    fn set_inner_tci(&mut self, tci: u16) -> bool {
        // SAFETY: By the type invariant the packet is valid and may be changed; its tag was read
        // before.
        unsafe { bindings::nfto_skb_set_inner_tci(self.0.get(), tci) }
    }
}
