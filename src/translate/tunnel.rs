// SPDX-License-Identifier: GPL-2.0

//! Lightweight tunnels: the headers that a route adds around a packet.
//!
//! The packets of a direction are sent into the tunnel of their own route, and come out of the
//! tunnel of the other direction's route. The headers are removed before any other action and added
//! after every other one, so that the rewrites apply to the inner packet.

use crate::translate::{
    flow::{
        Flow,
        Side,
        Tunnel, //
    },
    refusal::Refusal,
    rule::{
        Action,
        Key,
        RuleSink, //
    },
    semantics::Semantics, //
};

/// Checks whether a driver supports the tunnels of both sides.
pub(super) fn check(flow: &Flow, semantics: Semantics) -> Result<(), Refusal> {
    if !semantics.tunnels && flow.sides().iter().any(|side| side.tunnel.is_some()) {
        return Err(Refusal::Tunnel);
    }
    Ok(())
}

/// Writes the match on the outer headers of packets that come out of the other direction's tunnel:
/// the addresses of that tunnel, swapped.
pub(super) fn write_match(other: &Side, sink: &mut impl RuleSink) {
    if let Some(tunnel) = other.tunnel {
        sink.key(Key::Tunnel(Tunnel {
            source: tunnel.destination,
            destination: tunnel.source,
            ..tunnel
        }));
    }
}

/// Writes the action that removes the headers of the other direction's tunnel.
pub(super) fn write_decap(other: &Side, sink: &mut impl RuleSink) -> Result<(), Refusal> {
    match other.tunnel {
        Some(_) => sink.action(Action::TunnelDecap),
        None => Ok(()),
    }
}

/// Writes the action that adds the headers of the direction's own tunnel.
pub(super) fn write_encap(side: &Side, sink: &mut impl RuleSink) -> Result<(), Refusal> {
    match side.tunnel {
        Some(tunnel) => sink.action(Action::TunnelEncap(tunnel)),
        None => Ok(()),
    }
}
