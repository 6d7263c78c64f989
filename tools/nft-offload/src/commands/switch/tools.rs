// SPDX-License-Identifier: GPL-2.0

//! The programs that a switch runs: nft, modprobe, rmmod.

use crate::text::clean;
use std::{
    env,
    ffi::OsString,
    io::Write,
    os::unix::process::CommandExt,
    process::{Command, Stdio},
    thread,
};

/// Returns the search path, with the directories of system programs, which `su` may leave out.
fn path() -> OsString {
    let mut path = env::var_os("PATH").unwrap_or_default();
    path.push(":/usr/sbin:/sbin:/usr/bin:/bin");
    path
}

/// Runs a program and returns its output, or the first line of its error output.
///
/// It runs in a process group of its own, as Ctrl-C is meant for this process, which ends only in a
/// consistent state.
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
        // A program that does not read all of its input reports an error.
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
        None => format!("{program} failed: {}", output.status),
    })
}

/// Returns the message of a program without its name, and that of nft without the position in the
/// input.
fn complaint<'a>(program: &str, line: &'a str) -> &'a str {
    if let Some(words) = line.strip_prefix(program) {
        return words.trim_start_matches([':', ' ']);
    }
    match line.split_once(": Error: ") {
        Some((place, words)) if !place.contains(' ') => words,
        _ => line.strip_prefix("Error: ").unwrap_or(line),
    }
}

/// Runs nft with these arguments.
pub fn nft(arguments: &[&str]) -> Result<String, String> {
    run("nft", arguments, None)
}

/// Runs one transaction of nft, which takes effect as a whole or not at all.
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
    fn output_and_errors_of_programs() {
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
