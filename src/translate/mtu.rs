// SPDX-License-Identifier: GPL-2.0

//! The size of packets.
//!
//! The software path passes a packet that is too large for its way out to the slow path, which
//! answers it with ICMP. Hardware forwards or drops such a packet. A flow therefore stays in
//! software where such a packet can arrive.

use crate::translate::{
    encapsulation::pppoe_headers,
    flow::{
        Flow,
        Side, //
    },
    refusal::Refusal,
    semantics::Semantics, //
};

/// Size in bytes of a PPPoE header (`PPPOE_SES_HLEN`), which counts towards the MTU of a device;
/// VLAN tags do not.
const PPPOE_SES_HLEN: u32 = 8;

/// Checks whether all packets of both directions fit through their way out.
pub(super) fn check(flow: &Flow, semantics: Semantics) -> Result<(), Refusal> {
    let fits = |side: &Side, other: &Side| {
        let pppoe = |side| pppoe_headers(side).saturating_mul(PPPOE_SES_HLEN);
        let mtu = side.mtu;
        let largest = mtu.ingress.saturating_sub(pppoe(side));
        if largest <= mtu.flow {
            return true;
        }
        // Hardware that checks sizes only knows the MTU of its devices. This is sufficient where
        // nothing but the egress device limits the flow; the profile says how far it can be relied
        // on.
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
