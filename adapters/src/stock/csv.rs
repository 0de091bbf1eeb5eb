//! The `csv` kind: a table in memory, found by key, replaced whole when its file changes.
//!
//! Takes the key's parts. Gives the rows that have them. Never answers from half a file: a new table
//! takes the old one's place only when all of it was read and nothing of it was wrong.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Mutex;

use self::source::{Source, Wanted};
use super::file::{Names, OperationTables, Reading};
use super::operation::{self, Empty, Operation, Operations, ParameterType};
use crate::provider::{Failure, Reply, Request};

mod source;

/// The file is looked at this often at most.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long an answer may take: only a reload takes any time at all, and it is not waited for longer.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes of a file, by default and at most.
const BYTES: u64 = 64 * 1024 * 1024;
const BYTES_MAX: u64 = 1024 * 1024 * 1024;
/// Rows of one answer, by default and at most.
const ROWS: u64 = 100;
const ROWS_MAX: u64 = 10_000;

/// A table that answers.
#[derive(Debug)]
pub(super) struct Csv {
    source: Arc<Source>,
    /// When to look at the file again. Whoever holds it looks; the others use the table as it is.
    next_look: Mutex<Instant>,
    pub(super) operations: Operations<Key>,
}

/// How one operation finds its rows.
#[derive(Debug)]
pub(super) struct Key {
    /// The parameters, in the order of the index's columns.
    parameters: Vec<String>,
    columns: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Shape {
    file: PathBuf,
    delimiter: Option<String>,
    max_bytes: Option<u64>,
    min_rows: Option<u64>,
    max_rows: Option<u64>,
    #[serde(default)]
    operation: OperationTables,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OperationShape {
    key: Names,
    fields: Names,
    #[serde(default)]
    empty: Empty,
}

impl Csv {
    /// Reads the service's table, and the file for the first time.
    pub(super) fn read(place: &str, table: toml::Table, reading: &mut Reading) -> Option<Self> {
        let shape: Shape = reading.shape(place, table)?;
        let max_rows = reading.size(place, "max_rows", shape.max_rows, ROWS, ROWS_MAX);
        let max_bytes = reading.number(place, "max_bytes", shape.max_bytes, BYTES, BYTES_MAX);
        let min_rows = reading.size(place, "min_rows", shape.min_rows, 1, u64::from(u32::MAX));
        let delimiter = match shape.delimiter.as_deref().unwrap_or(",").as_bytes() {
            [byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\r' | b'\n') => *byte,
            _ => {
                reading.say(place, "delimiter is one ASCII character");
                b','
            }
        };
        let operations = Operations::read(
            place,
            shape.operation,
            (max_rows, TIMEOUT),
            reading,
            read_operation,
        );
        let mut wanted = Wanted {
            max_bytes,
            min_rows,
            delimiter,
            ..Wanted::default()
        };
        for (_, operation) in operations.iter() {
            wanted
                .columns
                .extend(operation.fields.iter().map(|(_, column)| column.clone()));
            wanted.columns.extend(operation.way.columns.iter().cloned());
            wanted.indexes.insert(operation.way.columns.clone());
        }
        let source = Source::open(reading.path(&shape.file), wanted)
            .map_err(|error| reading.say(place, format_args!("file: {error}")))
            .ok()?;
        Some(Self {
            source: Arc::new(source),
            next_look: Mutex::new(Instant::now() + LOOK_EVERY),
            operations,
        })
    }

    /// Answers a request.
    pub(super) async fn answer(&self, request: &Request) -> Result<Reply, Failure> {
        let mut asked = self.operations.open(request)?;
        // A reload that takes longer goes on alone; this answer comes from the table as it is.
        let _ = tokio::time::timeout(asked.within / 2, self.look()).await;
        let table = self.source.table();
        let key: Option<Vec<String>> = asked
            .way
            .parameters
            .iter()
            .map(|name| {
                asked
                    .arguments
                    .get(name.as_str())
                    .map(operation::Argument::to_text)
            })
            .collect();
        let key = key.ok_or_else(|| Failure::failed("a part of the key is not bound"))?;
        for row in table.find(&asked.way.columns, &key) {
            let more = asked.push(|column| {
                let cell = table.cell(row, column);
                let cell =
                    cell.ok_or_else(|| Failure::failed(format_args!("no column '{column}'")))?;
                Ok(if cell.is_empty() {
                    Value::Null
                } else {
                    cell.into()
                })
            })?;
            if !more {
                break;
            }
        }
        asked.reply()
    }

    /// Looks whether the file changed, once a second at most.
    async fn look(&self) {
        let Ok(mut next_look) = self.next_look.try_lock() else {
            return;
        };
        if *next_look > Instant::now() {
            return;
        }
        *next_look = Instant::now() + LOOK_EVERY;
        let source = Arc::clone(&self.source);
        if let Err(error) = tokio::task::spawn_blocking(move || source.look()).await {
            tracing::error!(%error, "reading a table again broke off; the one before stays");
        }
    }
}

fn read_operation(
    place: &str,
    table: toml::Table,
    reading: &mut Reading,
) -> Option<Operation<Key>> {
    let shape: OperationShape = reading.shape(place, table)?;
    let fields = operation::fields(place, shape.fields, reading);
    if shape.key.0.is_empty() {
        reading.say(place, "key names no column");
    }
    let parameters: BTreeMap<_, _> = shape
        .key
        .0
        .iter()
        .map(|(parameter, _)| (parameter.clone(), ParameterType::Text))
        .collect();
    if parameters.len() != shape.key.0.len() {
        reading.say(place, "a column stands twice in key");
    }
    let (names, columns) = shape.key.0.into_iter().unzip();
    Some(Operation {
        parameters,
        fields,
        empty: shape.empty,
        way: Key {
            parameters: names,
            columns,
        },
    })
}

#[cfg(test)]
mod tests;
