// SPDX-License-Identifier: GPL-2.0

//! Reads a flow of the core as the plain data that `translate` takes.

use crate::{
    net::{
        flowtable::flow::{
            self,
            Flow,
            NeighbourError,
            TunnelInfo,
            Xmit, //
        },
        netdevice::{
            Netns,
            Port, //
        }, //
    },
    offload::reason::Reason,
    proto::{
        Dir,
        ETH_P_8021AD,
        ETH_P_8021Q,
        ETH_P_PPP_SES,
        IPPROTO_GRE,
        IPPROTO_TCP,
        IPPROTO_UDP,
        NFPROTO_IPV4,
        NFPROTO_IPV6, //
    },
    translate::{
        flow::{
            Egress,
            Family,
            Flow as PlainFlow,
            Layer,
            Layers,
            Mtu,
            Protocol,
            Side,
            Tag,
            Tunnel, //
        },
        refusal::Refusal, //
    }, //
};

/// The devices of a flow that were looked up. Its directions usually go through the same two.
struct Ports<'a> {
    net: Netns<'a>,
    known: [Option<(u32, Option<Port>)>; 2],
}

impl Ports<'_> {
    /// Returns the device with this index, looked up the first time; `None` if there is none.
    fn get(&mut self, ifindex: u32) -> Option<Port> {
        let mut known = self.known.iter().flatten();
        if let Some((_, port)) = known.find(|(index, _)| *index == ifindex) {
            return *port;
        }
        let port = self.net.port(ifindex);
        if let Some(free) = self.known.iter_mut().find(|known| known.is_none()) {
            *free = Some((ifindex, port));
        }
        port
    }
}

/// Reads a flow whose devices are in `net`.
///
/// Neighbours and devices are read in their present state.
pub(crate) fn read(flow: &Flow, net: Netns<'_>) -> Result<PlainFlow, Reason> {
    let mut ports = Ports {
        net,
        known: [None; 2],
    };
    Ok(PlainFlow {
        family: match flow.family() {
            NFPROTO_IPV4 => Family::Ipv4,
            NFPROTO_IPV6 => Family::Ipv6,
            _ => return Err(Reason::from(Refusal::Protocol)),
        },
        protocol: match flow.protocol() {
            IPPROTO_TCP => Protocol::Tcp,
            IPPROTO_UDP => Protocol::Udp,
            IPPROTO_GRE => Protocol::Gre,
            _ => return Err(Reason::from(Refusal::Protocol)),
        },
        snat: flow.has_snat(),
        dnat: flow.has_dnat(),
        original: side(flow, Dir::Original, &mut ports)?,
        reply: side(flow, Dir::Reply, &mut ports)?,
    })
}

#[inline(always)]
fn side(flow: &Flow, dir: Dir, ports: &mut Ports<'_>) -> Result<Side, Refusal> {
    let (source_port, destination_port) = flow.ports(dir);
    let ingress = flow.ingress_ifindex(dir);
    let tunnel = match flow.tunnel(dir) {
        flow::Tunnel::None => None,
        flow::Tunnel::Ip(info) => Some(tunnel(info)),
        flow::Tunnel::Other => return Err(Refusal::Lwtunnel),
    };
    let (egress, egress_mtu) = egress(flow, dir, ports, tunnel.is_some());
    Ok(Side {
        source: flow.source(dir),
        destination: flow.destination(dir),
        source_port,
        destination_port,
        ingress,
        layers: layers(flow, dir, ports.net),
        mtu: Mtu {
            ingress: ports.get(ingress).map_or(0, |port| port.mtu),
            egress: egress_mtu,
            flow: flow.mtu(dir),
        },
        tunnel,
        egress,
    })
}

fn layers(flow: &Flow, dir: Dir, net: Netns<'_>) -> Layers {
    let encaps = flow.encaps(dir);
    if encaps.iter().all(Option::is_none) {
        return [None; 2];
    }
    let mut priorities = flow.egress_priorities(dir, net).into_iter();
    encaps.map(|encap| {
        let priority = priorities.next().unwrap_or(0);
        let encap = encap?;
        Some(match encap.ethertype {
            ETH_P_8021Q | ETH_P_8021AD => Layer::Vlan(Tag {
                tpid: encap.ethertype,
                vid: encap.id,
                priority,
                by_switch: encap.by_switch,
            }),
            ETH_P_PPP_SES => Layer::Pppoe(encap.id),
            other => Layer::Other(other),
        })
    })
}

fn tunnel(info: TunnelInfo) -> Tunnel {
    Tunnel {
        id: info.id,
        family: if info.ipv6 {
            Family::Ipv6
        } else {
            Family::Ipv4
        },
        source: info.source,
        destination: info.destination,
        port: info.port,
    }
}

/// Returns where a direction goes, and the MTU of the device there, 0 if it is gone.
fn egress(flow: &Flow, dir: Dir, ports: &mut Ports<'_>, has_tunnel: bool) -> (Egress, u32) {
    let hop = match flow.xmit(dir) {
        Xmit::Direct(hop) => hop,
        Xmit::Neigh => match flow.neighbour(dir) {
            Ok(hop) => hop,
            Err(NeighbourError::NotEthernet(ifindex)) if has_tunnel => {
                return (Egress::Tunnel { ifindex }, 0);
            }
            Err(NeighbourError::NotEthernet(_)) => {
                return (Egress::Impossible(Refusal::NotEthernet), 0);
            }
            Err(NeighbourError::Unresolved) => {
                return (Egress::Impossible(Refusal::Unresolved), 0);
            }
        },
        Xmit::Xfrm => return (Egress::Impossible(Refusal::Xfrm), 0),
        Xmit::Other => return (Egress::Impossible(Refusal::Transmit), 0),
    };
    let port = ports.get(hop.ifindex);
    // A direct flow has dropped the route that knew the tunnel's header.
    if !has_tunnel && port.is_some_and(|port| port.tunnel) {
        return (Egress::Impossible(Refusal::TunnelDevice), 0);
    }
    (
        Egress::Ethernet {
            ifindex: hop.ifindex,
            source: hop.source,
            destination: hop.destination,
            own_source: port.is_some_and(|port| port.address == hop.source),
        },
        port.map_or(0, |port| port.mtu),
    )
}
