// SPDX-License-Identifier: GPL-2.0

//! What the documents say of the source tree: functions, files, links and make targets exist.
//!
//! A document names functions, types and tables as
//! `` `Type::function`, `OTHER` in [`file.rs`](../src/file.rs) ``.

use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
};

/// A line of a document, and whether it is in a fenced block.
struct Line {
    text: String,
    fenced: bool,
}

struct Document {
    path: PathBuf,
    lines: Vec<Line>,
}

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

impl Document {
    fn new(path: PathBuf) -> Self {
        let mut in_fence = false;
        let text = read(&path);
        let lines = text.lines().map(|text| {
            let is_fence = text.trim_start().starts_with("```");
            in_fence ^= is_fence;
            Line {
                text: text.to_owned(),
                fenced: in_fence || is_fence,
            }
        });
        Self {
            lines: lines.collect(),
            path,
        }
    }

    /// The lines outside of fenced blocks, with one blank in place of each line break.
    fn prose(&self) -> String {
        let lines = self.lines.iter().filter(|line| !line.fenced);
        let words = lines.flat_map(|line| line.text.split_whitespace().chain(["\n"]));
        let text = words.collect::<Vec<_>>().join(" ");
        text.replace(" \n ", " ")
    }

    /// What is in backquotes, outside of fenced blocks.
    fn code(&self) -> Vec<String> {
        let prose = self.prose();
        let spans = prose.split('`').skip(1).step_by(2);
        spans.map(str::to_owned).collect()
    }

    /// The texts and targets of its links.
    fn links(&self) -> Vec<(String, String)> {
        links(&self.prose())
    }

    /// The anchors of its headings, as GitHub makes them.
    fn anchors(&self) -> HashSet<String> {
        let headings = self.lines.iter().filter(|line| !line.fenced);
        let headings = headings.filter_map(|line| line.text.strip_prefix('#'));
        let slug = |heading: &str| {
            let heading = heading.trim_start_matches('#').trim().to_lowercase();
            let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
            let kept: String = heading.chars().filter(kept).collect();
            kept.replace(' ', "-")
        };
        headings.map(slug).collect()
    }
}

fn links(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices("](") {
        let label = text[..at].rsplit('[').next().unwrap_or_default();
        let target = text[at + 2..].split(')').next().unwrap_or_default();
        found.push((label.to_owned(), target.to_owned()));
    }
    found
}

fn document(path: &str) -> Document {
    Document::new(top().join(path))
}

fn documents() -> Vec<Document> {
    let mut paths: Vec<_> = fs::read_dir(top().join("docs"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    paths.sort();
    let more = [
        "README.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "CHANGELOG.md",
        "packaging/openwrt/README.md",
    ];
    paths.extend(more.map(|path| top().join(path)));
    paths.into_iter().map(Document::new).collect()
}

/// The functions that a text names, each with the target of the link behind it.
fn functions(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices(" in [`") {
        let (_, target) = links(&text[at..]).remove(0);
        let mut names = &text[..at];
        while let Some(rest) = names.strip_suffix('`') {
            let Some((before, name)) = rest.rsplit_once('`') else {
                break;
            };
            found.push((name.to_owned(), target.clone()));
            let before = before.strip_suffix(" and ").or(before.strip_suffix(", "));
            names = before.unwrap_or_default();
        }
    }
    found
}

/// The type of an `impl` or `trait` line.
fn type_of(line: &str) -> Option<&str> {
    let rest = line
        .strip_prefix("pub(crate) trait ")
        .or(line.strip_prefix("impl"))?;
    // What is before the last "for", and generic parameters of the impl itself.
    let rest = rest.rsplit(" for ").next()?.trim_start();
    let rest = match rest.strip_prefix('<') {
        Some(generic) => generic.split_once("> ")?.1,
        None => rest,
    };
    rest.split(|c: char| !c.is_alphanumeric()).next()
}

/// Whether Rust source defines a function, of a type if the name has one, a type, a static or a macro.
fn rust_defines(source: &str, name: &str) -> bool {
    if let Some(name) = name.strip_suffix('!') {
        return source.contains(&format!("macro_rules! {name} {{"));
    }
    let is_defined = |word: &str| {
        let wanted = format!(" {word} {name}");
        let mut behind = source.split(&wanted).skip(1);
        behind.any(|rest| rest.starts_with([' ', '<', ':', '(']))
    };
    if ["struct", "enum", "trait", "static"]
        .into_iter()
        .any(is_defined)
    {
        return true;
    }
    let (wanted, name) = match name.rsplit_once("::") {
        Some((of, name)) => (Some(of), name),
        None => (None, name),
    };
    let mut of = None;
    source.lines().any(|line| {
        if line.starts_with("impl") || line.starts_with("pub(crate) trait ") {
            of = type_of(line);
        } else if line.starts_with('}') {
            of = None;
        }
        let starts = |rest: &str| rest.starts_with(['(', '<']);
        let defines = line
            .split_once("fn ")
            .and_then(|(_, rest)| rest.strip_prefix(name))
            .is_some_and(starts);
        defines && !line.trim_start().starts_with("//") && (wanted.is_none() || wanted == of)
    })
}

/// Whether C source defines a function.
fn c_defines(source: &str, name: &str) -> bool {
    source.match_indices(&format!("{name}(")).any(|(at, _)| {
        let line = source[..at].rsplit('\n').next().unwrap_or_default();
        let mut rest = source[at..].chars();
        let end = rest.find(|c| matches!(c, ';' | '{'));
        !line.starts_with(char::is_whitespace)
            && !line.ends_with(|c: char| c.is_alphanumeric() || c == '_')
            && end == Some('{')
    })
}

/// Whether a script defines a function or sets a variable.
fn shell_defines(source: &str, name: &str) -> bool {
    let mut lines = source.lines();
    lines.any(|line| {
        line.starts_with(&format!("{name}() {{")) || line.contains(&format!(" {name} <<<"))
    })
}

/// Checks the functions that a text names; how many there are.
fn check_functions(text: &str, of: &Path) -> usize {
    let functions = functions(text);
    for (name, target) in &functions {
        let source = read(&of.parent().unwrap().join(target));
        let defined = match target.rsplit('.').next() {
            Some("rs") => rust_defines(&source, name),
            Some("sh") => shell_defines(&source, name),
            _ => c_defines(&source, name),
        };
        assert!(defined, "{}: {target} defines no {name}", of.display());
    }
    functions.len()
}

#[test]
fn the_tour_has_ten_steps_and_their_functions_exist() {
    let tour = document("docs/tour.md");
    let headings = tour
        .lines
        .iter()
        .filter(|line| line.text.starts_with("## "));
    let headings: Vec<_> = headings.map(|line| line.text.as_str()).collect();
    for (i, heading) in headings.iter().enumerate() {
        assert!(heading.starts_with(&format!("## {}. ", i + 1)), "{heading}");
    }
    let prose = tour.prose();
    let steps: Vec<_> = prose.split("## ").skip(1).collect();
    assert_eq!((headings.len(), steps.len()), (10, 10));
    for step in steps {
        assert!(check_functions(step, &tour.path) >= 2, "{step}");
    }
}

#[test]
fn functions_are_in_the_files_that_the_documents_name() {
    let documents = documents();
    let found = documents
        .iter()
        .map(|d| check_functions(&d.prose(), &d.path));
    assert!(found.sum::<usize>() >= 80);
}

#[test]
fn what_defines_a_function() {
    let rust = "impl<E: Events> Engine for Table<E> {\n    fn bind(&self) {}\n}\nfn free() {}\n";
    assert!(rust_defines(rust, "Table::bind") && rust_defines(rust, "free"));
    assert!(!rust_defines(rust, "Table::free") && !rust_defines(rust, "bin"));
    assert!(!rust_defines("// fn gone()\n", "gone"));
    let c = "static int\nhere(int a,\n     int b)\n{\n\tthere(a);\n}\nint there(int);\n";
    assert!(c_defines(c, "here") && !c_defines(c, "there") && !c_defines(c, "ere"));
    let text = "`A::b`, `c` and `d` in [`e.rs`](../e.rs), `f` in [`g.c`](g.c)";
    let found = functions(text);
    let names: Vec<_> = found.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["d", "c", "A::b", "f"]);
}

#[test]
fn links_lead_somewhere() {
    for document in documents() {
        for (label, target) in document.links() {
            let place = document.path.display();
            if target.starts_with("http") {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((target.as_str(), ""));
            let path = match file {
                "" => document.path.clone(),
                file => document.path.parent().unwrap().join(file),
            };
            assert!(path.exists(), "{place}: [{label}] leads to no file");
            if !anchor.is_empty() {
                let anchors = Document::new(path).anchors();
                assert!(anchors.contains(anchor), "{place}: {target} is no heading");
            }
            let named = label.trim_matches('`');
            if label.starts_with('`') && named.contains('.') {
                assert!(file.ends_with(named), "{place}: [{label}] leads to {file}");
            }
        }
    }
}

/// Whether there is a file with this path, in which one component may have a `*`.
fn exists(path: &str) -> bool {
    let Some((before, after)) = path.split_once('*') else {
        return top().join(path).exists();
    };
    let (directory, start) = before.rsplit_once('/').unwrap_or(("", before));
    let entries = fs::read_dir(top().join(directory));
    let names = entries.into_iter().flatten().flatten();
    let names = names.map(|entry| entry.file_name().into_string().unwrap());
    let (mut names, end) = (names, after.split('/').next().unwrap_or_default());
    names.any(|name| name.starts_with(start) && name.ends_with(end))
}

#[test]
fn paths_exist() {
    let folders = [
        "docs/",
        "packaging/",
        "scripts/",
        "src/",
        "tests/",
        "tools/",
    ];
    let is_placeholder =
        |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_uppercase());
    let mut checked = 0;
    for document in documents() {
        for code in document.code() {
            let path = code.split([' ', ':']).next().unwrap_or_default();
            let is_path = folders.iter().any(|folder| path.starts_with(folder));
            let mut parts = path.split(['/', '.', '_']);
            if !is_path || parts.any(is_placeholder) && !path.contains("README") {
                continue;
            }
            let place = document.path.display();
            assert!(exists(path), "{place}: there is no {path}");
            checked += 1;
        }
    }
    assert!(checked >= 20);
}

#[test]
fn make_targets_exist() {
    let makefile = read(&top().join("Makefile"));
    let rules = makefile.lines().filter(|line| !line.starts_with('\t'));
    let targets = rules.filter_map(|line| line.split_once(':'));
    let targets: HashSet<_> = targets
        .flat_map(|(targets, _)| targets.split(' '))
        .collect();
    // OpenWrt's make is another one.
    let ours = |document: &Document| !document.path.ends_with("openwrt/README.md");
    for document in documents().into_iter().filter(ours) {
        let fenced = document.lines.iter().filter(|line| line.fenced);
        let fenced = fenced.map(|line| line.text.trim_start_matches("$ ").to_owned());
        for code in document.code().into_iter().chain(fenced) {
            // What is in quotes is no target.
            let code: String = code.split('"').step_by(2).collect();
            let mut words = code.split_whitespace();
            if words.next() != Some("make") {
                continue;
            }
            let is_target = |word: &&str| word.chars().all(|c| c.is_ascii_lowercase() || c == '-');
            let named = words.take_while(|word| *word != "#");
            for target in named
                .filter(is_target)
                .filter(|word| !word.starts_with('-'))
            {
                let place = document.path.display();
                assert!(targets.contains(target), "{place}: no make {target}");
            }
        }
    }
}

/// Fenced blocks, tables and what cannot be broken may be wider.
#[test]
fn lines_are_short() {
    for document in documents() {
        for line in &document.lines {
            let text = &line.text;
            let is_code = line.fenced || text.starts_with("    ");
            let exempt = is_code || text.starts_with('|') || !text.trim().contains(' ');
            let width = text.chars().count();
            let place = document.path.display();
            assert!(exempt || width <= 100, "{place}: {width} columns: {text}");
        }
    }
}

#[test]
fn the_readme_is_short() {
    assert!(document("README.md").lines.len() <= 150);
}

#[test]
fn the_maintainers_have_files() {
    let text = read(&top().join("MAINTAINERS"));
    let patterns: Vec<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix("F:\t"))
        .collect();
    assert!(patterns.len() >= 20);
    for pattern in patterns {
        assert!(exists(pattern.trim_end_matches('/')), "no {pattern}");
    }
}
