// SPDX-License-Identifier: GPL-2.0

//! The state of the system besides nft_offload: network devices and their features, the flowtables
//! and chains of nftables. It is read by netlink and from `/proc`, so it belongs to the network
//! namespace of the process.

use crate::netlink::{
    client::{Client, Error, Result},
    family::{find_family, Flowtable, TableFamily},
    wire::{Attribute, Attributes, Request},
};
use serde::{Deserialize, Serialize};
use std::{fs, path::Path};

/// `NETLINK_ROUTE`
const NETLINK_ROUTE: isize = 0;
/// `NETLINK_NETFILTER`
const NETLINK_NETFILTER: isize = 12;
/// `NETLINK_GENERIC`
const NETLINK_GENERIC: isize = 16;

/// A network device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its index.
    pub ifindex: u32,
    /// Its name.
    pub name: String,
    /// Its kind (`vlan`, `bridge`), if it is a virtual device.
    pub kind: Option<String>,
    /// The device below it, if that is in the same network namespace.
    pub below: Option<u32>,
    /// The bridge or bond of which it is a port.
    pub master: Option<u32>,
    /// The bus of its hardware, and the name of the hardware there.
    pub parent: Option<(String, String)>,
    /// The name that its driver gives to the port of a switch (`p0`, `pf0vf1`).
    pub port_name: Option<String>,
    /// The number of its physical port.
    pub port_id: Option<Vec<u8>>,
    /// The number of the switch of which it is a port.
    pub switch_id: Option<Vec<u8>>,
    /// The function to which it belongs as a representor without hardware of its own.
    pub function: Option<u32>,
}

impl Link {
    /// Reads the body of `RTM_NEWLINK`.
    pub fn read(body: &[u8]) -> Option<Self> {
        // struct ifinfomsg
        let ifindex = u32::from_ne_bytes(*body.get(4..)?.first_chunk()?);
        let all = Attributes::behind(16, body);
        // IFLA_IFNAME, IFLA_LINKINFO and in it IFLA_INFO_KIND, IFLA_LINK, IFLA_MASTER
        let info = all.find(18).map(Attribute::nested);
        let string = |number| all.find(number).map(Attribute::string);
        let bytes = |number| Some(all.find(number)?.bytes().to_vec());
        // With IFLA_LINK_NETNSID the index belongs to another network namespace.
        let here = all.find(37).is_none();
        Some(Self {
            ifindex,
            name: all.find(3)?.string(),
            kind: info.and_then(|a| a.find(1)).map(Attribute::string),
            below: all.find(5).filter(|_| here).and_then(Attribute::u32),
            master: all.find(10).and_then(Attribute::u32),
            // IFLA_PARENT_DEV_BUS_NAME, IFLA_PARENT_DEV_NAME, IFLA_PHYS_PORT_NAME
            parent: string(57).zip(string(56)),
            port_name: string(38),
            // IFLA_PHYS_PORT_ID, IFLA_PHYS_SWITCH_ID
            port_id: bytes(31),
            switch_id: bytes(36),
            function: None,
        })
    }
}

/// Gives representors without hardware that of their function.
///
/// Those of EF100 have no parent device. Their switch has the number of the function's port.
pub fn adopt(links: &mut [Link]) {
    let functions: Vec<Link> = links
        .iter()
        .filter(|link| link.parent.is_some() && link.port_id.is_some())
        .cloned()
        .collect();
    let orphans = links
        .iter_mut()
        .filter(|link| link.parent.is_none() && link.kind.is_none() && link.switch_id.is_some());
    for link in orphans {
        let mut same = functions.iter().filter(|f| f.port_id == link.switch_id);
        if let Some(function) = same.next() {
            link.parent.clone_from(&function.parent);
            link.function = Some(function.ifindex);
        }
    }
}

/// Lists the network devices.
pub fn links() -> Result<Vec<Link>> {
    // RTM_GETLINK, struct ifinfomsg
    let mut request = Request::new(18, &[0; 16]);
    let mut links = Client::new(NETLINK_ROUTE)?.dump(&mut request, Link::read)?;
    adopt(&mut links);
    Ok(links)
}

/// The feature `hw-tc-offload` of a device, as `ethtool -k` shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HwTcOffload {
    /// The feature is on.
    On,
    /// The feature is off, and can be switched on.
    Off,
    /// The driver does not have the feature.
    Fixed,
}

impl HwTcOffload {
    /// Reads the body of `ETHTOOL_MSG_FEATURES_GET_REPLY`.
    pub fn read(body: &[u8]) -> Option<Self> {
        let all = Attributes::behind(4, body);
        // ETHTOOL_A_FEATURES_HW has the features that can be changed, ETHTOOL_A_FEATURES_ACTIVE
        // those that are on. Each is a list of bits: ETHTOOL_A_BITSET_BITS with an
        // ETHTOOL_A_BITSET_BITS_BIT for each, with ETHTOOL_A_BITSET_BIT_NAME and _VALUE.
        let has = |number| -> Option<bool> {
            let set = all.find(number)?.nested();
            let bits = set.find(3)?.nested();
            let mut named = bits.filter(|bit| {
                let name = bit.nested().find(2).map(Attribute::string);
                name.as_deref() == Some("hw-tc-offload")
            });
            // A list without a mask has only the bits that are set.
            let list = set.find(1).is_some();
            Some(named.any(|bit| list || bit.nested().find(3).is_some()))
        };
        Some(match (has(4)?, has(2)?) {
            (true, _) => HwTcOffload::On,
            (false, true) => HwTcOffload::Off,
            (false, false) => HwTcOffload::Fixed,
        })
    }
}

/// Reads the feature `hw-tc-offload` of each device; `None` where the kernel does not tell.
pub fn hw_tc_offload(names: &[String]) -> Result<Vec<Option<HwTcOffload>>> {
    let mut client = Client::new(NETLINK_GENERIC)?;
    let Some(family) = find_family(&mut client, "ethtool")? else {
        return Ok(vec![None; names.len()]);
    };
    let mut of = |name: &String| {
        // ETHTOOL_MSG_FEATURES_GET, ETHTOOL_A_FEATURES_HEADER, ETHTOOL_A_HEADER_DEV_NAME
        let mut request = Request::generic(family, 11);
        request.nest(1, "header", |to| to.put_string(2, "device", name));
        client
            .ask(&mut request, HwTcOffload::read)
            .unwrap_or_default()
    };
    Ok(names.iter().map(&mut of).collect())
}

/// A flowtable of nf_tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NftFlowtable {
    /// Its name.
    pub flowtable: Flowtable,
    /// Whether it has `flags offload`.
    pub offload: bool,
    /// Whether it has `counter`.
    pub counter: bool,
    /// The number of rules that refer to it with `flow add`.
    pub rules: u32,
    /// The priority of its hook.
    pub priority: i32,
    /// Its devices, by name or by prefix: `veth*`.
    pub devices: Vec<String>,
}

impl NftFlowtable {
    /// Reads the body of `NFT_MSG_NEWFLOWTABLE`.
    pub fn read(body: &[u8]) -> Option<Self> {
        // struct nfgenmsg
        let family = TableFamily(u32::from(*body.first()?));
        let all = Attributes::behind(4, body);
        let be32 = |number| all.find(number).and_then(Attribute::be32).unwrap_or(0);
        // NFTA_FLOWTABLE_HOOK, in it NFTA_FLOWTABLE_HOOK_PRIORITY and NFTA_FLOWTABLE_HOOK_DEVS, in
        // that NFTA_DEVICE_NAME or NFTA_DEVICE_PREFIX
        let of_hook = |number| all.find(3).and_then(|hook| hook.nested().find(number));
        let named = |device: Attribute<'_>| match device.number {
            2 => format!("{}*", device.string()),
            _ => device.string(),
        };
        let devices = of_hook(3).map(|list| list.nested().map(named).collect());
        // NFT_FLOWTABLE_HW_OFFLOAD, NFT_FLOWTABLE_COUNTER
        let flags = be32(7);
        Some(Self {
            flowtable: Flowtable {
                family,
                table: all.find(1)?.string(),
                name: all.find(2)?.string(),
            },
            offload: flags & 1 != 0,
            counter: flags & 2 != 0,
            rules: be32(4),
            priority: of_hook(2)
                .and_then(Attribute::be32)
                .map_or(0, |n| i32::from_ne_bytes(n.to_ne_bytes())),
            devices: devices.unwrap_or_default(),
        })
    }
}

/// A chain of nftables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NftChain {
    /// The family of its table.
    pub family: TableFamily,
    /// Its table.
    pub table: String,
    /// Its name.
    pub name: String,
    /// Whether it is a base chain of the hook forward.
    pub forward: bool,
}

impl NftChain {
    /// Reads the body of `NFT_MSG_NEWCHAIN`.
    pub fn read(body: &[u8]) -> Option<Self> {
        // struct nfgenmsg
        let family = TableFamily(u32::from(*body.first()?));
        let all = Attributes::behind(4, body);
        // NFTA_CHAIN_HOOK, in it NFTA_HOOK_HOOKNUM: NF_INET_FORWARD
        let hook = all.find(4).and_then(|hook| hook.nested().find(1));
        Some(Self {
            family,
            table: all.find(1)?.string(),
            name: all.find(3)?.string(),
            forward: hook.and_then(Attribute::be32) == Some(2) && family.name().is_some(),
        })
    }
}

/// Reads a dump of nf_tables; `None` without the privilege to do so.
fn nft_dump<T>(message: u16, read: impl Fn(&[u8]) -> Option<T>) -> Result<Option<Vec<T>>> {
    // NFNL_SUBSYS_NFTABLES, struct nfgenmsg
    let mut request = Request::new((10 << 8) | message, &[0; 4]);
    match Client::new(NETLINK_NETFILTER)?.dump(&mut request, read) {
        Ok(all) => Ok(Some(all)),
        // EPERM without root; EINVAL and EOPNOTSUPP without nf_tables.
        Err(Error::Kernel { errno: 1, .. }) => Ok(None),
        Err(Error::Kernel { errno: 22 | 95, .. }) => Ok(Some(Vec::new())),
        Err(error) => Err(error),
    }
}

/// Lists the chains; `None` without the privilege to do so.
pub fn nft_chains() -> Result<Option<Vec<NftChain>>> {
    // NFT_MSG_GETCHAIN
    nft_dump(4, NftChain::read)
}

/// Lists the flowtables; `None` without the privilege to do so.
pub fn nft_flowtables() -> Result<Option<Vec<NftFlowtable>>> {
    // NFT_MSG_GETFLOWTABLE
    nft_dump(23, NftFlowtable::read)
}

/// Returns whether conntrack counts packets; `None` without conntrack.
pub fn conntrack_counts() -> Option<bool> {
    let text = fs::read_to_string("/proc/sys/net/netfilter/nf_conntrack_acct").ok()?;
    Some(text.trim() != "0")
}

/// Lists the devices below PPPoE sessions, from `/proc/net/pppoe`.
pub fn pppoe_devices() -> Vec<String> {
    // /proc/net belongs to the process; a thread may be in another network namespace.
    let text = fs::read_to_string("/proc/thread-self/net/pppoe").unwrap_or_default();
    pppoe_devices_of(&text)
}

/// Reads the devices from the text of `/proc/net/pppoe`: a header, then number, address, device.
fn pppoe_devices_of(text: &str) -> Vec<String> {
    let lines = text.lines().skip(1);
    let names = lines.filter_map(|line| line.split_whitespace().nth(2));
    names.map(str::to_owned).collect()
}

/// Returns whether forwarding is on for IPv4 or IPv6.
pub fn forwards() -> bool {
    let files = [
        "/proc/sys/net/ipv4/ip_forward",
        "/proc/sys/net/ipv6/conf/all/forwarding",
    ];
    let on = |file: &&str| fs::read_to_string(Path::new(*file)).is_ok_and(|t| t.trim() != "0");
    files.iter().any(on)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_of_sessions() {
        let text = "Id       Address              Device\n\
                    00003412 02:00:00:00:00:02      wan\n\
                    00000100 02:00:00:00:00:03    wan.7\n";
        assert_eq!(pppoe_devices_of(text), ["wan", "wan.7"]);
        assert!(pppoe_devices_of("").is_empty());
    }
}
