// SPDX-License-Identifier: GPL-2.0

//! The generic netlink family `nft_offload`: devices, flows, totals, reasons. Its specification is
//! `docs/netlink/nft_offload.yaml`; the numbers come from there, by way of [`uapi`].
//!
//! An answer shows the caller's network namespace only. No lock is held between two packets of a dump.

use crate::{
    net::{
        flowtable::{
            flow::{
                Flow,
                Tuple, //
            },
            flow_map::FlowMap,
            instances::{
                self,
                Names, //
            },
            view::Flowtable, //
        },
        genl::{
            Answers,
            Attribute,
            Command,
            Cursor,
            Do,
            Dump,
            Event,
            Family,
            Operation,
            Policy,
            Request,
            Writer, //
            ROOM,
        },
        netdevice::Netns,
        time::{
            jiffies64,
            milliseconds, //
        }, //
    },
    offload::{
        binding::{
            Binding,
            Device, //
        },
        events::{
            DeviceNews,
            FlowNews, //
        },
        operator::Settings,
        profile,
        reason::Reason,
        record::{
            self,
            Record, //
        },
        table::Table, //
    },
    proto::{
        Dir,
        IPPROTO_TCP,
        IPPROTO_UDP, //
    },
    report::{
        filter::{
            Mark,
            Part,
            Prefix, //
        },
        Log, //
    },
    uapi, //
};
use core::ops::ControlFlow::{
    self,
    Break,
    Continue, //
};
use kernel::{
    error::code,
    macros::paste,
    prelude::*,
    ThisModule, //
};

type Engine = Table<Log>;

/// How many entries are looked at before the locks are given up for a moment.
const CHUNK: usize = 512;

/// Registers the family.
pub(crate) fn register(module: &'static ThisModule) -> Result<Family> {
    const OPERATIONS: &[Operation] = &[
        Operation::once::<DeviceGet>(),
        Operation::list::<DeviceGet>(),
        Operation::once::<FlowGet>(),
        Operation::list::<FlowDump>(),
        Operation::once::<StatsGet>(),
        Operation::once::<ReasonGet>(),
        Operation::list::<ReasonDump>(),
        Operation::once::<FlowEvict>(),
        Operation::once::<DeviceSet>(),
    ];
    let (name, version) = (
        uapi::NFT_OFFLOAD_FAMILY_NAME,
        uapi::NFT_OFFLOAD_FAMILY_VERSION,
    );
    Family::new(module, name, version, OPERATIONS)
}

/// Defines the constants of the family's commands, and of its sets of attributes, without the prefix
/// that they have in [`uapi`]: `command::FLOW_GET` is `NFT_OFFLOAD_CMD_FLOW_GET`, `flow::STATE` is
/// `NFT_OFFLOAD_A_FLOW_STATE`. `END` of a set is one more than its highest number.
macro_rules! numbers {
    (command: $($name:ident)*) => {
        paste! {
            mod command {
                // CAST: `struct genlmsghdr` has 8 bits for a command.
                $(pub(super) const $name: u8 = crate::uapi::[<NFT_OFFLOAD_CMD_ $name>] as u8;)*
            }
        }
    };
    ($set:ident: $($name:ident)*) => {
        paste! {
            mod $set {
                // CAST: `struct nlattr` has 16 bits for a type.
                $(
                    pub(super) const $name: u16 =
                        crate::uapi::[<NFT_OFFLOAD_A_ $set:upper _ $name>] as u16;
                )*
                // CAST: As above.
                #[allow(dead_code, reason = "only sets with a policy use it")]
                pub(super) const END: usize =
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

/// The name of a table, a flowtable or a profile.
// CAST: The name of a table has at most `NFT_NAME_MAXLEN` bytes.
const NAME: Policy = Policy::string(uapi::NFT_OFFLOAD_MAX_NAME as u16);

/// Which flowtables are asked for.
struct Tables<'a> {
    family: Option<u8>,
    table: Option<&'a [u8]>,
    flowtable: Option<&'a [u8]>,
}

impl<'a> Tables<'a> {
    /// The numbers of its attributes are the same for devices and flows.
    fn new(request: &Request<'a>) -> Self {
        const { assert!(device::TABLE == flow::TABLE) };
        const { assert!(device::FLOWTABLE == flow::FLOWTABLE) };
        const { assert!(device::TABLE_FAMILY == flow::TABLE_FAMILY) };
        Self {
            family: request.get(device::TABLE_FAMILY).map(Attribute::u8),
            table: request.get(device::TABLE).map(Attribute::string),
            flowtable: request.get(device::FLOWTABLE).map(Attribute::string),
        }
    }

    fn has(&self, names: &Names) -> bool {
        self.family.is_none_or(|family| family == names.family)
            && self.table.is_none_or(|table| table == &*names.table)
            && self.flowtable.is_none_or(|name| name == &*names.flowtable)
    }
}

/// What a flowtable is called: its table's family, its table, itself.
type Called<'a> = (u8, &'a [u8], &'a [u8]);

fn called(names: &Names) -> Called<'_> {
    (names.family, &names.table, &names.flowtable)
}

fn put_names(to: &mut Writer<'_>, (family, table, flowtable): Called<'_>) -> Result {
    to.string(device::TABLE, table)?;
    to.string(device::FLOWTABLE, flowtable)?;
    to.u8(device::TABLE_FAMILY, family)
}

/// An errno as a positive number.
fn errno(error: Error) -> u32 {
    error.to_errno().unsigned_abs()
}

// --- devices ---------------------------------------------------------------------------------------------------------

struct DeviceGet;

impl Command for DeviceGet {
    const NUMBER: u8 = command::DEVICE_GET;
    const POLICY: &'static [Policy] = &Policy::table::<5>(&[
        (device::TABLE, NAME),
        (device::FLOWTABLE, NAME),
        (device::TABLE_FAMILY, Policy::U8),
        (device::IFINDEX, Policy::U32),
    ]);
}

/// What its driver is taken to do, by the profile; and whether it was seen to report the use of a rule.
fn put_capabilities(to: &mut Writer<'_>, of: &Binding) -> Result {
    let semantics = &of.profile.semantics;
    to.u8(capabilities::VLAN_DEPTH, semantics.vlan_depth())?;
    let flags = [
        // Every profile does these.
        (capabilities::IPV4, true),
        (capabilities::IPV6, true),
        (capabilities::NAT4, true),
        (capabilities::NAT6, semantics.nat6),
        (capabilities::SERVICE_TAGS, semantics.service_tags),
        (capabilities::PPPOE, semantics.pppoe),
        (capabilities::GRE, semantics.gre),
        (capabilities::TUNNELS, semantics.tunnels),
        (capabilities::REPORTS_USE, of.reports_use()),
    ];
    for (number, has) in flags {
        if has {
            to.flag(number)?;
        }
    }
    Ok(())
}

fn put_device(to: &mut Writer<'_>, names: Called<'_>, of: &Device<'_>) -> Result {
    let binding = of.binding;
    put_names(to, names)?;
    to.u32(device::IFINDEX, binding.ifindex)?;
    if let Some(dev) = of.dev {
        to.string(device::NAME, dev.name().as_bytes())?;
        to.string(device::DRIVER, binding.driver())?;
    }
    to.string(device::PROFILE, binding.profile.name.as_bytes())?;
    to.u32(device::BOUND, binding.bound() as u32)?;
    if let Some(reason) = binding.no_rules() {
        to.u32(device::REASON, reason as u32)?;
    }
    if let Some(error) = binding.refusal() {
        to.u32(device::ERRNO, errno(error.errno))?;
        to.string(device::EXTACK, error.words())?;
    }
    let counts = binding.counts();
    to.uint(device::RULES, counts.rules.get())?;
    to.uint(device::HIGH_WATER, counts.high_water.get())?;
    to.uint(device::LIMIT, binding.limit().unwrap_or(0))?;
    to.uint(device::ADDS, counts.adds.get())?;
    to.uint(device::DELETES, counts.deletes.get())?;
    to.uint(device::HARDWARE_MISSES, counts.misses.get())?;
    to.uint(device::EVICTIONS, counts.evictions.get())?;
    to.uint(device::PACKETS, counts.packets.get())?;
    to.uint(device::BYTES, counts.bytes.get())?;
    to.u8(device::ENABLED, u8::from(binding.is_enabled()))?;
    to.u8(device::BLOCK, u8::from(binding.may_use_block()))?;
    to.nest(device::CAPABILITIES, |to| put_capabilities(to, binding))?;
    for entry in of.refusals.of(binding.ifindex) {
        to.nest(device::REFUSALS, |to| {
            to.u32(refusal::REASON, entry.reason as u32)?;
            to.uint(refusal::COUNT, entry.count)?;
            if let Some(error) = &entry.error {
                to.u32(refusal::ERRNO, errno(error.errno))?;
                to.string(refusal::EXTACK, error.words())?;
            }
            Ok(())
        })?;
    }
    Ok(())
}

impl Do for DeviceGet {
    /// The first device with this index: of the flowtable that is named, or of any.
    fn run(request: &Request<'_>, answer: &mut Writer<'_>) -> Result {
        let wanted = request.require(device::IFINDEX)?;
        let (ifindex, tables) = (wanted.u32(), Tables::new(request));
        let mut result = None;
        instances::walk::<Engine>(request.net(), 0, |_, names, engine, _| {
            if tables.has(names) {
                engine.walk_devices(ifindex, |of| {
                    if of.binding.ifindex == ifindex {
                        result = Some(put_device(answer, called(names), of));
                    }
                    Break(())
                });
            }
            match result {
                Some(_) => Break(()),
                None => Continue(()),
            }
        });
        result.unwrap_or_else(|| Err(no_such_device(request, wanted)))
    }
}

fn no_such_device<'a>(request: &Request<'a>, wanted: Attribute<'a>) -> Error {
    let text = c"no such device in a flowtable with flags offload";
    request.refuse(Some(wanted), text, code::ENODEV)
}

impl Dump for DeviceGet {
    fn check(_: &Request<'_>) -> Result {
        Ok(())
    }

    fn fill(request: &Request<'_>, answers: &mut Answers<'_>, cursor: &mut Cursor) -> Result {
        let tables = Tables::new(request);
        let only = request.get(device::IFINDEX).map(Attribute::u32);
        let mut result = Ok(());
        instances::walk::<Engine>(request.net(), cursor.table, |number, names, engine, _| {
            if number != cursor.table {
                *cursor = Cursor {
                    table: number,
                    entry: 0,
                };
            }
            if !tables.has(names) {
                return Continue(());
            }
            // CAST: What was stored below was an index.
            engine.walk_devices(cursor.entry as u32, |of| {
                let ifindex = of.binding.ifindex;
                cursor.entry = u64::from(ifindex);
                if only.is_none_or(|only| only == ifindex) {
                    result = answers.add(|to| put_device(to, called(names), of));
                }
                stop_at(&result)
            });
            stop_at(&result)
        });
        result
    }
}

struct DeviceSet;

impl Command for DeviceSet {
    const NUMBER: u8 = command::DEVICE_SET;
    const ADMIN: bool = true;
    const POLICY: &'static [Policy] = &Policy::table::<{ device::END }>(&[
        (device::TABLE, NAME),
        (device::FLOWTABLE, NAME),
        (device::TABLE_FAMILY, Policy::U8),
        (device::IFINDEX, Policy::U32),
        (device::LIMIT, Policy::UINT),
        (device::PROFILE, NAME),
        (device::ENABLED, Policy::u8_up_to(1)),
        (device::BLOCK, Policy::u8_up_to(1)),
    ]);
}

fn read_settings(request: &Request<'_>) -> Result<Settings> {
    let profile = match request.get(device::PROFILE) {
        Some(attribute) => {
            let profile = profile::by_name(attribute.string());
            let text = c"there is no profile with this name";
            Some(profile.ok_or_else(|| request.refuse(Some(attribute), text, code::EINVAL))?)
        }
        None => None,
    };
    let settings = Settings {
        limit: request.get(device::LIMIT).map(Attribute::uint),
        profile,
        block: request.get(device::BLOCK).map(|on| on.u8() != 0),
        enabled: request.get(device::ENABLED).map(|on| on.u8() != 0),
    };
    let nothing = settings.limit.is_none()
        && settings.profile.is_none()
        && settings.block.is_none()
        && settings.enabled.is_none();
    if nothing {
        let text = c"nothing to set: no limit, profile, block or enabled";
        return Err(request.refuse(None, text, code::EINVAL));
    }
    Ok(settings)
}

impl Do for DeviceSet {
    fn run(request: &Request<'_>, answer: &mut Writer<'_>) -> Result {
        let wanted = request.require(device::IFINDEX)?;
        let (ifindex, tables) = (wanted.u32(), Tables::new(request));
        let settings = read_settings(request)?;
        let mut result = None;
        instances::walk::<Engine>(request.net(), 0, |_, names, engine, flows| {
            if !tables.has(names) || !engine.set_device(flows, ifindex, &settings) {
                return Continue(());
            }
            engine.walk_devices(ifindex, |of| {
                if of.binding.ifindex == ifindex && result.is_none() {
                    result = Some(put_device(answer, called(names), of));
                }
                Break(())
            });
            Continue(())
        });
        result.unwrap_or_else(|| Err(no_such_device(request, wanted)))
    }
}

fn stop_at(result: &Result) -> ControlFlow<()> {
    match result {
        Ok(()) => Continue(()),
        Err(_) => Break(()),
    }
}

// --- flows -----------------------------------------------------------------------------------------------------------

/// Where a flow is, by the numbers of the interface.
#[derive(Clone, Copy)]
#[repr(u32)]
enum State {
    Software = uapi::NFT_OFFLOAD_STATE_SOFTWARE,
    InHardware = uapi::NFT_OFFLOAD_STATE_IN_HARDWARE,
    Removing = uapi::NFT_OFFLOAD_STATE_REMOVING,
    OneDirection = uapi::NFT_OFFLOAD_STATE_ONE_DIRECTION,
}

impl State {
    fn of(record: &Record) -> Self {
        match record.state {
            record::State::InHardware(_) => State::InHardware,
            record::State::OneDirection(..) => State::OneDirection,
            record::State::Software(_) => State::Software,
            record::State::Removing(_) => State::Removing,
        }
    }
}

impl State {
    /// Of a direction: [`State::OneDirection`] is of flows only.
    fn of_direction(record: &Record, dir: Dir) -> Self {
        match record.state {
            record::State::Removing(_) => State::Removing,
            _ if record.rule(dir).is_some() => State::InHardware,
            _ => State::Software,
        }
    }
}

/// An address as it is in a message: 4 or 16 bytes.
fn address(family: u8, address: &[u8; 16]) -> &[u8] {
    match u32::from(family) {
        uapi::NFT_OFFLOAD_NFPROTO_IPV4 => address.first_chunk::<4>().map_or(address, |short| short),
        _ => address,
    }
}

fn put_address(to: &mut Writer<'_>, number: u16, family: u8, of: &[u8; 16]) -> Result {
    match address(family, of) {
        [a, b, c, d] => to.bytes(number, &[*a, *b, *c, *d]),
        _ => to.bytes(number, of),
    }
}

fn put_direction(to: &mut Writer<'_>, of: &Flow, record: &Record, dir: Dir) -> Result {
    let family = of.family();
    put_address(to, direction::SOURCE, family, &of.source(dir))?;
    put_address(to, direction::DESTINATION, family, &of.destination(dir))?;
    let (source, destination) = of.ports(dir);
    to.be16(direction::SOURCE_PORT, source)?;
    to.be16(direction::DESTINATION_PORT, destination)?;
    to.u32(direction::INGRESS, of.ingress_ifindex(dir))?;
    let egress = of.egress_ifindex(dir);
    if egress != 0 {
        to.u32(direction::EGRESS, egress)?;
    }
    to.u32(direction::STATE, State::of_direction(record, dir) as u32)?;
    if let Some(rule) = record.rule(dir) {
        to.uint(direction::COOKIE, rule.cookie)?;
    }
    for encap in of.encaps(dir).iter().flatten() {
        to.nest(direction::ENCAPSULATION, |to| {
            to.u16(encapsulation::ETHERTYPE, encap.ethertype)?;
            to.u16(encapsulation::ID, encap.id)
        })?;
    }
    let carried = record.carried(dir);
    to.uint(direction::PACKETS, carried.packets)?;
    to.uint(direction::BYTES, carried.bytes)
}

fn put_flow(to: &mut Writer<'_>, names: Called<'_>, of: &Flow, record: &Record) -> Result {
    put_names(to, names)?;
    to.u8(flow::FAMILY, of.family())?;
    to.u8(flow::PROTOCOL, of.protocol())?;
    to.u32(flow::STATE, State::of(record) as u32)?;
    if let Some(reason) = record.reason() {
        to.u32(flow::REASON, reason as u32)?;
    }
    if record.errno != 0 {
        to.u32(flow::ERRNO, record.errno.into())?;
    }
    to.u32(flow::TRIES, record.refusals.into())?;
    let now = jiffies64();
    to.uint(flow::AGE, milliseconds(record.age(now)))?;
    to.u32(flow::HARDWARE_MISSES, record.misses)?;
    let ago = |time| milliseconds(now.saturating_sub(time));
    to.uint(flow::SINCE, ago(record.since))?;
    if record.last_used != 0 {
        to.uint(flow::LAST_USED, ago(record.last_used))?;
    }
    if of.has_snat() {
        to.flag(flow::SNAT)?;
    }
    if of.has_dnat() {
        to.flag(flow::DNAT)?;
    }
    to.nest(flow::ORIGINAL, |to| {
        put_direction(to, of, record, Dir::Original)
    })?;
    to.nest(flow::REPLY, |to| put_direction(to, of, record, Dir::Reply))?;
    let connection = of.connection();
    to.u32(flow::CONNTRACK_ID, connection.id)?;
    to.u32(flow::MARK, connection.mark)?;
    to.u16(flow::ZONE, connection.zone)
}

/// Calls `f` for each flowtable that is asked for, from the cursor on, with the key at which it goes on among the flows. It gives
/// the key at which it has stopped, and whether for good; if not, it is called again from there after the locks were given up.
fn walk_tables(
    net: Netns<'_>,
    tables: &Tables<'_>,
    cursor: &mut Cursor,
    mut f: impl FnMut(&Names, &Engine, &FlowMap<Record>, usize) -> Option<(usize, ControlFlow<()>)>,
) {
    let mut more = true;
    while more {
        more = false;
        instances::walk::<Engine>(net, cursor.table, |number, names, engine, flows| {
            if number != cursor.table {
                *cursor = Cursor {
                    table: number,
                    entry: 0,
                };
            }
            if !tables.has(names) {
                return Continue(());
            }
            // CAST: What a cursor holds was a key, or zero; it is as wide as a key.
            match f(names, engine, flows, cursor.entry as usize) {
                Some((next, stopped)) => {
                    cursor.entry = next as u64;
                    more = stopped.is_continue();
                    Break(())
                }
                None => {
                    cursor.table = number.saturating_add(1);
                    cursor.entry = 0;
                    Continue(())
                }
            }
        });
    }
}

/// Calls `f` for each flow of the flowtables that are asked for, from the cursor on, until it says to stop. The locks
/// are given up now and then; a flow that lives through it all comes once.
fn walk_flows(
    net: Netns<'_>,
    tables: &Tables<'_>,
    cursor: &mut Cursor,
    mut f: impl FnMut(&Names, &Flow, &Record) -> ControlFlow<()>,
) {
    walk_tables(net, tables, cursor, |names, _, flows, from| {
        let mut left = CHUNK;
        let mut stopped = Continue(());
        let next = flows.walk(from, |flow, record| {
            if left == 0 {
                return Break(());
            }
            left -= 1;
            stopped = f(names, flow, record);
            stopped
        })?;
        Some((next, stopped))
    });
}

struct FlowGet;

impl Command for FlowGet {
    const NUMBER: u8 = command::FLOW_GET;
    const ADMIN: bool = true;
    const POLICY: &'static [Policy] = &Policy::table::<{ flow::END }>(&[
        (flow::TABLE, NAME),
        (flow::FLOWTABLE, NAME),
        (flow::TABLE_FAMILY, Policy::U8),
        (flow::PROTOCOL, Policy::U8),
        // A prefix is refused, after its value was looked at.
        (flow::ORIGINAL, Policy::nested(PART)),
        (flow::ZONE, Policy::U16),
    ]);
}

/// An address; [`read_address`] refuses one whose length is between those of IPv4 and IPv6.
// CAST: The lengths of addresses.
const ADDRESS: Policy = Policy::bytes(
    uapi::NFT_OFFLOAD_IPV4_LEN as i16,
    uapi::NFT_OFFLOAD_IPV6_LEN as i16,
);

/// An address of a request, or what is wrong with it.
fn read_address<'a>(request: &Request<'a>, from: Attribute<'a>) -> Result<&'a [u8]> {
    let bytes = from.bytes();
    match bytes.len() {
        4 | 16 => Ok(bytes),
        _ => {
            let text = c"an address has 4 or 16 bytes";
            Err(request.refuse(Some(from), text, code::EINVAL))
        }
    }
}

/// A flow that is asked for by a direction's packets.
struct Wanted<'a> {
    tuple: Tuple<'a>,
    zone: Option<u16>,
}

impl<'a> Wanted<'a> {
    fn read(request: &Request<'a>) -> Result<(Self, Attribute<'a>)> {
        let protocol = request.require(flow::PROTOCOL)?;
        let tuple = request.require(flow::ORIGINAL)?;
        for prefix in [direction::SOURCE_PREFIX, direction::DESTINATION_PREFIX] {
            if let Some(prefix) = tuple.get(prefix) {
                let text = c"one flow is asked for: a prefix is for a dump";
                return Err(request.refuse(Some(prefix), text, code::EINVAL));
            }
        }
        let source = request.require_in(tuple, direction::SOURCE)?;
        let destination = request.require_in(tuple, direction::DESTINATION)?;
        let (from, to) = (
            read_address(request, source)?,
            read_address(request, destination)?,
        );
        if from.len() != to.len() {
            let text = c"source and destination are of different families";
            return Err(request.refuse(Some(destination), text, code::EINVAL));
        }
        let port = |number| tuple.get(number).map_or([0; 2], Attribute::be16);
        let read = Self {
            tuple: Tuple {
                protocol: protocol.u8(),
                source: from,
                destination: to,
                ports: (
                    port(direction::SOURCE_PORT),
                    port(direction::DESTINATION_PORT),
                ),
            },
            zone: request.get(flow::ZONE).map(Attribute::u16),
        };
        Ok((read, tuple))
    }

    fn is_of(&self, of: &Flow, dir: Dir) -> bool {
        let (family, tuple) = (of.family(), &self.tuple);
        tuple.protocol == of.protocol()
            && tuple.ports == of.ports(dir)
            && tuple.source == address(family, &of.source(dir))
            && tuple.destination == address(family, &of.destination(dir))
            && self.zone.is_none_or(|zone| zone == of.connection().zone)
    }

    /// Whether there can be such a flow. Without a zone it is looked for in zone 0.
    fn may_exist(&self, net: Netns<'_>) -> bool {
        match self.tuple.protocol {
            IPPROTO_TCP | IPPROTO_UDP => self.tuple.is_tracked(net, self.zone.unwrap_or(0)),
            // Conntrack knows a call of GRE by its keys.
            _ => true,
        }
    }

    fn refuse(&self, request: &Request<'_>, tuple: Attribute<'_>) -> Error {
        let text = c"no flow of a flowtable with flags offload has this tuple";
        request.refuse(Some(tuple), text, code::ENOENT)
    }

    /// Whether it is this flow; one that ends is asked for only if `removing`.
    fn is(&self, of: &Flow, record: &Record, removing: bool) -> bool {
        matches!(record.state, record::State::Removing(_)) == removing
            && (self.is_of(of, Dir::Original) || self.is_of(of, Dir::Reply))
    }

    /// Writes the flow if the core finds it, without a look at the others: it does with packets that have no tags.
    fn answer_at_once(
        &self,
        net: Netns<'_>,
        tables: &Tables<'_>,
        answer: &mut Writer<'_>,
    ) -> Option<Result> {
        let mut result = None;
        instances::walk::<Engine>(net, 0, |_, names, engine, flows| {
            if !tables.has(names) {
                return Continue(());
            }
            let mut found = None;
            engine.walk_devices(0, |of| {
                found = flows.of_packets(&self.tuple, of.binding.ifindex);
                match found {
                    Some(_) => Break(()),
                    None => Continue(()),
                }
            });
            if let Some(address) = found {
                flows.at(address, |of, record| {
                    if self.is(of, record, false) {
                        result = Some(put_flow(answer, called(names), of, record));
                    }
                });
            }
            match result {
                Some(_) => Break(()),
                None => Continue(()),
            }
        });
        result
    }
}

impl Do for FlowGet {
    /// The first flow with this tuple in one of its directions; one that ends only if there is no other.
    fn run(request: &Request<'_>, answer: &mut Writer<'_>) -> Result {
        let (wanted, attribute) = Wanted::read(request)?;
        let tables = Tables::new(request);
        if let Some(result) = wanted.answer_at_once(request.net(), &tables, answer) {
            return result;
        }
        // A flow that the core does not find so has tags or tunnels, is ending, or does not exist. A look at all flows is for
        // those that conntrack knows.
        if !wanted.may_exist(request.net()) {
            return Err(wanted.refuse(request, attribute));
        }
        for removing in [false, true] {
            let mut result = None;
            walk_flows(
                request.net(),
                &tables,
                &mut Cursor::default(),
                |names, of, record| {
                    if !wanted.is(of, record, removing) {
                        return Continue(());
                    }
                    result = Some(put_flow(answer, called(names), of, record));
                    Break(())
                },
            );
            if let Some(result) = result {
                return result;
            }
        }
        Err(wanted.refuse(request, attribute))
    }
}

struct FlowDump;

impl Command for FlowDump {
    const NUMBER: u8 = command::FLOW_GET;
    const ADMIN: bool = true;
    const POLICY: &'static [Policy] = &FILTER;
}

/// What flows can be asked for by.
const FILTER: [Policy; flow::END] = Policy::table(&[
    (flow::TABLE, NAME),
    (flow::FLOWTABLE, NAME),
    (flow::TABLE_FAMILY, Policy::U8),
    (flow::FAMILY, Policy::U8),
    (flow::PROTOCOL, Policy::U8),
    (flow::STATE, Policy::u32_up_to(State::OneDirection as i16)),
    (flow::REASON, Policy::U32),
    (flow::ORIGINAL, Policy::nested(PART)),
    (flow::REPLY, Policy::nested(PART)),
    (flow::MARK, Policy::U32),
    (flow::ZONE, Policy::U16),
    (flow::IFINDEX, Policy::U32),
    (flow::ADDRESS, ADDRESS),
    (flow::PORT, Policy::BE16),
    (flow::PREFIX, PREFIX),
    (flow::MARK_MASK, Policy::U32),
]);

/// How many bits of an address count.
// CAST: The bits of an address.
const PREFIX: Policy = Policy::u8_up_to(uapi::NFT_OFFLOAD_MAX_PREFIX as i16);

/// A part of a direction's tuple.
const PART: &[Policy] = &Policy::table::<{ direction::END }>(&[
    (direction::SOURCE, ADDRESS),
    (direction::DESTINATION, ADDRESS),
    (direction::SOURCE_PORT, Policy::BE16),
    (direction::DESTINATION_PORT, Policy::BE16),
    (direction::SOURCE_PREFIX, PREFIX),
    (direction::DESTINATION_PREFIX, PREFIX),
]);

/// An address of a request with the number of its bits that count, if there is one.
fn read_prefix<'a>(
    request: &Request<'a>,
    address: Option<Attribute<'a>>,
    bits: Option<Attribute<'a>>,
) -> Result<Option<Prefix<'a>>> {
    let refuse = |text| Err(request.refuse(bits, text, code::EINVAL));
    let Some(address) = address else {
        return match bits {
            Some(_) => refuse(c"a prefix without its address"),
            None => Ok(None),
        };
    };
    match Prefix::new(read_address(request, address)?, bits.map(Attribute::u8)) {
        Some(prefix) => Ok(Some(prefix)),
        None => refuse(c"the prefix is longer than the address"),
    }
}

/// A part of a direction's tuple in a request.
fn read_part<'a>(request: &Request<'a>, number: u16) -> Result<Option<Part<'a>>> {
    let Some(nest) = request.get(number) else {
        return Ok(None);
    };
    let prefix = |address, bits| read_prefix(request, nest.get(address), nest.get(bits));
    let part = Part {
        source: prefix(direction::SOURCE, direction::SOURCE_PREFIX)?,
        destination: prefix(direction::DESTINATION, direction::DESTINATION_PREFIX)?,
        source_port: nest.get(direction::SOURCE_PORT).map(Attribute::be16),
        destination_port: nest.get(direction::DESTINATION_PORT).map(Attribute::be16),
    };
    match (part.source, part.destination) {
        (Some(source), Some(destination)) if !source.is_like(&destination) => {
            let text = c"source and destination are of different families";
            let of = nest.get(direction::DESTINATION);
            Err(request.refuse(of, text, code::EINVAL))
        }
        _ => Ok(Some(part)),
    }
}

/// A mark of a request with the bits of it that count, if there is one.
fn read_mark(request: &Request<'_>) -> Result<Option<Mark>> {
    let mask = request.get(flow::MARK_MASK);
    let Some(mark) = request.get(flow::MARK) else {
        let text = c"a mask without its mark";
        return match mask {
            Some(_) => Err(request.refuse(mask, text, code::EINVAL)),
            None => Ok(None),
        };
    };
    let text = c"the mark has bits that are not in its mask";
    let read = Mark::new(mark.u32(), mask.map(Attribute::u32));
    let read = read.ok_or_else(|| request.refuse(Some(mark), text, code::EINVAL))?;
    Ok(Some(read))
}

/// Which flows are asked for; what is not said is any.
struct Filter<'a> {
    family: Option<u8>,
    protocol: Option<u8>,
    state: Option<u32>,
    reason: Option<u32>,
    original: Option<Part<'a>>,
    reply: Option<Part<'a>>,
    mark: Option<Mark>,
    zone: Option<u16>,
    ifindex: Option<u32>,
    address: Option<Prefix<'a>>,
    port: Option<[u8; 2]>,
}

impl<'a> Filter<'a> {
    fn read(request: &Request<'a>) -> Result<Self> {
        let reason = request.get(flow::REASON);
        if let Some(reason) = reason {
            if by_number(reason.u32()).is_none() {
                let text = c"there is no reason with this number";
                return Err(request.refuse(Some(reason), text, code::EINVAL));
            }
        }
        let (address, prefix) = (request.get(flow::ADDRESS), request.get(flow::PREFIX));
        Ok(Self {
            family: request.get(flow::FAMILY).map(Attribute::u8),
            protocol: request.get(flow::PROTOCOL).map(Attribute::u8),
            state: request.get(flow::STATE).map(Attribute::u32),
            reason: reason.map(Attribute::u32),
            original: read_part(request, flow::ORIGINAL)?,
            reply: read_part(request, flow::REPLY)?,
            mark: read_mark(request)?,
            zone: request.get(flow::ZONE).map(Attribute::u16),
            ifindex: request.get(flow::IFINDEX).map(Attribute::u32),
            address: read_prefix(request, address, prefix)?,
            port: request.get(flow::PORT).map(Attribute::be16),
        })
    }

    /// Whether it asks for what came of the attempts to offload a flow.
    fn is_of_tried(&self) -> bool {
        self.state.is_some() || self.reason.is_some()
    }

    /// Whether it wants a flow.
    fn wants(&self, of: &Flow, record: &Record) -> bool {
        self.state
            .is_none_or(|wanted| wanted == State::of(record) as u32)
            && self
                .reason
                .is_none_or(|wanted| record.reason().is_some_and(|is| is as u32 == wanted))
            && self.wants_whatever_came(of)
    }

    /// Whether it wants a flow, whatever came of the attempts to offload it. Devices, addresses and ports are looked for on both
    /// sides and in both directions. Can be called in atomic context.
    fn wants_whatever_came(&self, of: &Flow) -> bool {
        let any = |f: &dyn Fn(Dir) -> bool| f(Dir::Original) || f(Dir::Reply);
        let family = of.family();
        let is_part = |part: Option<Part<'_>>, dir| {
            part.is_none_or(|part| {
                let (source, destination) = (of.source(dir), of.destination(dir));
                part.is_of(
                    address(family, &source),
                    address(family, &destination),
                    of.ports(dir),
                )
            })
        };
        self.family.is_none_or(|wanted| wanted == family)
            && self.protocol.is_none_or(|wanted| wanted == of.protocol())
            && self.ifindex.is_none_or(|wanted| {
                any(&|dir| of.ingress_ifindex(dir) == wanted || of.egress_ifindex(dir) == wanted)
            })
            && is_part(self.original, Dir::Original)
            && is_part(self.reply, Dir::Reply)
            && self.address.is_none_or(|wanted| {
                any(&|dir| {
                    wanted.has(address(family, &of.source(dir)))
                        || wanted.has(address(family, &of.destination(dir)))
                })
            })
            && self.port.is_none_or(|wanted| {
                any(&|dir| {
                    let (source, destination) = of.ports(dir);
                    wanted == source || wanted == destination
                })
            })
            && ((self.mark.is_none() && self.zone.is_none()) || {
                let connection = of.connection();
                self.mark.is_none_or(|wanted| wanted.has(connection.mark))
                    && self.zone.is_none_or(|wanted| wanted == connection.zone)
            })
    }
}

impl Dump for FlowDump {
    fn check(request: &Request<'_>) -> Result {
        Filter::read(request).map(drop)
    }

    fn fill(request: &Request<'_>, answers: &mut Answers<'_>, cursor: &mut Cursor) -> Result {
        let filter = Filter::read(request)?;
        let tables = Tables::new(request);
        let mut result = Ok(());
        walk_flows(request.net(), &tables, cursor, |names, of, record| {
            if filter.wants(of, record) {
                result = answers.add(|to| put_flow(to, called(names), of, record));
            }
            stop_at(&result)
        });
        result
    }
}

struct FlowEvict;

impl Command for FlowEvict {
    const NUMBER: u8 = command::FLOW_EVICT;
    const ADMIN: bool = true;
    const POLICY: &'static [Policy] = &Policy::with(FILTER, flow::RELEARN, Policy::FLAG);
}

/// Takes flows out of hardware until they end. How many there were.
fn evict(net: Netns<'_>, tables: &Tables<'_>, filter: &Filter<'_>) -> u64 {
    let mut evicted = 0;
    let mut cursor = Cursor::default();
    walk_tables(net, tables, &mut cursor, |_, engine, flows, from| {
        let mut left = CHUNK;
        let next = engine.take_out(flows, from, &mut evicted, |of, record| {
            if left == 0 {
                return Break(());
            }
            left -= 1;
            Continue(filter.wants(of, record))
        })?;
        Some((next, Continue(())))
    });
    evicted
}

/// Ends flows, so that their next packets pass the ruleset. How many there were.
fn relearn(net: Netns<'_>, tables: &Tables<'_>, filter: &Filter<'_>) -> u64 {
    let why = Reason::Operator;
    let mut ended = 0u64;
    instances::walk::<Engine>(net, 0, |_, names, engine, flows| {
        if tables.has(names) {
            let more = if filter.is_of_tried() {
                engine.relearn_tried(flows, why, |of, record| filter.wants(of, record))
            } else {
                engine.relearn(flows, why, |of| filter.wants_whatever_came(of))
            };
            ended = ended.saturating_add(more);
        }
        Continue(())
    });
    ended
}

impl Do for FlowEvict {
    fn run(request: &Request<'_>, answer: &mut Writer<'_>) -> Result {
        let filter = Filter::read(request)?;
        let tables = Tables::new(request);
        let take_out = match request.get(flow::RELEARN) {
            Some(_) => relearn,
            None => evict,
        };
        let evicted = take_out(request.net(), &tables, &filter);
        answer.uint(flow::EVICTED, evicted)
    }
}

// --- events ----------------------------------------------------------------------------------------------------------

/// Tells who listens what has happened to a flow.
pub(super) fn tell_of_flow(news: FlowNews, flowtable: &Flowtable, of: &Flow, record: &Record) {
    let event = Event {
        command: match news {
            FlowNews::In => command::FLOW_IN,
            FlowNews::Out => command::FLOW_OUT,
            FlowNews::Refused => command::FLOW_REFUSED,
        },
        room: 2048,
    };
    event.tell(flowtable.net(), |to| {
        put_flow(to, flowtable.names(), of, record)
    });
}

/// Tells who listens what has happened to a device.
pub(super) fn tell_of_device(news: DeviceNews, flowtable: &Flowtable, of: &Device<'_>) {
    let event = Event {
        command: match news {
            DeviceNews::Bound => command::DEVICE_BOUND,
            DeviceNews::Refused => command::DEVICE_REFUSED,
            DeviceNews::Full => command::DEVICE_FULL,
        },
        room: ROOM,
    };
    event.tell(flowtable.net(), |to| put_device(to, flowtable.names(), of));
}

// --- totals ----------------------------------------------------------------------------------------------------------

struct StatsGet;

impl Command for StatsGet {
    const NUMBER: u8 = command::STATS_GET;
    const ADMIN: bool = true;
}

/// What is counted for a reason.
#[derive(Clone, Copy)]
struct Count {
    reason: Reason,
    flows: u64,
    refusals: u64,
}

impl Do for StatsGet {
    fn run(request: &Request<'_>, answer: &mut Writer<'_>) -> Result {
        let (mut tables, mut devices) = (0u32, 0u32);
        let mut total = [0u64; 7];
        let mut counts = Reason::ALL.map(|reason| Count {
            reason,
            flows: 0,
            refusals: 0,
        });
        instances::walk::<Engine>(request.net(), 0, |_, _, engine, _| {
            tables = tables.saturating_add(1);
            engine.walk_devices(0, |of| {
                devices = devices.saturating_add(1);
                let tally = of.binding.counts();
                let more = [
                    &tally.rules,
                    &tally.adds,
                    &tally.deletes,
                    &tally.misses,
                    &tally.packets,
                    &tally.bytes,
                    &tally.evictions,
                ];
                for (sum, more) in total.iter_mut().zip(more) {
                    *sum = sum.saturating_add(more.get());
                }
                for refusal in of.refusals.of(of.binding.ifindex) {
                    let count = counts.iter_mut().find(|c| c.reason == refusal.reason);
                    if let Some(count) = count {
                        count.refusals = count.refusals.saturating_add(refusal.count);
                    }
                }
                Continue(())
            });
            Continue(())
        });
        let (mut hardware, mut software, mut removing, mut one) = (0u64, 0u64, 0u64, 0u64);
        let all = Tables {
            family: None,
            table: None,
            flowtable: None,
        };
        let mut cursor = Cursor::default();
        walk_flows(request.net(), &all, &mut cursor, |_, _, record| {
            let sum = match State::of(record) {
                State::InHardware => &mut hardware,
                State::Software => &mut software,
                State::Removing => &mut removing,
                State::OneDirection => &mut one,
            };
            *sum = sum.saturating_add(1);
            let reason = record.reason();
            if let Some(count) = counts.iter_mut().find(|c| Some(c.reason) == reason) {
                count.flows = count.flows.saturating_add(1);
            }
            Continue(())
        });
        answer.u32(stats::FLOWTABLES, tables)?;
        answer.u32(stats::DEVICES, devices)?;
        let numbers = [
            stats::RULES,
            stats::ADDS,
            stats::DELETES,
            stats::HARDWARE_MISSES,
            stats::PACKETS,
            stats::BYTES,
            stats::EVICTIONS,
        ];
        for (number, sum) in numbers.into_iter().zip(total) {
            answer.uint(number, sum)?;
        }
        answer.uint(stats::FLOWS_IN_HARDWARE, hardware)?;
        answer.uint(stats::FLOWS_IN_SOFTWARE, software)?;
        answer.uint(stats::FLOWS_REMOVING, removing)?;
        answer.uint(stats::FLOWS_ONE_DIRECTION, one)?;
        for count in counts {
            if count.flows == 0 && count.refusals == 0 {
                continue;
            }
            answer.nest(stats::BY_REASON, |to| {
                to.u32(by_reason::REASON, count.reason as u32)?;
                to.uint(by_reason::FLOWS, count.flows)?;
                to.uint(by_reason::REFUSALS, count.refusals)
            })?;
        }
        Ok(())
    }
}

// --- reasons ---------------------------------------------------------------------------------------------------------

struct ReasonGet;

impl Command for ReasonGet {
    const NUMBER: u8 = command::REASON_GET;
    const POLICY: &'static [Policy] = &Policy::table::<2>(&[(reason::NUMBER, Policy::U32)]);
}

fn by_number(number: u32) -> Option<Reason> {
    let same = |reason: &Reason| *reason as u32 == number;
    Reason::ALL.into_iter().find(same)
}

fn put_reason(to: &mut Writer<'_>, of: Reason) -> Result {
    to.u32(reason::NUMBER, of as u32)?;
    to.string(reason::NAME, of.name().as_bytes())?;
    to.u32(reason::STAGE, of.stage() as u32)?;
    to.string(reason::TEXT, of.text().as_bytes())?;
    to.string(reason::ADVICE, of.advice().as_bytes())
}

impl Do for ReasonGet {
    fn run(request: &Request<'_>, answer: &mut Writer<'_>) -> Result {
        let number = request.require(reason::NUMBER)?;
        match by_number(number.u32()) {
            Some(reason) => put_reason(answer, reason),
            None => {
                let text = c"there is no reason with this number";
                Err(request.refuse(Some(number), text, code::ENOENT))
            }
        }
    }
}

struct ReasonDump;

impl Command for ReasonDump {
    const NUMBER: u8 = command::REASON_GET;
}

impl Dump for ReasonDump {
    fn check(_: &Request<'_>) -> Result {
        Ok(())
    }

    fn fill(_: &Request<'_>, answers: &mut Answers<'_>, cursor: &mut Cursor) -> Result {
        for reason in Reason::ALL {
            let number = u64::from(reason as u8);
            if number < cursor.entry {
                continue;
            }
            cursor.entry = number;
            answers.add(|to| put_reason(to, reason))?;
        }
        Ok(())
    }
}
