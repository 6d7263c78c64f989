// SPDX-License-Identifier: GPL-2.0

//! What differs from driver to driver.

/// In which order headers are put on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum PushOrder {
    /// As tc does it: each goes in front of those before it.
    InnerFirst,
    /// As the C core writes it and mtk and airoha read it.
    OuterFirst,
    /// Nobody knows.
    Unknown,
}

/// How a driver reads a rule, and what it takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Semantics {
    /// The hardware decrements TTL and hop limit only if the rule says so.
    pub(crate) explicit_hop_limit: bool,
    /// The rule says which checksums change also where the C core does not: IPv6 translation, the IPv4 header after an
    /// explicit TTL.
    pub(crate) explicit_checksums: bool,
    /// The order in which it reads headers that are put on.
    pub(crate) push_order: PushOrder,
    /// It can leave fragments to the CPU (`FLOW_DIS_IS_FRAGMENT`).
    pub(crate) excludes_fragments: bool,
    /// It can leave TCP packets with SYN to the CPU, by a match on the flags.
    pub(crate) excludes_syn: bool,
    /// It takes PPPoE: puts it on by an action, and off without one, as none exists.
    pub(crate) pppoe: bool,
    /// It takes 802.1ad tags.
    pub(crate) service_tags: bool,
    /// It takes any tags off and puts any others on. Else it rewrites the VLAN of one 802.1Q tag, which keeps its priority.
    pub(crate) retags: bool,
    /// It writes the source address of IPv6 frames. Else they get that of the egress device.
    pub(crate) source_mac6: bool,
    /// It translates IPv6 addresses.
    pub(crate) nat6: bool,
    /// It takes rules without ports, which GRE has not.
    pub(crate) gre: bool,
    /// It takes lightweight tunnels.
    pub(crate) tunnels: bool,
    /// The hardware leaves frames that are larger than the MTU of its devices to the CPU.
    pub(crate) checks_mtu: bool,
    /// It looks at where a frame arrives: at the ingress device, the tags, the PPPoE session. Else it takes the packets of all flows
    /// with the same addresses, ports and protocol for those of one.
    pub(crate) sees_arrival: bool,
}

impl Semantics {
    /// How many tags it puts on or takes off at most.
    pub(crate) fn vlan_depth(&self) -> u8 {
        match self.push_order {
            PushOrder::Unknown => 1,
            PushOrder::InnerFirst | PushOrder::OuterFirst => 2,
        }
    }
}
