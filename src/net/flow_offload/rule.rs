// SPDX-License-Identifier: GPL-2.0

//! Builds a `flow_rule` in the form that drivers read: a dissector with keys and masks, and a list
//! of actions.
//!
//! C headers: [`include/net/flow_offload.h`](srctree/include/net/flow_offload.h),
//! [`include/net/flow_dissector.h`](srctree/include/net/flow_dissector.h)

use crate::{
    net::{
        bindings,
        flowtable::flow::Flow,
        netdevice::NetDeviceRef, //
    },
    proto::{
        Dir,
        Header, //
    }, //
};
use core::{
    marker::PhantomData,
    mem::offset_of,
    ptr::NonNull, //
};
use kernel::{
    error::code,
    ffi::c_uint,
    prelude::*, //
};

const VLAN_VID_MASK: u16 = 0x0fff;
const VLAN_PRIORITY_MASK: u8 = 7;

/// Returns the key or mask of a VLAN tag: VLAN ID and priority in host order, its Ethertype and the
/// one that follows in network order.
fn vlan(vid: u16, tpid: u16, priority: u8, next: u16) -> bindings::flow_dissector_key_vlan {
    let mut bits = bindings::flow_dissector_key_vlan__bindgen_ty_1__bindgen_ty_1::default();
    bits.set_vlan_id(vid);
    bits.set_vlan_priority(u16::from(priority));
    let mut key = bindings::flow_dissector_key_vlan::default();
    key.__bindgen_anon_1.__bindgen_anon_1 = bits;
    key.vlan_tpid = tpid;
    key.vlan_eth_type = next;
    key
}

/// Returns key and mask, in network order, of the Ethertype that follows a tag.
fn following(next: Option<u16>) -> (u16, u16) {
    next.map_or((0, 0), |next| (next.to_be(), u16::MAX))
}

fn ipv6(bytes: [u8; 16]) -> bindings::in6_addr {
    let mut address = bindings::in6_addr::default();
    address.in6_u.u6_addr8 = bytes;
    address
}

/// Builds a rule.
///
/// # Invariants
///
/// `raw` owns a rule with room for `MAX_ACTIONS` entries, of which the first `num_entries` are
/// written; its match points to the one beside it. `egress` holds the reference of the one REDIRECT
/// entry. A TUNNEL_ENCAP entry points to data that a flow keeps for `'a`.
pub(crate) struct RuleBuilder<'a> {
    raw: NonNull<bindings::nfto_rule>,
    egress: Option<NetDeviceRef>,
    _tunnel: PhantomData<&'a Flow>,
}

impl<'a> RuleBuilder<'a> {
    /// The maximum number of actions of a rule.
    const MAX_ACTIONS: u32 = bindings::NFTO_RULE_ACTIONS;

    /// Creates a rule, which is written after [`RuleBuilder::clear`].
    pub(crate) fn new() -> Result<Self> {
        // SAFETY: An FFI call with no requirements.
        let raw = NonNull::new(unsafe { bindings::nfto_rule_get() }).ok_or(code::ENOMEM)?;
        // INVARIANT: `nfto_rule_get` returns a rule with this room, without entries.
        Ok(Self {
            raw,
            egress: None,
            _tunnel: PhantomData,
        })
    }

    /// Empties the rule: it matches every packet and has no actions.
    pub(crate) fn clear(&mut self) {
        *self.matching() = bindings::nfto_match::default();
        // SAFETY: By the type invariant `raw` is valid and owned by `self`.
        unsafe { (*self.raw.as_ptr()).rule.action.num_entries = 0 };
        self.egress = None;
    }

    pub(in crate::net) fn as_raw(&self) -> *mut bindings::flow_rule {
        // SAFETY: By the type invariant `raw` is valid.
        unsafe { &raw mut (*self.raw.as_ptr()).rule }
    }

    #[inline(always)]
    fn matching(&mut self) -> &mut bindings::nfto_match {
        // SAFETY: By the type invariant `raw` is valid and owned by `self`.
        unsafe { &mut (*self.raw.as_ptr()).matching }
    }

    /// Returns the Ethertype to which the rule applies, in network order: that of the outer tag, if
    /// the rule matches one.
    pub(in crate::net) fn ethertype(&self) -> u16 {
        // SAFETY: As in `matching`.
        let key = unsafe { &(*self.raw.as_ptr()).matching.key.nf };
        if key.vlan.vlan_tpid != 0 {
            key.vlan.vlan_tpid
        } else {
            key.basic.n_proto
        }
    }

    #[inline(always)]
    fn use_key(&mut self, id: bindings::flow_dissector_key_id, offset: usize) {
        self.matching().dissector.used_keys |= 1u64 << id;
        if let Some(slot) = self.matching().dissector.offset.get_mut(id as usize) {
            *slot = offset as u16;
        }
    }

    /// Matches the device on which a packet arrives.
    #[inline(always)]
    pub(crate) fn match_ingress(&mut self, ifindex: u32) {
        self.matching().key.nf.meta.ingress_ifindex = ifindex as i32;
        self.matching().mask.nf.meta.ingress_ifindex = -1;
        self.use_key(
            bindings::flow_dissector_key_id_FLOW_DISSECTOR_KEY_META,
            offset_of!(bindings::nfto_key, nf.meta),
        );
    }

    #[inline(always)]
    fn match_control(&mut self, addr_type: bindings::flow_dissector_key_id) {
        self.matching().key.nf.control.addr_type = addr_type as u16;
        self.matching().mask.nf.control.addr_type = u16::MAX;
        self.use_key(
            bindings::flow_dissector_key_id_FLOW_DISSECTOR_KEY_CONTROL,
            offset_of!(bindings::nfto_key, nf.control),
        );
    }

    /// Matches the protocol after the Ethernet header (host order) and the protocol after the IP
    /// header.
    #[inline(always)]
    pub(crate) fn match_protocols(&mut self, ethertype: u16, ip_protocol: u8) {
        self.matching().key.nf.basic.n_proto = ethertype.to_be();
        self.matching().mask.nf.basic.n_proto = u16::MAX;
        self.matching().key.nf.basic.ip_proto = ip_protocol;
        self.matching().mask.nf.basic.ip_proto = u8::MAX;
        self.use_key(
            bindings::flow_dissector_key_id_FLOW_DISSECTOR_KEY_BASIC,
            offset_of!(bindings::nfto_key, nf.basic),
        );
    }

    /// Matches IPv4 addresses.
    #[inline(always)]
    pub(crate) fn match_ipv4(&mut self, source: [u8; 4], destination: [u8; 4]) {
        let id = bindings::flow_dissector_key_id_FLOW_DISSECTOR_KEY_IPV4_ADDRS;
        self.match_control(id);
        self.matching().key.nf.__bindgen_anon_1.ipv4 = bindings::flow_dissector_key_ipv4_addrs {
            src: u32::from_ne_bytes(source),
            dst: u32::from_ne_bytes(destination),
        };
        self.matching().mask.nf.__bindgen_anon_1.ipv4 = bindings::flow_dissector_key_ipv4_addrs {
            src: u32::MAX,
            dst: u32::MAX,
        };
        self.use_key(id, offset_of!(bindings::nfto_key, nf.__bindgen_anon_1));
    }

    /// Matches IPv6 addresses.
    #[inline(always)]
    pub(crate) fn match_ipv6(&mut self, source: [u8; 16], destination: [u8; 16]) {
        let id = bindings::flow_dissector_key_id_FLOW_DISSECTOR_KEY_IPV6_ADDRS;
        self.match_control(id);
        self.matching().key.nf.__bindgen_anon_1.ipv6 = bindings::flow_dissector_key_ipv6_addrs {
            src: ipv6(source),
            dst: ipv6(destination),
        };
        self.matching().mask.nf.__bindgen_anon_1.ipv6 = bindings::flow_dissector_key_ipv6_addrs {
            src: ipv6([u8::MAX; 16]),
            dst: ipv6([u8::MAX; 16]),
        };
        self.use_key(id, offset_of!(bindings::nfto_key, nf.__bindgen_anon_1));
    }

    /// Matches TCP or UDP ports in network order.
    #[inline(always)]
    pub(crate) fn match_ports(&mut self, source: [u8; 2], destination: [u8; 2]) {
        let ([s0, s1], [d0, d1]) = (source, destination);
        self.matching().key.nf.tp.__bindgen_anon_1.ports = u32::from_ne_bytes([s0, s1, d0, d1]);
        self.matching().mask.nf.tp.__bindgen_anon_1.ports = u32::MAX;
        self.use_key(
            bindings::flow_dissector_key_id_FLOW_DISSECTOR_KEY_PORTS,
            offset_of!(bindings::nfto_key, nf.tp),
        );
    }

    /// Matches packets that are not fragments.
    ///
    /// Must follow the match on addresses, whose key it shares.
    #[inline(always)]
    pub(crate) fn match_not_fragment(&mut self) {
        self.matching().mask.nf.control.flags |=
            bindings::flow_dissector_ctrl_flags_FLOW_DIS_IS_FRAGMENT;
    }

    /// Matches the outer VLAN tag: Ethertype (host order), VLAN ID, and the priority and the
    /// Ethertype that follows (host order) unless they are `None`.
    pub(crate) fn match_vlan(
        &mut self,
        tpid: u16,
        vid: u16,
        priority: Option<u8>,
        next: Option<u16>,
    ) {
        let (key, mask) = match priority {
            Some(priority) => (priority, VLAN_PRIORITY_MASK),
            None => (0, 0),
        };
        let (next, next_mask) = following(next);
        self.matching().key.nf.vlan = vlan(vid, tpid.to_be(), key, next);
        self.matching().mask.nf.vlan = vlan(VLAN_VID_MASK, u16::MAX, mask, next_mask);
        self.use_key(
            bindings::flow_dissector_key_id_FLOW_DISSECTOR_KEY_VLAN,
            offset_of!(bindings::nfto_key, nf.vlan),
        );
    }

    /// Matches the inner VLAN tag: Ethertype (host order), VLAN ID, and the Ethertype that follows
    /// (host order) unless it is `None`.
    pub(crate) fn match_inner_vlan(&mut self, tpid: u16, vid: u16, next: Option<u16>) {
        let (next, next_mask) = following(next);
        self.matching().key.nf.cvlan = vlan(vid, tpid.to_be(), 0, next);
        self.matching().mask.nf.cvlan = vlan(VLAN_VID_MASK, u16::MAX, 0, next_mask);
        self.use_key(
            bindings::flow_dissector_key_id_FLOW_DISSECTOR_KEY_CVLAN,
            offset_of!(bindings::nfto_key, nf.cvlan),
        );
    }

    /// Matches a PPPoE session that carries this PPP protocol (host order).
    pub(crate) fn match_pppoe(&mut self, session: u16, protocol: u16) {
        self.matching().key.pppoe = bindings::flow_dissector_key_pppoe {
            session_id: session.to_be(),
            ppp_proto: protocol.to_be(),
            type_: (bindings::ETH_P_PPP_SES as u16).to_be(),
        };
        self.matching().mask.pppoe = bindings::flow_dissector_key_pppoe {
            session_id: u16::MAX,
            ppp_proto: u16::MAX,
            type_: u16::MAX,
        };
        self.use_key(
            bindings::flow_dissector_key_id_FLOW_DISSECTOR_KEY_PPPOE,
            offset_of!(bindings::nfto_key, pppoe),
        );
    }

    /// Matches the key of the tunnel through which a packet arrived, in network order.
    pub(crate) fn match_tunnel_id(&mut self, id: [u8; 4]) {
        self.matching().key.nf.enc_key_id.keyid = u32::from_ne_bytes(id);
        self.matching().mask.nf.enc_key_id.keyid = u32::MAX;
        self.use_key(
            bindings::flow_dissector_key_id_FLOW_DISSECTOR_KEY_ENC_KEYID,
            offset_of!(bindings::nfto_key, nf.enc_key_id),
        );
    }

    fn match_tunnel_control(&mut self, addr_type: bindings::flow_dissector_key_id) {
        self.matching().key.nf.enc_control.addr_type = addr_type as u16;
        self.matching().mask.nf.enc_control.addr_type = u16::MAX;
        self.use_key(
            bindings::flow_dissector_key_id_FLOW_DISSECTOR_KEY_ENC_CONTROL,
            offset_of!(bindings::nfto_key, nf.enc_control),
        );
    }

    /// Matches the outer IPv4 addresses of a tunnel; an address of zeros matches any address.
    pub(crate) fn match_tunnel_ipv4(&mut self, source: [u8; 4], destination: [u8; 4]) {
        let mask = |address: [u8; 4]| if address == [0; 4] { 0 } else { u32::MAX };
        let id = bindings::flow_dissector_key_id_FLOW_DISSECTOR_KEY_ENC_IPV4_ADDRS;
        self.match_tunnel_control(bindings::flow_dissector_key_id_FLOW_DISSECTOR_KEY_IPV4_ADDRS);
        self.matching().key.nf.__bindgen_anon_2.enc_ipv4 =
            bindings::flow_dissector_key_ipv4_addrs {
                src: u32::from_ne_bytes(source),
                dst: u32::from_ne_bytes(destination),
            };
        self.matching().mask.nf.__bindgen_anon_2.enc_ipv4 =
            bindings::flow_dissector_key_ipv4_addrs {
                src: mask(source),
                dst: mask(destination),
            };
        self.use_key(id, offset_of!(bindings::nfto_key, nf.__bindgen_anon_2));
    }

    /// Matches the outer IPv6 addresses of a tunnel; an address of zeros matches any address.
    pub(crate) fn match_tunnel_ipv6(&mut self, source: [u8; 16], destination: [u8; 16]) {
        let mask = |address: [u8; 16]| ipv6([if address == [0; 16] { 0 } else { u8::MAX }; 16]);
        let id = bindings::flow_dissector_key_id_FLOW_DISSECTOR_KEY_ENC_IPV6_ADDRS;
        self.match_tunnel_control(bindings::flow_dissector_key_id_FLOW_DISSECTOR_KEY_IPV6_ADDRS);
        self.matching().key.nf.__bindgen_anon_2.enc_ipv6 =
            bindings::flow_dissector_key_ipv6_addrs {
                src: ipv6(source),
                dst: ipv6(destination),
            };
        self.matching().mask.nf.__bindgen_anon_2.enc_ipv6 =
            bindings::flow_dissector_key_ipv6_addrs {
                src: mask(source),
                dst: mask(destination),
            };
        self.use_key(id, offset_of!(bindings::nfto_key, nf.__bindgen_anon_2));
    }

    /// Matches the outer destination UDP port of a tunnel, in network order.
    pub(crate) fn match_tunnel_port(&mut self, [high, low]: [u8; 2]) {
        self.matching().key.enc_tp.__bindgen_anon_1.ports = u32::from_ne_bytes([0, 0, high, low]);
        self.matching().mask.enc_tp.__bindgen_anon_1.ports = u32::from_ne_bytes([0, 0, 0xff, 0xff]);
        self.use_key(
            bindings::flow_dissector_key_id_FLOW_DISSECTOR_KEY_ENC_PORTS,
            offset_of!(bindings::nfto_key, enc_tp),
        );
    }

    /// Matches TCP flags, in host order: the flags in `mask` must be as in `flags`.
    #[inline(always)]
    pub(crate) fn match_tcp_flags(&mut self, flags: u16, mask: u16) {
        self.matching().key.nf.tcp.flags = flags.to_be();
        self.matching().mask.nf.tcp.flags = mask.to_be();
        self.use_key(
            bindings::flow_dissector_key_id_FLOW_DISSECTOR_KEY_TCP,
            offset_of!(bindings::nfto_key, nf.tcp),
        );
    }

    /// Appends an action; `ENOSPC` if the rule is full.
    #[inline(always)]
    fn push(
        &mut self,
        id: bindings::flow_action_id,
        fill: impl FnOnce(&mut bindings::flow_action_entry),
    ) -> Result {
        // SAFETY: By the type invariant `self` owns the rule.
        let action = unsafe { &raw mut (*self.as_raw()).action };
        // SAFETY: As above.
        let used = unsafe { (*action).num_entries };
        if used >= Self::MAX_ACTIONS {
            return Err(code::ENOSPC);
        }
        // SAFETY: By the type invariant the rule has room for the entry, which is written before
        // it is read. The pointer is derived from the one to the whole rule, so that it is valid
        // for the entries behind the array without a length.
        unsafe {
            let entries = (&raw mut (*action).entries).cast::<bindings::flow_action_entry>();
            let entry = entries.add(used as usize);
            entry.write(bindings::flow_action_entry {
                id,
                hw_stats: bindings::flow_action_hw_stats_FLOW_ACTION_HW_STATS_DONT_CARE,
                ..bindings::flow_action_entry::default()
            });
            fill(&mut *entry);
            (*action).num_entries = used + 1;
        }
        Ok(())
    }

    #[inline(always)]
    fn push_word(
        &mut self,
        id: bindings::flow_action_id,
        header: Header,
        offset: u32,
        keep: [u8; 4],
        value: [u8; 4],
    ) -> Result {
        let htype = match header {
            Header::Ethernet => bindings::flow_action_mangle_base_FLOW_ACT_MANGLE_HDR_TYPE_ETH,
            Header::Ipv4 => bindings::flow_action_mangle_base_FLOW_ACT_MANGLE_HDR_TYPE_IP4,
            Header::Ipv6 => bindings::flow_action_mangle_base_FLOW_ACT_MANGLE_HDR_TYPE_IP6,
            Header::Tcp => bindings::flow_action_mangle_base_FLOW_ACT_MANGLE_HDR_TYPE_TCP,
            Header::Udp => bindings::flow_action_mangle_base_FLOW_ACT_MANGLE_HDR_TYPE_UDP,
        };
        self.push(id, |entry| {
            entry.__bindgen_anon_1.mangle.htype = htype;
            entry.__bindgen_anon_1.mangle.offset = offset;
            entry.__bindgen_anon_1.mangle.mask = u32::from_ne_bytes(keep);
            entry.__bindgen_anon_1.mangle.val = u32::from_ne_bytes(value);
        })
    }

    /// Rewrites the four bytes at `offset` of a header.
    ///
    /// The bits set in `keep` are kept, the others are taken from `value`. Both are in the byte
    /// order of the packet.
    #[inline(always)]
    pub(crate) fn mangle(
        &mut self,
        header: Header,
        offset: u32,
        keep: [u8; 4],
        value: [u8; 4],
    ) -> Result {
        let id = bindings::flow_action_id_FLOW_ACTION_MANGLE;
        self.push_word(id, header, offset, keep, value)
    }

    /// Adds `value` to the bits at `offset` that are clear in `keep`, as [`RuleBuilder::mangle`].
    #[inline(always)]
    pub(crate) fn add(
        &mut self,
        header: Header,
        offset: u32,
        keep: [u8; 4],
        value: [u8; 4],
    ) -> Result {
        let id = bindings::flow_action_id_FLOW_ACTION_ADD;
        self.push_word(id, header, offset, keep, value)
    }

    /// Pops the outermost VLAN tag.
    pub(crate) fn vlan_pop(&mut self) -> Result {
        self.push(bindings::flow_action_id_FLOW_ACTION_VLAN_POP, |_| {})
    }

    /// Pushes a VLAN tag: Ethertype (host order), VLAN ID, priority.
    pub(crate) fn vlan_push(&mut self, tpid: u16, vid: u16, priority: u8) -> Result {
        self.push(bindings::flow_action_id_FLOW_ACTION_VLAN_PUSH, |entry| {
            entry.__bindgen_anon_1.vlan.vid = vid;
            entry.__bindgen_anon_1.vlan.proto = tpid.to_be();
            entry.__bindgen_anon_1.vlan.prio = priority;
        })
    }

    /// Pushes a PPPoE header of this session.
    pub(crate) fn pppoe_push(&mut self, session: u16) -> Result {
        self.push(bindings::flow_action_id_FLOW_ACTION_PPPOE_PUSH, |entry| {
            // Drivers read the session in host order.
            entry.__bindgen_anon_1.pppoe.sid = session;
        })
    }

    /// Removes the headers of a tunnel.
    pub(crate) fn tunnel_decap(&mut self) -> Result {
        self.push(bindings::flow_action_id_FLOW_ACTION_TUNNEL_DECAP, |_| {})
    }

    /// Adds the headers of the tunnel of a flow's direction; `ENOENT` if it has no tunnel.
    pub(crate) fn tunnel_encap(&mut self, flow: &'a Flow, dir: Dir) -> Result {
        let info = flow.tunnel_info(dir);
        if info.is_null() {
            return Err(code::ENOENT);
        }
        // INVARIANT: `info` belongs to the flow's route, which the flow keeps.
        self.push(bindings::flow_action_id_FLOW_ACTION_TUNNEL_ENCAP, |entry| {
            entry.__bindgen_anon_1.tunnel = info.cast_mut();
        })
    }

    /// Updates checksums: of the IPv4 header, of TCP, of UDP.
    #[inline(always)]
    pub(crate) fn checksum(&mut self, ipv4_header: bool, tcp: bool, udp: bool) -> Result {
        let flag = |on: bool, flag: bindings::nfto_csum| if on { flag as c_uint } else { 0 };
        let flags = flag(ipv4_header, bindings::nfto_csum_NFTO_CSUM_IPV4HDR)
            | flag(tcp, bindings::nfto_csum_NFTO_CSUM_TCP)
            | flag(udp, bindings::nfto_csum_NFTO_CSUM_UDP);
        self.push(bindings::flow_action_id_FLOW_ACTION_CSUM, |entry| {
            entry.__bindgen_anon_1.csum_flags = flags;
        })
    }

    /// Sends the packet out of `dev`; `ENOSPC` if the rule sends it elsewhere already.
    #[inline(always)]
    pub(crate) fn redirect(&mut self, dev: NetDeviceRef) -> Result {
        if self.egress.is_some() {
            // There is room for one reference.
            return Err(code::ENOSPC);
        }
        let raw = dev.as_raw();
        self.push(bindings::flow_action_id_FLOW_ACTION_REDIRECT, |entry| {
            entry.__bindgen_anon_1.dev = raw;
        })?;
        // INVARIANT: The entry's device stays referenced as long as the rule exists.
        self.egress = Some(dev);
        Ok(())
    }
}

/// Frees the rules that processors keep for the next flow.
///
/// Dropped when no rule is in use and no flow is left.
pub(crate) struct SpareRules;

impl Drop for SpareRules {
    fn drop(&mut self) {
        // SAFETY: No rule is in use, as the module is unloaded or was not loaded.
        unsafe { bindings::nfto_rules_free() }
    }
}

impl Drop for RuleBuilder<'_> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant `self` owns the rule, which came from `nfto_rule_get`.
        unsafe { bindings::nfto_rule_put(self.raw.as_ptr()) }
    }
}
