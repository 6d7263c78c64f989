// SPDX-License-Identifier: GPL-2.0

//! `nft-offload metrics`: totals and devices for Prometheus, once to standard output or into a
//! file, or by HTTP. No flow is shown, and none is dumped.
//!
//! [`exposition`] is the text, [`server`] the HTTP.

pub mod exposition;
pub mod server;

use crate::{
    client::{Error, Result},
    family::{Device, Family, Names, Reason, Stats},
    machine, Output,
};
use clap::{Args, ValueHint};
use exposition::Format;
use server::{Patience, Server};
use std::{
    fs,
    io::{self, Write},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};
use tempfile::NamedTempFile;

/// The port, unless another one is given.
const PORT: u16 = 10311;

/// Where metrics go, and how.
#[derive(Debug, Args)]
pub struct Metrics {
    /// Write them into this file, all at once
    #[arg(
        short,
        long,
        value_name = "FILE",
        value_hint = ValueHint::FilePath,
        conflicts_with = "listen"
    )]
    pub output: Option<PathBuf>,
    /// In this format
    #[arg(
        short,
        long,
        value_name = "FORMAT",
        default_value = "prometheus",
        conflicts_with = "listen"
    )]
    pub format: Format,
    /// Give them by HTTP at an address, a port or both, in the format that the client asks for
    /// [default: 127.0.0.1:10311]
    #[arg(
        short,
        long,
        value_name = "ADDRESS",
        value_parser = listen,
        value_hint = ValueHint::Other,
        num_args = 0..=1,
        default_missing_value = "127.0.0.1"
    )]
    pub listen: Option<SocketAddr>,
}

/// An address, a port, or both; the others are loopback and [`PORT`].
fn listen(text: &str) -> std::result::Result<SocketAddr, String> {
    let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let whole = text.parse().ok();
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    let address = || bare.parse().ok().map(|ip| SocketAddr::new(ip, PORT));
    let port = || {
        text.parse()
            .ok()
            .map(|port| SocketAddr::new(loopback, port))
    };
    whole.or_else(address).or_else(port).ok_or_else(|| {
        "an IP address, a port or both (127.0.0.1:10311, [::1]:10311) is wanted".to_owned()
    })
}

/// What the module has said.
pub struct Snapshot {
    /// Totals.
    pub stats: Stats,
    /// The devices of flowtables.
    pub devices: Vec<Device>,
    /// Why flows may be in software.
    pub reasons: Vec<Reason>,
    /// The module's version, if it can be seen.
    pub module_version: Option<String>,
}

impl Snapshot {
    /// Asks the module, with a socket of its own, as it may have been loaded anew.
    fn take() -> Result<Self> {
        let mut family = Family::open()?;
        let reasons = family.reasons()?;
        let names = Names::of(&reasons);
        Ok(Self {
            stats: family.stats(&names)?,
            devices: family.devices(&names)?,
            reasons,
            module_version: machine::module_version(),
        })
    }
}

/// Runs the command.
pub fn run(out: &mut Output, how: &Metrics) -> Result<u8> {
    if out.json {
        let text = "metrics have Prometheus' formats; the same in JSON: nft-offload --json status";
        return Err(Error::Usage(text.to_owned()));
    }
    if let Some(address) = how.listen {
        return serve(out, address);
    }
    let taken = Snapshot::take();
    let text = exposition::render(how.format, taken.as_ref().ok());
    match &how.output {
        Some(path) => replace(path, &text)?,
        None => {
            out.write(&text)?;
            out.flush()?;
        }
    }
    taken.map(|_| 0)
}

/// Answers until it is ended.
fn serve(out: &mut Output, address: SocketAddr) -> Result<u8> {
    let server = Server::bind(address)?;
    out.write(&format!("listening on http://{}/metrics\n", server.address))?;
    out.flush()?;
    let trouble = Mutex::new(None);
    let scrape = move |format| {
        let taken = Snapshot::take();
        let mut last = trouble.lock().unwrap_or_else(PoisonError::into_inner);
        let now = taken.as_ref().err().map(Error::to_string);
        // Once, not with each scrape.
        if *last != now {
            let text = now.as_deref().unwrap_or("nft_offload answers again");
            let _ = writeln!(io::stderr(), "nft-offload: {text}");
            *last = now;
        }
        exposition::render(format, taken.as_ref().ok())
    };
    server.run(Patience::DEFAULT, Arc::new(scrape))?;
    Ok(0)
}

/// Writes a file so that a reader finds the old text or the new one, whole. All may read it, as
/// node_exporter is not root.
fn replace(path: &Path, text: &str) -> Result<()> {
    let failed =
        |error: io::Error| Error::System(format!("cannot write {}: {error}", path.display()));
    // Not a device, nor what /dev/stdout points to.
    if fs::metadata(path).is_ok_and(|there| !there.is_file()) {
        let text = format!("cannot write {}: it is not a regular file", path.display());
        return Err(Error::System(text));
    }
    let directory = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    if !directory.is_dir() {
        let directory = directory.display();
        let text = format!("cannot write {}: mkdir -p {directory}", path.display());
        return Err(Error::System(text));
    }
    // The textfile collector reads what ends in .prom.
    let mut file = tempfile::Builder::new()
        .prefix(".nft-offload.")
        .suffix(".tmp")
        .tempfile_in(directory)
        .map_err(failed)?;
    let write = |file: &mut NamedTempFile| {
        file.write_all(text.as_bytes())?;
        file.as_file()
            .set_permissions(fs::Permissions::from_mode(0o644))
    };
    write(&mut file).map_err(failed)?;
    file.persist(path).map_err(|e| failed(e.error))?;
    Ok(())
}

#[cfg(test)]
mod tests;
