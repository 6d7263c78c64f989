// SPDX-License-Identifier: GPL-2.0

//! Tables: which columns fit into a width, and their text. Every command lines up its columns with
//! this; `top` draws the same tables as widgets.

use super::Style;
use crate::text::{cut, wrap};
use std::fmt::Write;

/// The blanks between two columns.
pub const GAP: usize = 2;
/// The narrowest that text is wrapped to.
const NARROWEST: usize = 20;

/// The alignment of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    /// For text.
    Left,
    /// For numbers.
    Right,
}

/// A column of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// Its header.
    pub title: &'static str,
    /// Its alignment.
    pub align: Align,
    /// The least width, in characters.
    least: usize,
    /// The columns of the highest rank are left out first; rank 0 always stays.
    rank: u8,
}

impl Column {
    /// Creates a column of text.
    pub const fn left(title: &'static str) -> Self {
        Self {
            title,
            align: Align::Left,
            least: 0,
            rank: 0,
        }
    }

    /// Creates a column of numbers.
    pub const fn right(title: &'static str) -> Self {
        Self {
            align: Align::Right,
            ..Self::left(title)
        }
    }

    /// Sets the least width, for rows that are printed one at a time.
    pub const fn least(self, least: usize) -> Self {
        Self { least, ..self }
    }

    /// Sets the rank.
    pub const fn rank(self, rank: u8) -> Self {
        Self { rank, ..self }
    }
}

/// A row of a table.
#[derive(Debug, Clone)]
enum Row {
    /// A cell for each column.
    Cells(Vec<String>),
    /// The same, but the last cell is never wrapped, so that it can be copied.
    Verbatim(Vec<String>),
    /// Text that begins below a column and takes the rest of the line.
    Note(usize, String),
}

impl Row {
    fn cells(&self) -> &[String] {
        match self {
            Row::Cells(cells) | Row::Verbatim(cells) => cells,
            Row::Note(..) => &[],
        }
    }

    fn cell(&self, column: usize) -> &str {
        self.cells().get(column).map_or("", String::as_str)
    }
}

/// A column that fits.
#[derive(Debug, Clone, Copy)]
pub struct Fitted {
    /// Its index in the table.
    pub index: usize,
    /// The column.
    pub column: Column,
    /// Its width, in characters.
    pub width: usize,
}

/// Rows under a header.
#[derive(Debug, Clone)]
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Row>,
}

impl Table {
    /// Creates a table.
    pub fn new(columns: &[Column]) -> Self {
        Self {
            columns: columns.to_vec(),
            rows: Vec::new(),
        }
    }

    /// Creates a list of labels with text beside them, The text begins at the column `text_at`, or
    /// behind the longest label.
    pub fn labels(text_at: usize) -> Self {
        let least = text_at.saturating_sub(GAP);
        Self::new(&[Column::left("").least(least), Column::left("")])
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl Into<Vec<String>>) {
        self.rows.push(Row::Cells(cells.into()));
    }

    /// Adds a label with its text.
    pub fn label(&mut self, label: &str, text: &str) {
        self.row([label.to_owned(), text.to_owned()]);
    }

    /// Adds text without a label that is not wrapped.
    pub fn verbatim(&mut self, text: String) {
        self.rows.push(Row::Verbatim(vec![String::new(), text]));
    }

    /// Adds text below the last row, from a column on.
    pub fn note(&mut self, column: usize, text: String) {
        self.rows.push(Row::Note(column, text));
    }

    /// Returns the number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Returns the cell of a row and a column, or an empty one.
    pub fn cell(&self, row: usize, column: usize) -> &str {
        self.rows.get(row).map_or("", |row| row.cell(column))
    }

    /// Returns the columns that fit into `width`, those of the highest rank left out first.
    ///
    /// The last column counts for two thirds of the width at most, as it can be cut or wrapped.
    pub fn fit(&self, width: Option<usize>) -> Vec<Fitted> {
        let fitted = |(index, column): (usize, &Column)| {
            let cells = self.rows.iter().map(|row| row.cell(index).chars().count());
            let widest = cells.max().unwrap_or(0);
            Fitted {
                index,
                column: *column,
                width: widest.max(column.title.chars().count()).max(column.least),
            }
        };
        let mut shown: Vec<Fitted> = self.columns.iter().enumerate().map(fitted).collect();
        let last = self.columns.len().saturating_sub(1);
        let most = width.unwrap_or(usize::MAX) / 3 * 2;
        let needed = |shown: &[Fitted]| {
            let widths = shown.iter().map(|f| match f.index == last {
                true => f.width.min(most) + GAP,
                false => f.width + GAP,
            });
            widths.sum::<usize>().saturating_sub(GAP)
        };
        while width.is_some_and(|width| needed(&shown) > width) {
            match shown.iter().map(|f| f.column.rank).max() {
                None | Some(0) => break,
                Some(rank) => shown.retain(|f| f.column.rank != rank),
            }
        }
        shown
    }

    /// Formats one line, without the last column if that is of text, and returns that column's cell
    /// and where it begins.
    fn line<'a>(shown: &[Fitted], cell: impl Fn(&Fitted) -> &'a str) -> (String, usize, &'a str) {
        let mut line = String::new();
        let mut at = 0;
        for (i, fitted) in shown.iter().enumerate() {
            let (text, width) = (cell(fitted), fitted.width);
            if i + 1 == shown.len() && fitted.column.align == Align::Left {
                return (line, at, text);
            }
            let _ = match fitted.column.align {
                Align::Left => write!(line, "{text:<width$}{:GAP$}", ""),
                Align::Right => write!(line, "{text:>width$}{:GAP$}", ""),
            };
            at += text.chars().count().max(width) + GAP;
        }
        (line, at, "")
    }

    /// Renders the table. Text of the last column that is too long for the rest of its line goes
    /// on below, or begins below if a word of it is too long.
    pub fn render(&self, header: bool, style: Style) -> String {
        let shown = self.fit(style.width);
        let mut out = String::new();
        let mut put = |line: &str| {
            let _ = writeln!(out, "{}", line.trim_end());
        };
        if header {
            let (line, _, last) = Self::line(&shown, |f| f.column.title);
            put(&style.header((line + last).trim_end()));
        }
        for row in &self.rows {
            let (mut line, at, last) = match row {
                Row::Note(column, text) => {
                    let before = shown.iter().take_while(|f| f.index < *column);
                    let at = before.map(|f| f.width + GAP).sum();
                    (" ".repeat(at), at, text.as_str())
                }
                row => Self::line(&shown, |f| row.cell(f.index)),
            };
            if matches!(row, Row::Verbatim(_)) {
                // A command for a shell may have several lines.
                for text in last.lines() {
                    put(&format!("{line}{text}"));
                }
                continue;
            }
            let longest = last.split(' ').map(|word| word.chars().count()).max();
            let fits = style.width.is_none_or(|w| at + longest.unwrap_or(0) <= w);
            let below = if fits { at } else { GAP };
            let room = style.width.map(|w| w.saturating_sub(below).max(NARROWEST));
            let mut lines = wrap(last, room).into_iter();
            if fits {
                line.push_str(&lines.next().unwrap_or_default());
            }
            put(&line);
            for more in lines {
                put(&format!("{:below$}{more}", ""));
            }
        }
        out
    }

    /// Renders the table with each row on one line, which is cut at the width.
    pub fn render_cut(&self, header: bool, style: Style) -> Vec<String> {
        let shown = self.fit(style.width);
        let whole =
            |(line, _, last): (String, usize, &str)| cut((line + last).trim_end(), style.width);
        let header = header.then(|| whole(Self::line(&shown, |f| f.column.title)));
        let rows = self
            .rows
            .iter()
            .map(|row| whole(Self::line(&shown, |f| row.cell(f.index))));
        header.into_iter().chain(rows).collect()
    }
}

/// Wraps text to the width of the style, each line with a newline.
pub fn paragraph(text: &str, style: Style) -> String {
    let mut out = String::new();
    for line in wrap(text, style.width) {
        out += &line;
        out.push('\n');
    }
    out
}

/// Formats one row of a table whose rows are printed one at a time.
pub fn single_row(columns: &[Column], cells: impl Into<Vec<String>>) -> String {
    let mut table = Table::new(columns);
    table.row(cells);
    table.render(false, Style::PLAIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NARROW: Style = Style {
        width: Some(40),
        bold: false,
    };

    fn words(text: &str) -> Vec<String> {
        text.split('|').map(str::to_owned).collect()
    }

    #[test]
    fn columns_are_aligned_and_the_last_one_is_wrapped() {
        let mut table = Table::new(&[
            Column::left("NAME"),
            Column::right("N"),
            Column::left("TEXT"),
        ]);
        table.row(words("a|100|one two three four five six seven eight"));
        table.row(words("longer|7|x"));
        table.note(
            1,
            "a note that is so long that it is wrapped as well".to_owned(),
        );
        assert_eq!(
            table.render(true, NARROW),
            "NAME      N  TEXT\n\
             a       100  one two three four five six\n             seven eight\n\
             longer    7  x\n        a note that is so long that it\n        is wrapped as well\n"
        );
        let bold = Style {
            bold: true,
            ..NARROW
        };
        assert!(table
            .render(true, bold)
            .starts_with("\x1b[1mNAME      N  TEXT\x1b[0m\n"));
    }

    #[test]
    fn a_word_that_is_too_long_begins_below() {
        let mut table = Table::labels(10);
        table.label("name", "abcdefghijklmnopqrstuvwxyzabcdefghijkl end");
        table.label("", "");
        table.verbatim("$ a command that is longer than the line is wide\nand another".to_owned());
        assert_eq!(
            table.render(false, NARROW),
            "name\n  abcdefghijklmnopqrstuvwxyzabcdefghijkl\n  end\n\n\
             \x20         $ a command that is longer than the line is wide\n\
             \x20         and another\n"
        );
    }

    #[test]
    fn columns_of_the_highest_rank_are_left_out_first() {
        let mut table = Table::new(&[
            Column::left("DEVICE"),
            Column::right("PACKETS").rank(1),
            Column::right("BYTES").rank(2),
            Column::left("FLOW"),
        ]);
        table.row(words("lan|123|456|10.0.1.2:42001 > 10.0.2.2:5001"));
        let shown =
            |width| -> Vec<usize> { table.fit(Some(width)).iter().map(|f| f.index).collect() };
        assert_eq!(shown(80), [0, 1, 2, 3]);
        assert_eq!(shown(47), [0, 1, 3]);
        assert_eq!(shown(30), [0, 3]);
        let lines = |width| {
            let style = Style {
                width: Some(width),
                bold: false,
            };
            table.render_cut(true, style)
        };
        assert_eq!(
            lines(30),
            ["DEVICE  FLOW", "lan     10.0.1.2:42001 > 10.0\u{2026}"]
        );
        for width in 0..60 {
            assert!(lines(width)
                .iter()
                .all(|line| line.chars().count() <= width));
        }
    }
}
