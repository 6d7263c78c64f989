// SPDX-License-Identifier: GPL-2.0

//! Lightweight tunnels: the headers that a route puts around a packet.
//!
//! A direction's packets are sent into the tunnel of their own route and come out of that of the other direction's. The
//! headers go off before anything else is done, and on after everything else, so that the rewrites hit the inner packet.

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

/// Whether a driver takes the tunnels of both sides.
pub(super) fn check(flow: &Flow, semantics: Semantics) -> Result<(), Refusal> {
    if !semantics.tunnels && flow.sides().iter().any(|side| side.tunnel.is_some()) {
        return Err(Refusal::Tunnel);
    }
    Ok(())
}

/// Writes the outer headers of packets that come out of the other direction's tunnel: its addresses the other way round.
pub(super) fn write_match(other: &Side, sink: &mut impl RuleSink) {
    if let Some(tunnel) = other.tunnel {
        sink.key(Key::Tunnel(Tunnel {
            source: tunnel.destination,
            destination: tunnel.source,
            ..tunnel
        }));
    }
}

/// Takes the headers of the other direction's tunnel off.
pub(super) fn write_decap(other: &Side, sink: &mut impl RuleSink) -> Result<(), Refusal> {
    match other.tunnel {
        Some(_) => sink.action(Action::TunnelDecap),
        None => Ok(()),
    }
}

/// Puts the headers of the direction's own tunnel on.
pub(super) fn write_encap(side: &Side, sink: &mut impl RuleSink) -> Result<(), Refusal> {
    match side.tunnel {
        Some(tunnel) => sink.action(Action::TunnelEncap(tunnel)),
        None => Ok(()),
    }
}
