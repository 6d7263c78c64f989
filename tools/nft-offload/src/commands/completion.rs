// SPDX-License-Identifier: GPL-2.0

//! `nft-offload completion`: prints the completion script of a shell.

use crate::{cli::Cli, netlink::client::Result, output::Output};
use clap::{Args, CommandFactory};

/// The arguments of `completion`.
#[derive(Debug, Args)]
pub struct Completion {
    /// The shell
    pub shell: clap_complete::Shell,
}

/// Runs the command.
pub fn run(out: &mut Output, args: &Completion) -> Result<u8> {
    out.write(&script(args.shell))?;
    Ok(0)
}

/// Generates the completion script of a shell.
pub fn script(shell: clap_complete::Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "nft-offload", &mut script);
    // clap_complete 4.6.11 gives the commands of a program with a hyphen one name, and looks for
    // them by another.
    String::from_utf8_lossy(&script).replace("nft__subcmd__offload", "nft__offload")
}
