// SPDX-License-Identifier: GPL-2.0

//! Writes a translation into the kernel's form of a rule.

use crate::{
    netfilter::{
        self,
        Netns,
        RuleBuilder, //
    },
    translate::{
        Action,
        Header,
        Key,
        Protocol,
        Refusal,
        RuleSink,
        Word, //
    }, //
};

/// A rule for a driver, under construction.
pub(crate) struct DriverRule<'a> {
    builder: RuleBuilder,
    net: Netns<'a>,
}

impl<'a> DriverRule<'a> {
    /// An empty rule whose devices are looked up in `net`.
    pub(crate) fn new(net: Netns<'a>) -> Result<Self, Refusal> {
        let builder = RuleBuilder::new().map_err(|_| Refusal::NoMemory)?;
        Ok(Self { builder, net })
    }

    /// The rule as the driver takes it.
    pub(crate) fn as_rule(&self) -> &RuleBuilder {
        &self.builder
    }
}

fn header(header: Header) -> netfilter::Header {
    match header {
        Header::Ethernet => netfilter::Header::Ethernet,
        Header::Ipv4 => netfilter::Header::Ipv4,
        Header::Ipv6 => netfilter::Header::Ipv6,
        Header::Tcp => netfilter::Header::Tcp,
        Header::Udp => netfilter::Header::Udp,
    }
}

impl RuleSink for DriverRule<'_> {
    fn key(&mut self, key: Key) {
        let rule = &mut self.builder;
        match key {
            Key::Ingress(ifindex) => rule.match_ingress(ifindex),
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

    fn action(&mut self, action: Action) -> Result<(), Refusal> {
        let rule = &mut self.builder;
        let pushed = match action {
            Action::Mangle(Word {
                header: base,
                offset,
                keep,
                value,
            }) => rule.mangle(header(base), offset, keep, value),
            Action::Add(Word {
                header: base,
                offset,
                keep,
                value,
            }) => rule.add(header(base), offset, keep, value),
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
        pushed.map_err(|_| Refusal::TooManyActions)
    }
}
