// SPDX-License-Identifier: GPL-2.0

//! Kernel modules: which are loaded, and how modprobe.d(5) loads them.

use std::{collections::BTreeMap, fs, path::Path};

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
    OffloadFirst,
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
                            "nft_offload" if before => order = LoadOrder::OffloadFirst,
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
            assert_eq!(order(text), LoadOrder::OffloadFirst, "{text}");
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
                _ => LoadOrder::OffloadFirst,
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
        assert_eq!(order(), LoadOrder::OffloadFirst);
        fs::write(directories[3].join("c.conf"), blocks).unwrap();
        assert!(matches!(order(), LoadOrder::InTreeBlocked(_)));
    }
}
