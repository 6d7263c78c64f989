// SPDX-License-Identifier: GPL-2.0

//! Facts about a machine as plain data: from files, which may be those of a machine recorded into a
//! directory, and from netlink. Nothing is decided here.

use crate::{
    modprobe::{self, Line},
    netlink::{
        client::{Client, Result},
        family::{find_family, Capabilities, Device},
        wire::{Attribute, Attributes, Request},
    },
    system::{self, HwTcOffload},
};
use flate2::read::GzDecoder;
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Read,
    path::PathBuf,
};

/// The EFI variable that tells whether Secure Boot is on.
const SECURE_BOOT: &str =
    "sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";
/// The end of a module that `scripts/sign-file` has signed.
const SIGNED: &[u8] = b"~Module signature appended~\n";
/// `NETLINK_GENERIC`
const NETLINK_GENERIC: isize = 16;

/// All facts.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// The running kernel.
    pub kernel: Kernel,
    /// The network devices.
    pub network: Network,
    /// What nft_offload reports about the devices of its flowtables, if it is loaded.
    pub loaded: Option<Vec<Reported>>,
}

/// The running kernel.
#[derive(Debug, Clone, Default)]
pub struct Kernel {
    /// Its release: `7.3.4+deb13-amd64`.
    pub release: String,
    /// Its configuration, if it can be read.
    pub config: Option<Config>,
    /// The loaded modules.
    pub loaded: BTreeSet<String>,
    /// The modules that are built into the kernel.
    pub built_in: BTreeSet<String>,
    /// The installed modules with their paths; `None` if that is unknown.
    pub installed: Option<BTreeMap<String, String>>,
    /// Whether nft_offload is signed; `None` if its file is compressed or missing.
    pub signed: Option<bool>,
    /// Whether only signed modules are loaded.
    pub enforces_signatures: bool,
    /// The lockdown mode: `none`, `integrity` or `confidentiality`; `None` if that is unknown.
    pub lockdown: Option<String>,
    /// Whether Secure Boot is on; `None` without UEFI.
    pub secure_boot: Option<bool>,
    /// The hardware, by its bus and its name there.
    pub hardware: BTreeMap<(String, String), Hardware>,
    /// The tagging of the ports of a switch (DSA), by the device behind which they are.
    pub tagging: BTreeMap<String, String>,
    /// The devices whose tc block is allowed.
    pub blocks: Blocks,
    /// The codename of the distribution (`VERSION_CODENAME`).
    pub codename: String,
}

/// The parameter `block` of nft_offload: the devices whose tc block is allowed.
#[derive(Debug, Clone, Default)]
pub struct Blocks {
    /// The current value, if the module is loaded.
    pub now: Option<Vec<String>>,
    /// The line of modprobe.d that sets the value at the next load, and that value.
    pub next: Option<(Line, Vec<String>)>,
}

/// A piece of hardware.
#[derive(Debug, Clone, Default)]
pub struct Hardware {
    /// Its driver, empty if it has none.
    pub driver: String,
    /// Its `compatible` in the device tree.
    pub compatible: Vec<String>,
}

/// The configuration of a kernel.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// The file that it was read from.
    pub source: String,
    /// The options that are set.
    values: BTreeMap<String, String>,
}

impl Config {
    /// Reads the text of a configuration.
    pub fn read(source: &str, text: &str) -> Option<Self> {
        let set = text.lines().filter_map(|line| line.split_once('='));
        let values: BTreeMap<_, _> = set
            .filter_map(|(name, value)| Some((name.strip_prefix("CONFIG_")?, value)))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        // It is no configuration if nothing is set.
        (!values.is_empty()).then(|| Self {
            source: source.to_owned(),
            values,
        })
    }

    /// Returns whether `CONFIG_name` is `y` or `m`.
    pub fn has(&self, name: &str) -> bool {
        matches!(self.values.get(name).map(String::as_str), Some("y" | "m"))
    }
}

/// The network devices, as netlink describes them.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// In the order of their indices.
    pub interfaces: Vec<Interface>,
}

/// A network device.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Interface {
    /// Its index.
    pub ifindex: u32,
    /// Its name.
    pub name: String,
    /// Its kind (`vlan`, `bridge`), if it is a virtual device.
    #[serde(default)]
    pub kind: Option<String>,
    /// The device below it.
    #[serde(default)]
    pub below: Option<u32>,
    /// The bridge or bond of which it is a port.
    #[serde(default)]
    pub master: Option<u32>,
    /// The bus of its hardware, and its name there.
    #[serde(default)]
    pub parent: Option<(String, String)>,
    /// The name that its driver gives to the port of a switch.
    #[serde(default)]
    pub port_name: Option<String>,
    /// The function to which it belongs as a representor without hardware of its own.
    #[serde(default)]
    pub function: Option<u32>,
    /// Its kind of port in devlink.
    #[serde(default)]
    pub flavour: Option<Flavour>,
    /// Its feature `hw-tc-offload`.
    #[serde(default)]
    pub tc_offload: Option<HwTcOffload>,
    /// The switch in its hardware.
    #[serde(default)]
    pub eswitch: Eswitch,
}

/// The kinds of ports (`enum devlink_port_flavour`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Flavour {
    /// A port with a connector.
    Physical,
    /// The representor of a function: PF, VF or SF.
    Function,
    /// A function itself.
    Virtual,
    /// Another port, for example of a switch (DSA).
    Other,
}

/// The mode of a switch in the hardware (`enum devlink_eswitch_mode`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Eswitch {
    /// There is no switch.
    #[default]
    None,
    /// The switch forwards by MAC address only.
    Legacy,
    /// Each port of the switch has a network device.
    Switchdev,
    /// Only root can read the mode.
    Hidden,
}

/// What nft_offload reports about a device.
#[derive(Debug, Clone)]
pub struct Reported {
    /// The index of the device.
    pub ifindex: u32,
    /// Whether it takes rules.
    pub takes_rules: bool,
    /// How it is bound.
    pub bound: String,
    /// The profile of its driver.
    pub profile: String,
    /// Whether its tc block is allowed.
    pub block: bool,
    /// Whether it takes no rules because its tc block is not allowed.
    pub needs_block: bool,
    /// Why it takes no rules.
    pub reason: Option<String>,
    /// The driver's error.
    pub error: Option<String>,
    /// What its driver can offload.
    pub holds: Option<Capabilities>,
}

impl Reported {
    /// Extracts the facts from an answer of the module.
    pub fn of(device: &Device) -> Self {
        Self {
            ifindex: device.ifindex,
            takes_rules: device.takes_rules(),
            bound: device.bound.to_string(),
            profile: device.profile.clone(),
            block: device.block,
            needs_block: device.needs_block(),
            reason: device.reason.as_ref().map(ToString::to_string),
            error: device.error.as_ref().map(ToString::to_string),
            holds: device.capabilities.clone(),
        }
    }
}

/// A machine: this one, or one recorded into a directory.
#[derive(Debug, Clone)]
pub struct Machine {
    root: PathBuf,
}

impl Machine {
    /// Returns this machine.
    pub fn this() -> Self {
        Self::at("/")
    }

    /// Returns the machine whose files are below a directory.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Reads a file.
    fn bytes(&self, path: &str) -> Option<Vec<u8>> {
        fs::read(self.root.join(path)).ok()
    }

    /// Reads a file as text.
    fn text(&self, path: &str) -> Option<String> {
        Some(String::from_utf8_lossy(&self.bytes(path)?).into_owned())
    }

    /// Reads a file as one word.
    fn word(&self, path: &str) -> Option<String> {
        Some(self.text(path)?.trim().to_owned())
    }

    /// Reads the configuration of the kernel.
    fn config(&self, release: &str) -> Option<Config> {
        let unpacked = || {
            let mut text = String::new();
            let packed = self.bytes("proc/config.gz")?;
            GzDecoder::new(packed.as_slice())
                .read_to_string(&mut text)
                .ok()?;
            Config::read("/proc/config.gz", &text)
        };
        let files = [
            format!("boot/config-{release}"),
            format!("lib/modules/{release}/config"),
            format!("lib/modules/{release}/build/.config"),
        ];
        let read = |path: &String| Config::read(&format!("/{path}"), &self.text(path)?);
        unpacked().or_else(|| files.iter().find_map(read))
    }

    /// Reads the parameter `block`.
    fn blocks(&self) -> Blocks {
        let names = |value: &str| {
            let names = value.trim().split(',').filter(|name| !name.is_empty());
            names.map(str::to_owned).collect()
        };
        let files = modprobe::modprobe_files(&self.root);
        let next = modprobe::module_option(&files, "nft_offload", "block");
        Blocks {
            now: self
                .text("sys/module/nft_offload/parameters/block")
                .map(|value| names(&value)),
            next: next.map(|(line, value)| (line, names(&value))),
        }
    }

    /// Reads the facts about the running kernel and about the hardware of the network devices.
    pub fn kernel(&self, network: &Network) -> Kernel {
        let release = self.word("proc/sys/kernel/osrelease").unwrap_or_default();
        let modules = format!("lib/modules/{release}");
        let dependencies = self.text(&format!("{modules}/modules.dep"));
        let installed = dependencies.map(|text| installed(&text));
        let nft_offload = installed.as_ref().and_then(|all| all.get("nft_offload"));
        let signed = nft_offload
            .filter(|path| path.ends_with(".ko"))
            .and_then(|path| self.bytes(&format!("{modules}/{path}")))
            .map(|file| file.ends_with(SIGNED));
        let loaded = self.text("proc/modules").unwrap_or_default();
        let loaded = loaded.lines().filter_map(|line| line.split(' ').next());
        let built_in = self.text(&format!("{modules}/modules.builtin"));
        let parents = network.interfaces.iter().filter_map(|i| i.parent.clone());
        let names = network.interfaces.iter().map(|i| &i.name);
        let tagging = |name: &String| {
            let tagging = self.word(&format!("sys/class/net/{name}/dsa/tagging"))?;
            Some((name.clone(), tagging))
        };
        Kernel {
            config: self.config(&release),
            loaded: loaded.map(str::to_owned).collect(),
            built_in: built_in
                .unwrap_or_default()
                .lines()
                .filter_map(module_name)
                .collect(),
            signed,
            installed,
            enforces_signatures: self
                .word("sys/module/module/parameters/sig_enforce")
                .is_some_and(|word| word == "Y"),
            lockdown: self
                .text("sys/kernel/security/lockdown")
                .and_then(|text| chosen(&text)),
            // Four bytes of attributes, then the value.
            secure_boot: self
                .bytes(SECURE_BOOT)
                .and_then(|bytes| Some(*bytes.get(4)? == 1)),
            hardware: parents
                .collect::<BTreeSet<_>>()
                .into_iter()
                .map(|parent| {
                    let hardware = self.hardware(&parent);
                    (parent, hardware)
                })
                .collect(),
            tagging: names.filter_map(tagging).collect(),
            blocks: self.blocks(),
            codename: self
                .text("etc/os-release")
                .and_then(|text| codename(&text))
                .unwrap_or_default(),
            release,
        }
    }

    /// Reads the facts about a piece of hardware.
    ///
    /// `uevent` needs no privilege and is the same in each network namespace.
    fn hardware(&self, (bus, name): &(String, String)) -> Hardware {
        let uevent = self.text(&format!("sys/bus/{bus}/devices/{name}/uevent"));
        let mut hardware = Hardware::default();
        for (key, value) in uevent
            .unwrap_or_default()
            .lines()
            .filter_map(|line| line.split_once('='))
        {
            match key {
                "DRIVER" => hardware.driver = value.to_owned(),
                // OF_COMPATIBLE_N is how many there are.
                "OF_COMPATIBLE_N" => {}
                _ if key.starts_with("OF_COMPATIBLE_") => {
                    hardware.compatible.push(value.to_owned());
                }
                _ => {}
            }
        }
        hardware
    }
}

/// Returns the name of a module by the path of its file.
fn module_name(path: &str) -> Option<String> {
    let file = path.rsplit('/').next()?;
    let (name, compressed) = file.split_once(".ko")?;
    matches!(compressed, "" | ".gz" | ".xz" | ".zst").then(|| name.replace('-', "_"))
}

/// Reads the installed modules from the text of `modules.dep`.
fn installed(text: &str) -> BTreeMap<String, String> {
    let paths = text.lines().filter_map(|line| line.split_once(':'));
    let named = paths.filter_map(|(path, _)| Some((module_name(path)?, path.to_owned())));
    named.collect()
}

/// Returns the chosen word of `none [integrity] confidentiality`.
fn chosen(text: &str) -> Option<String> {
    let (_, rest) = text.split_once('[')?;
    Some(rest.split_once(']')?.0.to_owned())
}

/// Reads the codename from the text of `os-release`.
fn codename(text: &str) -> Option<String> {
    let mut lines = text.lines();
    let value = lines.find_map(|line| line.strip_prefix("VERSION_CODENAME="))?;
    Some(value.trim_matches('"').to_owned())
}

/// Reads the mode of a switch from the body of the answer to `DEVLINK_CMD_ESWITCH_GET`.
pub fn eswitch(body: &[u8]) -> Option<Eswitch> {
    // DEVLINK_ATTR_ESWITCH_MODE
    match Attributes::behind(4, body).find(25)?.u16()? {
        0 => Some(Eswitch::Legacy),
        // Including the one that is not active yet.
        _ => Some(Eswitch::Switchdev),
    }
}

/// Reads the index and the kind of a port from the body of an answer to `DEVLINK_CMD_PORT_GET`.
pub fn port(body: &[u8]) -> Option<(u32, Flavour)> {
    let all = Attributes::behind(4, body);
    // DEVLINK_ATTR_PORT_NETDEV_IFINDEX, DEVLINK_ATTR_PORT_FLAVOUR
    let ifindex = all.find(6).and_then(Attribute::u32)?;
    let flavour = match all.find(77).and_then(Attribute::u16)? {
        0 => Flavour::Physical,
        3 | 4 | 7 => Flavour::Function,
        5 => Flavour::Virtual,
        _ => Flavour::Other,
    };
    Some((ifindex, flavour))
}

/// A client of devlink, for embedded switches. A missing answer is no error: most machines have no
/// such switch.
struct Devlink {
    client: Client,
    family: Option<u16>,
}

impl Devlink {
    /// Opens the family devlink, if it exists.
    fn open() -> Result<Self> {
        let mut client = Client::new(NETLINK_GENERIC)?;
        let family = find_family(&mut client, "devlink")?;
        Ok(Self { client, family })
    }

    /// Lists the kinds of ports, by the index of the network device.
    fn ports(&mut self) -> BTreeMap<u32, Flavour> {
        let Some(family) = self.family else {
            return BTreeMap::new();
        };
        // DEVLINK_CMD_PORT_GET
        let ports = self.client.dump(&mut Request::generic(family, 5), port);
        ports.unwrap_or_default().into_iter().collect()
    }

    /// Reads the mode of a switch.
    fn eswitch(&mut self, (bus, name): &(String, String)) -> Eswitch {
        use crate::netlink::client::Error::Kernel;
        let Some(family) = self.family else {
            return Eswitch::None;
        };
        // DEVLINK_CMD_ESWITCH_GET, DEVLINK_ATTR_BUS_NAME, DEVLINK_ATTR_DEV_NAME
        let mut request = Request::generic(family, 29);
        request.put_string(1, "bus", bus);
        request.put_string(2, "device", name);
        match self.client.ask(&mut request, eswitch) {
            Ok(mode) => mode.unwrap_or_default(),
            // The kernel checks the privilege before it looks up the device.
            Err(Kernel { errno: 1, .. }) => Eswitch::Hidden,
            Err(_) => Eswitch::None,
        }
    }
}

/// Reads the network devices by netlink.
pub fn network() -> Result<Network> {
    let links = system::links()?;
    let names: Vec<String> = links.iter().map(|l| l.name.clone()).collect();
    let features = system::hw_tc_offload(&names)?;
    let mut devlink = Devlink::open()?;
    let ports = devlink.ports();
    let mut modes = BTreeMap::new();
    let mut interfaces = Vec::new();
    for (link, tc_offload) in links.into_iter().zip(features) {
        let eswitch = match &link.parent {
            Some(parent) => *modes
                .entry(parent.clone())
                .or_insert_with(|| devlink.eswitch(parent)),
            None => Eswitch::None,
        };
        interfaces.push(Interface {
            ifindex: link.ifindex,
            name: link.name,
            kind: link.kind,
            below: link.below,
            master: link.master,
            parent: link.parent,
            port_name: link.port_name,
            function: link.function,
            flavour: ports.get(&link.ifindex).copied(),
            tc_offload,
            eswitch,
        });
    }
    Ok(Network { interfaces })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_modules_are_read_from_paths() {
        assert_eq!(
            module_name("updates/dkms/nft-offload.ko.zst").as_deref(),
            Some("nft_offload")
        );
        assert_eq!(module_name("a/b.ko").as_deref(), Some("b"));
        assert_eq!(module_name("a/b.kohl"), None);
        assert_eq!(module_name("modules.order"), None);
        let all = installed("updates/nft_offload.ko: kernel/x.ko.xz\nkernel/x.ko.xz:\n");
        assert_eq!(all["nft_offload"], "updates/nft_offload.ko");
        assert_eq!(all["x"], "kernel/x.ko.xz");
    }

    #[test]
    fn a_configuration_has_its_options() {
        let config = Config::read(
            "x",
            "# CONFIG_RUST is not set\nCONFIG_A=y\nCONFIG_B=m\nCONFIG_C=\"y\"\n",
        )
        .unwrap();
        assert!(config.has("A") && config.has("B"));
        assert!(!config.has("RUST") && !config.has("C"));
        assert!(Config::read("x", "").is_none());
        assert!(Config::read("x", "<html>a=b").is_none());
    }

    #[test]
    fn lockdown_and_names() {
        assert_eq!(
            chosen("none [integrity] confidentiality\n").as_deref(),
            Some("integrity")
        );
        assert_eq!(chosen("none\n"), None);
        assert_eq!(
            codename("NAME=x\nVERSION_CODENAME=\"trixie\"\n").as_deref(),
            Some("trixie")
        );
    }

    #[test]
    fn devlink_answers() {
        let attribute = |number: u16, value: &[u8]| {
            let mut bytes = (4 + value.len() as u16).to_ne_bytes().to_vec();
            bytes.extend(number.to_ne_bytes());
            bytes.extend(value);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
            bytes
        };
        let answer = |parts: &[Vec<u8>]| [vec![0; 4], parts.concat()].concat();
        let mode = |n: u16| {
            eswitch(&answer(&[
                attribute(1, b"pci\0"),
                attribute(25, &n.to_ne_bytes()),
            ]))
        };
        assert_eq!(mode(0), Some(Eswitch::Legacy));
        assert_eq!(mode(1), Some(Eswitch::Switchdev));
        assert_eq!(eswitch(&answer(&[attribute(1, b"pci\0")])), None);
        let one = |n: u16| {
            port(&answer(&[
                attribute(6, &7u32.to_ne_bytes()),
                attribute(77, &n.to_ne_bytes()),
            ]))
        };
        assert_eq!(one(0), Some((7, Flavour::Physical)));
        assert_eq!(one(4), Some((7, Flavour::Function)));
        assert_eq!(one(7), Some((7, Flavour::Function)));
        assert_eq!(one(5), Some((7, Flavour::Virtual)));
        assert_eq!(port(&answer(&[attribute(77, &[0, 0])])), None);
    }
}
