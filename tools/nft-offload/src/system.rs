// SPDX-License-Identifier: GPL-2.0

//! The state of the system besides nft_offload: network devices and their features, the flowtables
//! and chains of nftables, loaded modules, modprobe.d. It is read by netlink and from `/proc`, so
//! it belongs to the network namespace of the process.

use crate::{
    client::{Client, Error, Result},
    family::{find_family, Flowtable, TableFamily},
    wire::{Attribute, Attributes, Request},
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fs, path::Path};

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
        })
    }
}

/// Lists the network devices.
pub fn links() -> Result<Vec<Link>> {
    // RTM_GETLINK, struct ifinfomsg
    let mut request = Request::new(18, &[0; 16]);
    Client::new(NETLINK_ROUTE)?.dump(&mut request, Link::read)
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

/// Returns the number of users of a module in the text of `/proc/modules`, if it is loaded.
fn users_in(modules: &str, name: &str) -> Option<u64> {
    let line = modules.lines().find(|line| {
        let mut words = line.split(' ');
        words.next() == Some(name)
    })?;
    Some(line.split(' ').nth(2)?.parse().unwrap_or(0))
}

/// Returns the number of users of a module, if it is loaded.
pub fn users(name: &str) -> Option<u64> {
    let modules = fs::read_to_string("/proc/modules").unwrap_or_default();
    users_in(&modules, name)
}

/// Returns the command that loads nft_offload, by the number of users of `nf_flow_table_inet`.
///
/// nft_offload cannot be loaded behind that module.
pub fn load_command(in_tree_users: Option<u64>) -> &'static str {
    match in_tree_users {
        Some(_) => "nft-offload doctor --switch nft_offload",
        None => "modprobe nft_offload",
    }
}

/// Returns the version of nft_offload, if it is loaded.
pub fn module_version() -> Option<String> {
    let version = fs::read_to_string("/sys/module/nft_offload/version").ok()?;
    Some(version.trim().to_owned()).filter(|version| !version.is_empty())
}

/// The flowtable type that modprobe loads first when nf_tables requests one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum LoadOrder {
    /// A soft dependency loads nft_offload first; the in-tree type takes over where it is missing.
    OursFirst,
    /// modprobe.d does not determine the order.
    #[default]
    Undecided,
    /// A line of modprobe.d blocks the in-tree type, even where nft_offload is missing.
    InTreeBlocked(Line),
}

/// A line of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The file.
    pub file: String,
    /// Its number, from 1; for a continued line, that of the first part.
    pub number: usize,
    /// Its text.
    pub text: String,
}

/// The directories of modprobe.d(5), in order of precedence.
const MODPROBE_D: [&str; 5] = [
    "/etc/modprobe.d",
    "/run/modprobe.d",
    "/usr/local/lib/modprobe.d",
    "/usr/lib/modprobe.d",
    "/lib/modprobe.d",
];

/// Reads the load order from modprobe.d(5).
pub fn load_order() -> LoadOrder {
    load_order_of(modprobe_files(Path::new("/")))
}

/// Reads the files of modprobe.d below `root`, in the order in which modprobe reads them.
///
/// A file hides those of the same name in later directories.
pub fn modprobe_files(root: &Path) -> Vec<(String, String)> {
    let mut files = BTreeMap::new();
    for directory in MODPROBE_D {
        let below = root.join(directory.trim_start_matches('/'));
        for file in fs::read_dir(below).into_iter().flatten().flatten() {
            let path = file.path();
            if path.extension().is_some_and(|e| e == "conf") {
                files.entry(file.file_name()).or_insert((directory, path));
            }
        }
    }
    let texts = files.into_iter().map(|(name, (directory, path))| {
        let text = fs::read(path).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        (format!("{directory}/{}", name.to_string_lossy()), text)
    });
    texts.collect()
}

/// Returns the value that modprobe.d gives to a parameter of a module, and its line.
///
/// The last line takes effect.
pub fn module_option(
    files: &[(String, String)],
    module: &str,
    parameter: &str,
) -> Option<(Line, String)> {
    let mut last = None;
    for (file, text) in files {
        for (number, line) in continued_lines(text) {
            let mut words = line.split_whitespace();
            let ours = words.next() == Some("options")
                && words
                    .next()
                    .is_some_and(|name| name.replace('-', "_") == module);
            if !ours {
                continue;
            }
            // The kernel accepts quotes around the value or the whole assignment.
            let words = words.map(|word| word.replace('"', ""));
            let value = words
                .filter_map(|word| {
                    let (name, value) = word.split_once('=')?;
                    (name == parameter).then(|| value.to_owned())
                })
                .next_back();
            if let Some(value) = value {
                let line = Line {
                    file: file.clone(),
                    number,
                    text: line.trim().to_owned(),
                };
                last = Some((line, value));
            }
        }
    }
    last
}

/// Splits text into numbered lines. A backslash at the end of a line continues it.
fn continued_lines(text: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    let mut continues = false;
    for (number, line) in (1..).zip(text.lines()) {
        let (part, next) = match line.strip_suffix('\\') {
            Some(part) => (part, true),
            None => (line, false),
        };
        match lines.last_mut() {
            Some((_, whole)) if continues => {
                whole.push(' ');
                whole.push_str(part);
            }
            _ => lines.push((number, part.to_owned())),
        }
        continues = next;
    }
    lines
}

/// Determines the load order from the names and the texts of files.
fn load_order_of(files: Vec<(String, String)>) -> LoadOrder {
    let mut order = LoadOrder::Undecided;
    for (file, text) in files {
        for (number, line) in continued_lines(&text) {
            let words: Vec<String> = line
                .split_whitespace()
                .map(|word| word.replace('-', "_"))
                .collect();
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let blocked = match words.as_slice() {
                ["blacklist" | "install", "nf_flow_table_inet", ..] => true,
                ["alias", alias, "nft_offload", ..] => alias.starts_with("nf_flowtable_"),
                ["softdep", "nf_flow_table_inet", dependencies @ ..] => {
                    let mut before = false;
                    for word in dependencies {
                        match *word {
                            "pre:" => before = true,
                            "post:" => before = false,
                            "nft_offload" if before => order = LoadOrder::OursFirst,
                            _ => {}
                        }
                    }
                    false
                }
                _ => false,
            };
            if blocked {
                return LoadOrder::InTreeBlocked(Line {
                    file,
                    number,
                    text: line.trim().to_owned(),
                });
            }
        }
    }
    order
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
    use std::path::PathBuf;

    #[test]
    fn modules_are_found_by_their_whole_name() {
        let text = "nft_offload 159744 2 - Live 0x0\nnf_flow_table_inet 16384 0 - Live 0x0\n";
        assert_eq!(users_in(text, "nft_offload"), Some(2));
        assert_eq!(users_in(text, "nf_flow_table_inet"), Some(0));
        assert_eq!(users_in(text, "nf_flow_table"), None);
    }

    #[test]
    fn devices_of_sessions() {
        let text = "Id       Address              Device\n\
                    00003412 02:00:00:00:00:02      wan\n\
                    00000100 02:00:00:00:00:03    wan.7\n";
        assert_eq!(pppoe_devices_of(text), ["wan", "wan.7"]);
        assert!(pppoe_devices_of("").is_empty());
    }

    #[test]
    fn order_of_the_types() {
        let order = |text: &str| load_order_of(vec![("x".to_owned(), text.to_owned())]);
        for (text, number, line) in [
            (
                "# x\nblacklist nf-flow-table-inet\n",
                2,
                "blacklist nf-flow-table-inet",
            ),
            (
                "install nf_flow_table_inet \\\n/bin/false\n",
                1,
                "install nf_flow_table_inet  /bin/false",
            ),
            (
                "a \\\n b\n alias nf-flowtable-1 nft_offload",
                3,
                "alias nf-flowtable-1 nft_offload",
            ),
            (
                "softdep nf_flow_table_inet pre: nft_offload\nblacklist nf_flow_table_inet",
                2,
                "blacklist nf_flow_table_inet",
            ),
        ] {
            let blocked = LoadOrder::InTreeBlocked(Line {
                file: "x".to_owned(),
                number,
                text: line.to_owned(),
            });
            assert_eq!(order(text), blocked, "{text}");
        }
        for text in [
            "softdep nf_flow_table_inet pre: nft_offload",
            "softdep nf-flow-table-inet post: x pre: y nft-offload",
            "softdep nf_flow_table_inet \\\n pre: nft_offload",
            "softdep nf_flow_table_inet pre: a post: b pre: nft_offload",
        ] {
            assert_eq!(order(text), LoadOrder::OursFirst, "{text}");
        }
        for text in [
            "",
            "#blacklist nf_flow_table_inet",
            "# a comment \\\nblacklist nf_flow_table_inet",
            "blacklist nf_flow_table",
            "softdep nf_flow_table_inet post: nft_offload",
            "softdep nf_flow_table_inet pre: x post: nft_offload",
            "alias nf-flowtable-1 nf_flow_table_inet",
        ] {
            assert_eq!(order(text), LoadOrder::Undecided, "{text}");
        }
    }

    #[test]
    fn the_last_option_of_a_module_takes_effect() {
        let option = |texts: &[&str]| {
            let texts = texts.iter().zip(1..);
            let files: Vec<_> = texts
                .map(|(text, n)| (format!("{n}.conf"), (*text).to_owned()))
                .collect();
            let found = module_option(&files, "nft_offload", "block");
            found.map(|(line, value)| (line.file, line.number, value))
        };
        let found =
            |file: &str, number, value: &str| Some((file.to_owned(), number, value.to_owned()));
        for text in [
            "",
            "#options nft_offload block=a",
            "options nft_offload",
            "options nft_offload block",
            "options nft_offload admit=2 unblock=a",
            "options nf_offload block=a",
            "softdep nft_offload block=a",
        ] {
            assert_eq!(option(&[text]), None, "{text}");
        }
        for text in [
            "options nft_offload block=a,b-c",
            "\toptions nft-offload admit=2 block=a,b-c limit=a:1",
            "options nft_offload \\\n block=a,b-c",
            "options nft_offload block=\"a,b-c\"",
            "options nft_offload \"block=a,b-c\"",
            "options nft_offload block=x block=a,b-c",
        ] {
            assert_eq!(option(&[text]), found("1.conf", 1, "a,b-c"), "{text}");
        }
        let (first, second) = ("options nft_offload block=a", "options nft_offload block=b");
        assert_eq!(option(&[first, second]), found("2.conf", 1, "b"));
        assert_eq!(
            option(&[&format!("{second}\n{first}")]),
            found("1.conf", 2, "a")
        );
        // An empty value takes effect as well.
        let none = "options nft_offload block=";
        assert_eq!(option(&[first, none]), found("2.conf", 1, ""));
    }

    /// A directory that is removed when the test ends.
    struct Scratch(PathBuf);

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn files_hide_later_ones_of_the_same_name() {
        let name = format!("nft-offload-modprobe.d-{}", std::process::id());
        let root = Scratch(std::env::temp_dir().join(name));
        let directories = MODPROBE_D.map(|d| root.0.join(d.trim_start_matches('/')));
        let order = || load_order_of(modprobe_files(&root.0));
        assert_eq!(order(), LoadOrder::Undecided);
        let blocks = "blacklist nf_flow_table_inet\n";
        let softdep = "softdep nf_flow_table_inet pre: nft_offload\n";
        // From the last directory to the first, each file contradicts the one before it.
        for (i, directory) in directories.iter().enumerate().rev() {
            fs::create_dir_all(directory).unwrap();
            let file = directory.join("a.conf");
            let text = if i % 2 == 0 { blocks } else { softdep };
            fs::write(&file, text).unwrap();
            let wanted = match i % 2 {
                0 => LoadOrder::InTreeBlocked(Line {
                    file: format!("{}/a.conf", MODPROBE_D[i]),
                    number: 1,
                    text: blocks.trim().to_owned(),
                }),
                _ => LoadOrder::OursFirst,
            };
            assert_eq!(order(), wanted, "{}", directory.display());
        }
        // An empty file hides others as well; a file with another suffix is not read.
        fs::write(directories[0].join("a.conf"), "").unwrap();
        assert_eq!(order(), LoadOrder::Undecided);
        fs::write(directories[0].join("b.conf.bak"), blocks).unwrap();
        assert_eq!(order(), LoadOrder::Undecided);
        // A file of another name takes effect in any directory.
        fs::write(directories[4].join("b.conf"), softdep).unwrap();
        assert_eq!(order(), LoadOrder::OursFirst);
        fs::write(directories[3].join("c.conf"), blocks).unwrap();
        assert!(matches!(order(), LoadOrder::InTreeBlocked(_)));
    }
}
