// SPDX-License-Identifier: GPL-2.0

//! The generic netlink family `nft_offload`, as specified by `docs/netlink/nft_offload.yaml`.
//!
//! The module builds the requests, and converts the answers into the types of the tool. Unknown
//! attributes are ignored.

use crate::{
    netlink::{
        client::{Client, Error, Listener, Result},
        uapi::*,
        wire::{Attribute, Attributes, Request},
    },
    text,
    tuple::{self, Mark, Prefix},
};
use serde::{Serialize, Serializer};
use std::{collections::HashMap, fmt, net::IpAddr, rc::Rc};

/// `NETLINK_GENERIC`
const NETLINK_GENERIC: isize = 16;
/// The length of `struct genlmsghdr`.
const GENERIC_HEADER: usize = 4;
/// `EPERM`
const EPERM: u32 = 1;
/// `ENOENT`
const ENOENT: u32 = 2;
/// `GENL_ID_CTRL`, which is also the group that announces the removal of a family.
const CONTROL: u16 = 16;
/// `CTRL_CMD_DELFAMILY`
const FAMILY_GONE: u8 = 2;

/// Defines an enum of the family as a number, with the names of the known values.
macro_rules! named {
    ($($(#[$doc:meta])* $type:ident: $($number:ident = $name:literal),+;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $type(pub u32);

        impl $type {
            /// All known values with their names.
            pub const NAMES: &'static [(u32, &'static str)] = &[$(($number as u32, $name)),+];

            /// Returns the name of the value, if it is known.
            pub fn name(self) -> Option<&'static str> {
                Self::NAMES.iter().find(|(n, _)| *n == self.0).map(|(_, name)| *name)
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self.name() {
                    Some(name) => f.pad(name),
                    None => f.pad(&self.0.to_string()),
                }
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
                match self.name() {
                    Some(name) => to.serialize_str(name),
                    None => to.serialize_u32(self.0),
                }
            }
        }
    )*};
}

named! {
    /// A family of nftables.
    Nfproto:
        NFT_OFFLOAD_NFPROTO_INET = "inet",
        NFT_OFFLOAD_NFPROTO_IPV4 = "ipv4",
        NFT_OFFLOAD_NFPROTO_IPV6 = "ipv6";
    /// The family of a table, as nft names it.
    TableFamily:
        NFT_OFFLOAD_NFPROTO_INET = "inet",
        NFT_OFFLOAD_NFPROTO_IPV4 = "ip",
        NFT_OFFLOAD_NFPROTO_IPV6 = "ip6";
    /// How a device is bound.
    Bound:
        NFT_OFFLOAD_BOUND_SOFTWARE = "software",
        NFT_OFFLOAD_BOUND_WAITING = "waiting",
        NFT_OFFLOAD_BOUND_DIRECT = "direct",
        NFT_OFFLOAD_BOUND_BLOCK = "block",
        NFT_OFFLOAD_BOUND_INDIRECT = "indirect",
        NFT_OFFLOAD_BOUND_INDIRECT_BLOCK = "indirect-block";
    /// The state of a flow.
    State:
        NFT_OFFLOAD_STATE_SOFTWARE = "software",
        NFT_OFFLOAD_STATE_IN_HARDWARE = "in-hardware",
        NFT_OFFLOAD_STATE_REMOVING = "removing",
        NFT_OFFLOAD_STATE_ONE_DIRECTION = "one-direction";
    /// The stage that decided that a flow stays in software.
    Stage:
        NFT_OFFLOAD_STAGE_DEVICE = "device",
        NFT_OFFLOAD_STAGE_TRANSLATE = "translate",
        NFT_OFFLOAD_STAGE_DRIVER = "driver",
        NFT_OFFLOAD_STAGE_ENGINE = "engine",
        NFT_OFFLOAD_STAGE_CAPACITY = "capacity",
        NFT_OFFLOAD_STAGE_POLICY = "policy";
    /// The kind of an event.
    EventKind:
        NFT_OFFLOAD_CMD_FLOW_IN = "flow-in",
        NFT_OFFLOAD_CMD_FLOW_OUT = "flow-out",
        NFT_OFFLOAD_CMD_FLOW_REFUSED = "flow-refused",
        NFT_OFFLOAD_CMD_DEVICE_BOUND = "device-bound",
        NFT_OFFLOAD_CMD_DEVICE_REFUSED = "device-refused",
        NFT_OFFLOAD_CMD_DEVICE_FULL = "device-full";
}

impl EventKind {
    /// A flow has left hardware.
    pub const FLOW_OUT: EventKind = EventKind(NFT_OFFLOAD_CMD_FLOW_OUT as u32);
    /// An attempt to offload a flow failed, and it stays in software.
    pub const FLOW_REFUSED: EventKind = EventKind(NFT_OFFLOAD_CMD_FLOW_REFUSED as u32);
    /// A device has no room for more rules.
    pub const DEVICE_FULL: EventKind = EventKind(NFT_OFFLOAD_CMD_DEVICE_FULL as u32);
}

impl State {
    /// The flow is in the software fast path.
    pub const SOFTWARE: State = State(NFT_OFFLOAD_STATE_SOFTWARE);
    /// The driver holds the rules of the flow.
    pub const IN_HARDWARE: State = State(NFT_OFFLOAD_STATE_IN_HARDWARE);
    /// The rules of the flow were removed, and it is ending.
    pub const REMOVING: State = State(NFT_OFFLOAD_STATE_REMOVING);
    /// One direction of the flow is in hardware.
    pub const ONE_DIRECTION: State = State(NFT_OFFLOAD_STATE_ONE_DIRECTION);
}

/// The number of a transport protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Protocol(pub u8);

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&tuple::protocol_name(self.0))
    }
}

impl Serialize for Protocol {
    fn serialize<S: Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
        to.serialize_str(&tuple::protocol_name(self.0))
    }
}

/// A reason by its number, with its name if the kernel has reported it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReasonRef {
    /// Number of the reason.
    pub number: u32,
    /// Name of the reason.
    pub name: Option<Rc<str>>,
}

impl fmt::Display for ReasonRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => f.pad(name),
            None => f.pad(&self.number.to_string()),
        }
    }
}

/// A network device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeviceRef {
    /// Interface index.
    pub ifindex: u32,
    /// Name, if the device is in the network namespace of the tool.
    pub name: Option<Rc<str>>,
}

impl fmt::Display for DeviceRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => f.pad(name),
            None => f.pad(&format!("#{}", self.ifindex)),
        }
    }
}

/// The names of the objects that answers refer to by number.
#[derive(Debug, Default)]
pub struct Names {
    /// Names of reasons.
    pub reasons: HashMap<u32, Rc<str>>,
    /// Names of network devices.
    pub devices: HashMap<u32, Rc<str>>,
}

impl Names {
    /// Returns the names of these reasons, without any device.
    pub fn of(reasons: &[Reason]) -> Self {
        let named = reasons.iter().map(|r| (r.number, r.name.as_str().into()));
        Self {
            reasons: named.collect(),
            ..Self::default()
        }
    }

    /// Returns the reason with a number, with its name if known.
    fn reason(&self, number: u32) -> ReasonRef {
        ReasonRef {
            number,
            name: self.reasons.get(&number).cloned(),
        }
    }

    /// Returns the device with an index, with its name if known.
    fn device(&self, ifindex: u32) -> DeviceRef {
        DeviceRef {
            ifindex,
            name: self.devices.get(&ifindex).cloned(),
        }
    }
}

/// An error returned by a driver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DriverError {
    /// The errno, positive.
    pub errno: u32,
    /// Name of the errno, such as `EOPNOTSUPP`.
    pub name: String,
    /// The driver's extack message, if there is one.
    pub extack: Option<String>,
}

impl DriverError {
    fn new(errno: Option<u32>, extack: Option<String>) -> Option<Self> {
        let errno = errno?;
        Some(Self {
            errno,
            name: text::error_name(errno),
            extack: extack.filter(|text| !text.is_empty()),
        })
    }
}

impl fmt::Display for DriverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.extack {
            Some(words) => write!(f, "{}: \"{}\"", self.name, text::clean(words)),
            None => write!(f, "{}", self.name),
        }
    }
}

/// The refusals on a device for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// The reason.
    pub reason: ReasonRef,
    /// Number of refusals.
    pub count: u64,
    /// The last error of the driver, if the driver refused.
    pub error: Option<DriverError>,
}

/// A flowtable.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Flowtable {
    /// Family of the table.
    pub family: TableFamily,
    /// Name of the table.
    pub table: String,
    /// Name of the flowtable.
    pub name: String,
}

impl fmt::Display for Flowtable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (table, name) = (text::clean(&self.table), text::clean(&self.name));
        write!(f, "{} {table} {name}", self.family)
    }
}

impl Default for Flowtable {
    fn default() -> Self {
        Self {
            family: TableFamily(0),
            table: String::new(),
            name: String::new(),
        }
    }
}

impl Flowtable {
    /// Reads an attribute of a device or a flow if it describes the flowtable.
    ///
    /// Devices and flows use the same numbers for these attributes.
    fn read(&mut self, attribute: Attribute<'_>) {
        const { assert!(NFT_OFFLOAD_A_DEVICE_TABLE == NFT_OFFLOAD_A_FLOW_TABLE) };
        const { assert!(NFT_OFFLOAD_A_DEVICE_FLOWTABLE == NFT_OFFLOAD_A_FLOW_FLOWTABLE) };
        const { assert!(NFT_OFFLOAD_A_DEVICE_TABLE_FAMILY == NFT_OFFLOAD_A_FLOW_TABLE_FAMILY) };
        match attribute.number {
            NFT_OFFLOAD_A_DEVICE_TABLE => self.table = attribute.string(),
            NFT_OFFLOAD_A_DEVICE_FLOWTABLE => self.name = attribute.string(),
            NFT_OFFLOAD_A_DEVICE_TABLE_FAMILY => {
                self.family = TableFamily(attribute.u8().unwrap_or(0).into())
            }
            _ => {}
        }
    }
}

/// A device of a flowtable.
#[derive(Debug, Clone, Serialize)]
pub struct Device {
    /// The flowtable.
    pub flowtable: Flowtable,
    /// Interface index of the device.
    pub ifindex: u32,
    /// Name of the device.
    pub name: String,
    /// Driver of the device, empty if there is none.
    pub driver: String,
    /// Name of the driver profile, which says how the driver is assumed to read rules.
    pub profile: String,
    /// How the device is bound.
    pub bound: Bound,
    /// Whether offload to the device is enabled.
    pub enabled: bool,
    /// Whether the driver may be given rules through its tc block.
    pub block: bool,
    /// Why the device accepts no rules.
    pub reason: Option<ReasonRef>,
    /// The driver's error when it refused to be bound.
    pub error: Option<DriverError>,
    /// Number of rules that the driver holds.
    pub rules: u64,
    /// Largest number of rules that the driver has held at a time.
    pub high_water: u64,
    /// Maximum number of rules that the driver is given, 0 for no limit.
    pub limit: u64,
    /// Number of rules that the driver has accepted.
    pub adds: u64,
    /// Number of rules that the driver has destroyed.
    pub deletes: u64,
    /// How often packets of a flow reached the CPU although its rules are installed.
    pub hardware_misses: u64,
    /// How often a flow was evicted for a busier one.
    pub evictions: u64,
    /// Number of packets that the hardware has forwarded.
    pub packets: u64,
    /// Number of bytes in these packets.
    pub bytes: u64,
    /// Assumed capabilities of the driver.
    pub capabilities: Option<Capabilities>,
    /// Refusals on the device.
    pub refusals: Vec<Refusal>,
}

/// The capabilities of a driver according to its profile.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Capabilities {
    /// Supports IPv4.
    pub ipv4: bool,
    /// Supports IPv6.
    pub ipv6: bool,
    /// Translates IPv4 addresses.
    pub nat4: bool,
    /// Translates IPv6 addresses.
    pub nat6: bool,
    /// Maximum number of VLAN tags that the driver adds or removes.
    pub vlan_depth: u8,
    /// Supports 802.1ad tags, too.
    pub service_tags: bool,
    /// Supports PPPoE.
    pub pppoe: bool,
    /// Supports GRE that passes through.
    pub gre: bool,
    /// Supports tunnels that begin or end on this host.
    pub tunnels: bool,
    /// The driver has been seen to report the use of a rule.
    pub reports_use: bool,
}

impl Capabilities {
    fn read(attribute: Attribute<'_>) -> Self {
        let inner = attribute.nested();
        let has = |number| inner.find(number).is_some();
        Self {
            ipv4: has(NFT_OFFLOAD_A_CAPABILITIES_IPV4),
            ipv6: has(NFT_OFFLOAD_A_CAPABILITIES_IPV6),
            nat4: has(NFT_OFFLOAD_A_CAPABILITIES_NAT4),
            nat6: has(NFT_OFFLOAD_A_CAPABILITIES_NAT6),
            vlan_depth: inner
                .find(NFT_OFFLOAD_A_CAPABILITIES_VLAN_DEPTH)
                .and_then(Attribute::u8)
                .unwrap_or(0),
            service_tags: has(NFT_OFFLOAD_A_CAPABILITIES_SERVICE_TAGS),
            pppoe: has(NFT_OFFLOAD_A_CAPABILITIES_PPPOE),
            gre: has(NFT_OFFLOAD_A_CAPABILITIES_GRE),
            tunnels: has(NFT_OFFLOAD_A_CAPABILITIES_TUNNELS),
            reports_use: has(NFT_OFFLOAD_A_CAPABILITIES_REPORTS_USE),
        }
    }
}

impl fmt::Display for Capabilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let vlan = match self.vlan_depth {
            0 => None,
            1 => Some("one VLAN tag"),
            _ => Some("two VLAN tags"),
        };
        let names = [
            self.ipv4.then_some("IPv4"),
            self.ipv6.then_some("IPv6"),
            self.nat4.then_some("NAT of IPv4"),
            self.nat6.then_some("NAT of IPv6"),
            vlan,
            self.service_tags.then_some("802.1ad"),
            self.pppoe.then_some("PPPoE"),
            self.gre.then_some("GRE"),
            self.tunnels.then_some("tunnels"),
        ];
        let names: Vec<_> = names.into_iter().flatten().collect();
        f.write_str(&names.join(", "))
    }
}

/// Part of the module's message for a device whose driver's tc block it may not use
/// (`DriverError::not_asked_for_block`).
pub const NOT_ALLOWED: &str = "parameter block allows its tc block";

impl Device {
    /// Returns whether the device accepts rules.
    pub fn takes_rules(&self) -> bool {
        self.enabled && self.reason.is_none()
    }

    /// Returns whether the device accepts no rules because the tc block of its driver may not be
    /// used.
    pub fn needs_block(&self) -> bool {
        let words = self.error.as_ref().and_then(|e| e.extack.as_deref());
        !self.block && !self.takes_rules() && words.is_some_and(|w| w.contains(NOT_ALLOWED))
    }

    /// Returns the total number of refusals on the device.
    pub fn refused(&self) -> u64 {
        let counts = self.refusals.iter().map(|r| r.count);
        counts.fold(0, u64::saturating_add)
    }

    /// Reads a device from the body of an answer. Returns `None` if the device lacks an index.
    pub fn read(body: &[u8], names: &Names) -> Option<Self> {
        let mut device = Self {
            flowtable: Flowtable::default(),
            ifindex: 0,
            name: String::new(),
            driver: String::new(),
            profile: String::new(),
            bound: Bound(0),
            enabled: true,
            block: false,
            reason: None,
            error: None,
            rules: 0,
            high_water: 0,
            limit: 0,
            adds: 0,
            deletes: 0,
            hardware_misses: 0,
            evictions: 0,
            packets: 0,
            bytes: 0,
            capabilities: None,
            refusals: Vec::new(),
        };
        let (mut errno, mut extack) = (None, None);
        let mut ifindex = None;
        for a in Attributes::behind(GENERIC_HEADER, body) {
            let uint = || a.uint().unwrap_or(0);
            match a.number {
                NFT_OFFLOAD_A_DEVICE_TABLE
                | NFT_OFFLOAD_A_DEVICE_FLOWTABLE
                | NFT_OFFLOAD_A_DEVICE_TABLE_FAMILY => device.flowtable.read(a),
                NFT_OFFLOAD_A_DEVICE_IFINDEX => ifindex = a.u32(),
                NFT_OFFLOAD_A_DEVICE_NAME => device.name = a.string(),
                NFT_OFFLOAD_A_DEVICE_DRIVER => device.driver = a.string(),
                NFT_OFFLOAD_A_DEVICE_PROFILE => device.profile = a.string(),
                NFT_OFFLOAD_A_DEVICE_BOUND => device.bound = Bound(a.u32()?),
                NFT_OFFLOAD_A_DEVICE_REASON => device.reason = a.u32().map(|n| names.reason(n)),
                NFT_OFFLOAD_A_DEVICE_ERRNO => errno = a.u32(),
                NFT_OFFLOAD_A_DEVICE_EXTACK => extack = Some(a.string()),
                NFT_OFFLOAD_A_DEVICE_RULES => device.rules = uint(),
                NFT_OFFLOAD_A_DEVICE_HIGH_WATER => device.high_water = uint(),
                NFT_OFFLOAD_A_DEVICE_LIMIT => device.limit = uint(),
                NFT_OFFLOAD_A_DEVICE_ADDS => device.adds = uint(),
                NFT_OFFLOAD_A_DEVICE_DELETES => device.deletes = uint(),
                NFT_OFFLOAD_A_DEVICE_HARDWARE_MISSES => device.hardware_misses = uint(),
                NFT_OFFLOAD_A_DEVICE_PACKETS => device.packets = uint(),
                NFT_OFFLOAD_A_DEVICE_BYTES => device.bytes = uint(),
                NFT_OFFLOAD_A_DEVICE_REFUSALS => device.refusals.extend(Refusal::read(a, names)),
                NFT_OFFLOAD_A_DEVICE_EVICTIONS => device.evictions = uint(),
                NFT_OFFLOAD_A_DEVICE_ENABLED => device.enabled = a.u8() != Some(0),
                NFT_OFFLOAD_A_DEVICE_CAPABILITIES => {
                    device.capabilities = Some(Capabilities::read(a))
                }
                NFT_OFFLOAD_A_DEVICE_BLOCK => device.block = a.u8() == Some(1),
                _ => {}
            }
        }
        device.error = DriverError::new(errno, extack);
        device.ifindex = ifindex?;
        if device.name.is_empty() {
            device.name = format!("#{}", device.ifindex);
        }
        Some(device)
    }
}

impl Refusal {
    fn read(attribute: Attribute<'_>, names: &Names) -> Option<Self> {
        let inner = attribute.nested();
        let errno = inner
            .find(NFT_OFFLOAD_A_REFUSAL_ERRNO)
            .and_then(Attribute::u32);
        Some(Self {
            reason: names.reason(inner.find(NFT_OFFLOAD_A_REFUSAL_REASON)?.u32()?),
            count: inner
                .find(NFT_OFFLOAD_A_REFUSAL_COUNT)
                .and_then(Attribute::uint)
                .unwrap_or(0),
            error: DriverError::new(
                errno,
                inner
                    .find(NFT_OFFLOAD_A_REFUSAL_EXTACK)
                    .map(Attribute::string),
            ),
        })
    }
}

/// A direction of a flow. Addresses and headers are those of its packets as they arrive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Direction {
    /// Source address.
    pub source: IpAddr,
    /// Source port, 0 if there is none.
    pub source_port: u16,
    /// Destination address.
    pub destination: IpAddr,
    /// Destination port, 0 if there is none.
    pub destination_port: u16,
    /// Device on which the packets arrive, and to which the rule belongs.
    pub ingress: Option<DeviceRef>,
    /// Device through which the packets leave.
    pub egress: Option<DeviceRef>,
    /// State of the direction.
    pub state: State,
    /// Cookie that identifies the rule to the driver.
    pub cookie: Option<u64>,
    /// Number of packets of the direction that hardware has forwarded.
    pub packets: u64,
    /// Number of bytes in these packets.
    pub bytes: u64,
    /// Headers between Ethernet and IP on arrival, outermost first.
    pub encapsulation: Vec<Encapsulation>,
}

/// A VLAN tag, or a PPPoE header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Encapsulation {
    /// Ethertype: 0x8100, 0x88a8 or 0x8864.
    pub ethertype: u16,
    /// VLAN ID, or PPPoE session ID.
    pub id: u16,
}

impl fmt::Display for Encapsulation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ethertype {
            0x8100 => write!(f, "VLAN {}", self.id),
            0x88a8 => write!(f, "802.1ad VLAN {}", self.id),
            0x8864 => write!(f, "PPPoE session {}", self.id),
            other => write!(f, "{other:#06x} {}", self.id),
        }
    }
}

impl Direction {
    fn read(attribute: Attribute<'_>, names: &Names) -> Option<Self> {
        let inner = attribute.nested();
        let device = |number| {
            let ifindex: Option<u32> = inner.find(number).and_then(Attribute::u32);
            ifindex.map(|n| names.device(n))
        };
        let uint = |number| inner.find(number).and_then(Attribute::uint);
        let port = |number| inner.find(number).and_then(Attribute::be16).unwrap_or(0);
        Some(Self {
            source: inner.find(NFT_OFFLOAD_A_DIRECTION_SOURCE)?.address()?,
            destination: inner.find(NFT_OFFLOAD_A_DIRECTION_DESTINATION)?.address()?,
            source_port: port(NFT_OFFLOAD_A_DIRECTION_SOURCE_PORT),
            destination_port: port(NFT_OFFLOAD_A_DIRECTION_DESTINATION_PORT),
            ingress: device(NFT_OFFLOAD_A_DIRECTION_INGRESS),
            egress: device(NFT_OFFLOAD_A_DIRECTION_EGRESS),
            state: State(
                inner
                    .find(NFT_OFFLOAD_A_DIRECTION_STATE)
                    .and_then(Attribute::u32)
                    .unwrap_or(0),
            ),
            cookie: uint(NFT_OFFLOAD_A_DIRECTION_COOKIE),
            packets: uint(NFT_OFFLOAD_A_DIRECTION_PACKETS).unwrap_or(0),
            bytes: uint(NFT_OFFLOAD_A_DIRECTION_BYTES).unwrap_or(0),
            encapsulation: inner
                .filter(|a| a.number == NFT_OFFLOAD_A_DIRECTION_ENCAPSULATION)
                .filter_map(|a| {
                    let encap = a.nested();
                    Some(Encapsulation {
                        ethertype: encap.find(NFT_OFFLOAD_A_ENCAPSULATION_ETHERTYPE)?.u16()?,
                        id: encap.find(NFT_OFFLOAD_A_ENCAPSULATION_ID)?.u16()?,
                    })
                })
                .collect(),
        })
    }

    /// Returns the source of the packets.
    pub fn from(&self) -> tuple::Endpoint {
        tuple::Endpoint {
            address: self.source,
            port: self.source_port,
        }
    }

    /// Returns the destination of the packets.
    pub fn to(&self) -> tuple::Endpoint {
        tuple::Endpoint {
            address: self.destination,
            port: self.destination_port,
        }
    }

    /// Formats the tuple, such as `10.0.1.2:42001 > 10.0.2.2:5001`.
    pub fn tuple(&self) -> String {
        format!("{} > {}", self.from(), self.to())
    }

    /// Formats the devices, such as `lan>wan`.
    pub fn way(&self) -> String {
        let name = |device: &Option<DeviceRef>| match device {
            Some(device) => text::clean(&device.to_string()),
            None => "?".to_owned(),
        };
        format!("{}>{}", name(&self.ingress), name(&self.egress))
    }
}

/// A flow.
#[derive(Debug, Clone, Serialize)]
pub struct Flow {
    /// The flowtable.
    pub flowtable: Flowtable,
    /// IP version.
    pub family: Nfproto,
    /// Transport protocol.
    pub protocol: Protocol,
    /// State of the flow.
    pub state: State,
    /// Why the flow is in software.
    pub reason: Option<ReasonRef>,
    /// The driver's error of the last refusal, positive.
    pub errno: Option<u32>,
    /// Number of consecutive refusals.
    pub tries: u32,
    /// How often packets of the flow were seen to reach the CPU although its rules are installed.
    pub hardware_misses: u32,
    /// Time since the first attempt to offload the flow.
    pub age_ms: u64,
    /// Time since the flow entered its state.
    pub since_ms: u64,
    /// Time since hardware last forwarded a packet of the flow.
    pub last_used_ms: Option<u64>,
    /// Whether the source is translated.
    pub snat: bool,
    /// Whether the destination is translated.
    pub dnat: bool,
    /// Direction from the peer that opened the connection.
    pub original: Direction,
    /// Direction back to that peer.
    pub reply: Direction,
    /// ID of the connection, as `conntrack -L -o id` shows it.
    pub conntrack_id: u32,
    /// Mark of the connection.
    pub mark: u32,
    /// Zone of the connection.
    pub zone: u16,
}

impl Flow {
    /// Reads a flow from the body of an answer. Returns `None` if it lacks a direction.
    pub fn read(body: &[u8], names: &Names) -> Option<Self> {
        let mut flowtable = Flowtable::default();
        let (mut family, mut protocol, mut state) = (Nfproto(0), Protocol(0), State(0));
        let (mut reason, mut errno) = (None, None);
        let (mut tries, mut since_ms, mut last_used_ms) = (0, 0, None);
        let (mut hardware_misses, mut age_ms) = (0, 0);
        let (mut snat, mut dnat) = (false, false);
        let (mut original, mut reply) = (None, None);
        let (mut conntrack_id, mut mark, mut zone) = (0, 0, 0);
        for a in Attributes::behind(GENERIC_HEADER, body) {
            match a.number {
                NFT_OFFLOAD_A_FLOW_TABLE
                | NFT_OFFLOAD_A_FLOW_FLOWTABLE
                | NFT_OFFLOAD_A_FLOW_TABLE_FAMILY => flowtable.read(a),
                NFT_OFFLOAD_A_FLOW_FAMILY => family = Nfproto(a.u8()?.into()),
                NFT_OFFLOAD_A_FLOW_PROTOCOL => protocol = Protocol(a.u8()?),
                NFT_OFFLOAD_A_FLOW_STATE => state = State(a.u32()?),
                NFT_OFFLOAD_A_FLOW_REASON => reason = a.u32().map(|n| names.reason(n)),
                NFT_OFFLOAD_A_FLOW_ERRNO => errno = a.u32(),
                NFT_OFFLOAD_A_FLOW_TRIES => tries = a.u32().unwrap_or(0),
                NFT_OFFLOAD_A_FLOW_SINCE => since_ms = a.uint().unwrap_or(0),
                NFT_OFFLOAD_A_FLOW_LAST_USED => last_used_ms = a.uint(),
                NFT_OFFLOAD_A_FLOW_SNAT => snat = true,
                NFT_OFFLOAD_A_FLOW_DNAT => dnat = true,
                NFT_OFFLOAD_A_FLOW_ORIGINAL => original = Direction::read(a, names),
                NFT_OFFLOAD_A_FLOW_REPLY => reply = Direction::read(a, names),
                NFT_OFFLOAD_A_FLOW_CONNTRACK_ID => conntrack_id = a.u32().unwrap_or(0),
                NFT_OFFLOAD_A_FLOW_MARK => mark = a.u32().unwrap_or(0),
                NFT_OFFLOAD_A_FLOW_ZONE => zone = a.u16().unwrap_or(0),
                NFT_OFFLOAD_A_FLOW_HARDWARE_MISSES => hardware_misses = a.u32().unwrap_or(0),
                NFT_OFFLOAD_A_FLOW_AGE => age_ms = a.uint().unwrap_or(0),
                _ => {}
            }
        }
        Some(Self {
            hardware_misses,
            age_ms,
            flowtable,
            family,
            protocol,
            state,
            reason,
            errno,
            tries,
            since_ms,
            last_used_ms,
            snat,
            dnat,
            original: original?,
            reply: reply?,
            conntrack_id,
            mark,
            zone,
        })
    }

    /// Formats the state, or the reason why the flow is not in hardware: `in-hardware`,
    /// `driver-refused`, `removing`.
    pub fn standing(&self) -> String {
        match &self.reason {
            Some(reason) if self.state == State::SOFTWARE => text::clean(&reason.to_string()),
            _ => self.state.to_string(),
        }
    }

    /// Formats the address translation: `dnat 10.0.2.2:5001, snat 10.0.2.101:42020`.
    pub fn translation(&self) -> Option<String> {
        let mut parts = Vec::new();
        if self.reply.from() != self.original.to() {
            parts.push(format!("dnat {}", self.reply.from()));
        }
        if self.reply.to() != self.original.from() {
            parts.push(format!("snat {}", self.reply.to()));
        }
        (!parts.is_empty()).then(|| parts.join(", "))
    }
}

/// Totals for a reason.
#[derive(Debug, Clone, Serialize)]
pub struct ByReason {
    /// The reason.
    pub reason: ReasonRef,
    /// Number of flows that are in software for this reason now.
    pub flows: u64,
    /// Number of attempts that have failed for this reason.
    pub refusals: u64,
}

/// Totals.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Stats {
    /// Number of flowtables with `flags offload`.
    pub flowtables: u64,
    /// Number of devices of these flowtables.
    pub devices: u64,
    /// Number of rules that drivers hold.
    pub rules: u64,
    /// Number of rules that drivers have accepted.
    pub adds: u64,
    /// Number of rules that drivers have destroyed.
    pub deletes: u64,
    /// How often packets of a flow reached the CPU although its rules are installed.
    pub hardware_misses: u64,
    /// How often a flow was evicted for a busier one.
    pub evictions: u64,
    /// Number of packets that hardware has forwarded.
    pub packets: u64,
    /// Number of bytes in these packets.
    pub bytes: u64,
    /// Number of flows in hardware.
    pub flows_in_hardware: u64,
    /// Number of flows with one direction in hardware.
    pub flows_one_direction: u64,
    /// Number of flows in software.
    pub flows_in_software: u64,
    /// Number of flows that are ending.
    pub flows_removing: u64,
    /// Totals for each reason that has occurred.
    pub by_reason: Vec<ByReason>,
}

impl Stats {
    /// Reads the totals from the body of an answer.
    pub fn read(body: &[u8], names: &Names) -> Self {
        let mut stats = Self::default();
        for a in Attributes::behind(GENERIC_HEADER, body) {
            if a.number == NFT_OFFLOAD_A_STATS_BY_REASON {
                stats.by_reason.extend(ByReason::read(a, names));
                continue;
            }
            let to = match a.number {
                NFT_OFFLOAD_A_STATS_FLOWTABLES => &mut stats.flowtables,
                NFT_OFFLOAD_A_STATS_DEVICES => &mut stats.devices,
                NFT_OFFLOAD_A_STATS_RULES => &mut stats.rules,
                NFT_OFFLOAD_A_STATS_ADDS => &mut stats.adds,
                NFT_OFFLOAD_A_STATS_DELETES => &mut stats.deletes,
                NFT_OFFLOAD_A_STATS_HARDWARE_MISSES => &mut stats.hardware_misses,
                NFT_OFFLOAD_A_STATS_PACKETS => &mut stats.packets,
                NFT_OFFLOAD_A_STATS_BYTES => &mut stats.bytes,
                NFT_OFFLOAD_A_STATS_FLOWS_IN_HARDWARE => &mut stats.flows_in_hardware,
                NFT_OFFLOAD_A_STATS_FLOWS_IN_SOFTWARE => &mut stats.flows_in_software,
                NFT_OFFLOAD_A_STATS_FLOWS_REMOVING => &mut stats.flows_removing,
                NFT_OFFLOAD_A_STATS_FLOWS_ONE_DIRECTION => &mut stats.flows_one_direction,
                NFT_OFFLOAD_A_STATS_EVICTIONS => &mut stats.evictions,
                _ => continue,
            };
            *to = a.uint().unwrap_or(0);
        }
        stats
    }
}

impl ByReason {
    fn read(attribute: Attribute<'_>, names: &Names) -> Option<Self> {
        let inner = attribute.nested();
        let uint = |number| inner.find(number).and_then(Attribute::uint).unwrap_or(0);
        Some(Self {
            reason: names.reason(inner.find(NFT_OFFLOAD_A_BY_REASON_REASON)?.u32()?),
            flows: uint(NFT_OFFLOAD_A_BY_REASON_FLOWS),
            refusals: uint(NFT_OFFLOAD_A_BY_REASON_REFUSALS),
        })
    }
}

/// A reason why a flow stays in software.
#[derive(Debug, Clone, Serialize)]
pub struct Reason {
    /// Number of the reason.
    pub number: u32,
    /// Name of the reason.
    pub name: String,
    /// Stage that decides it.
    pub stage: Stage,
    /// Explanation.
    pub text: String,
    /// Advice on what to do about it.
    pub advice: String,
}

impl Reason {
    /// Reads a reason from the body of an answer. Returns `None` if it lacks a number.
    pub fn read(body: &[u8]) -> Option<Self> {
        let all = Attributes::behind(GENERIC_HEADER, body);
        let string = |number| all.find(number).map(Attribute::string).unwrap_or_default();
        Some(Self {
            number: all.find(NFT_OFFLOAD_A_REASON_NUMBER)?.u32()?,
            name: string(NFT_OFFLOAD_A_REASON_NAME),
            stage: Stage(
                all.find(NFT_OFFLOAD_A_REASON_STAGE)
                    .and_then(Attribute::u32)
                    .unwrap_or(u32::MAX),
            ),
            text: string(NFT_OFFLOAD_A_REASON_TEXT),
            advice: string(NFT_OFFLOAD_A_REASON_ADVICE),
        })
    }
}

/// An event of a flow or a device.
#[derive(Debug, Clone)]
pub struct Event {
    /// What has happened.
    pub kind: EventKind,
    /// The flow or device.
    pub subject: Subject,
}

/// The subject of an event, in its state at that time.
#[derive(Debug, Clone)]
pub enum Subject {
    /// A flow.
    Flow(Flow),
    /// A device.
    Device(Device),
}

impl Event {
    /// Reads the body of a message of the group `events`. Returns `None` for an unknown event.
    pub fn read(body: &[u8], names: &Names) -> Option<Self> {
        let command = *body.first()?;
        let kind = EventKind(command.into());
        let subject = match command {
            NFT_OFFLOAD_CMD_FLOW_IN | NFT_OFFLOAD_CMD_FLOW_OUT | NFT_OFFLOAD_CMD_FLOW_REFUSED => {
                Subject::Flow(Flow::read(body, names)?)
            }
            NFT_OFFLOAD_CMD_DEVICE_BOUND
            | NFT_OFFLOAD_CMD_DEVICE_REFUSED
            | NFT_OFFLOAD_CMD_DEVICE_FULL => Subject::Device(Device::read(body, names)?),
            _ => return None,
        };
        Some(Self { kind, subject })
    }
}

/// A filter on flowtables. An absent field matches any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tables {
    /// Name of the table.
    pub table: Option<String>,
    /// Name of the flowtable.
    pub flowtable: Option<String>,
    /// Family of the table.
    pub family: Option<u8>,
}

impl Tables {
    /// Adds the filter to a request for devices or flows, which use the same numbers for these
    /// attributes; see [`Flowtable::read`].
    fn put(&self, to: &mut Request) {
        if let Some(table) = &self.table {
            to.put_string(NFT_OFFLOAD_A_FLOW_TABLE, "table", table);
        }
        if let Some(flowtable) = &self.flowtable {
            to.put_string(NFT_OFFLOAD_A_FLOW_FLOWTABLE, "flowtable", flowtable);
        }
        if let Some(family) = self.family {
            to.put(NFT_OFFLOAD_A_FLOW_TABLE_FAMILY, "table-family", &[family]);
        }
    }

    /// Returns whether the filter matches a flowtable.
    fn fits(&self, it: &Flowtable) -> bool {
        fits(self.table.as_ref(), Some(&it.table))
            && fits(self.flowtable.as_ref(), Some(&it.name))
            && fits(self.family.map(u32::from), Some(it.family.0))
    }
}

/// Returns whether `there` contains `wanted`, or no value is wanted.
fn fits<T: PartialEq>(wanted: Option<T>, there: impl IntoIterator<Item = T>) -> bool {
    wanted.is_none_or(|wanted| there.into_iter().any(|it| it == wanted))
}

/// Returns whether `wanted` contains one of the addresses, or no prefix is wanted.
fn fits_prefix(wanted: Option<Prefix>, there: impl IntoIterator<Item = IpAddr>) -> bool {
    wanted.is_none_or(|wanted| there.into_iter().any(|it| wanted.has(it)))
}

/// Adds an address and the number of its significant bits, as attributes with these numbers and
/// names.
fn put_prefix(
    to: &mut Request,
    address: (u16, &'static str),
    length: (u16, &'static str),
    prefix: Option<Prefix>,
) {
    let Some(prefix) = prefix else {
        return;
    };
    to.put_address(address.0, address.1, prefix.address);
    if let Some(bits) = prefix.length {
        to.put(length.0, length.1, &[bits]);
    }
}

/// The settings of a device to change. An absent field is not changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// Maximum number of rules that the driver is given at a time, 0 for no limit.
    pub limit: Option<u64>,
    /// Name of the driver profile.
    pub profile: Option<String>,
    /// Whether the driver may be given rules through its tc block.
    pub block: Option<bool>,
    /// Whether the device is given rules.
    pub enabled: Option<bool>,
}

/// A filter on flows. An absent field matches any flow.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Flowtables of the flows.
    pub tables: Tables,
    /// IP version.
    pub family: Option<u8>,
    /// Transport protocol.
    pub protocol: Option<u8>,
    /// State of the flows.
    pub state: Option<u32>,
    /// Reason why the flows are in software.
    pub reason: Option<u32>,
    /// Mark of the connection.
    pub mark: Option<Mark>,
    /// Zone of the connection.
    pub zone: Option<u16>,
    /// Interface index of a device on either side.
    pub ifindex: Option<u32>,
    /// Address in either tuple.
    pub address: Option<Prefix>,
    /// Port in either tuple.
    pub port: Option<u16>,
    /// Address that the connection was opened from.
    pub source: Option<Prefix>,
    /// Port that the connection was opened from.
    pub source_port: Option<u16>,
    /// Address that the connection was opened to.
    pub destination: Option<Prefix>,
    /// Port that the connection was opened to.
    pub destination_port: Option<u16>,
}

impl Filter {
    fn put(&self, to: &mut Request) {
        self.tables.put(to);
        let numbers = [
            (
                NFT_OFFLOAD_A_FLOW_FAMILY,
                "family",
                self.family.map(|n| vec![n]),
            ),
            (
                NFT_OFFLOAD_A_FLOW_PROTOCOL,
                "protocol",
                self.protocol.map(|n| vec![n]),
            ),
            (
                NFT_OFFLOAD_A_FLOW_STATE,
                "state",
                self.state.map(|n| n.to_ne_bytes().to_vec()),
            ),
            (
                NFT_OFFLOAD_A_FLOW_REASON,
                "reason",
                self.reason.map(|n| n.to_ne_bytes().to_vec()),
            ),
            (
                NFT_OFFLOAD_A_FLOW_MARK,
                "mark",
                self.mark.map(|mark| mark.value.to_ne_bytes().to_vec()),
            ),
            (
                NFT_OFFLOAD_A_FLOW_MARK_MASK,
                "mark-mask",
                self.mark
                    .and_then(|mark| mark.mask)
                    .map(|n| n.to_ne_bytes().to_vec()),
            ),
            (
                NFT_OFFLOAD_A_FLOW_ZONE,
                "zone",
                self.zone.map(|n| n.to_ne_bytes().to_vec()),
            ),
            (
                NFT_OFFLOAD_A_FLOW_IFINDEX,
                "device",
                self.ifindex.map(|n| n.to_ne_bytes().to_vec()),
            ),
            (
                NFT_OFFLOAD_A_FLOW_PORT,
                "port",
                self.port.map(|n| n.to_be_bytes().to_vec()),
            ),
        ];
        for (number, name, value) in numbers {
            if let Some(value) = value {
                to.put(number, name, &value);
            }
        }
        put_prefix(
            to,
            (NFT_OFFLOAD_A_FLOW_ADDRESS, "address"),
            (NFT_OFFLOAD_A_FLOW_PREFIX, "prefix"),
            self.address,
        );
        let ports = [
            (
                NFT_OFFLOAD_A_DIRECTION_SOURCE_PORT,
                "source-port",
                self.source_port,
            ),
            (
                NFT_OFFLOAD_A_DIRECTION_DESTINATION_PORT,
                "destination-port",
                self.destination_port,
            ),
        ];
        let of_tuple = self.source.or(self.destination).is_some()
            || ports.iter().any(|(_, _, port)| port.is_some());
        if !of_tuple {
            return;
        }
        to.nest(NFT_OFFLOAD_A_FLOW_ORIGINAL, "original", |to| {
            let destination = (
                (NFT_OFFLOAD_A_DIRECTION_DESTINATION, "destination"),
                (
                    NFT_OFFLOAD_A_DIRECTION_DESTINATION_PREFIX,
                    "destination-prefix",
                ),
            );
            put_prefix(
                to,
                (NFT_OFFLOAD_A_DIRECTION_SOURCE, "source"),
                (NFT_OFFLOAD_A_DIRECTION_SOURCE_PREFIX, "source-prefix"),
                self.source,
            );
            put_prefix(to, destination.0, destination.1, self.destination);
            for (number, name, port) in ports {
                if let Some(port) = port {
                    to.put(number, name, &port.to_be_bytes());
                }
            }
        });
    }

    /// Returns whether the filter matches a flow, by the same rules as in the kernel.
    pub fn fits(&self, flow: &Flow) -> bool {
        let ways = [&flow.original, &flow.reply];
        let devices = ways.iter().flat_map(|way| [&way.ingress, &way.egress]);
        let reason = flow.reason.as_ref().map(|r| r.number);
        self.tables.fits(&flow.flowtable)
            && fits(self.family.map(u32::from), Some(flow.family.0))
            && fits(self.protocol, Some(flow.protocol.0))
            && fits(self.state, Some(flow.state.0))
            && fits(self.reason, reason)
            && self.mark.is_none_or(|mark| mark.has(flow.mark))
            && fits(self.zone, Some(flow.zone))
            && fits(self.ifindex, devices.flatten().map(|d| d.ifindex))
            && fits_prefix(
                self.address,
                ways.iter().flat_map(|w| [w.source, w.destination]),
            )
            && fits_prefix(self.source, [flow.original.source])
            && fits_prefix(self.destination, [flow.original.destination])
            && fits(self.source_port, [flow.original.source_port])
            && fits(self.destination_port, [flow.original.destination_port])
            && fits(
                self.port,
                ways.iter()
                    .flat_map(|w| [w.source_port, w.destination_port]),
            )
    }

    /// Returns whether the filter matches a device. It matches none if it has conditions other than
    /// on devices and flowtables.
    pub fn fits_device(&self, device: &Device) -> bool {
        let of_devices = Self {
            tables: self.tables.clone(),
            ifindex: self.ifindex,
            ..Self::default()
        };
        *self == of_devices
            && self.tables.fits(&device.flowtable)
            && fits(self.ifindex, Some(device.ifindex))
    }
}

/// A connection to the family.
pub struct Family {
    client: Client,
    number: u16,
}

/// Requests the description of a generic family, and returns what `read` extracts from it. Returns
/// `None` if the family does not exist.
fn describe<T>(
    client: &mut Client,
    name: &str,
    read: impl Fn(Attributes<'_>) -> Option<T>,
) -> Result<Option<T>> {
    // CTRL_CMD_GETFAMILY, CTRL_ATTR_FAMILY_NAME
    let mut request = Request::generic(CONTROL, 3);
    request.put_string(2, "name", name);
    let read = |body: &[u8]| read(Attributes::behind(GENERIC_HEADER, body));
    match client.ask(&mut request, read) {
        Err(Error::Kernel { errno: ENOENT, .. }) => Ok(None),
        other => other,
    }
}

/// Returns the number of the family in its description (`CTRL_ATTR_FAMILY_ID`).
fn family_number(all: Attributes<'_>) -> Option<u16> {
    all.find(1)?.u16()
}

/// Returns the number of a group in the description of a generic family.
fn group_number(all: Attributes<'_>, name: &str) -> Option<u32> {
    // CTRL_ATTR_MCAST_GROUPS; each contains CTRL_ATTR_MCAST_GRP_NAME and _ID.
    let mut groups = all.find(7)?.nested().map(Attribute::nested);
    let found = groups.find(|g| g.find(1).map(Attribute::string).as_deref() == Some(name))?;
    found.find(2)?.u32()
}

/// Looks up the number of a generic family. Returns `None` if the family does not exist.
pub fn find_family(client: &mut Client, name: &str) -> Result<Option<u16>> {
    describe(client, name, family_number)
}

impl Family {
    /// Connects to the family. Returns [`Error::NotLoaded`] if the module is not loaded.
    pub fn open() -> Result<Self> {
        let mut client = Client::new(NETLINK_GENERIC)?;
        match find_family(&mut client, NFT_OFFLOAD_FAMILY_NAME)? {
            Some(number) => Ok(Self { client, number }),
            None => Err(Error::NotLoaded),
        }
    }

    /// Converts the error for a family that has gone: the module can be unloaded at any time.
    fn gone(error: Error) -> Error {
        // The kernel's answer to a request of a family that does not exist.
        match error {
            Error::Kernel {
                errno: ENOENT,
                text: None,
                attribute: None,
            } => Error::NotLoaded,
            other => other,
        }
    }

    /// Adds an explanation to the error for a command that only root may use.
    fn refused(error: Error) -> Error {
        match Self::gone(error) {
            Error::Kernel {
                errno: EPERM,
                text: None,
                attribute,
            } => Error::Kernel {
                errno: EPERM,
                text: Some(
                    "only root may do this, with CAP_NET_ADMIN in this network namespace"
                        .to_owned(),
                ),
                attribute,
            },
            other => other,
        }
    }

    /// Listens to the group `events`.
    pub fn listen(&mut self) -> Result<Listener> {
        let events = describe(&mut self.client, NFT_OFFLOAD_FAMILY_NAME, |all| {
            group_number(all, NFT_OFFLOAD_MCGRP_EVENTS)
        })?;
        let Some(events) = events else {
            let text = "this nft_offload has no events: it is older than this command";
            return Err(Error::System(text.to_owned()));
        };
        Listener::new(NETLINK_GENERIC, &[events, CONTROL.into()])
    }

    /// Returns whether a received message announces that the family has gone.
    pub fn is_gone_by(&self, kind: u16, body: &[u8]) -> bool {
        let all = Attributes::behind(GENERIC_HEADER, body);
        kind == CONTROL
            && body.first() == Some(&FAMILY_GONE)
            && family_number(all) == Some(self.number)
    }

    /// Returns whether a received message is one of the family.
    pub fn is_own(&self, kind: u16) -> bool {
        kind == self.number
    }

    /// Removes flows from hardware until they end. Returns the number of flows.
    ///
    /// With `relearn` it ends the flows instead, so that their next packets pass the ruleset.
    pub fn evict(&mut self, filter: &Filter, relearn: bool) -> Result<u64> {
        let mut request = Request::generic(self.number, NFT_OFFLOAD_CMD_FLOW_EVICT);
        filter.put(&mut request);
        if relearn {
            request.put(NFT_OFFLOAD_A_FLOW_RELEARN, "relearn", &[]);
        }
        let read = |body: &[u8]| {
            Attributes::behind(GENERIC_HEADER, body)
                .find(NFT_OFFLOAD_A_FLOW_EVICTED)?
                .uint()
        };
        let evicted = self.client.ask(&mut request, read).map_err(Self::refused)?;
        Ok(evicted.unwrap_or(0))
    }

    /// Changes the settings of a device of these flowtables. Returns the device after the change.
    pub fn set(
        &mut self,
        ifindex: u32,
        tables: &Tables,
        settings: &Settings,
        names: &Names,
    ) -> Result<Option<Device>> {
        let mut request = Request::generic(self.number, NFT_OFFLOAD_CMD_DEVICE_SET);
        tables.put(&mut request);
        request.put(
            NFT_OFFLOAD_A_DEVICE_IFINDEX,
            "device",
            &ifindex.to_ne_bytes(),
        );
        if let Some(profile) = &settings.profile {
            request.put_string(NFT_OFFLOAD_A_DEVICE_PROFILE, "profile", profile);
        }
        if let Some(limit) = settings.limit {
            request.put(NFT_OFFLOAD_A_DEVICE_LIMIT, "limit", &limit.to_ne_bytes());
        }
        if let Some(block) = settings.block {
            request.put(NFT_OFFLOAD_A_DEVICE_BLOCK, "block", &[block.into()]);
        }
        if let Some(enabled) = settings.enabled {
            request.put(NFT_OFFLOAD_A_DEVICE_ENABLED, "enabled", &[enabled.into()]);
        }
        let read = |body: &[u8]| Device::read(body, names);
        self.client.ask(&mut request, read).map_err(Self::refused)
    }

    /// Requests the table of reasons.
    pub fn reasons(&mut self) -> Result<Vec<Reason>> {
        let mut request = Request::generic(self.number, NFT_OFFLOAD_CMD_REASON_GET);
        self.client
            .dump(&mut request, Reason::read)
            .map_err(Self::gone)
    }

    /// Requests the devices of all flowtables.
    pub fn devices(&mut self, names: &Names) -> Result<Vec<Device>> {
        let mut request = Request::generic(self.number, NFT_OFFLOAD_CMD_DEVICE_GET);
        let read = |body: &[u8]| Device::read(body, names);
        self.client.dump(&mut request, read).map_err(Self::gone)
    }

    /// Requests the totals.
    pub fn stats(&mut self, names: &Names) -> Result<Stats> {
        let mut request = Request::generic(self.number, NFT_OFFLOAD_CMD_STATS_GET);
        let read = |body: &[u8]| Some(Stats::read(body, names));
        let stats = self.client.ask(&mut request, read).map_err(Self::gone)?;
        Ok(stats.unwrap_or_default())
    }

    /// Requests the flows that match a filter, and passes them to `flush`, at most `at_once` at a
    /// time.
    ///
    /// Returns true if the flows changed while they were read.
    pub fn flows(
        &mut self,
        filter: &Filter,
        names: &Names,
        at_once: usize,
        flush: &mut dyn FnMut(&mut Vec<Flow>) -> Result<()>,
    ) -> Result<bool> {
        let mut request = Request::generic(self.number, NFT_OFFLOAD_CMD_FLOW_GET);
        filter.put(&mut request);
        let read = |body: &[u8]| Flow::read(body, names);
        self.client
            .stream(&mut request, at_once, read, flush)
            .map_err(Self::gone)
    }

    /// Requests the flow with this tuple in one of its directions. Returns `None` if there is none.
    pub fn flow(
        &mut self,
        protocol: u8,
        wanted: &tuple::Wanted,
        names: &Names,
    ) -> Result<Option<Flow>> {
        let mut request = Request::generic(self.number, NFT_OFFLOAD_CMD_FLOW_GET);
        request.put(NFT_OFFLOAD_A_FLOW_PROTOCOL, "protocol", &[protocol]);
        request.nest(NFT_OFFLOAD_A_FLOW_ORIGINAL, "original", |to| {
            to.put_address(
                NFT_OFFLOAD_A_DIRECTION_SOURCE,
                "source",
                wanted.source.address,
            );
            to.put_address(
                NFT_OFFLOAD_A_DIRECTION_DESTINATION,
                "destination",
                wanted.destination.address,
            );
            to.put(
                NFT_OFFLOAD_A_DIRECTION_SOURCE_PORT,
                "source-port",
                &wanted.source.port.to_be_bytes(),
            );
            to.put(
                NFT_OFFLOAD_A_DIRECTION_DESTINATION_PORT,
                "destination-port",
                &wanted.destination.port.to_be_bytes(),
            );
        });
        if let Some(zone) = wanted.zone {
            request.put(NFT_OFFLOAD_A_FLOW_ZONE, "zone", &zone.to_ne_bytes());
        }
        let read = |body: &[u8]| Flow::read(body, names);
        match self.client.ask(&mut request, read) {
            Err(Error::Kernel {
                errno: ENOENT,
                attribute: Some(_),
                ..
            }) => Ok(None),
            other => other.map_err(Self::gone),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_found_by_its_name() {
        let mut description = Request::generic(CONTROL, 1);
        description.put(1, "number", &27u16.to_ne_bytes());
        description.nest(7, "groups", |groups| {
            for (number, name, id) in [(1, "other", 5u32), (2, "events", 6)] {
                groups.nest(number, "group", |group| {
                    group.put(2, "id", &id.to_ne_bytes());
                    group.put_string(1, "name", name);
                });
            }
        });
        let bytes = description.finish(0, 1).to_vec();
        let all = Attributes::behind(20, &bytes);
        assert_eq!(family_number(all), Some(27));
        assert_eq!(group_number(all, "events"), Some(6));
        assert_eq!(group_number(all, "event"), None);
    }

    #[test]
    fn what_only_root_may_do_says_so() {
        let refused = |errno, text: Option<&str>| Error::Kernel {
            errno,
            text: text.map(str::to_owned),
            attribute: None,
        };
        let text = Family::refused(refused(EPERM, None)).to_string();
        assert!(text.contains("only root may do this"), "{text}");
        assert!(text.ends_with("(EPERM)"), "{text}");
        let text = Family::refused(refused(EPERM, Some("no"))).to_string();
        assert_eq!(text, "the kernel refused: no (EPERM)");
        let gone = Family::refused(refused(ENOENT, None));
        assert!(matches!(gone, Error::NotLoaded));
    }
}
