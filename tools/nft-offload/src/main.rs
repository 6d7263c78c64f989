// SPDX-License-Identifier: GPL-2.0

//! nft-offload: shows what the kernel module nft_offload has put into hardware, and why the rest is not; takes flows out,
//! and sets devices. See nft-offload(8).

mod cli;
mod client;
mod commands;
mod doctor;
mod end;
mod family;
mod machine;
mod monitor;
mod rates;
mod screen;
mod show;
mod text;
mod top;
mod tuple;
mod uapi;
mod watch;
mod why;
mod wire;

use clap::{CommandFactory, Parser};
use cli::{Cli, Command};
use client::{Error, Result};
use commands::{metrics, support, switch};
use family::{Family, Filter, Flow, Names, Reason};
use serde::Serialize;
use show::Style;
use std::{
    collections::BTreeSet,
    env,
    io::{self, BufRead, IsTerminal, Write},
    process::ExitCode,
};

/// The version of what `--json` prints: it changes when something is taken away or means something else.
const SCHEMA: u32 = 1;
/// How many flows are shown at a time.
const AT_ONCE: usize = 1 << 15;

/// What goes into an object of JSON, with the version of the schema.
#[derive(Serialize)]
struct Document<T> {
    schema: u32,
    #[serde(flatten)]
    content: T,
}

/// Where output goes.
pub struct Output {
    json: bool,
    style: Style,
    to: io::BufWriter<io::Stdout>,
}

impl Output {
    fn new(json: bool) -> Self {
        let stdout = io::stdout();
        let terminal = stdout.is_terminal();
        let width = || {
            let columns = env::var("COLUMNS").ok().and_then(|n| n.parse().ok());
            let of_terminal = terminal_size::terminal_size().map(|(w, _)| usize::from(w.0));
            of_terminal.or(columns).unwrap_or(80).max(40)
        };
        Self {
            json,
            style: match terminal {
                true => Style {
                    width: Some(width()),
                    bold: env::var_os("NO_COLOR").is_none(),
                },
                false => Style::PLAIN,
            },
            to: io::BufWriter::new(stdout),
        }
    }

    fn write(&mut self, text: &str) -> Result<()> {
        self.to.write_all(text.as_bytes()).map_err(written)
    }

    fn flush(&mut self) -> Result<()> {
        self.to.flush().map_err(written)
    }

    /// An object on one line.
    fn document(&mut self, content: impl Serialize) -> Result<()> {
        let document = Document {
            schema: SCHEMA,
            content,
        };
        serde_json::to_writer(&mut self.to, &document).map_err(|e| written(e.into()))?;
        self.write("\n")
    }
}

/// Who reads us may have enough.
fn written(error: io::Error) -> Error {
    if error.kind() == io::ErrorKind::BrokenPipe {
        std::process::exit(0);
    }
    Error::System(format!("cannot write: {error}"))
}

/// The family, and the names of what its answers have numbers for.
pub struct Kernel {
    family: Family,
    names: Names,
    reasons: Vec<Reason>,
}

impl Kernel {
    fn open() -> Result<Self> {
        let mut family = Family::open()?;
        let reasons = family.reasons()?;
        let names = Names::of(&reasons);
        let mut kernel = Self {
            family,
            names,
            reasons,
        };
        kernel.look_at_links()?;
        Ok(kernel)
    }

    fn look_at_links(&mut self) -> Result<()> {
        let links = machine::links()?;
        let named = links.iter().map(|l| (l.ifindex, l.name.as_str().into()));
        self.names.devices = named.collect();
        Ok(())
    }

    /// A device by its name or index.
    fn ifindex(&self, name: &str) -> Result<u32> {
        let found = self.names.devices.iter().find(|(_, n)| &***n == name);
        let ifindex = found.map(|(ifindex, _)| *ifindex);
        ifindex.or_else(|| name.parse().ok()).ok_or_else(|| {
            Error::Usage(format!(
                "there is no device '{name}' in this network namespace"
            ))
        })
    }

    fn filter(&self, from: &cli::Filters) -> Result<Filter> {
        let ifindex = from.device.as_deref().map(|name| self.ifindex(name));
        let reason = from.reason.as_deref().map(|name| {
            let found = self.reasons.iter().find(|r| r.name == name);
            let number = found.map(|r| r.number);
            number.or_else(|| name.parse().ok()).ok_or_else(|| {
                Error::Usage(format!(
                    "there is no reason '{name}'; there are: nft-offload reasons"
                ))
            })
        });
        Ok(Filter {
            tables: from.tables.tables(),
            family: from.family,
            protocol: from.protocol,
            state: from.state,
            reason: reason.transpose()?,
            mark: from.mark,
            zone: from.zone,
            ifindex: ifindex.transpose()?,
            address: from.address,
            port: from.port,
            source: from.source,
            source_port: from.source_port,
            destination: from.destination,
            destination_port: from.destination_port,
        })
    }
}

fn status(out: &mut Output) -> Result<u8> {
    let mut kernel = Kernel::open()?;
    let stats = kernel.family.stats(&kernel.names)?;
    let devices = kernel.family.devices(&kernel.names)?;
    if out.json {
        #[derive(Serialize)]
        struct Content<'a> {
            stats: &'a family::Stats,
            devices: &'a [family::Device],
        }
        out.document(Content {
            stats: &stats,
            devices: &devices,
        })?;
    } else {
        out.write(&show::status(&stats, &devices, out.style))?;
    }
    Ok(0)
}

fn devices(out: &mut Output) -> Result<u8> {
    let mut kernel = Kernel::open()?;
    let devices = kernel.family.devices(&kernel.names)?;
    if out.json {
        #[derive(Serialize)]
        struct Content<'a> {
            devices: &'a [family::Device],
        }
        out.document(Content { devices: &devices })?;
    } else {
        out.write(&show::devices(&devices, out.style))?;
    }
    Ok(0)
}

/// Prints flows as they come, so that a million of them need no memory.
fn flows(out: &mut Output, which: &cli::Flows) -> Result<u8> {
    let mut kernel = Kernel::open()?;
    let filter = kernel.filter(&which.filters)?;
    if which.watch {
        return watch::run(out, &mut kernel, &filter, which.looks);
    }
    let mut printed = 0usize;
    let mut print = |some: &mut Vec<Flow>| -> Result<()> {
        if out.json {
            if printed == 0 {
                out.write(&format!("{{\"schema\":{SCHEMA},\"flows\":["))?;
            }
            for (i, flow) in some.iter().enumerate() {
                let first = printed == 0 && i == 0;
                out.write(if first { "\n" } else { ",\n" })?;
                serde_json::to_writer(&mut out.to, flow).map_err(|e| written(e.into()))?;
            }
        } else if printed == 0 || !some.is_empty() {
            let text = show::flows(some, printed == 0, out.style);
            out.write(&text)?;
        }
        printed = printed.saturating_add(some.len());
        Ok(())
    };
    let interrupted = kernel
        .family
        .flows(&filter, &kernel.names, AT_ONCE, &mut print)?;
    if out.json {
        out.write(&format!("],\"interrupted\":{interrupted}}}\n"))?;
    }
    if interrupted {
        out.flush()?;
        eprintln!("nft-offload: the flows changed while they were read: some may be missing");
    }
    Ok(0)
}

/// The story of a flow; true if it is there.
fn tell(out: &mut Output, kernel: &mut Kernel, wanted: &tuple::Wanted) -> Result<bool> {
    let protocols = match wanted.protocol {
        Some(protocol) => vec![protocol],
        None if wanted.source.port == 0 => vec![47],
        None => vec![6, 17],
    };
    let mut flow = None;
    for protocol in protocols {
        flow = kernel.family.flow(protocol, wanted, &kernel.names)?;
        if flow.is_some() {
            break;
        }
    }
    let found = flow.is_some();
    let story = match flow {
        Some(flow) => {
            let devices = kernel.family.devices(&kernel.names)?;
            let mut story = why::Story::of(flow, &devices, &kernel.reasons);
            if let Some(device) = &story.device {
                let features = machine::hw_tc_offload(std::slice::from_ref(device))?;
                story.note_feature(features.into_iter().flatten().next());
            }
            story
        }
        None => {
            let stats = kernel.family.stats(&kernel.names)?;
            why::Story::of_none(wanted, stats.flowtables)
        }
    };
    if out.json {
        out.document(&story)?;
    } else {
        out.write(&story.render(out.style))?;
    }
    Ok(found)
}

fn why(out: &mut Output, which: &cli::Why) -> Result<u8> {
    let from_stdin = match which.flow.as_slice() {
        [] => true,
        [only] => only == "-",
        _ => false,
    };
    if !from_stdin {
        let wanted = tuple::wanted(&which.flow, which.zone).map_err(Error::Usage)?;
        let found = tell(out, &mut Kernel::open()?, &wanted)?;
        return Ok(u8::from(!found));
    }
    if which.flow.is_empty() && io::stdin().is_terminal() {
        let text =
            "which flow? SRC:PORT DST:PORT [tcp|udp|gre], or a line of conntrack -L, also on stdin";
        return Err(Error::Usage(text.to_owned()));
    }
    let mut kernel = None;
    let mut all_found = true;
    let mut some = false;
    for line in io::stdin().lock().lines() {
        let line = line.map_err(|e| Error::System(format!("cannot read stdin: {e}")))?;
        if line.trim().is_empty() {
            continue;
        }
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        let wanted = tuple::wanted(&words, which.zone).map_err(Error::Usage)?;
        let kernel = match &mut kernel {
            Some(kernel) => kernel,
            none => none.insert(Kernel::open()?),
        };
        if some && !out.json {
            out.write("\n")?;
        }
        some = true;
        all_found &= tell(out, kernel, &wanted)?;
    }
    if !some {
        return Err(Error::Usage(
            "there is no line of conntrack on stdin".to_owned(),
        ));
    }
    Ok(u8::from(!all_found))
}

fn evict(out: &mut Output, which: &cli::Evict) -> Result<u8> {
    let mut kernel = Kernel::open()?;
    let filter = kernel.filter(&which.filters)?;
    match (filter == Filter::default(), which.all) {
        (true, false) => {
            let text = "which flows? a filter as of 'nft-offload flows', or --all";
            return Err(Error::Usage(text.to_owned()));
        }
        (false, true) => {
            let text = "--all and a filter: one of them is wanted";
            return Err(Error::Usage(text.to_owned()));
        }
        _ => {}
    }
    let evicted = kernel.family.evict(&filter, which.relearn)?;
    if out.json {
        out.document(serde_json::json!({ "evicted": evicted }))?;
    } else {
        let flows = match evicted {
            1 => "1 flow".to_owned(),
            n => format!("{n} flows"),
        };
        let what = match which.relearn {
            true => "taken out, to be learned anew",
            false => "taken out of hardware",
        };
        out.write(&format!("{flows} {what}\n"))?;
    }
    Ok(0)
}

fn set(out: &mut Output, what: &cli::Set) -> Result<u8> {
    let settings = cli::settings(&what.settings).map_err(Error::Usage)?;
    let mut kernel = Kernel::open()?;
    let ifindex = kernel.ifindex(&what.device)?;
    let tables = what.tables.tables();
    let device = kernel
        .family
        .set(ifindex, &tables, &settings, &kernel.names)?;
    if out.json {
        #[derive(Serialize)]
        struct Content {
            device: Option<family::Device>,
        }
        out.document(Content { device })?;
    } else if let Some(device) = device {
        out.write(&show::device(&device, out.style))?;
    }
    Ok(0)
}

fn reasons(out: &mut Output) -> Result<u8> {
    let reasons = Family::open()?.reasons()?;
    if out.json {
        #[derive(Serialize)]
        struct Content<'a> {
            reasons: &'a [Reason],
        }
        out.document(Content { reasons: &reasons })?;
    } else {
        out.write(&show::reasons(&reasons, out.style))?;
    }
    Ok(0)
}

fn facts() -> Result<doctor::Facts> {
    let module = match Kernel::open() {
        Ok(mut kernel) => Some(doctor::Module {
            devices: kernel.family.devices(&kernel.names)?,
            stats: match kernel.family.stats(&kernel.names) {
                Ok(stats) => Some(stats),
                Err(error) if error.is_permission() => None,
                Err(error) => return Err(error),
            },
            reasons: kernel.reasons,
        }),
        Err(Error::NotLoaded) => None,
        Err(error) => return Err(error),
    };
    let links = machine::links()?;
    let devices = module.iter().flat_map(|m| &m.devices).map(|d| &d.name);
    // Those of hardware could be in a flowtable.
    let hardware = links.iter().filter(|l| l.parent.is_some()).map(|l| &l.name);
    let devices: BTreeSet<String> = devices.chain(hardware).cloned().collect();
    let devices: Vec<String> = devices.into_iter().collect();
    let features = machine::hw_tc_offload(&devices)?;
    let modules = machine::modules();
    Ok(doctor::Facts {
        module,
        inet: machine::module(&modules, "nf_flow_table_inet"),
        missing: false,
        load_order: machine::load_order(),
        flowtables: machine::nft_flowtables()?,
        chains: machine::nft_chains()?.unwrap_or_default(),
        links,
        sessions: machine::pppoe_devices(),
        features: devices.into_iter().zip(features).collect(),
        conntrack_counts: machine::conntrack_counts(),
        forwards: machine::forwards(),
    })
}

fn doctor(out: &mut Output, what: &cli::Doctor) -> Result<u8> {
    if let Some(to) = what.switch {
        let to = to.map(|to| match to {
            cli::Target::Offload => switch::Type::Offload,
            cli::Target::InTree => switch::Type::InTree,
        });
        return switch::run(out, to, what.yes);
    }
    let mut facts = facts()?;
    let mut findings;
    (findings, facts.missing) = support::first_findings(facts.module.is_some());
    findings.extend(doctor::examine(&facts));
    if out.json {
        #[derive(Serialize)]
        struct Content<'a> {
            findings: &'a [doctor::Finding],
        }
        out.document(Content {
            findings: &findings,
        })?;
    } else {
        out.write(&doctor::render(&findings, out.style))?;
    }
    Ok(match facts.module {
        None => Error::NotLoaded.status(),
        Some(_) => u8::from(doctor::has_problem(&findings)),
    })
}

/// The completion script of a shell.
fn completion(shell: clap_complete::Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "nft-offload", &mut script);
    // clap_complete 4.6.11 looks for the commands of a program with a hyphen by another name than it gives them.
    String::from_utf8_lossy(&script).replace("nft__subcmd__offload", "nft__offload")
}

fn run(out: &mut Output, command: &Command) -> Result<u8> {
    let status = match command {
        Command::Status => status(out),
        Command::Devices => devices(out),
        Command::Flows(which) => flows(out, which),
        Command::Monitor(which) => monitor::run(out, which),
        Command::Top(how) => top::run(out, how),
        Command::Why(which) => why(out, which),
        Command::Reasons => reasons(out),
        Command::Doctor(what) => doctor(out, what),
        Command::Support => support::run(out),
        Command::Metrics(how) => metrics::run(out, how),
        Command::Evict(which) => evict(out, which),
        Command::Set(what) => set(out, what),
        Command::Completion { shell } => out.write(&completion(*shell)).map(|()| 0),
    }?;
    out.flush()?;
    Ok(status)
}

fn main() -> ExitCode {
    // What is wrong with the arguments, and help, clap says and ends with: 2, 0.
    let cli = Cli::parse();
    let mut out = Output::new(cli.json);
    let error = match run(&mut out, &cli.command) {
        Ok(status) => return ExitCode::from(status),
        Err(error) => error,
    };
    let status = error.status();
    if cli.json {
        let error = serde_json::json!({ "error": {
            "kind": error.kind(),
            "message": error.to_string(),
            "errno": match &error { Error::Kernel { errno, .. } => Some(*errno), _ => None },
            "attribute": match &error { Error::Kernel { attribute, .. } => attribute.clone(), _ => None },
        }});
        let _ = out.document(error);
    }
    let _ = out.flush();
    eprintln!("nft-offload: {error}");
    ExitCode::from(status)
}

#[cfg(test)]
mod tests;
