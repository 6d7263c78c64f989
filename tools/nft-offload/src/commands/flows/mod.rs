// SPDX-License-Identifier: GPL-2.0

//! `nft-offload flows`: a line for each flow; [`watch`] prints what changes.

pub mod watch;

use crate::{
    filters::Filters,
    netlink::{client::Result, family::Flow},
    output::{
        describe::{flow_cells, FLOW_COLUMNS},
        table::Table,
        Output, Style, SCHEMA,
    },
    session::Session,
};
use clap::Args;

/// The number of flows that are held in memory at a time.
const BATCH: usize = 1 << 15;

/// The arguments of `flows`.
#[derive(Debug, Args)]
pub struct Flows {
    /// The filters
    #[command(flatten)]
    pub filters: Filters,
    /// Print changes once a second, until interrupted
    #[arg(short, long)]
    pub watch: bool,
    /// With --watch: end after N looks
    #[arg(short = 'n', long, requires = "watch", value_name = "N")]
    pub looks: Option<u64>,
}

/// Runs the command. Flows are printed in batches, so that a million of them fit into memory.
pub fn run(out: &mut Output, args: &Flows) -> Result<u8> {
    let mut session = Session::open()?;
    let filter = session.filter(&args.filters)?;
    if args.watch {
        return watch::run(out, &mut session, &filter, args.looks);
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
                out.json(flow)?;
            }
        } else if printed == 0 || !some.is_empty() {
            let text = render(some, printed == 0, out.style);
            out.write(&text)?;
        }
        printed = printed.saturating_add(some.len());
        Ok(())
    };
    let interrupted = session
        .family
        .flows(&filter, &session.names, BATCH, &mut print)?;
    if out.json {
        out.write(&format!("],\"interrupted\":{interrupted}}}\n"))?;
    }
    if interrupted {
        out.flush()?;
        eprintln!("nft-offload: the flows changed while they were read: some may be missing");
    }
    Ok(0)
}

/// Renders flows, a line each.
pub fn render(flows: &[Flow], header: bool, style: Style) -> String {
    let mut table = Table::new(&FLOW_COLUMNS);
    for flow in flows {
        table.row(flow_cells(flow));
    }
    table.render(header, style)
}
