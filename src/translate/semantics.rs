// SPDX-License-Identifier: GPL-2.0

//! What differs from driver to driver.

/// The order in which the actions that add headers are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum PushOrder {
    /// As in tc: each header goes in front of those before it.
    InnerFirst,
    /// As the C core writes them, and mtk and airoha read them.
    OuterFirst,
    /// The order is unknown.
    Unknown,
}

/// How a driver reads a rule, and what it supports.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Semantics {
    /// The hardware decrements TTL and hop limit only on an explicit action.
    pub(crate) explicit_hop_limit: bool,
    /// The rule has a checksum action also where the C core writes none: for IPv6 translation, and
    /// for the IPv4 header after an explicit decrement of the TTL.
    pub(crate) explicit_checksums: bool,
    /// The order in which the driver reads the actions that add headers.
    pub(crate) push_order: PushOrder,
    /// The driver can leave fragments to the CPU (`FLOW_DIS_IS_FRAGMENT`).
    pub(crate) excludes_fragments: bool,
    /// The driver can leave TCP packets with SYN to the CPU, by a match on the flags.
    pub(crate) excludes_syn: bool,
    /// The rule matches the Ethertype behind each tag (`vlan_eth_type`). Without it, a driver of
    /// tc's kind takes a frame with another tag behind the last one for a packet of the flow.
    pub(crate) match_after_tags: bool,
    /// The driver supports PPPoE: it adds the header by an action, and removes it without one, as
    /// no such action exists.
    pub(crate) pppoe: bool,
    /// The driver supports 802.1ad tags.
    pub(crate) service_tags: bool,
    /// The driver removes any tags and adds any others. Otherwise it rewrites the VLAN of a single
    /// 802.1Q tag, which keeps its priority.
    pub(crate) retags: bool,
    /// The driver writes the source address of IPv6 frames. Otherwise they get that of the egress
    /// device.
    pub(crate) source_mac6: bool,
    /// The driver translates IPv4 addresses and the ports of TCP and UDP over IPv4.
    pub(crate) nat4: bool,
    /// The driver translates IPv6 addresses.
    pub(crate) nat6: bool,
    /// The driver accepts rules without ports, which GRE lacks.
    pub(crate) gre: bool,
    /// The driver supports lightweight tunnels.
    pub(crate) tunnels: bool,
    /// The hardware leaves frames larger than the MTU of its devices to the CPU.
    pub(crate) checks_mtu: bool,
    /// The rule names the ingress device. Otherwise the driver refuses the key, and matches the
    /// device whose block has the rule.
    pub(crate) names_ingress: bool,
    /// The hardware considers where a frame arrives: the ingress device, the tags, the PPPoE
    /// session. Otherwise it cannot tell apart the packets of flows with the same addresses, ports
    /// and protocol.
    pub(crate) sees_arrival: bool,
}

impl Semantics {
    /// Returns the maximum number of tags that the driver adds or removes.
    pub(crate) fn vlan_depth(&self) -> u8 {
        match self.push_order {
            PushOrder::Unknown => 1,
            PushOrder::InnerFirst | PushOrder::OuterFirst => 2,
        }
    }
}
