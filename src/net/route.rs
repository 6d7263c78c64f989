// SPDX-License-Identifier: GPL-2.0

//! Looks up the path that the packets of a flow would take now.
//!
//! C headers: [`include/net/route.h`](srctree/include/net/route.h),
//! [`include/net/ip6_route.h`](srctree/include/net/ip6_route.h)

use crate::{
    net::{
        bindings,
        errno::eopnotsupp,
        flowtable::flow::{
            Encap,
            Flow,
            NextHop, //
        },
        netdevice::Netns, //
    },
    proto::Dir, //
};
use kernel::{
    error::code,
    ffi::c_uint, //
};

/// The path of the packets of a direction.
pub(crate) struct Way {
    /// Whether the device of their route is up.
    pub(crate) is_up: bool,
    /// Whether packets of this family that arrive on that device, as those of the other direction
    /// do, are forwarded.
    pub(crate) forwards: bool,
    /// Whether a bridge on the path does not forward them: its port is not in the forwarding state,
    /// or the bridge itself is not in the VLAN.
    pub(crate) is_blocked: bool,
    /// The lowest device, and the addresses of the frame.
    pub(crate) hop: NextHop,
    /// The headers on egress, outermost first.
    pub(crate) encaps: [Option<Encap>; 2],
    /// The MTU of their route in bytes.
    pub(crate) mtu: u32,
}

/// The reason why there is no path.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoWay {
    /// There is no route, or the route drops the packets or delivers them locally.
    Route,
    /// An IPsec policy applies to the packets.
    Policy,
    /// The route adds a lightweight tunnel that differs from that of the flow, which may have none.
    Tunnel,
    /// The address of the next hop is not known.
    Neighbour,
    /// A device on the path rejects it.
    Path,
}

impl Flow {
    /// Looks up the path of the packets of a direction with this mark, as the core did when it
    /// learned the flow.
    ///
    /// May be called in atomic context.
    pub(crate) fn way(&self, dir: Dir, mark: u32) -> Result<Way, NoWay> {
        let mut raw = bindings::nfto_way::default();
        // SAFETY: By the type invariant the flow is valid, and it owns a reference of its conntrack
        // entry, which keeps the namespace as in `Flow::net`.
        let err =
            unsafe { bindings::nfto_flow_way(self.as_raw(), dir as c_uint, mark, &raw mut raw) };
        match err {
            0 => {}
            _ if err == code::EPERM.to_errno() => return Err(NoWay::Policy),
            _ if err == code::EXDEV.to_errno() => return Err(NoWay::Tunnel),
            _ if err == code::EAGAIN.to_errno() => return Err(NoWay::Neighbour),
            _ if err == eopnotsupp().to_errno() => return Err(NoWay::Path),
            _ => return Err(NoWay::Route),
        }
        let mut index = 0u8;
        let encaps = raw.encap.map(|encap| {
            let i = index;
            index += 1;
            (i < raw.encaps).then(|| Encap {
                ethertype: encap.protocol,
                id: encap.id,
                by_switch: raw.by_switch & (1 << i) != 0,
            })
        });
        Ok(Way {
            is_up: raw.up,
            forwards: raw.forwards,
            is_blocked: raw.blocked,
            hop: NextHop {
                ifindex: raw.ifindex,
                source: raw.source,
                destination: raw.destination,
            },
            encaps,
            mtu: raw.mtu,
        })
    }
}

impl Netns<'_> {
    /// Returns whether policy rules of a family (`NFPROTO_*`) route packets by more than their
    /// addresses.
    pub(crate) fn has_policy_rules(self, family: u8) -> bool {
        // SAFETY: By the type invariant the namespace exists.
        unsafe { bindings::nfto_net_has_rules(self.as_raw(), family) }
    }

    /// Returns whether the namespace has bridges.
    pub(crate) fn has_bridges(self) -> bool {
        // SAFETY: By the type invariant the namespace exists.
        unsafe { bindings::nfto_net_has_bridges(self.as_raw()) }
    }

    /// Returns a number that changes with each change of routing.
    pub(crate) fn routing(self) -> u64 {
        // SAFETY: By the type invariant the namespace exists.
        unsafe { bindings::nfto_net_routing(self.as_raw()) }
    }
}
