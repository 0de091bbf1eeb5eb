//! CSV that is safe to open: RFC 4180, UTF-8, and no cell that a spreadsheet would run, convert or show otherwise.
//!
//! A cell that begins like a formula, or that a spreadsheet would turn into a number, a date or a truth value, gets an
//! apostrophe in front; so does one that begins with an apostrophe. Whoever reads the file with a program takes one
//! leading apostrophe away and has the text as it was. Characters that hide or turn the reading direction are spelled
//! out (`\u{202e}`): JSON Lines have them as they are.

use std::borrow::Cow;
use std::io::{self, Write};

use super::columns::{COLUMNS, Value, time_text};
use crate::find::{Row, spelled_cell};

/// Writes cells.
#[derive(Debug)]
pub(super) struct Sheet<W: Write> {
    out: csv::Writer<W>,
}

impl<W: Write> Sheet<W> {
    pub(super) fn new(mut out: W, byte_order_mark: bool) -> io::Result<Self> {
        if byte_order_mark {
            out.write_all("\u{feff}".as_bytes())?;
        }
        let mut out = csv::WriterBuilder::new()
            .terminator(csv::Terminator::CRLF)
            .from_writer(out);
        out.write_record(COLUMNS.iter().map(|column| column.name))?;
        Ok(Self { out })
    }

    pub(super) fn row(&mut self, row: &Row) -> io::Result<()> {
        for column in COLUMNS {
            match (column.value)(row) {
                Value::Nothing => self.out.write_field("")?,
                Value::Number(number) => self.out.write_field(number.to_string())?,
                Value::Time(time) => self.out.write_field(time_text(time).unwrap_or_default())?,
                Value::Text(text) => self.out.write_field(safe(&text).as_bytes())?,
                // No name part and no pseudonym has a space.
                Value::Texts(texts) => self.out.write_field(safe(&texts.join(" ")).as_bytes())?,
            }
        }
        // Ends the record.
        self.out.write_record(None::<&[u8]>)?;
        Ok(())
    }

    pub(super) fn finish(self) -> io::Result<W> {
        self.out
            .into_inner()
            .map_err(|error| io::Error::new(error.error().kind(), error.error().to_string()))
    }
}

/// `text` as a cell that stays text.
pub(super) fn safe(text: &str) -> Cow<'_, str> {
    let spelled = spelled_cell(text);
    if begins_like_a_formula(&spelled) || would_be_converted(&spelled) {
        Cow::Owned(format!("'{spelled}"))
    } else {
        spelled
    }
}

fn begins_like_a_formula(text: &str) -> bool {
    // The wide forms count in some spreadsheets, too.
    text.starts_with([
        '=', '+', '-', '@', '\t', '\r', '\n', '\'', '＝', '＋', '－', '＠',
    ])
}

fn would_be_converted(text: &str) -> bool {
    let figure = |byte: u8| byte.is_ascii_digit() || b".,-/: eE".contains(&byte);
    let number = text.starts_with(|first: char| first.is_ascii_digit()) && text.bytes().all(figure);
    let truth = text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false");
    number || truth
}
