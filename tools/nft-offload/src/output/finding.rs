// SPDX-License-Identifier: GPL-2.0

//! Findings about the system, each with its remedy.

use super::{table::Table, Style};
use serde::Serialize;

/// The severity of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Nothing is wrong.
    Ok,
    /// Worth knowing, but no problem.
    Hint,
    /// It keeps flows out of hardware.
    Problem,
}

/// A finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// A stable identifier.
    pub id: &'static str,
    /// Its severity.
    pub severity: Severity,
    /// The description.
    pub text: String,
    /// The command that fixes it, or several, one a line.
    pub fix: Option<String>,
    /// What to do where no single command fixes it.
    pub advice: Option<String>,
    /// The devices concerned; the text names only the first of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<String>,
}

/// Renders the findings.
pub fn render(findings: &[Finding], style: Style) -> String {
    let mut table = Table::labels(9);
    for finding in findings {
        let label = match finding.severity {
            Severity::Ok => "ok",
            Severity::Hint => "hint",
            Severity::Problem => "PROBLEM",
        };
        table.label(label, &finding.text);
        if let Some(advice) = &finding.advice {
            table.label("", advice);
        }
        for command in finding.fix.iter().flat_map(|fix| fix.lines()) {
            table.verbatim(format!("$ {command}"));
        }
    }
    table.render(false, style)
}
