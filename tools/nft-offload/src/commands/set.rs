// SPDX-License-Identifier: GPL-2.0

//! `nft-offload set`: changes the settings of a device.

use super::devices;
use crate::{
    filters::InTables,
    netlink::{
        client::{Error, Result},
        family::{Device, Settings},
    },
    output::Output,
    session::Session,
};
use clap::{Args, ValueHint};
use serde::Serialize;

/// The arguments of `set`.
#[derive(Debug, Args)]
pub struct Set {
    /// The device, by name or index
    #[arg(value_hint = ValueHint::Other)]
    pub device: String,
    /// limit N|none, profile NAME, block on|off, on, off
    #[arg(required = true, value_name = "SETTING", value_hint = ValueHint::Other)]
    pub settings: Vec<String>,
    /// The flowtables
    #[command(flatten)]
    pub tables: InTables,
}

/// The JSON object.
#[derive(Serialize)]
struct Content<'a> {
    device: Option<&'a Device>,
}

/// Runs the command.
pub fn run(out: &mut Output, args: &Set) -> Result<u8> {
    let settings = settings(&args.settings).map_err(Error::Usage)?;
    let mut session = Session::open()?;
    let ifindex = session.ifindex(&args.device)?;
    let tables = args.tables.tables();
    let device = session
        .family
        .set(ifindex, &tables, &settings, &session.names)?;
    let content = Content {
        device: device.as_ref(),
    };
    out.either(content, |style| match &device {
        Some(device) => devices::render_line(device, style),
        None => String::new(),
    })?;
    Ok(0)
}

/// Parses the words after the device.
pub fn settings(words: &[String]) -> std::result::Result<Settings, String> {
    let mut settings = Settings::default();
    let mut words = words.iter().map(String::as_str);
    while let Some(word) = words.next() {
        let twice = match word {
            "on" | "off" => settings.enabled.replace(word == "on").is_some(),
            "limit" => {
                let limit = match words.next() {
                    Some("none") => 0,
                    Some("0") => {
                        return Err(
                            "limit 0: use 'off' for no rule, 'limit none' for any number"
                                .to_owned(),
                        )
                    }
                    Some(text) => text
                        .parse()
                        .map_err(|_| format!("limit {text}: expected a number or 'none'"))?,
                    None => return Err("limit: expected a number or 'none'".to_owned()),
                };
                settings.limit.replace(limit).is_some()
            }
            "profile" => {
                let name = words.next().ok_or("profile: expected a name")?;
                settings.profile.replace(name.to_owned()).is_some()
            }
            "block" => {
                let allowed = match words.next() {
                    Some("on") => true,
                    Some("off") => false,
                    _ => return Err("block: expected 'on' or 'off'".to_owned()),
                };
                settings.block.replace(allowed).is_some()
            }
            other => {
                return Err(format!(
                    "'{other}': expected 'limit N', 'limit none', 'profile NAME', 'block on', \
                     'block off', 'on' or 'off'"
                ))
            }
        };
        if twice {
            return Err(format!("'{word}' was already set"));
        }
    }
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_parsed() {
        let parse = |line: &str| {
            let words: Vec<_> = line.split(' ').map(str::to_owned).collect();
            settings(&words)
        };
        let all = parse("limit 100 profile mtk off").unwrap();
        assert_eq!((all.limit, all.enabled), (Some(100), Some(false)));
        assert_eq!(all.profile.as_deref(), Some("mtk"));
        let block = parse("block on").unwrap();
        assert_eq!((block.block, block.enabled), (Some(true), None));
        assert_eq!(parse("off block off").unwrap().block, Some(false));
        let some = parse("on limit none").unwrap();
        assert_eq!(
            (some.limit, some.enabled, some.profile),
            (Some(0), Some(true), None)
        );
        for wrong in [
            "",
            "limit",
            "limit 0",
            "limit -1",
            "limit few",
            "profile",
            "block",
            "block on block off",
            "block yes",
            "on off",
            "limit 1 limit 2",
            "up",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
