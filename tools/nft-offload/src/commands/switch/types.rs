// SPDX-License-Identifier: GPL-2.0

//! The two flowtable types: their modules, how these are exchanged, and what else uses them.

use super::tools::run;
use crate::{
    commands::support::facts::{Kernel, Machine, Network},
    modprobe,
    netlink::client::{Error, Result},
    system::{self, NftFlowtable},
    text::plural,
};
use rustix::thread::{move_into_link_name_space, LinkNameSpaceType};
use std::{
    collections::BTreeMap,
    fmt, fs,
    os::{fd::AsFd, unix::fs::MetadataExt},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

/// The time that the kernel may take to free flowtables with all their flows.
pub const LONG: Duration = Duration::from_secs(10);
/// The time that it may take to free flowtables that were deleted before.
pub const SHORT: Duration = Duration::from_secs(2);

/// A flowtable type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// The type of nft_offload.
    Offload,
    /// The type of the kernel.
    InTree,
}

impl Type {
    /// Returns the name of its module.
    pub fn module(self) -> &'static str {
        match self {
            Type::Offload => "nft_offload",
            Type::InTree => "nf_flow_table_inet",
        }
    }

    /// Returns the other type.
    pub fn other(self) -> Self {
        match self {
            Type::Offload => Type::InTree,
            Type::InTree => Type::Offload,
        }
    }

    /// Returns the number of users of its module, if it is loaded.
    pub fn users(self) -> Option<u64> {
        modprobe::users(self.module())
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.module())
    }
}

/// Lists the loaded types in the order of nf_tables: nft_offload cannot be loaded behind the other.
pub fn loaded() -> Vec<Type> {
    let both = [Type::Offload, Type::InTree];
    both.into_iter().filter(|t| t.users().is_some()).collect()
}

/// Checks that the modules can be exchanged, and exchanged back.
pub fn exchangeable(loaded: &[Type], to: Type) -> Result<()> {
    let kernel = Machine::this().kernel(&Network::default());
    for it in [to, to.other()] {
        installed(&kernel, it)?;
        if it == to || !loaded.contains(&it) {
            continue;
        }
        // To be restored, a loaded module has to be installed as well.
        let arguments = load(it, &[]);
        let dry: Vec<&str> = ["-n"].into_iter().chain(strings(&arguments)).collect();
        run("modprobe", &dry, None).map_err(|why| {
            Error::System(format!(
                "{it} could not be loaded again: {why}; nothing was changed"
            ))
        })?;
    }
    Ok(())
}

/// Checks that a type is installed as a module.
fn installed(kernel: &Kernel, it: Type) -> Result<()> {
    let release = &kernel.release;
    let part = Path::new("/sys/module").join(it.module()).exists() && it.users().is_none();
    let text = if part || kernel.built_in.contains(it.module()) {
        format!("{it} is part of this kernel and cannot be unloaded")
    } else if kernel
        .installed
        .as_ref()
        .is_some_and(|all| all.contains_key(it.module()))
    {
        return Ok(());
    } else if it.users().is_some() {
        format!(
            "{it} is loaded, but not installed for Linux {release}, so it could not be loaded again"
        )
    } else {
        format!("{it} is not installed for Linux {release}")
    };
    let fix = match (it, part) {
        (Type::Offload, false) => {
            format!(": install kmod-nft-offload-{release} or nft-offload-dkms")
        }
        _ => String::new(),
    };
    Err(Error::System(format!("{text}{fix}; nothing was changed")))
}

fn strings(of: &[String]) -> impl Iterator<Item = &str> {
    of.iter().map(String::as_str)
}

/// Returns the arguments of modprobe for a type. For the in-tree type modprobe.d is ignored: a soft
/// dependency would load nft_offload before it.
pub fn load(it: Type, parameters: &[String]) -> Vec<String> {
    let mut arguments = match it {
        Type::Offload => vec![it.module().to_owned()],
        Type::InTree => ["-C", "/dev/null", it.module()].map(str::to_owned).into(),
    };
    if it == Type::Offload {
        arguments.extend_from_slice(parameters);
    }
    arguments
}

/// Loads a type; the parameters are those of nft_offload.
pub fn modprobe(it: Type, parameters: &[String]) -> Result<()> {
    let arguments = load(it, parameters);
    let arguments: Vec<&str> = strings(&arguments).collect();
    run("modprobe", &arguments, None).map_err(Error::System)?;
    match it.users() {
        Some(_) => Ok(()),
        None => Err(Error::System(format!(
            "modprobe {it} has not loaded it: is there an 'install' line in modprobe.d?"
        ))),
    }
}

/// Unloads a type.
pub fn rmmod(it: Type) -> Result<()> {
    let arguments = [it.module()];
    run("rmmod", &arguments, None)
        .map(drop)
        .map_err(Error::System)
}

/// Reads the parameters of nft_offload, in the form of arguments of modprobe.
pub fn parameters() -> Vec<String> {
    let files = fs::read_dir("/sys/module/nft_offload/parameters");
    let read = |file: fs::DirEntry| {
        let value = fs::read_to_string(file.path()).ok()?;
        let value = value.trim_end();
        let name = file.file_name().into_string().ok()?;
        // The kernel prints this for a string that is not set.
        (!value.is_empty() && value != "(null)").then(|| format!("{name}={value}"))
    };
    let mut all: Vec<_> = files
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(read)
        .collect();
    all.sort();
    all
}

/// Waits until at most `at_most` flowtables use a type. The kernel frees them after nft has ended.
///
/// An error of `go_on`, which is called repeatedly, ends the wait.
pub fn wait_users(
    it: Type,
    at_most: u64,
    longest: Duration,
    go_on: &mut dyn FnMut() -> Result<()>,
) -> Result<()> {
    let end = Instant::now() + longest;
    loop {
        let more = it.users().unwrap_or(0).saturating_sub(at_most);
        if more == 0 {
            return Ok(());
        }
        if Instant::now() > end {
            return Err(held(it, more));
        }
        go_on()?;
        thread::sleep(Duration::from_millis(50));
    }
}

/// Creates the error for a module that something else uses.
fn held(it: Type, users: u64) -> Error {
    let holders = holders();
    let who = match holders.as_slice() {
        [] => "an unknown user".to_owned(),
        some => some.join("; "),
    };
    Error::System(format!(
        "{it} has {}, {who}: delete that first",
        plural(users, "more user")
    ))
}

/// Lists the flowtables of other network namespaces, in one text for each namespace.
fn holders() -> Vec<String> {
    let inode = |path: &Path| fs::metadata(path).ok().map(|m| m.ino());
    let own = inode(Path::new("/proc/self/ns/net"));
    let mut namespaces: BTreeMap<u64, (PathBuf, String)> = BTreeMap::new();
    let list = |directory: &str| fs::read_dir(directory).into_iter().flatten().flatten();
    let named = list("/run/netns").map(|file| {
        let name = file.file_name().to_string_lossy().into_owned();
        (file.path(), format!("network namespace {name}"))
    });
    let processes = list("/proc").filter_map(|file| {
        let pid: u32 = file.file_name().to_str()?.parse().ok()?;
        let name = fs::read_to_string(file.path().join("comm")).unwrap_or_default();
        let text = format!("the network namespace of process {pid} ({})", name.trim());
        Some((file.path().join("ns/net"), text))
    });
    for (path, text) in named.chain(processes) {
        let number = inode(&path).filter(|n| Some(*n) != own);
        if let Some(number) = number {
            namespaces.entry(number).or_insert((path, text));
        }
    }
    let tell = |(path, text): (PathBuf, String)| {
        let names: Vec<_> = flowtables_in(&path)?
            .iter()
            .map(|t| t.flowtable.to_string())
            .collect();
        (!names.is_empty()).then(|| format!("{text} (flowtable {})", names.join(", ")))
    };
    namespaces.into_values().filter_map(tell).collect()
}

/// Lists the flowtables of the network namespace of a file.
fn flowtables_in(path: &Path) -> Option<Vec<NftFlowtable>> {
    let file = fs::File::open(path).ok()?;
    // The thread enters the namespace, and ends with the work.
    let look = move || {
        move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).ok()?;
        system::nft_flowtables().ok().flatten()
    };
    thread::spawn(look).join().ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modprobe_gets_no_parameters_for_the_in_tree_type() {
        let parameters = ["limit=lan:1".to_owned()];
        assert_eq!(
            load(Type::InTree, &parameters),
            ["-C", "/dev/null", "nf_flow_table_inet"]
        );
        assert_eq!(
            load(Type::Offload, &parameters),
            ["nft_offload", "limit=lan:1"]
        );
    }

    #[test]
    fn a_module_has_to_be_installed() {
        let mut kernel = Kernel {
            release: "7.3.4".to_owned(),
            installed: Some(BTreeMap::new()),
            ..Kernel::default()
        };
        let why = |kernel: &Kernel, it| installed(kernel, it).unwrap_err().to_string();
        let text = why(&kernel, Type::Offload);
        assert!(text.contains("not installed for Linux 7.3.4"), "{text}");
        assert!(text.contains("kmod-nft-offload-7.3.4"), "{text}");
        kernel.built_in.insert("nf_flow_table_inet".to_owned());
        let text = why(&kernel, Type::InTree);
        assert!(text.contains("part of this kernel"), "{text}");
    }
}
