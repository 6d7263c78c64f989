// SPDX-License-Identifier: GPL-2.0

//! A session with the kernel module: its netlink family, and the names that its answers refer to by
//! number.

use crate::{
    filters::Filters,
    netlink::{
        client::{Error, Result},
        family::{Family, Filter, Flow, Names, Reason},
    },
    system,
};

/// The netlink family, and the names of reasons and devices.
pub struct Session {
    /// The netlink family.
    pub family: Family,
    /// The names of reasons and of network devices.
    pub names: Names,
    /// The reasons, as the module describes them.
    pub reasons: Vec<Reason>,
}

impl Session {
    /// Opens the family and reads the names.
    pub fn open() -> Result<Self> {
        let mut family = Family::open()?;
        let reasons = family.reasons()?;
        let names = Names::of(&reasons);
        let mut session = Self {
            family,
            names,
            reasons,
        };
        session.refresh_device_names()?;
        Ok(session)
    }

    /// Reads the names of the network devices again.
    pub fn refresh_device_names(&mut self) -> Result<()> {
        let links = system::links()?;
        let named = links.iter().map(|l| (l.ifindex, l.name.as_str().into()));
        self.names.devices = named.collect();
        Ok(())
    }

    /// Reads all flows that match a filter into memory.
    pub fn all_flows(&mut self, filter: &Filter) -> Result<Vec<Flow>> {
        let mut all = Vec::new();
        let mut append = |some: &mut Vec<Flow>| {
            all.append(some);
            Ok(())
        };
        self.family
            .flows(filter, &self.names, usize::MAX, &mut append)?;
        Ok(all)
    }

    /// Looks up a network device by its name or index.
    pub fn ifindex(&self, name: &str) -> Result<u32> {
        let found = self.names.devices.iter().find(|(_, n)| &***n == name);
        let ifindex = found.map(|(ifindex, _)| *ifindex);
        ifindex.or_else(|| name.parse().ok()).ok_or_else(|| {
            Error::Usage(format!(
                "there is no device '{name}' in this network namespace"
            ))
        })
    }

    /// Looks up a reason by its name or number.
    fn reason(&self, name: &str) -> Result<u32> {
        let found = self.reasons.iter().find(|r| r.name == name);
        let number = found.map(|r| r.number);
        number.or_else(|| name.parse().ok()).ok_or_else(|| {
            Error::Usage(format!(
                "there is no reason '{name}'; 'nft-offload reasons' lists them"
            ))
        })
    }

    /// Converts filter arguments, with names looked up.
    pub fn filter(&self, from: &Filters) -> Result<Filter> {
        let ifindex = from.device.as_deref().map(|name| self.ifindex(name));
        let reason = from.reason.as_deref().map(|name| self.reason(name));
        Ok(Filter {
            tables: from.tables.tables(),
            family: from.family,
            protocol: from.protocol,
            state: from.state,
            reason: reason.transpose()?,
            mark: from.mark,
            zone: from.zone,
            ifindex: ifindex.transpose()?,
            address: from.address,
            port: from.port,
            source: from.source,
            source_port: from.source_port,
            destination: from.destination,
            destination_port: from.destination_port,
        })
    }
}
