// SPDX-License-Identifier: GPL-2.0

//! A flow of the flowtable core: two tuples, one for each direction, and the conntrack entry they belong to.
//!
//! C header: [`include/net/netfilter/nf_flow_table.h`](srctree/include/net/netfilter/nf_flow_table.h)

use super::{
    bindings,
    rule::Mac, //
};
use kernel::{
    error::to_result,
    ffi::c_uint,
    prelude::*,
    types::Opaque, //
};

/// A direction of a flow.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dir {
    /// From the side that opened the connection.
    Original = 0,
    /// Back to it.
    Reply = 1,
}

/// How the core sends the packets of one direction (`enum flow_offload_xmit_type`).
pub(crate) enum Xmit {
    /// With these addresses out of this device, below every upper device.
    Direct(NextHop),
    /// Through the neighbour of a route.
    Neigh,
    /// Through an IPsec transformation.
    Xfrm,
    /// Another way, which no rule can express.
    Other,
}

/// Where a frame goes: the egress device and the Ethernet addresses it gets.
pub(crate) struct NextHop {
    /// Index of the egress device.
    pub(crate) ifindex: u32,
    /// Source address of the frame.
    pub(crate) source: Mac,
    /// Destination address of the frame.
    pub(crate) destination: Mac,
}

/// A view of a `struct flow_offload`.
///
/// # Invariants
///
/// A reference to this type points to a flow that is not freed while it is used. The core writes a flow's tuples before
/// it hands out the flow, and never again.
#[repr(transparent)]
pub(crate) struct Flow(Opaque<bindings::flow_offload>);

impl Flow {
    /// # Safety
    ///
    /// `ptr` points to a flow that is not freed for `'a`.
    pub(super) unsafe fn from_raw<'a>(ptr: *mut bindings::flow_offload) -> &'a Self {
        // CAST: `Self` is a transparent wrapper of `Opaque<flow_offload>`.
        // SAFETY: By the safety requirement.
        unsafe { &*ptr.cast() }
    }

    /// The address of the flow: its name as long as it lives, and the next flow's afterwards.
    pub(super) fn address(&self) -> usize {
        self.0.get() as usize
    }

    fn tuple(&self, dir: Dir) -> &bindings::flow_offload_tuple {
        // SAFETY: By the type invariant the flow is valid and nobody writes its tuples.
        unsafe { &*bindings::nfto_flow_tuple(self.0.get(), dir as c_uint) }
    }

    fn test(&self, flag: bindings::nf_flow_flags) -> bool {
        // SAFETY: By the type invariant the flow is valid.
        unsafe { bindings::nfto_flow_test(self.0.get(), flag as c_uint) }
    }

    /// Whether the core has begun to remove the flow from hardware; no rule may be added any more.
    pub(super) fn is_dying(&self) -> bool {
        self.test(bindings::nf_flow_flags_NF_FLOW_HW_DYING)
    }

    /// Whether the flow's source is translated.
    pub(crate) fn has_snat(&self) -> bool {
        self.test(bindings::nf_flow_flags_NF_FLOW_SNAT)
    }

    /// Whether the flow's destination is translated.
    pub(crate) fn has_dnat(&self) -> bool {
        self.test(bindings::nf_flow_flags_NF_FLOW_DNAT)
    }

    /// `NFPROTO_IPV4` or `NFPROTO_IPV6`.
    pub(crate) fn family(&self) -> u8 {
        self.tuple(Dir::Original).l3proto
    }

    /// `IPPROTO_TCP`, `IPPROTO_UDP` or `IPPROTO_GRE`.
    pub(crate) fn protocol(&self) -> u8 {
        self.tuple(Dir::Original).l4proto
    }

    /// The source address of a direction's packets as they arrive; an IPv4 address is in the first four bytes.
    pub(crate) fn source(&self, dir: Dir) -> [u8; 16] {
        // SAFETY: The core zeroes the flow before it writes an address, so all bytes of the union are initialised.
        unsafe { self.tuple(dir).__bindgen_anon_1.src_v6.in6_u.u6_addr8 }
    }

    /// The destination address of a direction's packets as they arrive; as [`Flow::source`].
    pub(crate) fn destination(&self, dir: Dir) -> [u8; 16] {
        // SAFETY: As in `source`.
        unsafe { self.tuple(dir).__bindgen_anon_2.dst_v6.in6_u.u6_addr8 }
    }

    /// Source and destination port as they arrive, network order.
    pub(crate) fn ports(&self, dir: Dir) -> ([u8; 2], [u8; 2]) {
        let ports = &self.tuple(dir).__bindgen_anon_3;
        (ports.src_port.to_ne_bytes(), ports.dst_port.to_ne_bytes())
    }

    /// The lowest device on which a direction's packets arrive.
    pub(crate) fn ingress_ifindex(&self, dir: Dir) -> u32 {
        self.tuple(dir).iifidx as u32
    }

    /// How many VLAN tags and PPPoE headers a direction's packets carry as they arrive.
    pub(crate) fn encapsulations(&self, dir: Dir) -> u8 {
        self.tuple(dir).encap_num() as u8
    }

    /// How the packets of a direction are sent.
    pub(crate) fn xmit(&self, dir: Dir) -> Xmit {
        let tuple = self.tuple(dir);
        match c_uint::from(tuple.xmit_type()) {
            bindings::flow_offload_xmit_type_FLOW_OFFLOAD_XMIT_DIRECT => {
                // SAFETY: `xmit_type` says which member of the union the core wrote.
                let out = unsafe { &tuple.__bindgen_anon_4.out };
                Xmit::Direct(NextHop {
                    ifindex: out.ifidx,
                    source: out.h_source,
                    destination: out.h_dest,
                })
            }
            bindings::flow_offload_xmit_type_FLOW_OFFLOAD_XMIT_NEIGH => Xmit::Neigh,
            bindings::flow_offload_xmit_type_FLOW_OFFLOAD_XMIT_XFRM => Xmit::Xfrm,
            _ => Xmit::Other,
        }
    }

    /// The next hop of a direction that is sent through a neighbour ([`Xmit::Neigh`]).
    ///
    /// Errors: `EOPNOTSUPP`, the route's device is not Ethernet; `ENOENT`, it has no neighbour; `EAGAIN`, the neighbour
    /// is not resolved yet (its resolution was started).
    pub(crate) fn neighbour(&self, dir: Dir) -> Result<NextHop> {
        let mut hop = bindings::nfto_nexthop::default();
        // SAFETY: By the type invariant the flow is valid, and it owns a reference of its route.
        to_result(unsafe {
            bindings::nfto_flow_nexthop(self.0.get(), dir as c_uint, &raw mut hop)
        })?;
        Ok(NextHop {
            ifindex: hop.ifindex,
            source: hop.h_source,
            destination: hop.h_dest,
        })
    }

    /// When the flow ends unless a packet is seen: low 32 bits of jiffies.
    pub(crate) fn timeout(&self) -> u32 {
        // SAFETY: By the type invariant the flow is valid. The core writes the field without a lock, hence volatile.
        unsafe { (&raw const (*self.0.get()).timeout).read_volatile() }
    }

    /// How long a flow of this protocol lives without a packet, in jiffies.
    pub(crate) fn offload_timeout(&self) -> u64 {
        // SAFETY: By the type invariant the flow is valid, and it owns a reference of its conntrack entry.
        unsafe { bindings::nfto_flow_offload_timeout(self.0.get()) as u64 }
    }

    /// Adds packets and bytes (network layer) to the conntrack entry's counters of a direction.
    pub(crate) fn account(&self, dir: Dir, packets: u64, bytes: u64) {
        // SAFETY: As in `offload_timeout`.
        unsafe { bindings::nfto_flow_account(self.0.get(), dir as c_uint, packets, bytes) }
    }

    /// Sets or clears `[HW_OFFLOAD]` of the conntrack entry. The core sets it after a successful REPLACE and clears it with
    /// every DESTROY, also with that of an earlier flow of the same connection.
    pub(crate) fn set_hw_offload(&self, on: bool) {
        // SAFETY: As in `offload_timeout`.
        unsafe { bindings::nfto_flow_set_hw_offload(self.0.get(), on) }
    }

    /// Ends the flow: its next packet takes the slow path, and the core sends DESTROY within its next garbage
    /// collection, one second at most.
    pub(crate) fn teardown(&self) {
        // SAFETY: By the type invariant the flow is valid; the function takes spinlocks only.
        unsafe { bindings::flow_offload_teardown(self.0.get()) }
    }
}

/// A flow during REPLACE: not dying, and the core does not touch it in hardware at the same time.
///
/// # Invariants
///
/// The core holds `NF_FLOW_PENDING` of the flow for `'a`, and `NF_FLOW_HW_DYING` was clear under it. So a DESTROY
/// follows, later.
#[derive(Clone, Copy)]
pub(crate) struct LiveFlow<'a>(&'a Flow);

impl<'a> LiveFlow<'a> {
    /// # Safety
    ///
    /// Called from the block callback of a REPLACE, for its flow.
    pub(super) unsafe fn new(flow: &'a Flow) -> Option<Self> {
        // INVARIANT: The core sets `NF_FLOW_PENDING` before it queues a REPLACE and clears it afterwards.
        (!flow.is_dying()).then_some(Self(flow))
    }
}

impl core::ops::Deref for LiveFlow<'_> {
    type Target = Flow;

    fn deref(&self) -> &Flow {
        self.0
    }
}
