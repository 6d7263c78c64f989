// SPDX-License-Identifier: GPL-2.0

//! A flow of the core as the plain data that `translate` takes.

use crate::{
    netfilter,
    translate, //
};
use translate::{
    Egress,
    Family,
    Protocol,
    Refusal, //
};

const NFPROTO_IPV4: u8 = 2;
const NFPROTO_IPV6: u8 = 10;
const IPPROTO_TCP: u8 = 6;
const IPPROTO_UDP: u8 = 17;

/// Reads a flow. The answer for a neighbour is that of now.
pub(crate) fn read(flow: &netfilter::Flow) -> Result<translate::Flow, Refusal> {
    Ok(translate::Flow {
        family: match flow.family() {
            NFPROTO_IPV4 => Family::Ipv4,
            NFPROTO_IPV6 => Family::Ipv6,
            _ => return Err(Refusal::Protocol),
        },
        protocol: match flow.protocol() {
            IPPROTO_TCP => Protocol::Tcp,
            IPPROTO_UDP => Protocol::Udp,
            _ => return Err(Refusal::Protocol),
        },
        snat: flow.has_snat(),
        dnat: flow.has_dnat(),
        original: side(flow, netfilter::Dir::Original),
        reply: side(flow, netfilter::Dir::Reply),
    })
}

fn side(flow: &netfilter::Flow, dir: netfilter::Dir) -> translate::Side {
    let (source_port, destination_port) = flow.ports(dir);
    translate::Side {
        source: flow.source(dir),
        destination: flow.destination(dir),
        source_port,
        destination_port,
        ingress: flow.ingress_ifindex(dir),
        encapsulations: flow.encapsulations(dir),
        egress: egress(flow, dir),
    }
}

fn egress(flow: &netfilter::Flow, dir: netfilter::Dir) -> Egress {
    let hop = match flow.xmit(dir) {
        netfilter::Xmit::Direct(hop) => Ok(hop),
        netfilter::Xmit::Neigh => flow.neighbour(dir).map_err(|error| {
            if error == netfilter::eopnotsupp() {
                Refusal::NotEthernet
            } else {
                Refusal::Unresolved
            }
        }),
        netfilter::Xmit::Xfrm => Err(Refusal::Xfrm),
        netfilter::Xmit::Other => Err(Refusal::Transmit),
    };
    match hop {
        Ok(hop) => Egress::Ethernet {
            ifindex: hop.ifindex,
            source: hop.source,
            destination: hop.destination,
        },
        Err(refusal) => Egress::Impossible(refusal),
    }
}

/// A direction as `translate` calls it.
pub(crate) fn dir(dir: netfilter::Dir) -> translate::Dir {
    match dir {
        netfilter::Dir::Original => translate::Dir::Original,
        netfilter::Dir::Reply => translate::Dir::Reply,
    }
}
