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

/// The VLAN in a tag; the rest is priority and drop eligibility.
const VLAN_VID_MASK: u16 = 0x0fff;

/// A view of a `struct sk_buff` that is at the ingress hook: its link-layer header is set, its data starts after it.
///
/// # Invariants
///
/// A reference to this type points to a packet that the hook owns.
#[repr(transparent)]
pub(crate) struct SkBuff(Opaque<bindings::sk_buff>);

/// What is in front of a packet's IP header.
pub(super) struct Head {
    /// The protocol after the link-layer header (and after a VLAN tag that the stack took off), host order.
    pub(super) protocol: u16,
    /// Whether there are 802.1Q tags.
    pub(super) tags: bool,
    /// Whether it is for the slow path: it goes to many, by multicast or broadcast, or the core would lose it in a tunnel.
    pub(super) slow: bool,
    /// Whether it is for a flowtable with `flags offload` and ends a TCP connection: FIN or RST.
    pub(super) ends: bool,
}

impl SkBuff {
    /// # Safety
    ///
    /// `ptr` is the packet that a netfilter ingress hook was given, and `'a` ends with the hook.
    pub(super) unsafe fn from_raw<'a>(ptr: *mut bindings::sk_buff) -> &'a mut Self {
        // CAST: `Self` is a transparent wrapper of `Opaque<sk_buff>`.
        // SAFETY: By the safety requirement.
        unsafe { &mut *ptr.cast() }
    }

    pub(super) fn as_raw(&mut self) -> *mut bindings::sk_buff {
        self.0.get()
    }

    /// What is in front of IP.
    ///
    /// # Safety
    ///
    /// The arguments are those of the hook that was given the packet; `private` is a flowtable.
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

    /// The flow of a packet that ends its connection, if the core has it in hardware. A flow that the core does not find for the
    /// packet is told to end.
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

    /// Takes priority and drop eligibility out of the packet's VLAN tags, calls `f`, and puts them back if it accepts the
    /// packet. It has tags. The core looks a flow up by the whole of a tag (`nf_flow_tuple_encap`), although the flow has only its VLAN.
    pub(super) fn without_priority(&mut self, f: impl FnOnce(&mut Self) -> c_uint) -> c_uint {
        let outer = self.outer_tci().filter(|tci| tci & !VLAN_VID_MASK != 0);
        let inner = self.inner_tci().filter(|tci| tci & !VLAN_VID_MASK != 0);
        if outer.is_none() && inner.is_none() {
            return f(self);
        }
        if let Some(tci) = outer {
            self.set_outer_tci(tci & VLAN_VID_MASK);
        }
        // A packet that cannot be written to goes the slow path, as it did.
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

    /// The tag that the stack took off: priority, drop eligibility, VLAN.
    fn outer_tci(&self) -> Option<u16> {
        let mut tci = 0;
        // SAFETY: By the type invariant the packet is valid.
        unsafe { bindings::nfto_skb_vlan_tci(self.0.get(), &raw mut tci) }.then_some(tci)
    }

    fn set_outer_tci(&mut self, tci: u16) {
        // SAFETY: By the type invariant the packet is valid and the hook's to change.
        unsafe { bindings::nfto_skb_set_vlan_tci(self.0.get(), tci) }
    }

    /// The 802.1Q tag that is still in the packet.
    fn inner_tci(&mut self) -> Option<u16> {
        let mut tci = 0;
        // SAFETY: By the type invariant the packet is valid and ours to make linear.
        unsafe { bindings::nfto_skb_inner_tci(self.0.get(), &raw mut tci) }.then_some(tci)
    }

    /// Writes it; false if there is no memory to make the packet writable. It has one ([`SkBuff::inner_tci`]).
    fn set_inner_tci(&mut self, tci: u16) -> bool {
        // SAFETY: By the type invariant the packet is valid and ours to change; its tag was read before.
        unsafe { bindings::nfto_skb_set_inner_tci(self.0.get(), tci) }
    }
}
