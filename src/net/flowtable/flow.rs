// SPDX-License-Identifier: GPL-2.0

//! A flow of the flowtable core: two tuples, one for each direction, and the conntrack entry they belong to.
//!
//! C header: [`include/net/netfilter/nf_flow_table.h`](srctree/include/net/netfilter/nf_flow_table.h)

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
    /// With these addresses out of this device, below every upper device.
    Direct(NextHop),
    /// Through the neighbour of a route.
    Neigh,
    /// Through an IPsec transformation.
    Xfrm,
    /// Another way, which no rule can express.
    Other,
}

/// A header between Ethernet and IP as the core keeps it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Encap {
    /// Ethertype, host order.
    pub(crate) ethertype: u16,
    /// VLAN or PPPoE session.
    pub(crate) id: u16,
    /// The switch behind the device handles it.
    pub(crate) by_switch: bool,
}

/// The lightweight tunnel of a direction's route.
pub(crate) enum Tunnel {
    /// None.
    None,
    /// An IP tunnel.
    Ip(TunnelInfo),
    /// Of another kind, or with options.
    Other,
}

/// An IP tunnel as a route has it. Network order.
pub(crate) struct TunnelInfo {
    /// Its key.
    pub(crate) id: Option<[u8; 4]>,
    /// The outer header is IPv6.
    pub(crate) ipv6: bool,
    /// Its source address; an IPv4 address is in the first four bytes.
    pub(crate) source: [u8; 16],
    /// Its destination address.
    pub(crate) destination: [u8; 16],
    /// Its destination port.
    pub(crate) port: [u8; 2],
}

/// Why there is no next hop through a neighbour.
pub(crate) enum NeighbourError {
    /// The device of the route, whose index this is, is not Ethernet.
    NotEthernet(u32),
    /// The neighbour has no address yet; its resolution was started.
    Unresolved,
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

/// A connection of conntrack.
pub(crate) struct Connection {
    /// As `conntrack -o id` shows it.
    pub(crate) id: u32,
    /// Its mark.
    pub(crate) mark: u32,
    /// Its zone.
    pub(crate) zone: u16,
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
    pub(in crate::net) unsafe fn from_raw<'a>(ptr: *mut bindings::flow_offload) -> &'a Self {
        // CAST: `Self` is a transparent wrapper of `Opaque<flow_offload>`.
        // SAFETY: By the safety requirement.
        unsafe { &*ptr.cast() }
    }

    /// The address of the flow: its name as long as it lives, and the next flow's afterwards.
    pub(in crate::net) fn address(&self) -> usize {
        self.0.get() as usize
    }

    pub(in crate::net) fn as_raw(&self) -> *mut bindings::flow_offload {
        self.0.get()
    }

    fn tuple(&self, dir: Dir) -> &bindings::flow_offload_tuple {
        let flow = self.0.get();
        // SAFETY: By the type invariant the flow is valid and nobody writes its tuples.
        unsafe {
            match dir {
                Dir::Original => &(*flow).tuplehash[0].tuple,
                Dir::Reply => &(*flow).tuplehash[1].tuple,
            }
        }
    }

    fn test(&self, flag: bindings::nf_flow_flags) -> bool {
        // SAFETY: By the type invariant the flow is valid. The core writes the field atomically, hence volatile.
        let flags = unsafe { (&raw const (*self.0.get()).flags).read_volatile() };
        flags & (1 << flag) != 0
    }

    /// Whether the core has begun to remove the flow from hardware, when no rule may be added any more, or is about to: it was
    /// torn down, or conntrack has forgotten it.
    pub(in crate::net) fn is_ending(&self) -> bool {
        // SAFETY: By the type invariant the flow is valid, and it owns a reference of its conntrack entry.
        let forgotten = unsafe { bindings::nfto_flow_ct_is_dying(self.0.get()) };
        forgotten || self.test(bindings::nf_flow_flags_NF_FLOW_HW_DYING) || self.is_torn_down()
    }

    /// Whether the core finds it no more for any packet, and ends it.
    pub(crate) fn is_torn_down(&self) -> bool {
        self.test(bindings::nf_flow_flags_NF_FLOW_TEARDOWN)
    }

    /// Whether the core takes it out of hardware, as its TCP connection closes or as it ends.
    pub(crate) fn is_closing(&self) -> bool {
        self.test(bindings::nf_flow_flags_NF_FLOW_CLOSING) || self.is_torn_down()
    }

    /// Whether the core sends a DESTROY when the flow ends (`nf_flow_offload_gc_step`).
    pub(in crate::net) fn has_destroy(&self) -> bool {
        self.test(bindings::nf_flow_flags_NF_FLOW_HW)
    }

    /// Whether the core's work is busy with the flow in hardware.
    pub(in crate::net) fn is_pending(&self) -> bool {
        self.test(bindings::nf_flow_flags_NF_FLOW_PENDING)
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

    /// Whether it is GRE.
    pub(in crate::net) fn is_gre(&self) -> bool {
        self.protocol() == IPPROTO_GRE
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

    /// The headers between Ethernet and IP that a direction's packets carry as they arrive, outermost first.
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

    /// The 802.1p priority of each of these headers on packets that leave with them: what the VLAN device's egress map
    /// says for a packet without a priority of its own.
    pub(crate) fn egress_priorities(&self, dir: Dir, net: Netns<'_>) -> [u8; 2] {
        let mut priorities = [0; 2];
        // SAFETY: The tuple and the namespace are valid; the array has a place for each header.
        unsafe {
            bindings::nfto_vlan_priorities(net.as_raw(), self.tuple(dir), priorities.as_mut_ptr())
        };
        priorities
    }

    /// The largest IP packet that the route of a direction takes.
    pub(crate) fn mtu(&self, dir: Dir) -> u32 {
        u32::from(self.tuple(dir).mtu)
    }

    /// The lightweight tunnel of a direction's route.
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

    /// What a driver is given to put the tunnel's headers on; null without a tunnel. Lives as long as the flow.
    pub(in crate::net) fn tunnel_info(&self, dir: Dir) -> *const bindings::ip_tunnel_info {
        // SAFETY: As in `tunnel`.
        unsafe { bindings::nfto_flow_tunnel_info(self.0.get(), dir as c_uint) }
    }

    /// Whether the core sends its packets through an IP in IP tunnel, and so never hands it over
    /// (`nf_flow_offload_unsupported`).
    pub(in crate::net) fn is_core_tunnel(&self) -> bool {
        [Dir::Original, Dir::Reply]
            .iter()
            .any(|dir| self.tuple(*dir).tun_num() != 0)
    }

    /// Gives a conntrack entry that was kept ([`Flow::keep_conntrack`]) its usual time again.
    pub(in crate::net) fn release_conntrack(&self) {
        // SAFETY: By the type invariant the flow is valid, and it owns a reference of its conntrack entry.
        unsafe { bindings::nfto_flow_release_ct(self.0.get()) }
    }

    /// Whether the core would lose its packets in an IP tunnel, so that the hook leaves them to the slow path.
    pub(in crate::net) fn is_mishandled(&self) -> bool {
        // SAFETY: By the type invariant the flow is valid, and it owns references of its routes.
        unsafe { bindings::nfto_flow_is_mishandled(self.0.get()) }
    }

    /// Whether no tunnel is left in its namespace.
    pub(in crate::net) fn has_no_tunnel(&self) -> bool {
        // SAFETY: As in `is_mishandled`.
        unsafe { bindings::nfto_flow_has_no_tunnel(self.0.get()) }
    }

    /// A number for its tunnel; `None` if the flow does not say which one that is.
    pub(crate) fn tunnel_hash(&self) -> Option<NonZeroU32> {
        // SAFETY: As in `is_mishandled`.
        NonZeroU32::new(unsafe { bindings::nfto_flow_tunnel_hash(self.0.get()) })
    }

    /// The device of its tunnel, if that is found. Atomic context.
    pub(crate) fn tunnel_device(&self) -> Option<NetDeviceRef> {
        // SAFETY: As in `is_mishandled`; it owns a reference of its conntrack entry as well.
        let ifindex = unsafe { bindings::nfto_flow_tunnel_dev(self.0.get()) };
        self.net().device(ifindex)
    }

    /// Its network namespace.
    pub(crate) fn net(&self) -> Netns<'_> {
        // SAFETY: By the type invariant the flow is valid, and it owns a reference of its conntrack entry, which keeps the namespace.
        unsafe { Netns::from_raw(bindings::nfto_flow_net(self.0.get())) }
    }

    /// Keeps a flow, none of whose packets takes the fast path, from expiring while conntrack sees them: one of multicast, and one
    /// that [`Flow::is_mishandled`].
    pub(in crate::net) fn keep_slow(&self) {
        // SAFETY: By the type invariant the flow is valid, and it owns a reference of its conntrack entry.
        unsafe { bindings::nfto_flow_keep_slow(self.0.get()) }
    }

    /// Marks the connection of a flow that lives as offloaded, if the core has lost that.
    pub(in crate::net) fn hold_conntrack(&self) {
        // SAFETY: By the type invariant the flow is valid, and it owns a reference of its conntrack entry.
        unsafe { bindings::nfto_flow_hold_ct(self.0.get()) }
    }

    /// Keeps the conntrack entry from expiring while its packets do not pass conntrack.
    pub(in crate::net) fn keep_conntrack(&self) {
        // SAFETY: By the type invariant the flow is valid, and it owns a reference of its conntrack entry.
        unsafe { bindings::nfto_flow_keep_ct(self.0.get()) }
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

    /// The index of the lowest device that a direction leaves through; 0 if it is not known.
    pub(crate) fn egress_ifindex(&self, dir: Dir) -> u32 {
        // SAFETY: By the type invariant the flow is valid, and it owns a reference of its route.
        unsafe { bindings::nfto_flow_egress(self.0.get(), dir as c_uint) }
    }

    /// The connection that it belongs to.
    pub(crate) fn connection(&self) -> Connection {
        let mut raw = bindings::nfto_ct::default();
        // SAFETY: By the type invariant the flow is valid, and it owns a reference of its conntrack entry.
        unsafe { bindings::nfto_flow_ct(self.0.get(), &raw mut raw) };
        Connection {
            id: raw.id,
            mark: raw.mark,
            zone: raw.zone,
        }
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

    /// The packets of both directions that conntrack has counted; `None` if it does not count them.
    pub(crate) fn packets(&self) -> Option<u64> {
        let mut packets = 0;
        // SAFETY: As in `offload_timeout`.
        let counted = unsafe { bindings::nfto_flow_packets(self.0.get(), &raw mut packets) };
        counted.then_some(packets)
    }

    /// Sets or clears `[HW_OFFLOAD]` of the conntrack entry. The core clears it with every DESTROY, also with that of an
    /// earlier flow of the same connection.
    pub(crate) fn set_hw_offload(&self, on: bool) {
        // SAFETY: As in `offload_timeout`.
        unsafe { bindings::nfto_flow_set_hw_offload(self.0.get(), on) }
    }

    /// Ends the flow: its next packet takes the slow path, and the core sends DESTROY within its next garbage
    /// collection, one second at most.
    pub(crate) fn teardown(&self) {
        // SAFETY: By the type invariant the flow is valid; the function takes spinlocks only.
        unsafe { bindings::nfto_flow_teardown(self.0.get()) }
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
    /// Called from the work of a REPLACE, for its flow.
    pub(in crate::net) unsafe fn new(flow: &'a Flow) -> Option<Self> {
        // INVARIANT: The core sets `NF_FLOW_PENDING` before it queues a REPLACE and clears it afterwards.
        (!flow.is_ending()).then_some(Self(flow))
    }
}

impl core::ops::Deref for LiveFlow<'_> {
    type Target = Flow;

    fn deref(&self) -> &Flow {
        self.0
    }
}

/// Whose packets: as they arrive, network order.
pub(crate) struct Tuple<'a> {
    /// `IPPROTO_*`.
    pub(crate) protocol: u8,
    /// Its source address, of 4 or 16 bytes.
    pub(crate) source: &'a [u8],
    /// Its destination address, as long as the source.
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

    /// Whether conntrack has a connection with such packets in a zone. Takes no lock.
    pub(crate) fn is_tracked(&self, net: Netns<'_>, zone: u16) -> bool {
        let raw = self.to_raw();
        // SAFETY: The namespace exists by its type invariant.
        unsafe { bindings::nfto_ct_has(net.as_raw(), &raw const raw, zone) }
    }
}
