// SPDX-License-Identifier: GPL-2.0

//! The reasons why a flow is not in hardware. Pure: the host tests compile this file as well.

use crate::{
    offload::backoff::Stands,
    translate::refusal::Refusal,
    uapi, //
};

/// The stage at which a reason arises, by the numbers of the netlink interface.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Stage {
    /// The device has no binding that takes rules.
    Device = uapi::NFT_OFFLOAD_STAGE_DEVICE as u8,
    /// The flow has no translation.
    Translate = uapi::NFT_OFFLOAD_STAGE_TRANSLATE as u8,
    /// The driver refused the rule.
    Driver = uapi::NFT_OFFLOAD_STAGE_DRIVER as u8,
    /// There is no room for the rule.
    Capacity = uapi::NFT_OFFLOAD_STAGE_CAPACITY as u8,
    /// The engine was not able to offload the flow.
    Engine = uapi::NFT_OFFLOAD_STAGE_ENGINE as u8,
    /// The user or the engine has decided so.
    Policy = uapi::NFT_OFFLOAD_STAGE_POLICY as u8,
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident = $number:ident, $stage:ident, $name:literal, $text:literal, $advice:literal;)*) => {
        /// Why a flow is not in hardware, by the numbers of the netlink interface.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[repr(u8)]
        pub(crate) enum Reason {
            $($(#[$doc])* $variant = uapi::$number as u8,)*
        }

        impl Reason {
            /// All reasons, in the order of their numbers.
            pub(crate) const ALL: [Reason; [$(Reason::$variant,)*].len()] = [$(Reason::$variant,)*];

            /// Returns the stage at which the reason arises.
            pub(crate) const fn stage(self) -> Stage {
                match self {
                    $(Reason::$variant => Stage::$stage,)*
                }
            }

            /// Returns the name of the reason, as users type and filter it.
            pub(crate) const fn name(self) -> &'static str {
                match self {
                    $(Reason::$variant => $name,)*
                }
            }

            /// Returns one line of advice for the user.
            pub(crate) const fn advice(self) -> &'static str {
                match self {
                    $(Reason::$variant => $advice,)*
                }
            }

            /// Returns one line of explanation for the user.
            pub(crate) const fn text(self) -> &'static str {
                match self {
                    $(Reason::$variant => $text,)*
                }
            }
        }
    };
}

reasons! {
    /// No device of the flowtable takes the rule.
    NoBinding = NFT_OFFLOAD_REASON_NO_BINDING, Device, "no-binding",
        "the ingress device is not bound for hardware offload",
        "see device-get for the driver's error and fix it (often: ethtool -K DEVICE hw-tc-offload on), or remove the device from the flowtable";
    /// The flow was not tried yet.
    NotTried = NFT_OFFLOAD_REASON_NOT_TRIED, Device, "not-tried",
        "offload has not been attempted yet",
        "no action needed: the next packet starts the attempt";
    /// As [`Refusal::Protocol`].
    Protocol = NFT_OFFLOAD_REASON_PROTOCOL, Translate, "protocol",
        "the protocol is none of TCP, UDP and GRE",
        "no action possible: only TCP, UDP and GRE can be offloaded";
    /// As [`Refusal::Encapsulation`].
    Encapsulation = NFT_OFFLOAD_REASON_ENCAPSULATION, Translate, "encapsulation",
        "a header before IP is neither a VLAN tag nor PPPoE",
        "use only VLAN tags or PPPoE on the path of the flow";
    /// As [`Refusal::Xfrm`].
    Xfrm = NFT_OFFLOAD_REASON_XFRM, Translate, "xfrm",
        "an IPsec policy applies",
        "no action possible: the CPU handles IPsec; exclude such flows from 'flow add' to save the attempts";
    /// As [`Refusal::NotEthernet`].
    NotEthernet = NFT_OFFLOAD_REASON_NOT_ETHERNET, Translate, "not-ethernet",
        "the egress device is not Ethernet",
        "route the flow through an Ethernet device, or exclude it from 'flow add'";
    /// As [`Refusal::Unresolved`].
    Unresolved = NFT_OFFLOAD_REASON_UNRESOLVED, Translate, "unresolved",
        "the next hop's link-layer address is not resolved yet",
        "no action needed: the flow is retried; if this persists, check 'ip neigh' for why the next hop does not answer";
    /// As [`Refusal::Transmit`].
    Transmit = NFT_OFFLOAD_REASON_TRANSMIT, Translate, "transmit",
        "the flowtable core transmits it in a way that no rule can express",
        "no action possible: exclude such flows from 'flow add'";
    /// As [`Refusal::TooManyActions`].
    TooManyActions = NFT_OFFLOAD_REASON_TOO_MANY_ACTIONS, Translate, "too-many-actions",
        "too many actions for one rule",
        "reduce the VLAN tags, tunnels or address translations of the flow";
    /// As [`Refusal::NoEgress`].
    NoEgress = NFT_OFFLOAD_REASON_NO_EGRESS, Translate, "no-egress",
        "the egress device is gone",
        "no action needed: the next packet creates the flow again, through its new egress device";
    /// The core does not hand over flows that go through an IP in IP tunnel
    /// (`nf_flow_offload_unsupported`).
    CoreTunnel = NFT_OFFLOAD_REASON_CORE_TUNNEL, Translate, "core-tunnel",
        "the flowtable core does not offload IP-in-IP tunnels",
        "no action possible: such flows stay in the software fast path";
    /// As [`Refusal::Lwtunnel`].
    Lwtunnel = NFT_OFFLOAD_REASON_LWTUNNEL, Translate, "lwtunnel",
        "the route has a lightweight tunnel that no rule can express, such as MPLS or SRv6",
        "use a route without a lightweight tunnel, or with an IP tunnel";
    /// As [`Refusal::TunnelDevice`].
    TunnelDevice = NFT_OFFLOAD_REASON_TUNNEL_DEVICE, Translate, "tunnel-device",
        "the egress device is a tunnel, and the flowtable core does not pass on its header",
        "use a route with a lightweight IP tunnel instead of a tunnel device";
    /// As [`Refusal::Oversize`].
    Oversize = NFT_OFFLOAD_REASON_OVERSIZE, Translate, "oversize",
        "the ingress MTU exceeds that of the flow, and hardware sends no ICMP error for oversized packets",
        "use the same MTU on both sides of the flow";
    /// As [`Refusal::GreNat`].
    GreNat = NFT_OFFLOAD_REASON_GRE_NAT, Translate, "gre-nat",
        "GRE with address translation",
        "do not translate the addresses of GRE";
    /// As [`Refusal::Pppoe`].
    Pppoe = NFT_OFFLOAD_REASON_PPPOE, Translate, "pppoe",
        "the driver does not support PPPoE",
        "no action possible: the NIC has no PPPoE offload, or its driver does not support it";
    /// As [`Refusal::ServiceTag`].
    ServiceTag = NFT_OFFLOAD_REASON_SERVICE_TAG, Translate, "service-tag",
        "the driver does not support 802.1ad tags",
        "use 802.1Q for the outer tag if the peer supports it";
    /// As [`Refusal::LayerOrder`].
    LayerOrder = NFT_OFFLOAD_REASON_LAYER_ORDER, Translate, "layer-order",
        "the driver may swap the order of two VLAN tags",
        "use one tag, or force the profile that matches the driver (module parameter profile)";
    /// The driver refused the rule.
    DriverRefused = NFT_OFFLOAD_REASON_DRIVER_REFUSED, Driver, "driver-refused",
        "the driver refused the rule",
        "see device-get for the driver's error message";
    /// As [`Refusal::Nat6`].
    Nat6 = NFT_OFFLOAD_REASON_NAT6, Translate, "nat6",
        "the driver does not support IPv6 address translation",
        "route IPv6 without address translation";
    /// As [`Refusal::Gre`].
    Gre = NFT_OFFLOAD_REASON_GRE, Translate, "gre",
        "the driver does not support GRE",
        "no action possible: the NIC has no GRE offload, or its driver does not support it";
    /// As [`Refusal::Tunnel`].
    Tunnel = NFT_OFFLOAD_REASON_TUNNEL, Translate, "tunnel",
        "the driver does not support tunnels",
        "no action possible: the NIC has no tunnel offload, or its driver does not support it";
    /// As [`Refusal::Retag`].
    Retag = NFT_OFFLOAD_REASON_RETAG, Translate, "retag",
        "the driver cannot replace these VLAN tags correctly",
        "use the same number of VLAN tags on both sides, or none on one side";
    /// As [`Refusal::SourceMac`].
    SourceMac = NFT_OFFLOAD_REASON_SOURCE_MAC, Translate, "source-mac",
        "the driver sends IPv6 only from the MAC address of the egress port",
        "give the bridge or VLAN device the MAC address of its egress port";
    /// As [`Refusal::ToMany`].
    ToMany = NFT_OFFLOAD_REASON_TO_MANY, Translate, "to-many",
        "the destination is a multicast or broadcast address",
        "no action possible: the CPU forwards multicast; exclude it from 'flow add' to save the attempts";
    /// Another flow has the same addresses, ports and protocol, or can have them, in a NIC that
    /// does not see what tells them apart.
    SameKey = NFT_OFFLOAD_REASON_SAME_KEY, Translate, "same-key",
        "the NIC cannot distinguish the flow from one in another conntrack zone, as it matches neither device nor tags",
        "use distinct addresses behind this NIC, without conntrack zones, or a NIC that matches device and tags";
    /// As [`Refusal::Nat4`].
    Nat4 = NFT_OFFLOAD_REASON_NAT4, Translate, "nat4",
        "the driver does not support IPv4 address translation",
        "route IPv4 without address translation, or use a NIC that translates addresses";
    /// As [`Refusal::NoMemory`].
    NoMemory = NFT_OFFLOAD_REASON_NO_MEMORY, Engine, "no-memory",
        "out of memory",
        "free memory; the flow is retried";
    /// The driver no longer knows a rule that it has taken.
    RuleLost = NFT_OFFLOAD_REASON_RULE_LOST, Engine, "rule-lost",
        "the driver has lost its rule",
        "check the kernel log for a reset of the device or its firmware; the flow is offloaded again automatically";
    /// The driver has no room for another rule (`ENOSPC`).
    Full = NFT_OFFLOAD_REASON_FULL, Capacity, "full",
        "the device's rule table is full",
        "use a NIC with a larger rule table, set a limit, or exclude short flows from 'flow add'";
    /// The user has set a limit (module parameter `limit`).
    Limit = NFT_OFFLOAD_REASON_LIMIT, Capacity, "limit",
        "the device has reached its rule limit",
        "raise the limit (module parameter limit)";
    /// The flow was evicted for a busier one.
    Evicted = NFT_OFFLOAD_REASON_EVICTED, Capacity, "evicted",
        "evicted for a busier flow, as the device is full",
        "use a NIC with a larger rule table, raise the limit, or admit fewer flows (module parameter admit)";
    /// The ruleset has changed (module parameter `flush_on_reload`).
    Reload = NFT_OFFLOAD_REASON_RELOAD, Policy, "reload",
        "the ruleset has changed, and the flow has to pass it again",
        "no action needed: the next packet that the ruleset accepts offloads the flow again (module parameter flush_on_reload)";
    /// The user requires a flow to have passed some packets first (module parameter `admit`).
    Admission = NFT_OFFLOAD_REASON_ADMISSION, Policy, "admission",
        "the flow has not passed enough packets to be offloaded",
        "no action needed: further packets admit the flow; to require fewer, lower module parameter admit";
    /// The driver reports no use of its rules, so a packet has to show that the flow lives.
    Unreported = NFT_OFFLOAD_REASON_UNREPORTED, Policy, "unreported",
        "the driver does not report rule use, so the CPU has to see a packet from time to time",
        "no action needed: the next packet returns the flow to hardware";
    /// An operator has taken the flow out of hardware (netlink: flow-evict).
    Operator = NFT_OFFLOAD_REASON_OPERATOR, Policy, "operator",
        "evicted by an operator, and in software until it ends",
        "no action needed: requested with nft-offload evict; to offload it again, end the connection: conntrack -D";
    /// An operator has switched the device off (netlink: device-set).
    DeviceOff = NFT_OFFLOAD_REASON_DEVICE_OFF, Policy, "device-off",
        "offload is switched off on the device",
        "switch it on again: nft-offload set DEVICE on";
    /// The flow's packets would take another route now, or none.
    RouteChanged = NFT_OFFLOAD_REASON_ROUTE_CHANGED, Engine, "route-changed",
        "the route has changed; the flow ends, and the next packet creates it again",
        "no action needed: the next packet follows the current route";
    /// The flow's next hop has another address, or none.
    NeighbourChanged = NFT_OFFLOAD_REASON_NEIGHBOUR_CHANGED, Engine, "neighbour-changed",
        "the next hop's link-layer address has changed; the flow ends, and the next packet creates it again",
        "no action needed: the next packet uses the current address";
    /// A device on the flow's path has changed.
    PathChanged = NFT_OFFLOAD_REASON_PATH_CHANGED, Engine, "path-changed",
        "a device on the path has changed; the flow ends, and the next packet creates it again",
        "no action needed: the next packet follows the current path";
    /// The size of the packets that fit has changed.
    MtuChanged = NFT_OFFLOAD_REASON_MTU_CHANGED, Engine, "mtu-changed",
        "the MTU of the path has changed; the flow ends, and the next packet creates it again",
        "no action needed: the next packet uses the current MTU";
}

impl Reason {
    /// Returns how long a refusal for this reason stands.
    pub(crate) const fn stands(self) -> Stands {
        match self {
            Reason::NotTried
            | Reason::Unresolved
            | Reason::NoMemory
            | Reason::RuleLost
            | Reason::Admission
            | Reason::Unreported
            | Reason::RouteChanged
            | Reason::NeighbourChanged
            | Reason::PathChanged
            | Reason::MtuChanged => Stands::Passes,
            Reason::Full | Reason::Limit | Reason::Evicted => Stands::WhileFull,
            Reason::Operator => Stands::ForGood,
            _ => Stands::Long,
        }
    }
}

impl From<Refusal> for Reason {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Protocol => Reason::Protocol,
            Refusal::Encapsulation => Reason::Encapsulation,
            Refusal::Xfrm => Reason::Xfrm,
            Refusal::NotEthernet => Reason::NotEthernet,
            Refusal::Unresolved => Reason::Unresolved,
            Refusal::Transmit => Reason::Transmit,
            Refusal::TooManyActions => Reason::TooManyActions,
            Refusal::NoEgress => Reason::NoEgress,
            Refusal::Lwtunnel => Reason::Lwtunnel,
            Refusal::TunnelDevice => Reason::TunnelDevice,
            Refusal::Oversize => Reason::Oversize,
            Refusal::GreNat => Reason::GreNat,
            Refusal::NoMemory => Reason::NoMemory,
            Refusal::Pppoe => Reason::Pppoe,
            Refusal::ServiceTag => Reason::ServiceTag,
            Refusal::LayerOrder => Reason::LayerOrder,
            Refusal::Retag => Reason::Retag,
            Refusal::SourceMac => Reason::SourceMac,
            Refusal::Nat4 => Reason::Nat4,
            Refusal::Nat6 => Reason::Nat6,
            Refusal::Gre => Reason::Gre,
            Refusal::Tunnel => Reason::Tunnel,
            Refusal::ToMany => Reason::ToMany,
        }
    }
}
