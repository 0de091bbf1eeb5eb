//! JSON Lines: one object a row with every column, and facts, header and seal as recorded.
//!
//! From `kind_number`, `recorded_at_us`, `broker`, `registry_size`, `registry_root` and the three parts in base64 the
//! entry's bytes can be made again, and from them its `leaf`.

use std::io::{self, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proto::seal::Seal;
use serde::Serializer as _;
use serde::ser::SerializeMap as _;

use super::columns::{COLUMNS, Type, Value, time_text};
use crate::find::Row;

/// Writes lines.
#[derive(Debug)]
pub(super) struct Lines<W> {
    out: W,
    line: Vec<u8>,
}

/// Names of what only this format has, after the columns.
pub(super) const RECORDED: [&str; 3] = ["facts_base64", "header_base64", "seal_base64"];

impl<W: Write> Lines<W> {
    pub(super) fn new(out: W) -> Self {
        Self {
            out,
            line: Vec::new(),
        }
    }

    pub(super) fn row(&mut self, row: &Row) -> io::Result<()> {
        self.line.clear();
        let mut serializer = serde_json::Serializer::new(&mut self.line);
        let mut object = serializer.serialize_map(Some(COLUMNS.len() + RECORDED.len()))?;
        for column in COLUMNS {
            match (column.value)(row) {
                // A list is never absent in any format.
                Value::Nothing if column.holds == Type::Texts => {
                    object.serialize_entry(column.name, &[(); 0])?
                }
                Value::Nothing => object.serialize_entry(column.name, &())?,
                Value::Number(number) => object.serialize_entry(column.name, &number)?,
                Value::Time(time) => object.serialize_entry(column.name, &time_text(time))?,
                Value::Text(text) => object.serialize_entry(column.name, &text)?,
                Value::Texts(texts) => object.serialize_entry(column.name, &texts)?,
            }
        }
        let seal = row.entry.seal.as_ref().map(Seal::to_block);
        let parts = [
            &row.entry.facts,
            &row.entry.header,
            &seal.unwrap_or_default(),
        ];
        for (name, part) in RECORDED.iter().zip(parts) {
            object.serialize_entry(name, &STANDARD.encode(part))?;
        }
        object.end()?;
        self.line.push(b'\n');
        self.out.write_all(&self.line)
    }

    pub(super) fn finish(self) -> io::Result<W> {
        Ok(self.out)
    }
}
