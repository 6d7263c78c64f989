// SPDX-License-Identifier: GPL-2.0

//! The commands on flows.

use crate::{
    net::{
        flowtable::{
            flow::{
                Flow,
                Tuple, //
            },
            instances, //
        },
        genetlink::{
            command::{
                Command,
                Cursor,
                Do,
                Dump, //
            },
            message::{
                Answers,
                Writer, //
            },
            policy::Policy,
            request::{
                Attribute,
                Request, //
            }, //
        },
        netdevice::Netns, //
    },
    offload::{
        reason::Reason,
        record::{
            self,
            Record, //
        }, //
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
        netlink::{
            attribute::{
                command,
                direction,
                flow,
                NAME, //
            },
            message::{
                address,
                called,
                put_flow,
                State, //
            },
            reason::by_number,
            walk::{
                stop_at,
                walk_flows,
                walk_tables,
                Engine,
                Tables,
                CHUNK, //
            }, //
        }, //
    },
    uapi, //
};
use core::ops::ControlFlow::{
    Break,
    Continue, //
};
use kernel::{
    error::code,
    prelude::*, //
};

/// The command that reads one flow.
pub(super) struct FlowGet;

impl Command for FlowGet {
    const NUMBER: u8 = command::FLOW_GET;
    const ADMIN: bool = true;
    const POLICY: &'static [Policy] = &Policy::table::<{ flow::END }>(&[
        (flow::TABLE, NAME),
        (flow::FLOWTABLE, NAME),
        (flow::TABLE_FAMILY, Policy::U8),
        (flow::PROTOCOL, Policy::U8),
        // A prefix is refused later, after its value has been checked.
        (flow::ORIGINAL, Policy::nested(PART)),
        (flow::ZONE, Policy::U16),
    ]);
}

/// The policy of an address. [`read_address`] refuses one whose length is between those of IPv4 and
/// IPv6.
// CAST: The lengths of addresses.
pub(super) const ADDRESS: Policy = Policy::bytes(
    uapi::NFT_OFFLOAD_IPV4_LEN as i16,
    uapi::NFT_OFFLOAD_IPV6_LEN as i16,
);

/// Reads an address of a request. Returns `EINVAL` for a wrong length.
pub(super) fn read_address<'a>(request: &Request<'a>, from: Attribute<'a>) -> Result<&'a [u8]> {
    let bytes = from.bytes();
    match bytes.len() {
        4 | 16 => Ok(bytes),
        _ => {
            let text = c"invalid address length: expected 4 or 16 bytes";
            Err(request.refuse(Some(from), text, code::EINVAL))
        }
    }
}

/// A flow that is requested by the packets of a direction.
pub(super) struct Wanted<'a> {
    tuple: Tuple<'a>,
    zone: Option<u16>,
}

impl<'a> Wanted<'a> {
    /// Reads the flow of a request, and the attribute that holds its tuple.
    pub(super) fn read(request: &Request<'a>) -> Result<(Self, Attribute<'a>)> {
        let protocol = request.require(flow::PROTOCOL)?;
        let tuple = request.require(flow::ORIGINAL)?;
        for prefix in [direction::SOURCE_PREFIX, direction::DESTINATION_PREFIX] {
            if let Some(prefix) = tuple.get(prefix) {
                let text = c"prefix is valid in dumps only";
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
            let text = c"source and destination differ in address family";
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

    /// Returns whether a direction of a flow has this tuple and zone.
    pub(super) fn is_of(&self, of: &Flow, dir: Dir) -> bool {
        let (family, tuple) = (of.family(), &self.tuple);
        tuple.protocol == of.protocol()
            && tuple.ports == of.ports(dir)
            && tuple.source == address(family, &of.source(dir))
            && tuple.destination == address(family, &of.destination(dir))
            && self.zone.is_none_or(|zone| zone == of.zone())
    }

    /// Returns whether such a flow can exist. Without a zone it is looked up in zone 0.
    pub(super) fn may_exist(&self, net: Netns<'_>) -> bool {
        match self.tuple.protocol {
            IPPROTO_TCP | IPPROTO_UDP => self.tuple.is_tracked(net, self.zone.unwrap_or(0)),
            // Conntrack knows a GRE call by its keys.
            _ => true,
        }
    }

    /// Refuses the request, as the flow does not exist.
    pub(super) fn refuse(&self, request: &Request<'_>, tuple: Attribute<'_>) -> Error {
        let text = c"no such flow in a flowtable with flags offload";
        request.refuse(Some(tuple), text, code::ENOENT)
    }

    /// Returns whether this is the flow. A flow that is ending matches only if `removing`, and any
    /// other only if not.
    pub(super) fn is(&self, of: &Flow, record: &Record, removing: bool) -> bool {
        (record.state == record::State::Removing) == removing
            && (self.is_of(of, Dir::Original) || self.is_of(of, Dir::Reply))
    }

    /// Writes the flow if the core finds it without a walk, as it does for packets without tags.
    pub(super) fn answer_at_once(
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
    /// Answers with the first flow that has this tuple in one of its directions. A flow that is
    /// ending is the answer only if there is no other.
    fn run(request: &Request<'_>, answer: &mut Writer<'_>) -> Result {
        let (wanted, attribute) = Wanted::read(request)?;
        let tables = Tables::new(request);
        if let Some(result) = wanted.answer_at_once(request.net(), &tables, answer) {
            return result;
        }
        // A flow that the core does not find in this way has tags or tunnels, is ending, or does
        // not exist. All flows are walked only for a connection that conntrack knows.
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

/// The command that lists flows.
pub(super) struct FlowDump;

impl Command for FlowDump {
    const NUMBER: u8 = command::FLOW_GET;
    const ADMIN: bool = true;
    const POLICY: &'static [Policy] = &FILTER;
}

/// The policy of the attributes that flows can be filtered by.
pub(super) const FILTER: [Policy; flow::END] = Policy::table(&[
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

/// The policy of the number of significant bits of an address.
// CAST: The number of bits of an address.
pub(super) const PREFIX: Policy = Policy::u8_up_to(uapi::NFT_OFFLOAD_MAX_PREFIX as i16);

/// The policy of a part of the tuple of a direction.
pub(super) const PART: &[Policy] = &Policy::table::<{ direction::END }>(&[
    (direction::SOURCE, ADDRESS),
    (direction::DESTINATION, ADDRESS),
    (direction::SOURCE_PORT, Policy::BE16),
    (direction::DESTINATION_PORT, Policy::BE16),
    (direction::SOURCE_PREFIX, PREFIX),
    (direction::DESTINATION_PREFIX, PREFIX),
]);

/// Reads an address of a request with the number of its significant bits, if there is one.
pub(super) fn read_prefix<'a>(
    request: &Request<'a>,
    address: Option<Attribute<'a>>,
    bits: Option<Attribute<'a>>,
) -> Result<Option<Prefix<'a>>> {
    let refuse = |text| Err(request.refuse(bits, text, code::EINVAL));
    let Some(address) = address else {
        return match bits {
            Some(_) => refuse(c"prefix without address"),
            None => Ok(None),
        };
    };
    match Prefix::new(read_address(request, address)?, bits.map(Attribute::u8)) {
        Some(prefix) => Ok(Some(prefix)),
        None => refuse(c"prefix exceeds the length of the address"),
    }
}

/// Reads a part of the tuple of a direction from a request, if there is one.
pub(super) fn read_part<'a>(request: &Request<'a>, number: u16) -> Result<Option<Part<'a>>> {
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
            let text = c"source and destination differ in address family";
            let of = nest.get(direction::DESTINATION);
            Err(request.refuse(of, text, code::EINVAL))
        }
        _ => Ok(Some(part)),
    }
}

/// Reads a mark of a request with its significant bits, if there is one.
pub(super) fn read_mark(request: &Request<'_>) -> Result<Option<Mark>> {
    let mask = request.get(flow::MARK_MASK);
    let Some(mark) = request.get(flow::MARK) else {
        let text = c"mark mask without mark";
        return match mask {
            Some(_) => Err(request.refuse(mask, text, code::EINVAL)),
            None => Ok(None),
        };
    };
    let text = c"mark has bits outside its mask";
    let read = Mark::new(mark.u32(), mask.map(Attribute::u32));
    let read = read.ok_or_else(|| request.refuse(Some(mark), text, code::EINVAL))?;
    Ok(Some(read))
}

/// A filter on flows. An absent field matches any flow.
pub(super) struct Filter<'a> {
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
    /// Reads the filter of a request. Returns `EINVAL` with the attribute at fault.
    pub(super) fn read(request: &Request<'a>) -> Result<Self> {
        let reason = request.get(flow::REASON);
        if let Some(reason) = reason {
            if by_number(reason.u32()).is_none() {
                let text = c"unknown reason";
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

    /// Returns whether the filter depends on the outcome of the attempts to offload a flow.
    pub(super) fn is_of_tried(&self) -> bool {
        self.state.is_some() || self.reason.is_some()
    }

    /// Returns whether the filter matches a flow.
    pub(super) fn wants(&self, of: &Flow, record: &Record) -> bool {
        self.state
            .is_none_or(|wanted| wanted == State::of(record) as u32)
            && self
                .reason
                .is_none_or(|wanted| record.reason().is_some_and(|is| is as u32 == wanted))
            && self.wants_whatever_came(of)
    }

    /// Returns whether the filter matches a flow, regardless of the outcome of the attempts to
    /// offload it.
    ///
    /// Devices, addresses and ports are compared on both sides and in both directions. This
    /// function can be called in atomic context.
    pub(super) fn wants_whatever_came(&self, of: &Flow) -> bool {
        let any = |f: &dyn Fn(Dir) -> bool| f(Dir::Original) || f(Dir::Reply);
        let family = of.family();
        let is_part = |part: &Option<Part<'_>>, dir| {
            part.as_ref().is_none_or(|part| {
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
            && is_part(&self.original, Dir::Original)
            && is_part(&self.reply, Dir::Reply)
            && self.address.as_ref().is_none_or(|wanted| {
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
            && self.mark.is_none_or(|wanted| wanted.has(of.mark()))
            && self.zone.is_none_or(|wanted| wanted == of.zone())
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

/// The command that evicts or ends flows.
pub(super) struct FlowEvict;

impl Command for FlowEvict {
    const NUMBER: u8 = command::FLOW_EVICT;
    const ADMIN: bool = true;
    const POLICY: &'static [Policy] = &Policy::with(FILTER, flow::RELEARN, Policy::FLAG);
}

/// Removes flows from hardware until they end. Returns the number of flows removed.
pub(super) fn evict(net: Netns<'_>, tables: &Tables<'_>, filter: &Filter<'_>) -> u64 {
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

/// Ends flows, so that their next packets pass the ruleset. Returns the number of flows ended.
pub(super) fn relearn(net: Netns<'_>, tables: &Tables<'_>, filter: &Filter<'_>) -> u64 {
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
