// SPDX-License-Identifier: GPL-2.0

//! `nft-offload why`: explains one flow, or each flow of a list of connections. [`story`] is the
//! explanation.

pub mod story;

use crate::{
    netlink::client::{Error, Result},
    output::Output,
    session::Session,
    system,
    tuple::{self, Wanted},
};
use clap::{Args, ValueHint};
use std::io::{self, BufRead, IsTerminal};
use story::Story;

/// The arguments of `why`.
#[derive(Debug, Args)]
pub struct Why {
    /// SRC:PORT DST:PORT [tcp|udp|gre], or a line of conntrack -L; if missing or "-", lines of
    /// conntrack from standard input
    #[arg(value_name = "FLOW", value_hint = ValueHint::Other)]
    pub flow: Vec<String>,
    /// The conntrack zone
    #[arg(short, long)]
    pub zone: Option<u16>,
}

/// Runs the command. The status is 1 if a flow does not exist.
pub fn run(out: &mut Output, args: &Why) -> Result<u8> {
    let from_stdin = match args.flow.as_slice() {
        [] => true,
        [only] => only == "-",
        _ => false,
    };
    let all_found = match from_stdin {
        true => explain_stdin(out, args)?,
        false => {
            let wanted = tuple::wanted(&args.flow, args.zone).map_err(Error::Usage)?;
            explain(out, &mut Session::open()?, &wanted)?
        }
    };
    Ok(u8::from(!all_found))
}

/// Explains the flow of each line of standard input; returns whether all of them exist.
fn explain_stdin(out: &mut Output, args: &Why) -> Result<bool> {
    if args.flow.is_empty() && io::stdin().is_terminal() {
        let text = "which flow? expected SRC:PORT DST:PORT [tcp|udp|gre], or a line of \
                    conntrack -L, as arguments or on standard input";
        return Err(Error::Usage(text.to_owned()));
    }
    let mut session = None;
    let mut all_found = true;
    for line in io::stdin().lock().lines() {
        let line = line.map_err(|e| Error::System(format!("cannot read standard input: {e}")))?;
        if line.trim().is_empty() {
            continue;
        }
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        let wanted = tuple::wanted(&words, args.zone).map_err(Error::Usage)?;
        let session = match &mut session {
            Some(session) => {
                if !out.json {
                    out.write("\n")?;
                }
                session
            }
            none => none.insert(Session::open()?),
        };
        all_found &= explain(out, session, &wanted)?;
    }
    if session.is_none() {
        let text = "there is no line of conntrack on standard input";
        return Err(Error::Usage(text.to_owned()));
    }
    Ok(all_found)
}

/// Explains a flow; returns whether it exists.
fn explain(out: &mut Output, session: &mut Session, wanted: &Wanted) -> Result<bool> {
    let protocols = match wanted.protocol {
        Some(protocol) => vec![protocol],
        None if wanted.source.port == 0 => vec![47],
        None => vec![6, 17],
    };
    let mut flow = None;
    for protocol in protocols {
        flow = session.family.flow(protocol, wanted, &session.names)?;
        if flow.is_some() {
            break;
        }
    }
    let found = flow.is_some();
    let story = match flow {
        Some(flow) => {
            let devices = session.family.devices(&session.names)?;
            let mut story = Story::of(flow, &devices, &session.reasons);
            if let Some(device) = &story.device {
                let features = system::hw_tc_offload(std::slice::from_ref(device))?;
                story.note_feature(features.into_iter().flatten().next());
            }
            story
        }
        None => {
            let stats = session.family.stats(&session.names)?;
            Story::of_none(wanted, stats.flowtables)
        }
    };
    out.either(&story, |style| story.render(style))?;
    Ok(found)
}
