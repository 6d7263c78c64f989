// SPDX-License-Identifier: GPL-2.0

//! A flow of the flowtable core: two tuples, one per direction, and the conntrack entry to which
//! they belong.
//!
//! C header:
//! [`include/net/netfilter/nf_flow_table.h`](srctree/include/net/netfilter/nf_flow_table.h)

use crate::{
    net::{
        bindings,
        errno::eopnotsupp,
        netdevice::{
            NetDeviceRef,
            Netns, //
        }, //
    },
    proto::{
        Dir,
        Mac,
        IPPROTO_GRE, //
    }, //
};
use core::num::NonZeroU32;
use kernel::{
    error::to_result,
    ffi::c_uint,
    prelude::*,
    types::Opaque, //
};

/// How the core sends the packets of one direction (`enum flow_offload_xmit_type`).
pub(crate) enum Xmit {
    /// Out of this device with these addresses, below every upper device.
    Direct(NextHop),
    /// Through the neighbour of a route.
    Neigh,
    /// Through an IPsec transformation.
    Xfrm,
    /// In another way, which no rule can express.
    Other,
}

/// A header between Ethernet and IP, as the core stores it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Encap {
    /// Ethertype, host order.
    pub(crate) ethertype: u16,
    /// VLAN ID or PPPoE session ID.
    pub(crate) id: u16,
    /// Whether the switch behind the device handles the header.
    pub(crate) by_switch: bool,
}

/// The lightweight tunnel of a direction's route.
pub(crate) enum Tunnel {
    /// None.
    None,
    /// An IP tunnel.
    Ip(TunnelInfo),
    /// A tunnel of another kind, or with options.
    Other,
}

/// An IP tunnel as a route describes it. Network order.
pub(crate) struct TunnelInfo {
    /// The tunnel key.
    pub(crate) id: Option<[u8; 4]>,
    /// Whether the outer header is IPv6.
    pub(crate) ipv6: bool,
    /// Source address of the outer header; an IPv4 address is in the first four bytes.
    pub(crate) source: [u8; 16],
    /// Destination address of the outer header.
    pub(crate) destination: [u8; 16],
    /// Destination port of the outer header.
    pub(crate) port: [u8; 2],
}

/// Why there is no next hop through a neighbour.
pub(crate) enum NeighbourError {
    /// The device of the route, given by its index, is not Ethernet.
    NotEthernet(u32),
    /// The neighbour has no address yet; its resolution was started.
    Unresolved,
}

/// The next hop of a frame: the egress device and the Ethernet addresses.
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
/// A reference to this type points to a flow that is not freed while the reference is used. The
/// core writes the tuples of a flow before it publishes the flow, and never again.
#[repr(transparent)]
pub(crate) struct Flow(Opaque<bindings::flow_offload>);

impl Flow {
    /// Creates a view from a pointer.
    ///
    /// # Safety
    ///
    /// `ptr` points to a flow that is not freed for `'a`.
    pub(in crate::net) unsafe fn from_raw<'a>(ptr: *mut bindings::flow_offload) -> &'a Self {
        // CAST: `Self` is a transparent wrapper of `Opaque<flow_offload>`.
        // SAFETY: By the safety requirement.
        unsafe { &*ptr.cast() }
    }

    /// Returns the address of the flow, which identifies the flow during its lifetime. The address
    /// may be reused afterwards.
    pub(in crate::net) fn address(&self) -> usize {
        self.0.get() as usize
    }

    pub(in crate::net) fn as_raw(&self) -> *mut bindings::flow_offload {
        self.0.get()
    }

    fn tuple(&self, dir: Dir) -> &bindings::flow_offload_tuple {
        let flow = self.0.get();
        // SAFETY: By the type invariant the flow is valid and its tuples are not written.
        unsafe {
            match dir {
                Dir::Original => &(*flow).tuplehash[0].tuple,
                Dir::Reply => &(*flow).tuplehash[1].tuple,
            }
        }
    }

    fn test(&self, flag: bindings::nf_flow_flags) -> bool {
        // SAFETY: By the type invariant the flow is valid. The core writes the field atomically,
        // hence volatile.
        let flags = unsafe { (&raw const (*self.0.get()).flags).read_volatile() };
        flags & (1 << flag) != 0
    }

    /// Returns whether the core is removing the flow from hardware, or is about to; no rule may be
    /// added any more.
    ///
    /// The core is about to if the flow was torn down, or if its conntrack entry is dying.
    pub(in crate::net) fn is_ending(&self) -> bool {
        // SAFETY: By the type invariant the flow is valid, and it owns a reference of its conntrack
        // entry.
        let forgotten = unsafe { bindings::nfto_flow_ct_is_dying(self.0.get()) };
        forgotten || self.test(bindings::nf_flow_flags_NF_FLOW_HW_DYING) || self.is_torn_down()
    }

    /// Returns whether the flow was torn down: the core no longer finds it for any packet, and ends
    /// it.
    pub(crate) fn is_torn_down(&self) -> bool {
        self.test(bindings::nf_flow_flags_NF_FLOW_TEARDOWN)
    }

    /// Returns whether the core removes the flow from hardware because its TCP connection closes or
    /// the flow ends.
    pub(crate) fn is_closing(&self) -> bool {
        self.test(bindings::nf_flow_flags_NF_FLOW_CLOSING) || self.is_torn_down()
    }

    /// Returns whether the core sends a DESTROY when the flow ends (`nf_flow_offload_gc_step`).
    pub(in crate::net) fn has_destroy(&self) -> bool {
        self.test(bindings::nf_flow_flags_NF_FLOW_HW)
    }

    /// Returns whether offload work of the core is pending for the flow.
    pub(in crate::net) fn is_pending(&self) -> bool {
        self.test(bindings::nf_flow_flags_NF_FLOW_PENDING)
    }

    /// Returns whether the source of the flow is translated.
    pub(crate) fn has_snat(&self) -> bool {
        self.test(bindings::nf_flow_flags_NF_FLOW_SNAT)
    }

    /// Returns whether the destination of the flow is translated.
    pub(crate) fn has_dnat(&self) -> bool {
        self.test(bindings::nf_flow_flags_NF_FLOW_DNAT)
    }

    /// Returns the address family, `NFPROTO_IPV4` or `NFPROTO_IPV6`.
    pub(crate) fn family(&self) -> u8 {
        self.tuple(Dir::Original).l3proto
    }

    /// Returns the protocol: `IPPROTO_TCP`, `IPPROTO_UDP` or `IPPROTO_GRE`.
    pub(crate) fn protocol(&self) -> u8 {
        self.tuple(Dir::Original).l4proto
    }

    /// Returns whether the protocol is GRE.
    pub(in crate::net) fn is_gre(&self) -> bool {
        self.protocol() == IPPROTO_GRE
    }

    /// Returns the source address of the packets of a direction on ingress; an IPv4 address is in
    /// the first four bytes.
    pub(crate) fn source(&self, dir: Dir) -> [u8; 16] {
        // SAFETY: The core zeroes the flow before it writes an address, so all bytes of the union
        // are initialised.
        unsafe { self.tuple(dir).__bindgen_anon_1.src_v6.in6_u.u6_addr8 }
    }

    /// Returns the destination address of the packets of a direction on ingress, as
    /// [`Flow::source`].
    pub(crate) fn destination(&self, dir: Dir) -> [u8; 16] {
        // SAFETY: As in `source`.
        unsafe { self.tuple(dir).__bindgen_anon_2.dst_v6.in6_u.u6_addr8 }
    }

    /// Returns source and destination port on ingress, in network order.
    pub(crate) fn ports(&self, dir: Dir) -> ([u8; 2], [u8; 2]) {
        let ports = &self.tuple(dir).__bindgen_anon_3;
        (ports.src_port.to_ne_bytes(), ports.dst_port.to_ne_bytes())
    }

    /// Returns the index of the lowest device on which the packets of a direction arrive.
    pub(crate) fn ingress_ifindex(&self, dir: Dir) -> u32 {
        self.tuple(dir).iifidx as u32
    }

    /// Returns whether the packets of a direction are those of a direction of another flow: the
    /// core cannot tell them apart.
    pub(crate) fn is_twin(&self, dir: Dir, other: &Flow, other_dir: Dir) -> bool {
        // SAFETY: By the type invariant both flows are valid, and their tuples are not written.
        unsafe {
            bindings::nfto_flow_is_twin(
                self.0.get(),
                dir as c_uint,
                other.0.get(),
                other_dir as c_uint,
            )
        }
    }

    /// Returns whether the switch behind the device handles a tag of a direction's packets.
    pub(crate) fn has_tag_of_switch(&self, dir: Dir) -> bool {
        self.tuple(dir).in_vlan_ingress() != 0
    }

    /// Returns the headers between Ethernet and IP that the packets of a direction carry on
    /// ingress, outermost first.
    pub(crate) fn encaps(&self, dir: Dir) -> [Option<Encap>; 2] {
        let tuple = self.tuple(dir);
        let (count, by_switch) = (tuple.encap_num(), tuple.in_vlan_ingress());
        let mut index = 0;
        tuple.encap.map(|encap| {
            let i = index;
            index += 1;
            (i < count).then(|| Encap {
                ethertype: u16::from_be(encap.proto),
                id: encap.id,
                by_switch: by_switch & (1 << i) != 0,
            })
        })
    }

    /// Returns the 802.1p priority that each of these headers has on egress.
    ///
    /// It is the entry of the VLAN device's egress map for a packet without a priority of its own.
    pub(crate) fn egress_priorities(&self, dir: Dir, net: Netns<'_>) -> [u8; 2] {
        let mut priorities = [0; 2];
        // SAFETY: The tuple and the namespace are valid by their type invariants; the array has as
        // many elements as a tuple has headers at most.
        unsafe {
            bindings::nfto_vlan_priorities(net.as_raw(), self.tuple(dir), priorities.as_mut_ptr())
        };
        priorities
    }

    /// Returns the MTU of the route of a direction: the size of the largest IP packet.
    pub(crate) fn mtu(&self, dir: Dir) -> u32 {
        u32::from(self.tuple(dir).mtu)
    }

    /// Returns the lightweight tunnel of the route of a direction.
    pub(crate) fn tunnel(&self, dir: Dir) -> Tunnel {
        let mut raw = bindings::nfto_tunnel::default();
        // SAFETY: By the type invariant the flow is valid, and it owns a reference of its route.
        let kind = unsafe { bindings::nfto_flow_tunnel(self.0.get(), dir as c_uint, &raw mut raw) };
        match kind {
            bindings::nfto_tunnel_kind_NFTO_TUNNEL_NONE => Tunnel::None,
            bindings::nfto_tunnel_kind_NFTO_TUNNEL_IP => Tunnel::Ip(TunnelInfo {
                id: raw.has_id.then_some(raw.id),
                ipv6: raw.ipv6,
                source: raw.source,
                destination: raw.destination,
                port: raw.port,
            }),
            _ => Tunnel::Other,
        }
    }

    /// Returns the tunnel information for a driver, which describes the headers to add; null
    /// without a tunnel.
    ///
    /// It is valid as long as the flow.
    pub(in crate::net) fn tunnel_info(&self, dir: Dir) -> *const bindings::ip_tunnel_info {
        // SAFETY: As in `tunnel`.
        unsafe { bindings::nfto_flow_tunnel_info(self.0.get(), dir as c_uint) }
    }

    /// Returns whether the core sends the packets of the flow through an IP in IP tunnel.
    ///
    /// The core never offers such a flow for offload (`nf_flow_offload_unsupported`).
    pub(in crate::net) fn is_core_tunnel(&self) -> bool {
        [Dir::Original, Dir::Reply]
            .iter()
            .any(|dir| self.tuple(*dir).tun_num() != 0)
    }

    /// Resets the timeout of a conntrack entry that [`Flow::keep_conntrack`] has extended.
    pub(in crate::net) fn release_conntrack(&self) {
        // SAFETY: By the type invariant the flow is valid, and it owns a reference of its conntrack
        // entry.
        unsafe { bindings::nfto_flow_release_ct(self.0.get()) }
    }

    /// Returns whether the core would lose the packets of the flow in an IP tunnel; the hook then
    /// leaves them to the slow path.
    pub(in crate::net) fn is_mishandled(&self) -> bool {
        // SAFETY: By the type invariant the flow is valid, and it owns references of its routes.
        unsafe { bindings::nfto_flow_is_mishandled(self.0.get()) }
    }

    /// Returns whether the namespace of the flow has no tunnel left.
    pub(in crate::net) fn has_no_tunnel(&self) -> bool {
        // SAFETY: As in `is_mishandled`.
        unsafe { bindings::nfto_flow_has_no_tunnel(self.0.get()) }
    }

    /// Returns a hash of the tunnel of the flow; `None` if the flow does not identify its tunnel.
    pub(crate) fn tunnel_hash(&self) -> Option<NonZeroU32> {
        // SAFETY: As in `is_mishandled`.
        NonZeroU32::new(unsafe { bindings::nfto_flow_tunnel_hash(self.0.get()) })
    }

    /// Returns the device of the tunnel, if it is found. Atomic context.
    pub(crate) fn tunnel_device(&self) -> Option<NetDeviceRef> {
        // SAFETY: As in `is_mishandled`; it owns a reference of its conntrack entry as well.
        let ifindex = unsafe { bindings::nfto_flow_tunnel_dev(self.0.get()) };
        self.net().device(ifindex)
    }

    /// Returns the network namespace of the flow.
    pub(crate) fn net(&self) -> Netns<'_> {
        // SAFETY: By the type invariant the flow is valid, and it owns a reference of its conntrack
        // entry. A namespace that is destroyed waits for its entries
        // (`nf_conntrack_cleanup_net_list`).
        unsafe { Netns::from_raw(bindings::nfto_flow_net(self.0.get())) }
    }

    /// Refreshes a flow whose packets all take the slow path, as long as conntrack sees packets.
    ///
    /// Such a flow is a multicast flow, or one for which [`Flow::is_mishandled`] returns `true`.
    pub(in crate::net) fn keep_slow(&self) {
        // SAFETY: By the type invariant the flow is valid, and it owns a reference of its conntrack
        // entry.
        unsafe { bindings::nfto_flow_keep_slow(self.0.get()) }
    }

    /// Marks the connection of a live flow as offloaded, if the core has lost the mark.
    pub(in crate::net) fn hold_conntrack(&self) {
        // SAFETY: By the type invariant the flow is valid, and it owns a reference of its conntrack
        // entry.
        unsafe { bindings::nfto_flow_hold_ct(self.0.get()) }
    }

    /// Keeps the conntrack entry from expiring while its packets bypass conntrack.
    pub(in crate::net) fn keep_conntrack(&self) {
        // SAFETY: By the type invariant the flow is valid, and it owns a reference of its conntrack
        // entry.
        unsafe { bindings::nfto_flow_keep_ct(self.0.get()) }
    }

    /// Returns how the core sends the packets of a direction.
    pub(crate) fn xmit(&self, dir: Dir) -> Xmit {
        let tuple = self.tuple(dir);
        match c_uint::from(tuple.xmit_type()) {
            bindings::flow_offload_xmit_type_FLOW_OFFLOAD_XMIT_DIRECT => {
                // SAFETY: The core wrote this member of the union, as `xmit_type` says.
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

    /// Returns the next hop of a direction that is sent through a neighbour ([`Xmit::Neigh`]).
    pub(crate) fn neighbour(&self, dir: Dir) -> Result<NextHop, NeighbourError> {
        let mut hop = bindings::nfto_nexthop::default();
        // SAFETY: By the type invariant the flow is valid, and it owns a reference of its route.
        let err = unsafe { bindings::nfto_flow_nexthop(self.0.get(), dir as c_uint, &raw mut hop) };
        if err == eopnotsupp().to_errno() {
            return Err(NeighbourError::NotEthernet(hop.ifindex));
        }
        to_result(err).map_err(|_| NeighbourError::Unresolved)?;
        Ok(NextHop {
            ifindex: hop.ifindex,
            source: hop.h_source,
            destination: hop.h_dest,
        })
    }

    /// Returns the index of the lowest egress device of a direction; 0 if it is not known.
    pub(crate) fn egress_ifindex(&self, dir: Dir) -> u32 {
        // SAFETY: By the type invariant the flow is valid, and it owns a reference of its route.
        unsafe { bindings::nfto_flow_egress(self.0.get(), dir as c_uint) }
    }

    /// Returns the ID of the flow's connection, as `conntrack -o id` shows it. It is computed each
    /// time.
    pub(crate) fn connection_id(&self) -> u32 {
        // SAFETY: By the type invariant the flow is valid, and it owns a reference of its conntrack
        // entry.
        unsafe { bindings::nfto_flow_ct_id(self.0.get()) }
    }

    /// Returns the address of the flow's conntrack entry, which identifies the connection as long
    /// as the flow exists.
    pub(crate) fn connection_address(&self) -> usize {
        // SAFETY: By the type invariant the flow is valid; the core writes the field before it
        // publishes the flow, and never again.
        unsafe { (*self.0.get()).ct as usize }
    }

    /// Returns the conntrack mark of the flow's connection.
    pub(crate) fn mark(&self) -> u32 {
        // SAFETY: As in `connection_id`.
        unsafe { bindings::nfto_flow_mark(self.0.get()) }
    }

    /// Returns the conntrack zone of the flow's connection.
    pub(crate) fn zone(&self) -> u16 {
        // SAFETY: As in `connection_id`.
        unsafe { bindings::nfto_flow_zone(self.0.get()) }
    }

    /// Returns the time at which the flow expires if no packet is seen: the low 32 bits of jiffies.
    pub(crate) fn timeout(&self) -> u32 {
        // SAFETY: By the type invariant the flow is valid. The core writes the field without a
        // lock, hence volatile.
        unsafe { (&raw const (*self.0.get()).timeout).read_volatile() }
    }

    /// Returns how long a flow of this protocol lives without a packet, in jiffies.
    pub(crate) fn offload_timeout(&self) -> u64 {
        // SAFETY: By the type invariant the flow is valid, and it owns a reference of its conntrack
        // entry.
        unsafe { bindings::nfto_flow_offload_timeout(self.0.get()) as u64 }
    }

    /// Adds packets and bytes (network layer) to the counters of a direction of the conntrack
    /// entry.
    pub(crate) fn account(&self, dir: Dir, packets: u64, bytes: u64) {
        // SAFETY: As in `offload_timeout`.
        unsafe { bindings::nfto_flow_account(self.0.get(), dir as c_uint, packets, bytes) }
    }

    /// Returns the packets that conntrack has counted in both directions; `None` if it does not
    /// count them.
    pub(crate) fn packets(&self) -> Option<u64> {
        let mut packets = 0;
        // SAFETY: As in `offload_timeout`.
        let counted = unsafe { bindings::nfto_flow_packets(self.0.get(), &raw mut packets) };
        counted.then_some(packets)
    }

    /// Sets or clears `[HW_OFFLOAD]` of the conntrack entry.
    ///
    /// The core clears the mark with every DESTROY, also with that of an earlier flow of the same
    /// connection.
    pub(crate) fn set_hw_offload(&self, on: bool) {
        // SAFETY: As in `offload_timeout`.
        unsafe { bindings::nfto_flow_set_hw_offload(self.0.get(), on) }
    }

    /// Ends the flow.
    ///
    /// The next packet takes the slow path. The core sends the DESTROY with its next garbage
    /// collection, within one second.
    pub(crate) fn teardown(&self) {
        // SAFETY: By the type invariant the flow is valid; the function takes spinlocks only.
        unsafe { bindings::nfto_flow_teardown(self.0.get()) }
    }
}

/// A flow during its REPLACE: not dying, and the core does not change its offload at the same time.
///
/// # Invariants
///
/// The core holds `NF_FLOW_PENDING` of the flow for `'a`, and `NF_FLOW_HW_DYING` was clear while it
/// did. So a DESTROY follows later.
#[derive(Clone, Copy)]
pub(crate) struct LiveFlow<'a>(&'a Flow);

impl<'a> LiveFlow<'a> {
    /// Creates the guarantee for a flow that is not ending.
    ///
    /// # Safety
    ///
    /// Called from the work of a REPLACE, for its flow.
    pub(in crate::net) unsafe fn new(flow: &'a Flow) -> Option<Self> {
        // INVARIANT: The core sets `NF_FLOW_PENDING` before it queues a REPLACE and clears it
        // afterwards.
        (!flow.is_ending()).then_some(Self(flow))
    }
}

impl core::ops::Deref for LiveFlow<'_> {
    type Target = Flow;

    fn deref(&self) -> &Flow {
        self.0
    }
}

/// Identifies the packets of one direction, as they arrive. Network order.
pub(crate) struct Tuple<'a> {
    /// `IPPROTO_*`.
    pub(crate) protocol: u8,
    /// Source address, 4 or 16 bytes.
    pub(crate) source: &'a [u8],
    /// Destination address, of the same length.
    pub(crate) destination: &'a [u8],
    /// Source and destination port.
    pub(crate) ports: ([u8; 2], [u8; 2]),
}

impl Tuple<'_> {
    pub(in crate::net) fn to_raw(&self) -> bindings::nfto_tuple {
        let mut raw = bindings::nfto_tuple {
            family: match self.source.len() {
                4 => bindings::NFPROTO_IPV4 as u8,
                _ => bindings::NFPROTO_IPV6 as u8,
            },
            protocol: self.protocol,
            source_port: self.ports.0,
            destination_port: self.ports.1,
            ..bindings::nfto_tuple::default()
        };
        for (to, from) in raw.source.iter_mut().zip(self.source) {
            *to = *from;
        }
        for (to, from) in raw.destination.iter_mut().zip(self.destination) {
            *to = *from;
        }
        raw
    }

    /// Returns whether conntrack has a connection with such packets in a zone. Lockless.
    pub(crate) fn is_tracked(&self, net: Netns<'_>, zone: u16) -> bool {
        let raw = self.to_raw();
        // SAFETY: The namespace exists by its type invariant.
        unsafe { bindings::nfto_ct_has(net.as_raw(), &raw const raw, zone) }
    }
}
