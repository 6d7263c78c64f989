// SPDX-License-Identifier: GPL-2.0

//! Writes a translation into the kernel's form of a rule.

use crate::{
    net::{
        flow_offload::rule::RuleBuilder,
        flowtable::flow::Flow,
        netdevice::Netns, //
    },
    proto::{
        Dir,
        PPP_IP,
        PPP_IPV6, //
    },
    translate::{
        flow::{
            Family,
            Protocol,
            Tunnel, //
        },
        refusal::Refusal,
        rule::{
            Action,
            Key,
            RuleSink,
            Word, //
        }, //
    }, //
};
use kernel::error::code;

/// A rule for a driver, under construction.
pub(crate) struct DriverRule<'a> {
    builder: RuleBuilder<'a>,
    flow: &'a Flow,
    dir: Dir,
    net: Netns<'a>,
}

impl<'a> DriverRule<'a> {
    /// Makes an empty rule for the original direction of a flow whose devices are in `net`.
    pub(crate) fn new(flow: &'a Flow, net: Netns<'a>) -> Result<Self, Refusal> {
        let builder = RuleBuilder::new().map_err(|_| Refusal::NoMemory)?;
        Ok(Self {
            builder,
            flow,
            dir: Dir::Original,
            net,
        })
    }

    /// Empties the rule, which is then written for a direction.
    pub(crate) fn begin(&mut self, dir: Dir) {
        self.builder.clear();
        self.dir = dir;
    }

    /// Returns the rule as the driver takes it.
    pub(crate) fn as_rule(&self) -> &RuleBuilder<'a> {
        &self.builder
    }
}

fn ipv4([a, b, c, d, ..]: [u8; 16]) -> [u8; 4] {
    [a, b, c, d]
}

impl RuleSink for DriverRule<'_> {
    // Inlined, so that each key of a translation becomes the stores that it stands for.
    #[inline(always)]
    fn key(&mut self, key: Key) {
        let rule = &mut self.builder;
        match key {
            Key::Ingress(ifindex) => rule.match_ingress(ifindex),
            Key::Tunnel(Tunnel {
                id,
                family,
                source,
                destination,
                port,
            }) => {
                if let Some(id) = id {
                    rule.match_tunnel_id(id);
                }
                match family {
                    Family::Ipv4 => rule.match_tunnel_ipv4(ipv4(source), ipv4(destination)),
                    Family::Ipv6 => rule.match_tunnel_ipv6(source, destination),
                }
                if port != [0; 2] {
                    rule.match_tunnel_port(port);
                }
            }
            Key::Vlan {
                tpid,
                vid,
                priority,
                next,
            } => rule.match_vlan(tpid, vid, priority, next),
            Key::InnerVlan { tpid, vid, next } => rule.match_inner_vlan(tpid, vid, next),
            Key::Pppoe { session, family } => rule.match_pppoe(
                session,
                match family {
                    Family::Ipv4 => PPP_IP,
                    Family::Ipv6 => PPP_IPV6,
                },
            ),
            Key::NotFragment => rule.match_not_fragment(),
            Key::Protocols {
                ethertype,
                ip_protocol,
            } => rule.match_protocols(ethertype, ip_protocol),
            Key::Ipv4(source, destination) => rule.match_ipv4(source, destination),
            Key::Ipv6(source, destination) => rule.match_ipv6(source, destination),
            Key::Ports(source, destination) => rule.match_ports(source, destination),
            Key::TcpFlags { flags, mask } => rule.match_tcp_flags(flags, mask),
        }
    }

    #[inline(always)]
    fn action(&mut self, action: Action) -> Result<(), Refusal> {
        let rule = &mut self.builder;
        let pushed = match action {
            Action::Mangle(Word {
                header,
                offset,
                keep,
                value,
            }) => rule.mangle(header, offset.into(), keep, value),
            Action::Add(Word {
                header,
                offset,
                keep,
                value,
            }) => rule.add(header, offset.into(), keep, value),
            Action::VlanPop => rule.vlan_pop(),
            Action::VlanPush {
                tpid,
                vid,
                priority,
            } => rule.vlan_push(tpid, vid, priority),
            Action::PppoePush(session) => rule.pppoe_push(session),
            Action::TunnelDecap => rule.tunnel_decap(),
            Action::TunnelEncap(_) => rule.tunnel_encap(self.flow, self.dir),
            Action::Checksum {
                ipv4_header,
                transport,
            } => rule.checksum(
                ipv4_header,
                transport == Some(Protocol::Tcp),
                transport == Some(Protocol::Udp),
            ),
            Action::Redirect(ifindex) => {
                let dev = self.net.device(ifindex).ok_or(Refusal::NoEgress)?;
                rule.redirect(dev)
            }
        };
        pushed.map_err(|error| {
            if error == code::ENOENT {
                // The tunnel has gone.
                Refusal::Lwtunnel
            } else {
                Refusal::TooManyActions
            }
        })
    }
}
