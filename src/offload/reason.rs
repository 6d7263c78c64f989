// SPDX-License-Identifier: GPL-2.0

//! Why a flow is not in hardware. Pure: also compiled and tested on the host.

use crate::translate::Refusal;

/// Where it was decided.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stage {
    /// The device has no binding that takes rules.
    Device,
    /// The flow has no translation.
    Translate,
    /// The driver refused the rule.
    Driver,
    /// There is no room for the rule.
    Capacity,
    /// The engine itself could not.
    Engine,
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $stage:ident, $text:literal;)*) => {
        /// Why a flow is not in hardware. The numbers are stable.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[repr(u8)]
        pub(crate) enum Reason {
            $($(#[$doc])* $name = $number,)*
        }

        impl Reason {
            /// All reasons, in the order of their numbers.
            #[cfg(test)]
            pub(crate) const ALL: &'static [Reason] = &[$(Reason::$name,)*];

            /// Where it was decided.
            pub(crate) const fn stage(self) -> Stage {
                match self {
                    $(Reason::$name => Stage::$stage,)*
                }
            }

            /// One line for a person.
            pub(crate) const fn text(self) -> &'static str {
                match self {
                    $(Reason::$name => $text,)*
                }
            }
        }
    };
}

reasons! {
    /// No device of the flowtable takes the rule.
    NoBinding = 1, Device, "the ingress device is not bound for hardware offload";
    /// Nobody has asked yet.
    NotTried = 2, Device, "it was not tried yet";
    /// As [`Refusal::Protocol`].
    Protocol = 16, Translate, "neither TCP nor UDP nor GRE";
    /// As [`Refusal::Encapsulation`].
    Encapsulation = 17, Translate, "a header before IP that is neither a VLAN tag nor PPPoE";
    /// As [`Refusal::Xfrm`].
    Xfrm = 18, Translate, "IPsec policy";
    /// As [`Refusal::NotEthernet`].
    NotEthernet = 19, Translate, "the egress device is not Ethernet";
    /// As [`Refusal::Unresolved`].
    Unresolved = 20, Translate, "the next hop's address is not known yet";
    /// As [`Refusal::Transmit`].
    Transmit = 21, Translate, "the core sends it in a way that no rule expresses";
    /// As [`Refusal::TooManyActions`].
    TooManyActions = 22, Translate, "too many actions for one rule";
    /// As [`Refusal::NoEgress`].
    NoEgress = 23, Translate, "the egress device is gone";
    /// The core hands no flow over that goes through an IP in IP tunnel (`nf_flow_offload_unsupported`).
    CoreTunnel = 24, Translate, "IP in IP tunnel: the core hands no such flow over";
    /// As [`Refusal::Lwtunnel`].
    Lwtunnel = 25, Translate, "its route has a lightweight tunnel that no rule holds, such as MPLS or SRv6";
    /// As [`Refusal::TunnelDevice`].
    TunnelDevice = 26, Translate, "the egress device is a tunnel, whose header the core does not hand over";
    /// As [`Refusal::Oversize`].
    Oversize = 27, Translate, "the ingress MTU is above the flow's: packets that do not fit would not be answered";
    /// As [`Refusal::GreNat`].
    GreNat = 28, Translate, "GRE with address translation";
    /// As [`Refusal::Pppoe`].
    Pppoe = 29, Translate, "PPPoE, which the driver does not take off";
    /// As [`Refusal::ServiceTag`].
    ServiceTag = 30, Translate, "an 802.1ad tag, which the driver does not take";
    /// As [`Refusal::LayerOrder`].
    LayerOrder = 31, Translate, "two tags, whose order an unknown driver may swap";
    /// The driver said no.
    DriverRefused = 32, Driver, "the driver refused the rule";
    /// As [`Refusal::Nat6`].
    Nat6 = 33, Translate, "IPv6 address translation, which the driver does not take";
    /// As [`Refusal::Gre`].
    Gre = 34, Translate, "GRE, which the driver does not take";
    /// As [`Refusal::Tunnel`].
    Tunnel = 35, Translate, "a tunnel, which the driver does not take";
    /// As [`Refusal::Retag`].
    Retag = 36, Translate, "tags taken off and others put on, which the driver would mix up";
    /// As [`Refusal::SourceMac`].
    SourceMac = 37, Translate, "IPv6 from a MAC that is not the egress port's, which is what the driver writes";
    /// As [`Refusal::NoMemory`].
    NoMemory = 48, Engine, "out of memory";
    /// The driver does not know a rule any more that it has taken.
    RuleLost = 49, Engine, "the driver has lost its rule";
    /// The driver has no room for another rule (`ENOSPC`).
    Full = 50, Capacity, "the device's rule table is full";
    /// The user has set a limit (module parameter `limit`).
    Limit = 51, Capacity, "the device holds as many rules as its limit allows";
}

impl Reason {
    /// Whether it can pass without anything that the engine hears of.
    pub(crate) const fn passes_by_itself(self) -> bool {
        matches!(
            self,
            Reason::NotTried | Reason::Unresolved | Reason::NoMemory | Reason::RuleLost
        )
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
        }
    }
}
