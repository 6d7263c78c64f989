// SPDX-License-Identifier: GPL-2.0

//! `nft-offload metrics`: exports totals and devices to Prometheus, once to standard output or to a
//! file, or by HTTP. Flows are neither shown nor read.
//!
//! [`exposition`] renders the text, [`server`] is the HTTP server.

pub mod exposition;
pub mod server;

use crate::{
    modprobe,
    netlink::{
        client::{Error, Result},
        family::{Device, Family, Names, Reason, Stats},
    },
    output::Output,
};
use clap::{Args, ValueHint};
use exposition::Format;
use server::{Server, Timeouts};
use std::{
    fs,
    io::{self, Write},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};
use tempfile::NamedTempFile;

/// The default port.
const PORT: u16 = 10311;

/// The arguments of `metrics`.
#[derive(Debug, Args)]
pub struct Metrics {
    /// Write to this file, which is replaced atomically
    #[arg(
        short,
        long,
        value_name = "FILE",
        value_hint = ValueHint::FilePath,
        conflicts_with = "listen"
    )]
    pub output: Option<PathBuf>,
    /// The format
    #[arg(
        short,
        long,
        value_name = "FORMAT",
        default_value = "prometheus",
        conflicts_with = "listen"
    )]
    pub format: Format,
    /// Serve HTTP at an address, a port or both, in the format that the client requests
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

/// Parses an address, a port, or both; the defaults are loopback and [`PORT`].
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
        "expected an IP address, a port or both (127.0.0.1:10311, [::1]:10311)".to_owned()
    })
}

/// The answers of the module.
pub struct Snapshot {
    /// Totals.
    pub stats: Stats,
    /// The devices of flowtables.
    pub devices: Vec<Device>,
    /// The reasons why a flow stays in software.
    pub reasons: Vec<Reason>,
    /// The version of the module, if it is known.
    pub module_version: Option<String>,
}

impl Snapshot {
    /// Asks the module, over a new socket, as the module may have been reloaded.
    fn take() -> Result<Self> {
        let mut family = Family::open()?;
        let reasons = family.reasons()?;
        let names = Names::of(&reasons);
        Ok(Self {
            stats: family.stats(&names)?,
            devices: family.devices(&names)?,
            reasons,
            module_version: modprobe::module_version(),
        })
    }
}

/// Runs the command.
pub fn run(out: &mut Output, how: &Metrics) -> Result<u8> {
    if out.json {
        let text = "metrics has no JSON format; for the same data run: nft-offload --json status";
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

/// Serves metrics until the command is interrupted.
fn serve(out: &mut Output, address: SocketAddr) -> Result<u8> {
    let server = Server::bind(address)?;
    out.write(&format!("listening on http://{}/metrics\n", server.address))?;
    out.flush()?;
    let trouble = Mutex::new(None);
    let scrape = move |format| {
        let taken = Snapshot::take();
        let mut last = trouble.lock().unwrap_or_else(PoisonError::into_inner);
        let now = taken.as_ref().err().map(Error::to_string);
        // Report a change once, not with each scrape.
        if *last != now {
            let text = now.as_deref().unwrap_or("nft_offload answers again");
            let _ = writeln!(io::stderr(), "nft-offload: {text}");
            *last = now;
        }
        exposition::render(format, taken.as_ref().ok())
    };
    server.run(Timeouts::DEFAULT, Arc::new(scrape))?;
    Ok(0)
}

/// Replaces a file atomically. Everyone may read it, as node_exporter does not run as root.
fn replace(path: &Path, text: &str) -> Result<()> {
    let failed =
        |error: io::Error| Error::System(format!("cannot write {}: {error}", path.display()));
    // A device, or the target of /dev/stdout, must not be replaced.
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
        let text = format!(
            "cannot write {}: no such directory; create it: mkdir -p {directory}",
            path.display()
        );
        return Err(Error::System(text));
    }
    // The textfile collector reads only files that end in .prom.
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
