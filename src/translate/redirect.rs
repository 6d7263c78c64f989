// SPDX-License-Identifier: GPL-2.0

//! The way out: the egress device, always the last action.

use super::{
    Action,
    Egress,
    Refusal,
    RuleSink,
    Side, //
};

pub(super) fn write(side: &Side, sink: &mut impl RuleSink) -> Result<(), Refusal> {
    match side.egress {
        Egress::Ethernet { ifindex, .. } | Egress::Tunnel { ifindex } => {
            sink.action(Action::Redirect(ifindex))
        }
        Egress::Impossible(refusal) => Err(refusal),
    }
}
