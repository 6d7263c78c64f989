// SPDX-License-Identifier: GPL-2.0

//! Checks whether the packets of a flow would still take the path that the flow has.
//!
//! The core learns a path from one packet and keeps it: a flow has the lowest device, the tags and
//! the addresses of each direction, and no memory of the route or the neighbour that they came
//! from.

use crate::{
    net::{
        flowtable::flow::{
            Flow,
            Xmit, //
        },
        route::{
            NoWay,
            Way, //
        }, //
    },
    offload::reason::Reason,
    proto::Dir, //
};

impl From<NoWay> for Reason {
    fn from(no_way: NoWay) -> Self {
        match no_way {
            NoWay::Route | NoWay::Tunnel => Reason::RouteChanged,
            NoWay::Policy => Reason::Xfrm,
            NoWay::Neighbour => Reason::NeighbourChanged,
            NoWay::Path => Reason::PathChanged,
        }
    }
}

/// What is different.
#[derive(Clone, Copy)]
pub(super) struct Difference {
    /// The difference as the flow's reason to end.
    pub(super) reason: Reason,
    /// Packets of the flow are not forwarded at all, whatever else they carry.
    pub(super) is_final: bool,
    /// A bridge does not forward them. The core does not see that, so it makes such flows at any
    /// time.
    pub(super) is_blocked: bool,
}

impl From<Reason> for Difference {
    fn from(reason: Reason) -> Self {
        Self {
            reason,
            is_final: false,
            is_blocked: false,
        }
    }
}

/// Looks up the paths of both directions and compares them with those that the flow has.
///
/// Returns what is different. A policy rule may match a mark that is not saved, so the mark of the
/// connection is tried as well. May be called in atomic context.
pub(super) fn difference(flow: &Flow) -> Option<Difference> {
    let difference = difference_with(flow, 0)?;
    match flow.mark() {
        0 => Some(difference),
        mark => difference_with(flow, mark),
    }
}

fn difference_with(flow: &Flow, mark: u32) -> Option<Difference> {
    let ways = [Dir::Original, Dir::Reply].map(|dir| flow.way(dir, mark));
    // Checked on the device that the flow has, whatever else is different.
    let blocked = |dir: Dir, way: &Result<Way, NoWay>| {
        way.as_ref()
            .is_ok_and(|way| way.is_blocked && flow.ingress_ifindex(dir.other()) == way.hop.ifindex)
    };
    let [original, reply] = &ways;
    if blocked(Dir::Original, original) || blocked(Dir::Reply, reply) {
        return Some(Difference {
            reason: Reason::PathChanged,
            is_final: true,
            is_blocked: true,
        });
    }
    let [original, reply] = match ways {
        [Ok(original), Ok(reply)] => [original, reply],
        [Err(no_way), _] | [_, Err(no_way)] => {
            let no_route = matches!(no_way, NoWay::Route | NoWay::Policy | NoWay::Tunnel);
            return Some(Difference {
                is_final: no_route && !flow.net().has_policy_rules(flow.family()),
                ..Difference::from(Reason::from(no_way))
            });
        }
    };
    // The egress of one direction is the ingress of the other.
    if !original.forwards || !reply.forwards {
        return Some(Difference {
            is_final: true,
            ..Difference::from(Reason::RouteChanged)
        });
    }
    of_direction(flow, Dir::Original, &original)
        .or_else(|| of_direction(flow, Dir::Reply, &reply))
        .map(Difference::from)
}

fn of_direction(flow: &Flow, dir: Dir, way: &Way) -> Option<Reason> {
    if !way.is_up {
        return Some(Reason::PathChanged);
    }
    if flow.ingress_ifindex(dir.other()) != way.hop.ifindex {
        return Some(Reason::RouteChanged);
    }
    if flow.encaps(dir.other()) != way.encaps {
        return Some(Reason::PathChanged);
    }
    if let Xmit::Direct(hop) = flow.xmit(dir) {
        if hop.ifindex != way.hop.ifindex || hop.source != way.hop.source {
            return Some(Reason::PathChanged);
        }
        if hop.destination != way.hop.destination {
            return Some(Reason::NeighbourChanged);
        }
    }
    // The core keeps 16 bits.
    (flow.mtu(dir) != way.mtu & 0xffff).then_some(Reason::MtuChanged)
}
