// SPDX-License-Identifier: GPL-2.0

//! The way out: the redirect to the egress device, which is always the last action.

use crate::translate::{
    flow::{
        Egress,
        Flow,
        Side, //
    },
    refusal::Refusal,
    rule::{
        Action,
        RuleSink, //
    }, //
};

/// Checks whether both directions have a way out.
pub(super) fn check(flow: &Flow) -> Result<(), Refusal> {
    for side in flow.sides() {
        if let Egress::Impossible(refusal) = side.egress {
            return Err(refusal);
        }
    }
    Ok(())
}

/// Writes the action that sends the packet out.
pub(super) fn write(side: &Side, sink: &mut impl RuleSink) -> Result<(), Refusal> {
    match side.egress {
        Egress::Ethernet { ifindex, .. } | Egress::Tunnel { ifindex } => {
            sink.action(Action::Redirect(ifindex))
        }
        Egress::Impossible(refusal) => Err(refusal),
    }
}
