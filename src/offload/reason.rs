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
        "device-get says why the driver has not bound the device; mend that (often: ethtool -K DEVICE hw-tc-offload on), or leave the device out of the flowtable";
    /// The flow was not tried yet.
    NotTried = NFT_OFFLOAD_REASON_NOT_TRIED, Device, "not-tried",
        "it was not tried yet",
        "nothing: wait for the flow's next packet";
    /// As [`Refusal::Protocol`].
    Protocol = NFT_OFFLOAD_REASON_PROTOCOL, Translate, "protocol",
        "neither TCP nor UDP nor GRE",
        "nothing: only TCP, UDP and GRE can be offloaded";
    /// As [`Refusal::Encapsulation`].
    Encapsulation = NFT_OFFLOAD_REASON_ENCAPSULATION, Translate, "encapsulation",
        "a header before IP that is neither a VLAN tag nor PPPoE",
        "use VLAN tags or PPPoE on the way of this flow";
    /// As [`Refusal::Xfrm`].
    Xfrm = NFT_OFFLOAD_REASON_XFRM, Translate, "xfrm",
        "IPsec policy",
        "nothing: IPsec is done by the CPU; keep such flows from 'flow add' to save the attempts";
    /// As [`Refusal::NotEthernet`].
    NotEthernet = NFT_OFFLOAD_REASON_NOT_ETHERNET, Translate, "not-ethernet",
        "the egress device is not Ethernet",
        "send the flow through an Ethernet device, or keep it from 'flow add'";
    /// As [`Refusal::Unresolved`].
    Unresolved = NFT_OFFLOAD_REASON_UNRESOLVED, Translate, "unresolved",
        "the next hop's address is not known yet",
        "nothing at first, it is tried again; if it lasts, see 'ip neigh' for why the next hop does not answer";
    /// As [`Refusal::Transmit`].
    Transmit = NFT_OFFLOAD_REASON_TRANSMIT, Translate, "transmit",
        "the core sends it in a way that no rule expresses",
        "nothing: keep such flows from 'flow add'";
    /// As [`Refusal::TooManyActions`].
    TooManyActions = NFT_OFFLOAD_REASON_TOO_MANY_ACTIONS, Translate, "too-many-actions",
        "too many actions for one rule",
        "take away tags, tunnels or address translations of this flow";
    /// As [`Refusal::NoEgress`].
    NoEgress = NFT_OFFLOAD_REASON_NO_EGRESS, Translate, "no-egress",
        "the egress device is gone",
        "nothing: the flow is learned again through the device that takes over";
    /// The core does not hand over flows that go through an IP in IP tunnel
    /// (`nf_flow_offload_unsupported`).
    CoreTunnel = NFT_OFFLOAD_REASON_CORE_TUNNEL, Translate, "core-tunnel",
        "IP in IP tunnel: the core hands no such flow over",
        "nothing: the kernel keeps such flows in its own fast path";
    /// As [`Refusal::Lwtunnel`].
    Lwtunnel = NFT_OFFLOAD_REASON_LWTUNNEL, Translate, "lwtunnel",
        "its route has a lightweight tunnel that no rule holds, such as MPLS or SRv6",
        "use a route without a lightweight tunnel, or with an IP tunnel";
    /// As [`Refusal::TunnelDevice`].
    TunnelDevice = NFT_OFFLOAD_REASON_TUNNEL_DEVICE, Translate, "tunnel-device",
        "the egress device is a tunnel, whose header the core does not hand over",
        "use a route with a lightweight IP tunnel instead of a tunnel device";
    /// As [`Refusal::Oversize`].
    Oversize = NFT_OFFLOAD_REASON_OVERSIZE, Translate, "oversize",
        "the ingress MTU is above the flow's: packets that do not fit would not be answered",
        "give both sides of the flow the same MTU";
    /// As [`Refusal::GreNat`].
    GreNat = NFT_OFFLOAD_REASON_GRE_NAT, Translate, "gre-nat",
        "GRE with address translation",
        "translate no addresses of GRE";
    /// As [`Refusal::Pppoe`].
    Pppoe = NFT_OFFLOAD_REASON_PPPOE, Translate, "pppoe",
        "PPPoE, which the driver does not take off",
        "nothing: this NIC has no PPPoE offload, or its driver does not offer it";
    /// As [`Refusal::ServiceTag`].
    ServiceTag = NFT_OFFLOAD_REASON_SERVICE_TAG, Translate, "service-tag",
        "an 802.1ad tag, which the driver does not take",
        "use 802.1Q for the outer tag if the other side can";
    /// As [`Refusal::LayerOrder`].
    LayerOrder = NFT_OFFLOAD_REASON_LAYER_ORDER, Translate, "layer-order",
        "two tags, whose order an unknown driver may swap",
        "use one tag, or force a profile that fits the driver: module parameter profile";
    /// The driver refused the rule.
    DriverRefused = NFT_OFFLOAD_REASON_DRIVER_REFUSED, Driver, "driver-refused",
        "the driver refused the rule",
        "read the driver's own words in device-get; they name what it does not take";
    /// As [`Refusal::Nat6`].
    Nat6 = NFT_OFFLOAD_REASON_NAT6, Translate, "nat6",
        "IPv6 address translation, which the driver does not take",
        "route IPv6 without address translation";
    /// As [`Refusal::Gre`].
    Gre = NFT_OFFLOAD_REASON_GRE, Translate, "gre",
        "GRE, which the driver does not take",
        "nothing: this NIC has no GRE offload, or its driver does not offer it";
    /// As [`Refusal::Tunnel`].
    Tunnel = NFT_OFFLOAD_REASON_TUNNEL, Translate, "tunnel",
        "a tunnel, which the driver does not take",
        "nothing: this NIC has no tunnel offload, or its driver does not offer it";
    /// As [`Refusal::Retag`].
    Retag = NFT_OFFLOAD_REASON_RETAG, Translate, "retag",
        "tags taken off and others put on, which the driver would mix up",
        "use the same number of tags on both sides, or none on one of them";
    /// As [`Refusal::SourceMac`].
    SourceMac = NFT_OFFLOAD_REASON_SOURCE_MAC, Translate, "source-mac",
        "IPv6 from a MAC that is not the egress port's, which is what the driver writes",
        "give the bridge or VLAN device the MAC of its egress port";
    /// As [`Refusal::ToMany`].
    ToMany = NFT_OFFLOAD_REASON_TO_MANY, Translate, "to-many",
        "its packets go to a multicast or broadcast address",
        "nothing: multicast is forwarded by the CPU, a copy to each who wants it; keep it from 'flow add' to save the attempts";
    /// Another flow has the same addresses, ports and protocol, or can have them, in a NIC that
    /// does not see what tells them apart.
    SameKey = NFT_OFFLOAD_REASON_SAME_KEY, Translate, "same-key",
        "the NIC cannot tell it from a flow of another conntrack zone: it sees neither device nor tags",
        "give the networks behind this NIC different addresses, without conntrack zones, or use one whose rules match device and tags";
    /// As [`Refusal::NoMemory`].
    NoMemory = NFT_OFFLOAD_REASON_NO_MEMORY, Engine, "no-memory",
        "out of memory",
        "free memory; the flow is tried again";
    /// The driver no longer knows a rule that it has taken.
    RuleLost = NFT_OFFLOAD_REASON_RULE_LOST, Engine, "rule-lost",
        "the driver has lost its rule",
        "the driver or its firmware has dropped the rule: look for a reset in the kernel log; the flow comes back by itself";
    /// The driver has no room for another rule (`ENOSPC`).
    Full = NFT_OFFLOAD_REASON_FULL, Capacity, "full",
        "the device's rule table is full",
        "use a NIC with more room, set a limit, or keep short flows from 'flow add'";
    /// The user has set a limit (module parameter `limit`).
    Limit = NFT_OFFLOAD_REASON_LIMIT, Capacity, "limit",
        "the device holds as many rules as its limit allows",
        "raise the limit: module parameter limit";
    /// The flow was evicted for a busier one.
    Evicted = NFT_OFFLOAD_REASON_EVICTED, Capacity, "evicted",
        "it made room for a busier flow in a full device",
        "use a NIC with more room, raise the limit, or admit fewer flows: module parameter admit";
    /// The ruleset has changed (module parameter `flush_on_reload`).
    Reload = NFT_OFFLOAD_REASON_RELOAD, Policy, "reload",
        "the ruleset has changed, so its packets were to pass it anew",
        "nothing: the next packet that the ruleset accepts brings it back; otherwise: module parameter flush_on_reload";
    /// The user requires a flow to have passed some packets first (module parameter `admit`).
    Admission = NFT_OFFLOAD_REASON_ADMISSION, Policy, "admission",
        "it has not passed as many packets yet as a flow must have before it is offloaded",
        "nothing: it is offloaded once it has; fewer packets: module parameter admit";
    /// The driver reports no use of its rules, so a packet has to show that the flow lives.
    Unreported = NFT_OFFLOAD_REASON_UNREPORTED, Policy, "unreported",
        "the driver does not report a rule's use, so once in a while a packet has to pass the CPU",
        "nothing: the next packet takes it back into hardware";
    /// An operator has taken the flow out of hardware (netlink: flow-evict).
    Operator = NFT_OFFLOAD_REASON_OPERATOR, Policy, "operator",
        "somebody has taken it out of hardware, until it ends",
        "nothing: it was asked for (nft-offload evict); to have it back, end the connection: conntrack -D";
    /// An operator has switched the device off (netlink: device-set).
    DeviceOff = NFT_OFFLOAD_REASON_DEVICE_OFF, Policy, "device-off",
        "somebody has switched the device's offload off",
        "switch it on again: nft-offload set DEVICE on";
    /// The flow's packets would take another route now, or none.
    RouteChanged = NFT_OFFLOAD_REASON_ROUTE_CHANGED, Engine, "route-changed",
        "its route has changed: it ends, and the next packet learns it anew",
        "nothing: the next packet takes the way that the routes have now";
    /// The flow's next hop has another address, or none.
    NeighbourChanged = NFT_OFFLOAD_REASON_NEIGHBOUR_CHANGED, Engine, "neighbour-changed",
        "its next hop has another address: it ends, and the next packet learns it anew",
        "nothing: the next packet is sent to the address that the next hop has now";
    /// A device on the flow's path has changed.
    PathChanged = NFT_OFFLOAD_REASON_PATH_CHANGED, Engine, "path-changed",
        "a device on its way has changed: it ends, and the next packet learns it anew",
        "nothing: the next packet takes the way that the devices offer now";
    /// The size of the packets that fit has changed.
    MtuChanged = NFT_OFFLOAD_REASON_MTU_CHANGED, Engine, "mtu-changed",
        "the largest packet on its way has changed: it ends, and the next packet learns it anew",
        "nothing: the next packet finds the size that fits now";
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
            Refusal::Nat6 => Reason::Nat6,
            Refusal::Gre => Reason::Gre,
            Refusal::Tunnel => Reason::Tunnel,
            Refusal::ToMany => Reason::ToMany,
        }
    }
}
