// SPDX-License-Identifier: GPL-2.0

//! The reasons why a flow is not in hardware.

use crate::{
    net::genetlink::{
        command::{
            Command,
            Cursor,
            Do,
            Dump, //
        },
        message::{
            Answers,
            Writer, //
        },
        policy::Policy,
        request::Request, //
    },
    offload::reason::Reason,
    report::netlink::attribute::{
        command,
        reason, //
    }, //
};
use kernel::{
    error::code,
    prelude::*, //
};

/// The command that reads one reason.
pub(super) struct ReasonGet;

impl Command for ReasonGet {
    const NUMBER: u8 = command::REASON_GET;
    const POLICY: &'static [Policy] = &Policy::table::<2>(&[(reason::NUMBER, Policy::U32)]);
}

/// Looks up a reason by its number.
pub(super) fn by_number(number: u32) -> Option<Reason> {
    let same = |reason: &Reason| *reason as u32 == number;
    Reason::ALL.into_iter().find(same)
}

/// Writes a reason.
pub(super) fn put_reason(to: &mut Writer<'_>, of: Reason) -> Result {
    to.u32(reason::NUMBER, of as u32)?;
    to.string(reason::NAME, of.name().as_bytes())?;
    to.u32(reason::STAGE, of.stage() as u32)?;
    to.string(reason::TEXT, of.text().as_bytes())?;
    to.string(reason::ADVICE, of.advice().as_bytes())
}

impl Do for ReasonGet {
    fn run(request: &Request<'_>, answer: &mut Writer<'_>) -> Result {
        let number = request.require(reason::NUMBER)?;
        match by_number(number.u32()) {
            Some(reason) => put_reason(answer, reason),
            None => {
                let text = c"unknown reason";
                Err(request.refuse(Some(number), text, code::ENOENT))
            }
        }
    }
}

/// The command that lists all reasons.
pub(super) struct ReasonDump;

impl Command for ReasonDump {
    const NUMBER: u8 = command::REASON_GET;
}

impl Dump for ReasonDump {
    fn check(_: &Request<'_>) -> Result {
        Ok(())
    }

    fn fill(_: &Request<'_>, answers: &mut Answers<'_>, cursor: &mut Cursor) -> Result {
        for reason in Reason::ALL {
            let number = u64::from(reason as u8);
            if number < cursor.entry {
                continue;
            }
            cursor.entry = number;
            answers.add(|to| put_reason(to, reason))?;
        }
        Ok(())
    }
}
