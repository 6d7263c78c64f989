// SPDX-License-Identifier: GPL-2.0

//! `nft-offload reasons`: the reasons why a flow stays in software.

use crate::{
    netlink::{
        client::Result,
        family::{Family, Reason},
    },
    output::{
        table::{Column, Table},
        Output, Style,
    },
    text::clean,
};
use serde::Serialize;

/// The JSON object.
#[derive(Serialize)]
struct Content<'a> {
    reasons: &'a [Reason],
}

/// Runs the command.
pub fn run(out: &mut Output) -> Result<u8> {
    let reasons = Family::open()?.reasons()?;
    let content = Content { reasons: &reasons };
    out.either(content, |style| render(&reasons, style))?;
    Ok(0)
}

/// Renders the reasons, each with its advice below.
pub fn render(reasons: &[Reason], style: Style) -> String {
    let mut table = Table::new(&[
        Column::right("NO").least(3),
        Column::left("NAME"),
        Column::left("STAGE"),
        Column::left("MEANING"),
    ]);
    for reason in reasons {
        table.row([
            reason.number.to_string(),
            clean(&reason.name),
            reason.stage.to_string(),
            clean(&reason.text),
        ]);
        table.note(1, format!("> {}", clean(&reason.advice)));
    }
    table.render(true, style)
}
