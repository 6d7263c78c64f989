// SPDX-License-Identifier: GPL-2.0

//! nft-offload: shows which flows the kernel module nft_offload has put into hardware and why
//! others stay in software, takes flows out of hardware, and sets up devices. See nft-offload(8).

mod cli;
mod commands;
mod filters;
mod interrupt;
mod modprobe;
mod netlink;
mod output;
mod session;
mod system;
mod text;
mod tuple;

use clap::Parser;
use cli::{Cli, Command};
use commands::{
    completion, devices, doctor, evict, flows, metrics, monitor, reasons, set, status, support,
    top, why,
};
use netlink::client::{Error, Result};
use output::Output;
use std::process::ExitCode;

fn run(out: &mut Output, command: &Command) -> Result<u8> {
    let status = match command {
        Command::Status => status::run(out),
        Command::Devices => devices::run(out),
        Command::Flows(args) => flows::run(out, args),
        Command::Monitor(args) => monitor::run(out, args),
        Command::Top(args) => top::run(out, args),
        Command::Why(args) => why::run(out, args),
        Command::Reasons => reasons::run(out),
        Command::Doctor(args) => doctor::run(out, args),
        Command::Support => support::run(out),
        Command::Metrics(args) => metrics::run(out, args),
        Command::Evict(args) => evict::run(out, args),
        Command::Set(args) => set::run(out, args),
        Command::Completion(args) => completion::run(out, args),
    }?;
    out.flush()?;
    Ok(status)
}

/// Reports an error, on standard error and, if JSON was asked for, on standard output.
fn report(out: &mut Output, error: &Error) {
    if out.json {
        let (errno, attribute) = match error {
            Error::Kernel {
                errno, attribute, ..
            } => (Some(*errno), attribute.as_deref()),
            _ => (None, None),
        };
        let _ = out.document(serde_json::json!({ "error": {
            "kind": error.kind(),
            "message": error.to_string(),
            "errno": errno,
            "attribute": attribute,
        }}));
    }
    let _ = out.flush();
    eprintln!("nft-offload: {error}");
}

fn main() -> ExitCode {
    // clap reports wrong arguments and prints help; it ends with status 2 or 0.
    let cli = Cli::parse();
    let mut out = Output::new(cli.json);
    match run(&mut out, &cli.command) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            report(&mut out, &error);
            ExitCode::from(error.status())
        }
    }
}

#[cfg(test)]
mod tests;
