// SPDX-License-Identifier: GPL-2.0

//! `nft-offload evict`: takes flows out of hardware.

use crate::{
    filters::Filters,
    netlink::{
        client::{Error, Result},
        family::Filter,
    },
    output::Output,
    session::Session,
    text::plural,
};
use clap::Args;

/// The arguments of `evict`.
#[derive(Debug, Args)]
pub struct Evict {
    /// The filters
    #[command(flatten)]
    pub filters: Filters,
    /// Evict all flows
    #[arg(long)]
    pub all: bool,
    /// End the flows: their next packets pass the ruleset and are learned again
    #[arg(long)]
    pub relearn: bool,
}

/// Runs the command.
pub fn run(out: &mut Output, args: &Evict) -> Result<u8> {
    let mut session = Session::open()?;
    let filter = session.filter(&args.filters)?;
    let usage = |text: &str| Err(Error::Usage(text.to_owned()));
    match (filter == Filter::default(), args.all) {
        (true, false) => return usage("which flows? expected a filter, or --all"),
        (false, true) => return usage("expected either a filter or --all, not both"),
        _ => {}
    }
    let evicted = session.family.evict(&filter, args.relearn)?;
    out.either(serde_json::json!({ "evicted": evicted }), |_| {
        let flows = match evicted {
            1 => plural(1, "flow"),
            n => format!("{n} flows"),
        };
        match args.relearn {
            true => format!("{flows} ended, to be learned again\n"),
            false => format!("{flows} taken out of hardware\n"),
        }
    })?;
    Ok(0)
}
