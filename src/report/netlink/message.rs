// SPDX-License-Identifier: GPL-2.0

//! The contents of answers and events: devices and flows.

use crate::{
    net::{
        flowtable::{
            flow::Flow,
            instances::Names, //
        },
        genetlink::message::{
            Word,
            Writer, //
        },
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
        record::{
            self,
            Record, //
        }, //
    },
    proto::Dir,
    report::netlink::attribute::{
        capabilities,
        device,
        direction,
        encapsulation,
        flow,
        refusal, //
    },
    uapi, //
};
use kernel::prelude::*;

/// The names of a flowtable: the family of its table, its table, and its own name.
pub(super) type Called<'a> = (u8, &'a [u8], &'a [u8]);

/// Returns the names of a flowtable.
pub(super) fn called(names: &Names) -> Called<'_> {
    (names.family, &names.table, &names.flowtable)
}

/// Writes the names of a flowtable.
pub(super) fn put_names(to: &mut Writer<'_>, (family, table, flowtable): Called<'_>) -> Result {
    to.string(device::TABLE, table)?;
    to.string(device::FLOWTABLE, flowtable)?;
    to.u8(device::TABLE_FAMILY, family)
}

/// Returns an errno as a positive number.
pub(super) fn errno(error: Error) -> u32 {
    error.to_errno().unsigned_abs()
}

/// Writes what the driver of a device can do according to its profile, and whether the driver has
/// been seen to report the use of a rule.
pub(super) fn put_capabilities(to: &mut Writer<'_>, of: &Binding) -> Result {
    let semantics = &of.profile.semantics;
    to.u8(capabilities::VLAN_DEPTH, semantics.vlan_depth())?;
    let flags = [
        // Every profile supports these.
        (capabilities::IPV4, true),
        (capabilities::IPV6, true),
        (capabilities::NAT4, semantics.nat4),
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

/// Writes a device.
pub(super) fn put_device(to: &mut Writer<'_>, names: Called<'_>, of: &Device<'_>) -> Result {
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

/// The state of a flow, with the numbers of the interface.
#[derive(Clone, Copy)]
#[repr(u32)]
pub(super) enum State {
    Software = uapi::NFT_OFFLOAD_STATE_SOFTWARE,
    InHardware = uapi::NFT_OFFLOAD_STATE_IN_HARDWARE,
    Removing = uapi::NFT_OFFLOAD_STATE_REMOVING,
    OneDirection = uapi::NFT_OFFLOAD_STATE_ONE_DIRECTION,
}

impl State {
    /// Returns the state of a flow.
    pub(super) fn of(record: &Record) -> Self {
        match record.state {
            record::State::InHardware(_) => State::InHardware,
            record::State::OneDirection(..) => State::OneDirection,
            record::State::Software(_) => State::Software,
            record::State::Removing => State::Removing,
        }
    }
}

impl State {
    /// Returns the state of a direction; [`State::OneDirection`] is a state of flows only.
    pub(super) fn of_direction(record: &Record, dir: Dir) -> Self {
        match record.state {
            record::State::Removing => State::Removing,
            _ if record.rule(dir).is_some() => State::InHardware,
            _ => State::Software,
        }
    }
}

/// Returns an address as it is in a message: 4 or 16 bytes.
pub(super) fn address(family: u8, address: &[u8; 16]) -> &[u8] {
    match u32::from(family) {
        uapi::NFT_OFFLOAD_NFPROTO_IPV4 => address.first_chunk::<4>().map_or(address, |short| short),
        _ => address,
    }
}

/// Writes both addresses of the packets of a direction.
fn put_addresses(to: &mut Writer<'_>, of: &Flow, dir: Dir) -> Result {
    let (source, destination) = (of.source(dir), of.destination(dir));
    if u32::from(of.family()) != uapi::NFT_OFFLOAD_NFPROTO_IPV4 {
        to.bytes(direction::SOURCE, &source)?;
        return to.bytes(direction::DESTINATION, &destination);
    }
    let ([a, b, c, d, ..], [e, f, g, h, ..]) = (source, destination);
    to.words([
        Word::bytes(direction::SOURCE, [a, b, c, d]),
        Word::bytes(direction::DESTINATION, [e, f, g, h]),
    ])
}

/// Writes a direction of a flow.
pub(super) fn put_direction(to: &mut Writer<'_>, of: &Flow, record: &Record, dir: Dir) -> Result {
    put_addresses(to, of, dir)?;
    let (source, destination) = of.ports(dir);
    let source = Word::be16(direction::SOURCE_PORT, source);
    let destination = Word::be16(direction::DESTINATION_PORT, destination);
    let ingress = Word::u32(direction::INGRESS, of.ingress_ifindex(dir));
    let state = Word::u32(direction::STATE, State::of_direction(record, dir) as u32);
    match of.egress_ifindex(dir) {
        0 => to.words([source, destination, ingress, state])?,
        egress => {
            let egress = Word::u32(direction::EGRESS, egress);
            to.words([source, destination, ingress, egress, state])?
        }
    }
    if let Some(cookie) = record.rule(dir) {
        to.uint(direction::COOKIE, cookie.get())?;
    }
    for encap in of.encaps(dir).iter().flatten() {
        to.nest(direction::ENCAPSULATION, |to| {
            to.u16(encapsulation::ETHERTYPE, encap.ethertype)?;
            to.u16(encapsulation::ID, encap.id)
        })?;
    }
    let carried = record.carried(dir);
    to.uints([
        (direction::PACKETS, carried.packets),
        (direction::BYTES, carried.bytes),
    ])
}

/// Writes a flow.
pub(super) fn put_flow(
    to: &mut Writer<'_>,
    names: Called<'_>,
    of: &Flow,
    record: &Record,
) -> Result {
    put_names(to, names)?;
    to.words([
        Word::u8(flow::FAMILY, of.family()),
        Word::u8(flow::PROTOCOL, of.protocol()),
        Word::u32(flow::STATE, State::of(record) as u32),
    ])?;
    if let Some(reason) = record.reason() {
        to.u32(flow::REASON, reason as u32)?;
    }
    if record.errno != 0 {
        to.u32(flow::ERRNO, record.errno.into())?;
    }
    let now = jiffies64();
    let ago = |time| milliseconds(now.saturating_sub(time));
    to.uints([
        (flow::TRIES, record.refusals.into()),
        (flow::AGE, milliseconds(record.age(now))),
        (flow::HARDWARE_MISSES, record.misses.into()),
        (flow::SINCE, ago(record.since)),
    ])?;
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
    to.words([
        Word::u32(flow::CONNTRACK_ID, of.connection_id()),
        Word::u32(flow::MARK, of.mark()),
        Word::u16(flow::ZONE, of.zone()),
    ])
}
