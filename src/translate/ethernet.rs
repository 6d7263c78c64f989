// SPDX-License-Identifier: GPL-2.0

//! The Ethernet addresses of the frame that leaves.
//!
//! The twelve bytes are written as four words, exactly as the C core does (`flow_offload_eth_src`,
//! `flow_offload_eth_dst`): drivers tell the halves apart by the masks.

use crate::{
    proto::Header,
    translate::{
        flow::{
            Egress,
            Family,
            Flow,
            Side, //
        },
        refusal::Refusal,
        rule::{
            Action,
            RuleSink,
            Word, //
        },
        semantics::Semantics, //
    }, //
};

const REPLACE_ALL: [u8; 4] = [0; 4];
const KEEP_FIRST_HALF: [u8; 4] = [0xff, 0xff, 0, 0];
const KEEP_SECOND_HALF: [u8; 4] = [0, 0, 0xff, 0xff];

/// Checks whether a driver writes the addresses of both directions.
pub(super) fn check(flow: &Flow, semantics: Semantics) -> Result<(), Refusal> {
    if semantics.source_mac6 || flow.family == Family::Ipv4 {
        return Ok(());
    }
    for side in flow.sides() {
        if let Egress::Ethernet {
            own_source: false, ..
        } = side.egress
        {
            return Err(Refusal::SourceMac);
        }
    }
    Ok(())
}

/// Writes the actions that set the addresses of the frame.
pub(super) fn write(side: &Side, sink: &mut impl RuleSink) -> Result<(), Refusal> {
    let (source, destination) = match side.egress {
        Egress::Ethernet {
            source,
            destination,
            ..
        } => (source, destination),
        // A tunnel device has no Ethernet frame to write to.
        Egress::Tunnel { .. } => return Ok(()),
        Egress::Impossible(refusal) => return Err(refusal),
    };
    let [s0, s1, s2, s3, s4, s5] = source;
    let [d0, d1, d2, d3, d4, d5] = destination;
    for (offset, keep, value) in [
        (4, KEEP_FIRST_HALF, [0, 0, s0, s1]),
        (8, REPLACE_ALL, [s2, s3, s4, s5]),
        (0, REPLACE_ALL, [d0, d1, d2, d3]),
        (4, KEEP_SECOND_HALF, [d4, d5, 0, 0]),
    ] {
        sink.action(Action::Mangle(Word {
            header: Header::Ethernet,
            offset,
            keep,
            value,
        }))?;
    }
    Ok(())
}
