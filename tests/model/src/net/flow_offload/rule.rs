// SPDX-License-Identifier: GPL-2.0

//! A rule as a driver is given it: its match and its actions, each as bytes to compare.

use crate::{
    net::{flowtable::flow::Flow, netdevice::NetDeviceRef},
    proto::{Dir, Header},
};
use core::marker::PhantomData;
use kernel::{alloc, error::code, prelude::*};

/// A rule under construction.
pub(crate) struct RuleBuilder<'a> {
    keys: Vec<u8>,
    actions: Vec<u8>,
    count: u32,
    ingress: u32,
    egress: Option<NetDeviceRef>,
    flow: PhantomData<&'a Flow>,
}

impl<'a> RuleBuilder<'a> {
    pub(crate) const MAX_ACTIONS: u32 = 24;

    pub(crate) fn new() -> Result<Self> {
        alloc::allocate()?;
        Ok(Self {
            keys: Vec::new(),
            actions: Vec::new(),
            count: 0,
            ingress: 0,
            egress: None,
            flow: PhantomData,
        })
    }

    pub(crate) fn clear(&mut self) {
        self.keys.clear();
        self.actions.clear();
        self.count = 0;
        self.ingress = 0;
        self.egress = None;
    }

    /// What it matches.
    pub(crate) fn keys(&self) -> &[u8] {
        &self.keys
    }

    /// The device that it matches.
    pub(crate) fn ingress(&self) -> u32 {
        self.ingress
    }

    /// The device that it sends to.
    pub(crate) fn egress(&self) -> u32 {
        self.egress.as_ref().map_or(0, |dev| dev.ifindex())
    }

    fn key(&mut self, id: u8, parts: &[&[u8]]) {
        self.keys.push(id);
        for part in parts {
            self.keys.extend_from_slice(part);
        }
    }

    fn push(&mut self, id: u8, parts: &[&[u8]]) -> Result {
        if self.count == Self::MAX_ACTIONS {
            return Err(code::ENOSPC);
        }
        self.count += 1;
        self.actions.push(id);
        for part in parts {
            self.actions.extend_from_slice(part);
        }
        Ok(())
    }

    pub(crate) fn match_ingress(&mut self, ifindex: u32) {
        self.ingress = ifindex;
        self.key(1, &[&ifindex.to_ne_bytes()]);
    }

    pub(crate) fn match_protocols(&mut self, ethertype: u16, ip_protocol: u8) {
        self.key(2, &[&ethertype.to_ne_bytes(), &[ip_protocol]]);
    }

    pub(crate) fn match_ipv4(&mut self, source: [u8; 4], destination: [u8; 4]) {
        self.key(3, &[&source, &destination]);
    }

    pub(crate) fn match_ipv6(&mut self, source: [u8; 16], destination: [u8; 16]) {
        self.key(4, &[&source, &destination]);
    }

    pub(crate) fn match_ports(&mut self, source: [u8; 2], destination: [u8; 2]) {
        self.key(5, &[&source, &destination]);
    }

    pub(crate) fn match_not_fragment(&mut self) {
        self.key(6, &[]);
    }

    pub(crate) fn match_vlan(
        &mut self,
        tpid: u16,
        vid: u16,
        priority: Option<u8>,
        next: Option<u16>,
    ) {
        let priority = priority.map_or(0xff, |priority| priority);
        let next = next.unwrap_or(0).to_ne_bytes();
        self.key(
            7,
            &[&tpid.to_ne_bytes(), &vid.to_ne_bytes(), &[priority], &next],
        );
    }

    pub(crate) fn match_inner_vlan(&mut self, tpid: u16, vid: u16, next: Option<u16>) {
        let next = next.unwrap_or(0).to_ne_bytes();
        self.key(8, &[&tpid.to_ne_bytes(), &vid.to_ne_bytes(), &next]);
    }

    pub(crate) fn match_pppoe(&mut self, session: u16, protocol: u16) {
        self.key(9, &[&session.to_ne_bytes(), &protocol.to_ne_bytes()]);
    }

    pub(crate) fn match_tunnel_id(&mut self, id: [u8; 4]) {
        self.key(10, &[&id]);
    }

    pub(crate) fn match_tunnel_ipv4(&mut self, source: [u8; 4], destination: [u8; 4]) {
        self.key(11, &[&source, &destination]);
    }

    pub(crate) fn match_tunnel_ipv6(&mut self, source: [u8; 16], destination: [u8; 16]) {
        self.key(12, &[&source, &destination]);
    }

    pub(crate) fn match_tunnel_port(&mut self, port: [u8; 2]) {
        self.key(13, &[&port]);
    }

    pub(crate) fn match_tcp_flags(&mut self, flags: u16, mask: u16) {
        self.key(14, &[&flags.to_ne_bytes(), &mask.to_ne_bytes()]);
    }

    pub(crate) fn mangle(
        &mut self,
        header: Header,
        offset: u32,
        keep: [u8; 4],
        value: [u8; 4],
    ) -> Result {
        self.push(1, &[&[header as u8], &offset.to_ne_bytes(), &keep, &value])
    }

    pub(crate) fn add(
        &mut self,
        header: Header,
        offset: u32,
        keep: [u8; 4],
        value: [u8; 4],
    ) -> Result {
        self.push(2, &[&[header as u8], &offset.to_ne_bytes(), &keep, &value])
    }

    pub(crate) fn vlan_pop(&mut self) -> Result {
        self.push(3, &[])
    }

    pub(crate) fn vlan_push(&mut self, tpid: u16, vid: u16, priority: u8) -> Result {
        self.push(4, &[&tpid.to_ne_bytes(), &vid.to_ne_bytes(), &[priority]])
    }

    pub(crate) fn pppoe_push(&mut self, session: u16) -> Result {
        self.push(5, &[&session.to_ne_bytes()])
    }

    pub(crate) fn tunnel_decap(&mut self) -> Result {
        self.push(6, &[])
    }

    pub(crate) fn tunnel_encap(&mut self, _: &'a Flow, _: Dir) -> Result {
        Err(code::ENOENT)
    }

    pub(crate) fn checksum(&mut self, ipv4_header: bool, tcp: bool, udp: bool) -> Result {
        self.push(7, &[&[ipv4_header.into(), tcp.into(), udp.into()]])
    }

    pub(crate) fn redirect(&mut self, dev: NetDeviceRef) -> Result {
        self.push(8, &[&dev.ifindex().to_ne_bytes()])?;
        self.egress = Some(dev);
        Ok(())
    }

    /// What it does.
    pub(crate) fn actions(&self) -> &[u8] {
        &self.actions
    }
}
