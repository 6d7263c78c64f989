// SPDX-License-Identifier: GPL-2.0

//! The commands and attributes of the family, with the numbers of [`uapi`](crate::uapi).

use crate::{
    net::genetlink::policy::Policy,
    uapi, //
};
use kernel::macros::paste;

/// Defines the constants of the commands and of the sets of attributes of the family.
///
/// They lack the prefix that they have in [`uapi`]: `command::FLOW_GET` is
/// `NFT_OFFLOAD_CMD_FLOW_GET`, `flow::STATE` is `NFT_OFFLOAD_A_FLOW_STATE`. `END` of a set is its
/// highest number plus one.
macro_rules! numbers {
    (command: $($name:ident)*) => {
        paste! {
            pub(in crate::report) mod command {
                // CAST: `struct genlmsghdr` has 8 bits for a command.
                $(pub(in crate::report) const $name: u8 = crate::uapi::[<NFT_OFFLOAD_CMD_ $name>] as u8;)*
            }
        }
    };
    ($set:ident: $($name:ident)*) => {
        paste! {
            pub(in crate::report) mod $set {
                // CAST: `struct nlattr` has 16 bits for a type.
                $(
                    pub(in crate::report) const $name: u16 =
                        crate::uapi::[<NFT_OFFLOAD_A_ $set:upper _ $name>] as u16;
                )*
                // CAST: As above.
                #[allow(dead_code, reason = "only sets with a policy use it")]
                pub(in crate::report) const END: usize =
                    crate::uapi::[<__NFT_OFFLOAD_A_ $set:upper _MAX>] as usize;
            }
        }
    };
}

numbers!(command:
    DEVICE_GET FLOW_GET STATS_GET REASON_GET FLOW_EVICT DEVICE_SET FLOW_IN FLOW_OUT FLOW_REFUSED
    DEVICE_BOUND DEVICE_REFUSED DEVICE_FULL
);
numbers!(device:
    TABLE FLOWTABLE TABLE_FAMILY IFINDEX NAME DRIVER PROFILE BOUND REASON ERRNO EXTACK RULES
    HIGH_WATER LIMIT ADDS DELETES HARDWARE_MISSES PACKETS BYTES REFUSALS EVICTIONS ENABLED
    CAPABILITIES BLOCK
);
numbers!(refusal: REASON COUNT ERRNO EXTACK);
numbers!(flow:
    TABLE FLOWTABLE TABLE_FAMILY FAMILY PROTOCOL STATE REASON ERRNO TRIES SINCE LAST_USED SNAT
    DNAT ORIGINAL REPLY CONNTRACK_ID MARK ZONE IFINDEX ADDRESS PORT HARDWARE_MISSES EVICTED AGE
    PREFIX MARK_MASK RELEARN
);
numbers!(direction:
    SOURCE DESTINATION SOURCE_PORT DESTINATION_PORT INGRESS EGRESS STATE COOKIE PACKETS BYTES
    ENCAPSULATION SOURCE_PREFIX DESTINATION_PREFIX
);
numbers!(encapsulation: ETHERTYPE ID);
numbers!(capabilities: IPV4 IPV6 NAT4 NAT6 VLAN_DEPTH SERVICE_TAGS PPPOE GRE TUNNELS REPORTS_USE);
numbers!(stats:
    FLOWTABLES DEVICES RULES ADDS DELETES HARDWARE_MISSES PACKETS BYTES FLOWS_IN_HARDWARE
    FLOWS_IN_SOFTWARE FLOWS_REMOVING BY_REASON FLOWS_ONE_DIRECTION EVICTIONS
);
numbers!(by_reason: REASON FLOWS REFUSALS);
numbers!(reason: NUMBER NAME STAGE TEXT ADVICE);

/// The policy of the name of a table, a flowtable or a profile.
// CAST: The name of a table has at most `NFT_NAME_MAXLEN` bytes.
pub(super) const NAME: Policy = Policy::string(uapi::NFT_OFFLOAD_MAX_NAME as u16);
