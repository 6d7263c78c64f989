// SPDX-License-Identifier: GPL-2.0

//! The programs that a switch calls: nft, modprobe, rmmod.

use crate::text::clean;
use std::{
    env,
    ffi::OsString,
    io::Write,
    os::unix::process::CommandExt,
    process::{Command, Stdio},
    thread,
};

/// The search path, with the directories of what root calls, which `su` may leave out.
fn path() -> OsString {
    let mut path = env::var_os("PATH").unwrap_or_default();
    path.push(":/usr/sbin:/sbin:/usr/bin:/bin");
    path
}

/// Runs a program and returns what it prints. The error is the first line that it complains in.
///
/// It is in a process group of its own, as Ctrl-C is meant for us: we end when nothing is left half
/// done.
pub fn run(program: &str, arguments: &[&str], input: Option<&str>) -> Result<String, String> {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env("PATH", path())
        .env("LC_ALL", "C")
        .stdin(match input {
            Some(_) => Stdio::piped(),
            None => Stdio::null(),
        })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    let cannot = |error| format!("cannot run {program}: {error}");
    let mut child = command.spawn().map_err(cannot)?;
    let writer = child.stdin.take().zip(input.map(str::to_owned));
    let writer = writer.map(|(mut pipe, text)| {
        // Who does not read all of it says why.
        thread::spawn(move || drop(pipe.write_all(text.as_bytes())))
    });
    let output = child.wait_with_output().map_err(cannot)?;
    if let Some(writer) = writer {
        let _ = writer.join();
    }
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.lines().find(|line| !line.trim().is_empty());
    Err(match said {
        Some(line) => format!("{program}: {}", clean(complaint(program, line))),
        None => format!("{program} has failed: {}", output.status),
    })
}

/// A program's words without its name, and those of nft without the place in a text that is not
/// seen.
fn complaint<'a>(program: &str, line: &'a str) -> &'a str {
    if let Some(words) = line.strip_prefix(program) {
        return words.trim_start_matches([':', ' ']);
    }
    match line.split_once(": Error: ") {
        Some((place, words)) if !place.contains(' ') => words,
        _ => line.strip_prefix("Error: ").unwrap_or(line),
    }
}

/// nft with these arguments.
pub fn nft(arguments: &[&str]) -> Result<String, String> {
    run("nft", arguments, None)
}

/// One transaction of nft: all of it is done, or nothing.
pub fn transaction(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Ok(());
    }
    run("nft", &["-f", "-"], Some(text)).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_program_says() {
        assert_eq!(run("cat", &[], Some("x\n")).unwrap(), "x\n");
        let long = "x".repeat(1 << 20);
        assert_eq!(run("cat", &[], Some(&long)).unwrap(), long);
        assert_eq!(
            run("sh", &["-c", "echo; echo a; echo b >&2; exit 1"], None),
            Err("sh: b".to_owned())
        );
        let failed = run("false", &[], Some(&long)).unwrap_err();
        assert!(failed.contains("status: 1"), "{failed}");
        assert!(run("no-such-program", &[], None).is_err());
        assert_eq!(complaint("rmmod", "rmmod: ERROR: x"), "ERROR: x");
        assert_eq!(
            complaint(
                "nft",
                "/dev/stdin:3:5-9: Error: Could not process rule: No such file or directory"
            ),
            "Could not process rule: No such file or directory"
        );
    }
}
