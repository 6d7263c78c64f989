// SPDX-License-Identifier: GPL-2.0

//! Standard output: text in the style of a terminal or a file, or JSON.

pub mod describe;
pub mod finding;
pub mod table;

use crate::netlink::client::{Error, Result};
use serde::Serialize;
use std::{
    env,
    io::{self, IsTerminal, Write},
};

/// The version of the JSON schema. It changes when a member is removed or changes its meaning.
pub const SCHEMA: u32 = 1;

/// How text is laid out.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    /// The width of the terminal; without one, lines are not wrapped.
    pub width: Option<usize>,
    /// Whether headers are bold.
    pub bold: bool,
}

impl Style {
    /// The style of a file or a pipe.
    pub const PLAIN: Style = Style {
        width: None,
        bold: false,
    };

    /// The style of standard output, for the terminal that it is connected to.
    fn of_stdout() -> Self {
        if !io::stdout().is_terminal() {
            return Self::PLAIN;
        }
        let columns = env::var("COLUMNS").ok().and_then(|n| n.parse().ok());
        let of_terminal = terminal_size::terminal_size().map(|(w, _)| usize::from(w.0));
        Self {
            width: Some(of_terminal.or(columns).unwrap_or(80).max(40)),
            bold: env::var_os("NO_COLOR").is_none(),
        }
    }

    /// Formats a header.
    pub fn header(self, text: &str) -> String {
        match self.bold {
            true => format!("\x1b[1m{text}\x1b[0m"),
            false => text.to_owned(),
        }
    }

    /// Returns the style of text that is indented by `columns`.
    pub fn indented(self, columns: usize) -> Self {
        Self {
            width: self.width.map(|w| w.saturating_sub(columns)),
            ..self
        }
    }
}

/// A JSON object with the version of the schema.
#[derive(Serialize)]
struct Document<T> {
    schema: u32,
    #[serde(flatten)]
    content: T,
}

/// Buffered standard output.
pub struct Output {
    /// Whether JSON was asked for.
    pub json: bool,
    /// The style of text.
    pub style: Style,
    to: io::BufWriter<io::Stdout>,
}

impl Output {
    /// Creates the output of the process.
    pub fn new(json: bool) -> Self {
        Self {
            json,
            style: Style::of_stdout(),
            to: io::BufWriter::new(io::stdout()),
        }
    }

    /// Writes text as it is.
    pub fn write(&mut self, text: &str) -> Result<()> {
        self.to.write_all(text.as_bytes()).map_err(write_error)
    }

    /// Flushes the buffer.
    pub fn flush(&mut self) -> Result<()> {
        self.to.flush().map_err(write_error)
    }

    /// Writes a value as JSON, without the schema and without a newline.
    pub fn json(&mut self, value: &impl Serialize) -> Result<()> {
        serde_json::to_writer(&mut self.to, value).map_err(|e| write_error(e.into()))
    }

    /// Writes a JSON object with the schema, on one line.
    pub fn document(&mut self, content: impl Serialize) -> Result<()> {
        self.json(&Document {
            schema: SCHEMA,
            content,
        })?;
        self.write("\n")
    }

    /// Writes `content` as JSON, or else what `text` renders.
    pub fn either(
        &mut self,
        content: impl Serialize,
        text: impl FnOnce(Style) -> String,
    ) -> Result<()> {
        match self.json {
            true => self.document(content),
            false => {
                let text = text(self.style);
                self.write(&text)
            }
        }
    }
}

/// Converts an error of standard output. The process ends quietly when its reader has gone.
fn write_error(error: io::Error) -> Error {
    if error.kind() == io::ErrorKind::BrokenPipe {
        std::process::exit(0);
    }
    Error::System(format!("cannot write to standard output: {error}"))
}
