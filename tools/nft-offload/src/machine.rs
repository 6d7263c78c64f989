// SPDX-License-Identifier: GPL-2.0

//! What else of the machine `doctor` and the names of devices need: network devices, their features, the flowtables of
//! nftables, the loaded modules. By netlink and `/proc`, so that it is that of our network namespace.

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
    /// What it is (`vlan`, `bridge`), if it is not of a driver.
    pub kind: Option<String>,
    /// The device below it, if that is in our network namespace.
    pub below: Option<u32>,
    /// The bridge or bond that it is a port of.
    pub master: Option<u32>,
    /// The bus of the hardware that it belongs to, and its name there.
    pub parent: Option<(String, String)>,
    /// Which port of a switch it is, as its driver names it (`p0`, `pf0vf1`).
    pub port_name: Option<String>,
}

impl Link {
    /// Of the body of `RTM_NEWLINK`.
    pub fn read(body: &[u8]) -> Option<Self> {
        // struct ifinfomsg
        let ifindex = u32::from_ne_bytes(*body.get(4..)?.first_chunk()?);
        let all = Attributes::behind(16, body);
        // IFLA_IFNAME, IFLA_LINKINFO and in it IFLA_INFO_KIND, IFLA_LINK, IFLA_MASTER
        let info = all.find(18).map(Attribute::nested);
        let string = |number| all.find(number).map(Attribute::string);
        // With IFLA_LINK_NETNSID the index is one of another network namespace.
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

/// The network devices of our namespace.
pub fn links() -> Result<Vec<Link>> {
    // RTM_GETLINK, struct ifinfomsg
    let mut request = Request::new(18, &[0; 16]);
    Client::new(NETLINK_ROUTE)?.dump(&mut request, Link::read)
}

/// The feature `hw-tc-offload` of a device, as `ethtool -k` shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HwTcOffload {
    /// On.
    On,
    /// Off, and could be on.
    Off,
    /// Off, as its driver has none.
    Fixed,
}

impl HwTcOffload {
    /// Of the body of `ETHTOOL_MSG_FEATURES_GET_REPLY`.
    pub fn read(body: &[u8]) -> Option<Self> {
        let all = Attributes::behind(4, body);
        // ETHTOOL_A_FEATURES_HW is what can be changed, ETHTOOL_A_FEATURES_ACTIVE what is on. In each: a list of bits,
        // ETHTOOL_A_BITSET_BITS, each ETHTOOL_A_BITSET_BITS_BIT, with ETHTOOL_A_BITSET_BIT_NAME and _VALUE.
        let has = |number| -> Option<bool> {
            let set = all.find(number)?.nested();
            let bits = set.find(3)?.nested();
            let mut named = bits.filter(|bit| {
                let name = bit.nested().find(2).map(Attribute::string);
                name.as_deref() == Some("hw-tc-offload")
            });
            // A list without a mask has the bits only that are set.
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

/// The feature `hw-tc-offload` of each of these devices, if the kernel says.
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

/// A flowtable as nf_tables has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NftFlowtable {
    /// Which.
    pub flowtable: Flowtable,
    /// `flags offload`
    pub offload: bool,
    /// `counter`
    pub counter: bool,
    /// How many rules name it with `flow add`.
    pub rules: u32,
    /// The priority of its hook.
    pub priority: i32,
    /// Its devices, as it names them: `veth*` is all that begin so.
    pub devices: Vec<String>,
}

impl NftFlowtable {
    /// Of the body of `NFT_MSG_NEWFLOWTABLE`.
    pub fn read(body: &[u8]) -> Option<Self> {
        // struct nfgenmsg
        let family = TableFamily(u32::from(*body.first()?));
        let all = Attributes::behind(4, body);
        let be32 = |number| all.find(number).and_then(Attribute::be32).unwrap_or(0);
        // NFTA_FLOWTABLE_HOOK, in it NFTA_FLOWTABLE_HOOK_PRIORITY and NFTA_FLOWTABLE_HOOK_DEVS, in it NFTA_DEVICE_NAME or
        // NFTA_DEVICE_PREFIX
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
    /// Whether forwarded packets come to it.
    pub forward: bool,
}

impl NftChain {
    /// Of the body of `NFT_MSG_NEWCHAIN`.
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

/// A dump of nftables; none if the kernel does not let us see it.
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

/// The chains of our namespace.
pub fn nft_chains() -> Result<Option<Vec<NftChain>>> {
    // NFT_MSG_GETCHAIN
    nft_dump(4, NftChain::read)
}

/// The flowtables of our namespace; none if the kernel does not let us see them.
pub fn nft_flowtables() -> Result<Option<Vec<NftFlowtable>>> {
    // NFT_MSG_GETFLOWTABLE
    nft_dump(23, NftFlowtable::read)
}

/// The loaded modules and how many use each, from `/proc/modules`.
pub fn module(modules: &str, name: &str) -> Option<u64> {
    let line = modules.lines().find(|line| {
        let mut words = line.split(' ');
        words.next() == Some(name)
    })?;
    Some(line.split(' ').nth(2)?.parse().unwrap_or(0))
}

/// `/proc/modules`
pub fn modules() -> String {
    fs::read_to_string("/proc/modules").unwrap_or_default()
}

/// The version of nft_offload, while it is loaded.
pub fn module_version() -> Option<String> {
    let version = fs::read_to_string("/sys/module/nft_offload/version").ok()?;
    Some(version.trim().to_owned()).filter(|version| !version.is_empty())
}

/// Which of the two flowtable types modprobe loads first when nf_tables asks for one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum LoadOrder {
    /// nft_offload, by a soft dependency; the in-tree type where it is missing.
    OursFirst,
    /// Nothing says.
    #[default]
    Undecided,
    /// A line of modprobe.d keeps the in-tree type from being loaded, also where nft_offload is missing.
    InTreeBlocked(Line),
}

/// A line of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The file.
    pub file: String,
    /// Its number, from 1; of a line that goes on in others, that of the first.
    pub number: usize,
    /// What it says.
    pub text: String,
}

/// The directories of modprobe.d(5), the one that counts most first.
const MODPROBE_D: [&str; 5] = [
    "/etc/modprobe.d",
    "/run/modprobe.d",
    "/usr/local/lib/modprobe.d",
    "/usr/lib/modprobe.d",
    "/lib/modprobe.d",
];

/// What modprobe.d(5) says of the order.
pub fn load_order() -> LoadOrder {
    load_order_of(modprobe_files(Path::new("/")))
}

/// The files that modprobe reads on the machine whose files are below `root`, by their names there, with their texts, in the
/// order of their names. One in an earlier directory hides those of its name in later ones.
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

/// The value that modprobe gives a parameter of a module, and the line of modprobe.d that says so: the last one counts.
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
            // As the kernel reads it: quotes keep blanks together, around the value or the whole.
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

/// The lines of a text with their numbers. A backslash at the end of a line continues it.
fn continued_lines(text: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    let mut goes_on = false;
    for (number, line) in (1..).zip(text.lines()) {
        let (part, next) = match line.strip_suffix('\\') {
            Some(part) => (part, true),
            None => (line, false),
        };
        match lines.last_mut() {
            Some((_, whole)) if goes_on => {
                whole.push(' ');
                whole.push_str(part);
            }
            _ => lines.push((number, part.to_owned())),
        }
        goes_on = next;
    }
    lines
}

/// What the names and texts of the files say of the order.
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

/// Whether conntrack counts packets, if it is there.
pub fn conntrack_counts() -> Option<bool> {
    let text = fs::read_to_string("/proc/sys/net/netfilter/nf_conntrack_acct").ok()?;
    Some(text.trim() != "0")
}

/// The devices below PPPoE sessions, from `/proc/net/pppoe`.
pub fn pppoe_devices() -> Vec<String> {
    // Not net, which is that of the process whose thread we may be.
    let text = fs::read_to_string("/proc/thread-self/net/pppoe").unwrap_or_default();
    pppoe_devices_of(&text)
}

/// Below a header: number, address, device.
fn pppoe_devices_of(text: &str) -> Vec<String> {
    let lines = text.lines().skip(1);
    let names = lines.filter_map(|line| line.split_whitespace().nth(2));
    names.map(str::to_owned).collect()
}

/// Whether forwarding is on for IPv4 or IPv6.
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
        assert_eq!(module(text, "nft_offload"), Some(2));
        assert_eq!(module(text, "nf_flow_table_inet"), Some(0));
        assert_eq!(module(text, "nf_flow_table"), None);
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
    fn the_last_option_of_a_module_counts() {
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
        // Also if it takes away.
        let none = "options nft_offload block=";
        assert_eq!(option(&[first, none]), found("2.conf", 1, ""));
    }

    /// A directory that goes when the test ends.
    struct Scratch(PathBuf);

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn files_hide_those_of_their_name_in_later_directories() {
        let name = format!("nft-offload-modprobe.d-{}", std::process::id());
        let root = Scratch(std::env::temp_dir().join(name));
        let directories = MODPROBE_D.map(|d| root.0.join(d.trim_start_matches('/')));
        let order = || load_order_of(modprobe_files(&root.0));
        assert_eq!(order(), LoadOrder::Undecided);
        let blocks = "blacklist nf_flow_table_inet\n";
        let softdep = "softdep nf_flow_table_inet pre: nft_offload\n";
        // From the last directory to the first, each says the opposite of the one before it.
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
        // An empty file, or a link to /dev/null, hides too; one of another ending is not read.
        fs::write(directories[0].join("a.conf"), "").unwrap();
        assert_eq!(order(), LoadOrder::Undecided);
        fs::write(directories[0].join("b.conf.bak"), blocks).unwrap();
        assert_eq!(order(), LoadOrder::Undecided);
        // What stands in another file counts, whichever its directory is.
        fs::write(directories[4].join("b.conf"), softdep).unwrap();
        assert_eq!(order(), LoadOrder::OursFirst);
        fs::write(directories[3].join("c.conf"), blocks).unwrap();
        assert!(matches!(order(), LoadOrder::InTreeBlocked(_)));
    }
}
