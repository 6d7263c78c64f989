// SPDX-License-Identifier: GPL-2.0

//! Flows of the core.

use crate::world::{Side, World};
use crate::{
    net::netdevice::{NetDeviceRef, Netns},
    proto::{Dir, Mac},
};
use core::num::NonZeroU32;
use kernel::prelude::*;

pub(crate) enum Xmit {
    Direct(NextHop),
    Neigh,
    Xfrm,
    Other,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Encap {
    pub(crate) ethertype: u16,
    pub(crate) id: u16,
    pub(crate) by_switch: bool,
}

pub(crate) enum Tunnel {
    None,
    Ip(TunnelInfo),
    Other,
}

pub(crate) struct TunnelInfo {
    pub(crate) id: Option<[u8; 4]>,
    pub(crate) ipv6: bool,
    pub(crate) source: [u8; 16],
    pub(crate) destination: [u8; 16],
    pub(crate) port: [u8; 2],
}

pub(crate) enum NeighbourError {
    NotEthernet(u32),
    Unresolved,
}

pub(crate) struct NextHop {
    pub(crate) ifindex: u32,
    pub(crate) source: Mac,
    pub(crate) destination: Mac,
}

/// A flow, by its address. Whoever asks it something after it was freed is stopped.
pub(crate) struct Flow(usize);

impl Flow {
    /// For the core.
    pub(crate) fn at(address: usize) -> Self {
        Self(address)
    }

    pub(in crate::net) fn address(&self) -> usize {
        self.0
    }

    fn with<T>(&self, f: impl FnOnce(&mut crate::world::Flow) -> T) -> T {
        World::with(|world| f(world.flow_mut(self.0)))
    }

    pub(crate) fn net(&self) -> Netns<'_> {
        Netns::of_table(0)
    }

    /// The model has no tunnels.
    pub(crate) fn tunnel_hash(&self) -> Option<NonZeroU32> {
        None
    }

    pub(crate) fn tunnel_device(&self) -> Option<NetDeviceRef> {
        None
    }

    pub(crate) fn connection_id(&self) -> u32 {
        self.with(|flow| flow.serial) + 1
    }

    pub(crate) fn connection_address(&self) -> usize {
        self.with(|flow| flow.connection) * 256
    }

    /// The model has one zone, and no marks.
    pub(crate) fn mark(&self) -> u32 {
        0
    }

    pub(crate) fn zone(&self) -> u16 {
        0
    }

    pub(crate) fn is_twin(&self, dir: Dir, other: &Flow, other_dir: Dir) -> bool {
        let twins = World::with(|world| world.twins(self.0, dir));
        twins.contains(&(other.0, other_dir))
    }

    /// The model has no switch that handles tags.
    pub(crate) fn has_tag_of_switch(&self, _: Dir) -> bool {
        false
    }

    pub(in crate::net) fn is_moved(&self) -> bool {
        self.with(|flow| flow.moved)
    }

    fn side(&self, dir: Dir) -> Side {
        self.with(|flow| flow.sides[dir as usize])
    }

    pub(in crate::net) fn is_ending(&self) -> bool {
        self.with(|flow| flow.dying || flow.torn)
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.with(|flow| flow.closing || flow.torn)
    }

    pub(crate) fn is_torn_down(&self) -> bool {
        self.with(|flow| flow.torn)
    }

    pub(crate) fn has_snat(&self) -> bool {
        self.with(|flow| flow.snat)
    }

    pub(crate) fn has_dnat(&self) -> bool {
        false
    }

    pub(crate) fn family(&self) -> u8 {
        self.with(|flow| flow.family)
    }

    pub(crate) fn protocol(&self) -> u8 {
        self.with(|flow| flow.protocol)
    }

    pub(crate) fn source(&self, dir: Dir) -> [u8; 16] {
        self.side(dir).source
    }

    pub(crate) fn destination(&self, dir: Dir) -> [u8; 16] {
        self.side(dir).destination
    }

    pub(crate) fn ports(&self, dir: Dir) -> ([u8; 2], [u8; 2]) {
        let side = self.side(dir);
        (side.source_port, side.destination_port)
    }

    pub(crate) fn ingress_ifindex(&self, dir: Dir) -> u32 {
        self.side(dir).ingress
    }

    pub(crate) fn encaps(&self, _: Dir) -> [Option<Encap>; 2] {
        [None; 2]
    }

    pub(crate) fn egress_priorities(&self, _: Dir, _: Netns<'_>) -> [u8; 2] {
        [0; 2]
    }

    pub(crate) fn mtu(&self, _: Dir) -> u32 {
        1500
    }

    pub(crate) fn tunnel(&self, _: Dir) -> Tunnel {
        Tunnel::None
    }

    /// Every other connection's flows know their next hops.
    pub(crate) fn xmit(&self, dir: Dir) -> Xmit {
        match self.neighbour(dir) {
            Ok(hop) if self.with(|flow| flow.is_direct()) => Xmit::Direct(hop),
            _ => Xmit::Neigh,
        }
    }

    pub(crate) fn neighbour(&self, dir: Dir) -> Result<NextHop, NeighbourError> {
        let (egress, mac) = self.with(|flow| {
            let side = flow.sides[dir as usize];
            (side.egress, side.mac)
        });
        if mac == 0 {
            return Err(NeighbourError::Unresolved);
        }
        Ok(NextHop {
            ifindex: egress,
            source: World::with(|world| world.device(egress).address),
            destination: [2, 0, 0, 0, egress as u8, mac],
        })
    }

    pub(crate) fn timeout(&self) -> u32 {
        self.with(|flow| flow.end)
    }

    pub(crate) fn offload_timeout(&self) -> u64 {
        self.with(|flow| flow.lifetime)
    }

    pub(crate) fn account(&self, dir: Dir, packets: u64, bytes: u64) {
        World::with(|world| {
            assert!(packets != 0 || bytes == 0, "bytes without packets");
            let connection = world.flow(self.0).connection;
            world.account(connection, dir, packets, bytes);
        });
    }

    pub(crate) fn packets(&self) -> Option<u64> {
        World::with(|world| {
            let connection = world.flow(self.0).connection;
            let connection = &world.connections[connection];
            let [original, reply] = connection.accounted;
            Some(connection.in_software + original.packets + reply.packets)
        })
    }

    pub(crate) fn set_hw_offload(&self, on: bool) {
        World::with(|world| {
            let serial = world.flow(self.0).serial;
            let connection = world.flow(self.0).connection;
            world.set_flag(connection, Some(serial), on);
        });
    }

    pub(crate) fn teardown(&self) {
        let asked = World::with(|world| world.call().ask);
        self.with(|flow| {
            flow.torn = true;
            flow.told_to_end = true;
            // An UNBIND is looked at as a whole; another flow's REPLACE has taken its rules, if the driver had them still.
            if !asked.empties() {
                flow.in_hardware = false;
            }
        });
    }
}

/// A flow during REPLACE.
#[derive(Clone, Copy)]
pub(crate) struct LiveFlow<'a>(&'a Flow);

impl<'a> LiveFlow<'a> {
    pub(in crate::net) fn new(flow: &'a Flow) -> Option<Self> {
        (!flow.is_ending()).then_some(Self(flow))
    }
}

impl core::ops::Deref for LiveFlow<'_> {
    type Target = Flow;

    fn deref(&self) -> &Flow {
        self.0
    }
}
