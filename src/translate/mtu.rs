// SPDX-License-Identifier: GPL-2.0

//! The size of packets. The software path hands a packet that is too large for its way out to the slow path, which
//! answers it with ICMP; hardware sends it on regardless, or drops it. So a flow stays in software where such a packet
//! can arrive.

use crate::translate::{
    encapsulation::pppoe_headers,
    flow::{
        Flow,
        Side, //
    },
    refusal::Refusal,
    semantics::Semantics, //
};

/// Bytes of a PPPoE header (`PPPOE_SES_HLEN`), which is inside of a device's MTU; VLAN tags are not.
const PPPOE_SES_HLEN: u32 = 8;

/// Whether all packets of both directions fit where they go.
pub(super) fn check(flow: &Flow, semantics: Semantics) -> Result<(), Refusal> {
    let fits = |side: &Side, other: &Side| {
        let pppoe = |side| pppoe_headers(side).saturating_mul(PPPOE_SES_HLEN);
        let mtu = side.mtu;
        let largest = mtu.ingress.saturating_sub(pppoe(side));
        if largest <= mtu.flow {
            return true;
        }
        // Hardware that looks at sizes knows those of its devices only. That is good enough where nothing but the egress
        // device limits the flow; how good, the profile says.
        semantics.checks_mtu
            && mtu.egress != 0
            && mtu.ingress <= mtu.egress
            && mtu.flow.saturating_add(pppoe(other)) >= mtu.egress
    };
    if fits(&flow.original, &flow.reply) && fits(&flow.reply, &flow.original) {
        Ok(())
    } else {
        Err(Refusal::Oversize)
    }
}
